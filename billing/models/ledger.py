"""The ledger: what every document and every movement of money means for the books.

Double entry: the lines of an entry sum to zero, debits positive and credits negative, in one currency.
Append-only: the database refuses changes and deletions, entries that do not balance, and lines that come
after their entry's transaction. A correction is another entry. Never compute a customer's debt or access
from here; this is for finance, and for proving that the rest is right.
"""

from __future__ import annotations

from django.contrib.postgres.indexes import BrinIndex
from django.db import models
from django.db.models import F, Func, Q
from django.utils.translation import gettext_lazy as _

from billing.models.invoices import InvoiceLine
from billing.models.plans import Plan


class JournalEntry(models.Model):
    """One event in the books."""

    class Kind(models.TextChoices):
        INVOICE = "invoice", _("invoice finalised")
        CLOSED = "closed", _("invoice void or uncollectible")
        REOPENED = "reopened", _("paid after it was closed")
        PAYMENT = "payment", _("payment")
        CREDIT = "credit", _("credit given or used")
        REFUND = "refund", _("refund")
        DISPUTE = "dispute", _("dispute")
        RECOGNITION = "recognition", _("revenue of a day")
        GATEWAY = "gateway", _("fees and payouts of the gateway")

    source_key = models.CharField(max_length=120, help_text=_("What caused it; each cause is booked once."))
    kind = models.CharField(max_length=11, choices=Kind.choices)
    currency = models.CharField(max_length=3)
    booked_at = models.DateTimeField()
    reference = models.CharField(
        max_length=255, blank=True, help_text=_("The gateway's object that moved money, for the daily tie-out.")
    )
    invoice_id = models.UUIDField(null=True, blank=True)
    transaction = models.BigIntegerField(
        db_default=Func(function="txid_current"), help_text=_("Only its own transaction adds lines to it.")
    )

    class Meta:
        verbose_name_plural = "journal entries"
        permissions = [("export_books", "Can take the books away as files")]
        constraints = [
            # A settlement that is carried out twice is booked once.
            models.UniqueConstraint(fields=["source_key"], name="journal_entry_source_unique"),
            models.CheckConstraint(condition=Q(currency__regex=r"^[A-Z]{3}$"), name="journal_entry_currency_is_iso"),
        ]
        indexes = [
            # The tie-out's look-up.
            models.Index(F("reference"), condition=~Q(reference=""), name="journal_entry_reference"),
            # An invoice's story.
            models.Index(F("invoice_id"), condition=Q(invoice_id__isnull=False), name="journal_entry_of_invoice"),
            # What was booked since the receipts were sent last: rows lie in this order, so the index is tiny.
            BrinIndex(fields=["transaction"], name="journal_entry_transaction", autosummarize=True),
        ]

    def __str__(self) -> str:
        return self.source_key


class JournalLine(models.Model):
    """One side of an entry."""

    class Account(models.TextChoices):
        RECEIVABLE = "receivable:user", _("receivable")
        CLEARING = "cash:stripe_clearing", _("money at the gateway")
        BANK = "cash:bank", _("money paid out")
        DEFERRED = "deferred_revenue", _("deferred revenue")
        REVENUE = "revenue", _("revenue")
        TAX = "tax_payable", _("tax payable")
        GIFTS = "gift_liability", _("gifts not used yet")
        CREDIT = "customer_credit", _("customers' credit")
        PROMO = "promo", _("promotional credit given")
        REFUNDS = "refunds", _("refunds of recognised revenue")
        DISPUTES = "dispute_hold", _("withheld for disputes")
        FEES = "fees", _("the gateway's fees")
        BAD_DEBT = "bad_debt", _("bad debt")

    entry = models.ForeignKey(JournalEntry, on_delete=models.PROTECT, related_name="lines")
    account = models.CharField(max_length=20, choices=Account.choices)
    country = models.CharField(max_length=2, blank=True, help_text=_("Whose tax it is."))
    amount = models.BigIntegerField(help_text=_("Minor units; debits are positive, credits negative."))

    class Meta:
        constraints = [
            models.CheckConstraint(condition=~Q(amount=0), name="journal_line_says_something"),
        ]

    def __str__(self) -> str:
        return f"{self.account} {self.amount:+d}"


class RevenueSchedule(models.Model):
    """The days over which a paid line becomes revenue; a negative one takes back what a credit left unserved.

    Days are recognised in order. What is posted late is made up for on its first day.
    """

    source_key = models.CharField(max_length=120)
    line = models.ForeignKey(InvoiceLine, on_delete=models.PROTECT, related_name="schedules")
    plan = models.ForeignKey(Plan, on_delete=models.PROTECT, related_name="+", db_index=False)
    country = models.CharField(max_length=2, blank=True)
    currency = models.CharField(max_length=3)
    amount = models.BigIntegerField(help_text=_("Net, in minor units."))
    start = models.DateField()
    end = models.DateField()
    first_day = models.DateField(
        help_text=_("The first day whose recognition counts it: no day that is closed already.")
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["source_key"], name="revenue_schedule_source_unique"),
            models.CheckConstraint(condition=Q(start__lt=F("end")), name="revenue_schedule_has_days"),
            models.CheckConstraint(condition=Q(first_day__gte=F("start")), name="revenue_schedule_starts_in_order"),
        ]
        indexes = [
            # A day's scan: what has begun and is not over.
            models.Index(fields=["first_day", "end"], name="revenue_schedule_days"),
        ]

    def __str__(self) -> str:
        return f"{self.amount} from {self.start} to {self.end}"


class RecognisedDay(models.Model):
    """A day whose revenue is booked; days are closed one after another and never again."""

    day = models.DateField(unique=True)
    closed_at = models.DateTimeField()

    def __str__(self) -> str:
        return self.day.isoformat()


class GatewayTransaction(models.Model):
    """A movement of the gateway's balance, as the gateway tells it, and whether our books have it."""

    class Verdict(models.TextChoices):
        MATCHED = "matched", _("in our books")
        BOOKED = "booked", _("booked from here: fees, payouts")
        DIFFERS = "differs", _("in our books with another amount")
        UNKNOWN = "unknown", _("not in our books")

    gateway_id = models.CharField(max_length=255, unique=True)
    kind = models.CharField(max_length=50)
    currency = models.CharField(max_length=3)
    amount = models.BigIntegerField(help_text=_("Minor units, before the fee."))
    fee = models.BigIntegerField()
    reference = models.CharField(max_length=255, blank=True, help_text=_("PaymentIntent, refund, dispute or payout."))
    made_at = models.DateTimeField()
    verdict = models.CharField(max_length=7, choices=Verdict.choices)

    class Meta:
        indexes = [models.Index(fields=["reference"], name="gateway_transaction_reference")]

    def __str__(self) -> str:
        return f"{self.kind} {self.gateway_id}"


class TieOut(models.Model):
    """The comparison of a day: the gateway's balance movements against our clearing account."""

    day = models.DateField()
    currency = models.CharField(max_length=3)
    gateway_net = models.BigIntegerField(help_text=_("All that the gateway ever moved up to this day, after fees."))
    ledger_net = models.BigIntegerField(help_text=_("Our clearing account at the same time."))
    details = models.JSONField(
        default=list, help_text=_("Each movement that one side lacks or has with another amount.")
    )
    made_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["day", "currency"], name="tie_out_one_a_day")]
        permissions = [("run_tieout", "Can compare the books with the gateway")]

    def __str__(self) -> str:
        return f"{self.day} {self.currency}"

    @property
    def difference(self) -> int:
        return self.gateway_net - self.ledger_net
