"""Money that goes back: refunds with their credit notes, and disputes."""

from __future__ import annotations

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from billing.models.invoices import Invoice, NumberSeries
from billing.models.payments import PaymentAttempt
from billing.words import in_words
from core import money
from core.ids import new_id
from core.money import Money


class RefundQuerySet(models.QuerySet["Refund"]):
    """Questions about refunds, and their lock."""

    def unanswered(self) -> RefundQuerySet:
        """Those that failed and that nobody has answered: their money is still with us.

        What was owed again is owed no more then, and what had become credit is credit again. Another try that a second
        person refused was none.
        """
        failed = self.filter(state="failed", owed_again=False).exclude(invoice__status=Invoice.Status.VOID)
        return failed.filter(Q(answer="") | Q(retry__state="refused"))

    def counted(self) -> RefundQuerySet:
        """Those whose money the customer has, or is about to have, whichever way it went."""
        return self.filter(Q(state__in=[*Refund.OPEN, "succeeded"]) | Q(answer=Refund.Answer.PAID_OTHERWISE))

    def locked(self) -> RefundQuerySet:
        return self.order_by("pk").select_for_update(of=("self",))


class Refund(models.Model):
    """Money of a payment given back: asked for by one person, above a limit approved by another.

    Without an attempt it is what credit had paid, and returns to credit. One that is owed again corrects no invoice:
    what the card gets back, the customer's next invoice takes.
    """

    class State(models.TextChoices):
        REQUESTED = "requested", _("waits for a second person")
        APPROVED = "approved", _("to be sent")
        PENDING = "pending", _("under way")
        SUCCEEDED = "succeeded", _("succeeded")
        FAILED = "failed", _("failed")
        REFUSED = "refused", _("refused")

    class Answer(models.TextChoices):
        """What was done about one that failed."""

        RETRIED = "retried", _("tried again")
        PAID_OTHERWISE = "paid_otherwise", _("paid in another way")
        DISMISSED = "dismissed", _("not owed to the customer")

    OPEN = ("requested", "approved", "pending")

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    attempt = models.ForeignKey(PaymentAttempt, on_delete=models.PROTECT, related_name="refunds", null=True, blank=True)
    invoice = models.ForeignKey(Invoice, on_delete=models.PROTECT, related_name="refunds")
    amount = models.BigIntegerField(help_text=_("Minor units, tax included."))
    net = models.BigIntegerField()
    tax = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    reason = models.CharField(max_length=200)
    state = models.CharField(max_length=9, choices=State.choices)
    gateway_id = models.CharField(max_length=255, blank=True)
    failure = models.CharField(max_length=100, blank=True)
    owed_again = models.BooleanField(
        default=False, db_default=False, help_text=_("The invoice stays as it is: the next one charges this again.")
    )
    forgiven = models.BigIntegerField(
        default=0, db_default=0, help_text="The part that was a debt, which no invoice charges any more."
    )
    requested_by = models.CharField(max_length=100)
    requested_at = models.DateTimeField()
    approved_by = models.CharField(max_length=100, blank=True)
    settled_at = models.DateTimeField(null=True, blank=True)
    answer = models.CharField(max_length=14, choices=Answer.choices, blank=True, default="", db_default="")
    answer_reason = models.CharField(
        max_length=200, blank=True, default="", db_default="", help_text=_("How it was paid, or why it is not owed.")
    )
    answered_by = models.CharField(max_length=100, blank=True, default="", db_default="")
    answered_at = models.DateTimeField(null=True, blank=True)
    retry = models.ForeignKey("self", on_delete=models.PROTECT, null=True, blank=True, related_name="+", db_index=False)

    objects = RefundQuerySet.as_manager()

    class Meta:
        permissions = [
            ("request_refund", "Can refund a payment"),
            ("approve_refund", "Can approve a refund that somebody else asked for"),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(amount__gt=0, net__gte=0, tax__gte=0, amount=F("net") + F("tax")),
                name="refund_parts_make_the_amount",
            ),
            # Four eyes: nobody approves what they asked for.
            models.CheckConstraint(condition=~Q(approved_by=F("requested_by")), name="refund_approved_by_another"),
            models.UniqueConstraint(
                fields=["gateway_id"], condition=~Q(gateway_id=""), name="refund_gateway_id_unique"
            ),
            # What is owed again was a card's, and takes no tax back.
            models.CheckConstraint(
                condition=Q(owed_again=False) | Q(attempt__isnull=False, tax=0), name="refund_owed_again_is_of_a_card"
            ),
            # What is owed no more was not given back besides.
            models.CheckConstraint(
                condition=Q(forgiven=0) | Q(attempt=None, forgiven__gt=0, forgiven__lte=F("amount")),
                name="refund_forgiven_is_a_part",
            ),
            # Money that a customer has not got back is out of sight by somebody's word alone.
            models.CheckConstraint(
                condition=Q(answer="", answer_reason="", answered_by="", answered_at=None, retry=None)
                | (
                    Q(state="failed", answered_at__isnull=False)
                    & ~Q(answered_by="")
                    & (
                        Q(answer="retried", retry__isnull=False)
                        | (Q(answer__in=["paid_otherwise", "dismissed"], retry=None) & ~Q(answer_reason=""))
                    )
                ),
                name="refund_answer_is_somebodys",
            ),
        ]
        indexes = [
            models.Index(F("id"), condition=Q(state__in=["approved", "pending"]), name="refund_under_way"),
            # What staff have to look at.
            models.Index(F("id"), condition=Q(state="failed"), name="refund_failed"),
        ]

    def __str__(self) -> str:
        return f"{money.shown(Money(self.amount, self.currency))}, {self.get_state_display()}"

    @property
    def is_given_back(self) -> bool:
        """Whether the customer has the money, whichever way it went."""
        return self.state == self.State.SUCCEEDED or self.answer == self.Answer.PAID_OTHERWISE


class CreditNote(models.Model):
    """The document of a refund, numbered without gaps in a series of its own. Written once.

    Where the refund failed and is tried again it is the document of the other try, which says the same. It is void, and
    keeps its number, once nothing will be given back with it.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    refund = models.OneToOneField(Refund, on_delete=models.PROTECT, related_name="credit_note")
    invoice = models.ForeignKey(Invoice, on_delete=models.PROTECT, related_name="credit_notes")
    series = models.ForeignKey(NumberSeries, on_delete=models.PROTECT, related_name="+", db_index=False)
    sequence = models.PositiveBigIntegerField()
    number = models.CharField(max_length=40)
    net = models.BigIntegerField()
    tax = models.BigIntegerField()
    issued_at = models.DateTimeField()
    voided_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["series", "sequence"], name="credit_note_sequence_unique"),
        ]

    def __str__(self) -> str:
        return self.number


class DisputeQuerySet(models.QuerySet["Dispute"]):
    """Questions about disputes, and their lock."""

    def locked(self) -> DisputeQuerySet:
        return self.order_by("pk").select_for_update(of=("self",))

    def blocking(self) -> DisputeQuerySet:
        """Those whose payment we do not have: nothing of it is given back."""
        return self.exclude(status__in=Dispute.WITH_US)

    def withholding(self) -> DisputeQuerySet:
        """Those whose payment is withheld until they are decided."""
        return self.blocking().exclude(status__in=Dispute.GONE)


class Dispute(models.Model):
    """A customer's bank takes a payment back. While it is open or lost, nothing is refunded."""

    class Standing(models.IntegerChoices):
        """Where the money is, in the only order in which it moves."""

        ASKED = 0, _("asked about")
        WITHHELD = 1, _("withheld")
        LOST = 2, _("lost")
        WON = 3, _("won")

        @classmethod
        def of(cls, status: str) -> Dispute.Standing:
            """Answer what a status of Stripe's says of the money. An appeal is made when it is gone."""
            if status in Dispute.WITH_US:
                return cls.WON if status == "won" else cls.ASKED
            return cls.LOST if status in Dispute.GONE else cls.WITHHELD

    WITH_US = ("", "warning_needs_response", "warning_under_review", "warning_closed", "won")
    GONE = ("lost", "prevented", "appeal_needs_response", "appeal_under_review")
    DECIDED = ("won", "lost", "prevented", "warning_closed")

    gateway_id = models.CharField(max_length=255, unique=True)
    attempt = models.ForeignKey(PaymentAttempt, on_delete=models.PROTECT, related_name="disputes")
    amount = models.BigIntegerField(help_text=_("Minor units of the payment's currency."))
    currency = models.CharField(max_length=3)
    reason = models.CharField(max_length=50)
    status = models.CharField(max_length=30, help_text=_("Stripe's word."))
    opened_at = models.DateTimeField()
    closed_at = models.DateTimeField(null=True, blank=True)
    due_by = models.DateTimeField(null=True, blank=True, help_text=_("Until when the bank takes evidence."))
    submitted_at = models.DateTimeField(null=True, blank=True, help_text=_("When evidence was submitted last."))
    submitted_by = models.CharField(max_length=100, blank=True, default="", db_default="")

    objects = DisputeQuerySet.as_manager()

    class Meta:
        permissions = [("submit_evidence", "Can submit evidence in a dispute")]
        constraints = [
            # Evidence is somebody's word.
            models.CheckConstraint(
                condition=Q(submitted_at=None, submitted_by="") | (Q(submitted_at__isnull=False) & ~Q(submitted_by="")),
                name="dispute_evidence_is_somebodys",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.gateway_id}, {in_words(self.status)}"

    @property
    def standing(self) -> Dispute.Standing:
        return self.Standing.of(self.status)

    @property
    def is_decided(self) -> bool:
        return self.status in self.DECIDED


class FraudWarning(models.Model):
    """A bank's early warning that a payment may be disputed as fraud, and what was done about it."""

    class Action(models.TextChoices):
        REFUNDED = "refunded", _("refunded and ended")
        PARKED = "parked", _("waits for staff")
        NONE = "none", _("nothing to do any more")

    gateway_id = models.CharField(max_length=255, unique=True)
    attempt = models.ForeignKey(PaymentAttempt, on_delete=models.PROTECT, related_name="fraud_warnings")
    fraud_type = models.CharField(max_length=50)
    action = models.CharField(max_length=8, choices=Action.choices)
    refund = models.OneToOneField(Refund, on_delete=models.PROTECT, null=True, blank=True, related_name="fraud_warning")
    received_at = models.DateTimeField()

    class Meta:
        constraints = [
            # Nothing is said to be given back that was not.
            models.CheckConstraint(
                condition=Q(action="refunded", refund__isnull=False) | (~Q(action="refunded") & Q(refund=None)),
                name="fraud_warning_refunded_has_its_refund",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.gateway_id}, {self.get_action_display()}"
