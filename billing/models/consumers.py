"""Consumer law as data, and the proofs it asks for: what somebody agreed to, withdrew from or cancelled, when and where."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from billing.models.subscriptions import Subscription
from core.ids import new_id


class ConsumerLaw(models.Model):
    """What the law of a country (or the operator, where it asks for more) gives a subscriber there.

    The row without a country holds for all that have none of their own.
    """

    country = models.CharField(max_length=2, blank=True, unique=True, help_text=_("ISO 3166-1; empty means elsewhere."))
    withdrawal_days = models.PositiveSmallIntegerField(
        default=0, help_text=_("Days after the day of buying on which the contract can be withdrawn from; 0 for none.")
    )
    withdrawal_pro_rata = models.BooleanField(
        default=True,
        help_text=_("Whoever asked for the service to begin at once pays for the days until the withdrawal."),
    )
    yearly_reminder_days = models.PositiveSmallIntegerField(
        default=30, help_text=_("Days before a yearly renewal on which it is announced.")
    )
    trial_reminder_days = models.PositiveSmallIntegerField(
        default=7, help_text=_("Days before the end of a trial or an introductory price on which it is announced.")
    )
    price_notice_days = models.PositiveSmallIntegerField(
        default=30, help_text=_("The shortest notice of a new price, whatever the price itself says.")
    )
    source = models.CharField(max_length=200, blank=True, help_text=_("Where this is written."))

    class Meta:
        verbose_name_plural = "consumer law"
        constraints = [
            models.CheckConstraint(condition=Q(country__regex=r"^([A-Z]{2})?$"), name="consumer_law_country_is_iso"),
            # A reminder on the day itself reminds of nothing.
            models.CheckConstraint(
                condition=Q(yearly_reminder_days__gte=1, trial_reminder_days__gte=1),
                name="consumer_law_reminds_in_time",
            ),
        ]

    def __str__(self) -> str:
        return self.country or gettext("elsewhere")


class LegalDocumentQuerySet(models.QuerySet["LegalDocument"]):
    """Questions about documents."""

    def current(self) -> LegalDocumentQuerySet:
        """The newest version of each kind and country."""
        newer = LegalDocument.objects.filter(
            kind=models.OuterRef("kind"), country=models.OuterRef("country"), version__gt=models.OuterRef("version")
        )
        return self.exclude(models.Exists(newer))


class LegalDocument(models.Model):
    """One version of what a buyer agrees to. Never edited: consents point at the version that was shown."""

    class Kind(models.TextChoices):
        TERMS = "terms", _("terms of the subscription")
        IMMEDIATE_PERFORMANCE = "immediate_performance", _("request to begin before the time for withdrawal is over")

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    kind = models.CharField(max_length=21, choices=Kind.choices)
    country = models.CharField(max_length=2, blank=True, help_text=_("ISO 3166-1; empty means everywhere else."))
    version = models.PositiveIntegerField()
    text = models.TextField(help_text=_("The sentence beside the box to tick."))
    url = models.URLField(blank=True, help_text=_("Where the whole document can be read."))
    published_at = models.DateTimeField()

    objects = LegalDocumentQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["kind", "country", "version"], name="legal_document_version_unique"),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()}, {self.country or gettext('everywhere')}, {gettext('version %(version)s') % {'version': self.version}}"


class Consent(models.Model):
    """A buyer agreed to a version of a document: when, from where."""

    account = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+", db_index=False)
    subscription = models.ForeignKey(Subscription, on_delete=models.PROTECT, related_name="consents")
    document = models.ForeignKey(LegalDocument, on_delete=models.PROTECT, related_name="consents")
    given_at = models.DateTimeField()
    address = models.GenericIPAddressField(null=True, blank=True, help_text=_("Where the request came from."))
    country = models.CharField(max_length=2, blank=True, help_text=_("The country of that address."))

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["subscription", "document"], name="consent_once"),
        ]

    def __str__(self) -> str:
        return f"{self.document_id} at {self.given_at:%Y-%m-%d}"


class Withdrawal(models.Model):
    """A buyer withdrew from the contract in time. Append-only; what was given back is in refunds."""

    subscription = models.OneToOneField(Subscription, on_delete=models.PROTECT, related_name="withdrawal")
    request_key = models.UUIDField(
        null=True,
        editable=False,
        help_text=_("Of the customer's request: the same one is answered by this withdrawal."),
    )
    at = models.DateTimeField()
    by = models.CharField(max_length=100)
    pro_rata = models.BooleanField(help_text=_("The days until then were kept."))
    currency = models.CharField(max_length=3)
    refunded = models.BigIntegerField(help_text=_("Minor units, tax included: what was asked to be given back."))
    kept = models.BigIntegerField(help_text=_("Minor units, tax included: the price of the days until then."))

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(refunded__gte=0, kept__gte=0), name="withdrawal_amounts_not_negative"),
            # Who did not ask for an early beginning pays nothing.
            models.CheckConstraint(condition=Q(pro_rata=True) | Q(kept=0), name="withdrawal_keeps_only_pro_rata"),
        ]

    def __str__(self) -> str:
        return f"{self.subscription_id} at {self.at:%Y-%m-%d}"


class Cancellation(models.Model):
    """A cancellation and, where the customer chose to say so, why. Kept when it is taken back."""

    class Reason(models.TextChoices):
        TOO_EXPENSIVE = "too_expensive", _("too expensive")
        NOT_USED = "not_used", _("not watched enough")
        NOTHING_TO_WATCH = "nothing_to_watch", _("nothing left to watch")
        TECHNICAL = "technical", _("technical trouble")
        ANOTHER_SERVICE = "another_service", _("another service")
        FOR_A_WHILE = "for_a_while", _("only for a while")
        OTHER = "other", _("something else")

    subscription = models.ForeignKey(Subscription, on_delete=models.PROTECT, related_name="cancellations")
    at = models.DateTimeField()
    by = models.CharField(max_length=100)
    effective_at = models.DateTimeField(help_text=_("When access ends."))
    reason = models.CharField(max_length=16, choices=Reason.choices, blank=True)
    comment = models.CharField(max_length=500, blank=True)
    undone_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            # Nothing is taken back before it was done.
            models.CheckConstraint(
                condition=Q(undone_at=None) | Q(undone_at__gte=F("at")), name="cancellation_undone_after"
            ),
        ]
        indexes = [
            # Why people leave, by month.
            models.Index(fields=["at"], name="cancellation_at"),
        ]

    def __str__(self) -> str:
        return self.get_reason_display() or gettext("no reason given")
