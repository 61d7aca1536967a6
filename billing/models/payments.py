"""Payments: cards by reference, attempts to charge them, and what Stripe tells us.

No card number is ever here. An attempt is written before its call and holds the exact parameters
and key, so that the call can be repeated after any crash without charging twice.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from billing import rules
from billing.models.invoices import Invoice
from core.ids import new_id


class PaymentCustomer(models.Model):
    """An account as Stripe knows it."""

    account = models.OneToOneField(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="payment_customer", primary_key=True
    )
    gateway_id = models.CharField(max_length=255, unique=True)
    created_at = models.DateTimeField()

    def __str__(self) -> str:
        return self.gateway_id


class CardSetup(models.Model):
    """A SetupIntent we asked for: the right to register one card for one account."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    account = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="card_setups")
    request_key = models.UUIDField(unique=True, editable=False)
    gateway_id = models.CharField(max_length=255, blank=True)
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            # One SetupIntent registers a card for one account only.
            models.UniqueConstraint(
                fields=["gateway_id"], condition=~Q(gateway_id=""), name="card_setup_gateway_id_unique"
            ),
        ]

    def __str__(self) -> str:
        return self.gateway_id or str(self.id)


class PaymentMethodQuerySet(models.QuerySet["PaymentMethod"]):
    """Questions about cards."""

    def usable(self) -> PaymentMethodQuerySet:
        return self.filter(removed_at=None)


class PaymentMethod(models.Model):
    """A saved card, as much of it as may be shown."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    account = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="payment_methods")
    gateway_id = models.CharField(max_length=255, unique=True)
    brand = models.CharField(max_length=20)
    last4 = models.CharField(max_length=4)
    exp_month = models.PositiveSmallIntegerField()
    exp_year = models.PositiveSmallIntegerField()
    country = models.CharField(max_length=2, blank=True)
    fingerprint = models.CharField(max_length=64, blank=True, help_text=_("The same for the same card number."))
    wallet = models.CharField(
        max_length=20,
        blank=True,
        db_default="",
        help_text=_("Through which it was saved: apple_pay, google_pay and so on."),
    )
    is_default = models.BooleanField(default=False)
    is_backup = models.BooleanField(
        default=False, db_default=False, help_text=_("Takes turns with a default that is declined for the time being.")
    )
    expiry_warned = models.PositiveIntegerField(
        null=True, blank=True, help_text=_("The end (year * 100 + month) that its owner was told of.")
    )
    created_at = models.DateTimeField()
    removed_at = models.DateTimeField(null=True, blank=True)

    objects = PaymentMethodQuerySet.as_manager()

    class Meta:
        constraints = [
            # Two cards saved at once must not leave two defaults: renewals would pick either.
            models.UniqueConstraint(
                fields=["account"], condition=Q(is_default=True), name="payment_method_one_default"
            ),
            models.CheckConstraint(
                condition=Q(is_default=False) | Q(removed_at=None), name="payment_method_default_is_usable"
            ),
            # Whose turn it is must be one card's.
            models.UniqueConstraint(fields=["account"], condition=Q(is_backup=True), name="payment_method_one_backup"),
            models.CheckConstraint(
                condition=Q(is_backup=False) | Q(removed_at=None, is_default=False),
                name="payment_method_backup_is_another",
            ),
        ]
        indexes = [
            # Whose default card ends soon.
            models.Index(
                fields=["exp_year", "exp_month"], condition=Q(is_default=True), name="payment_method_expiring"
            ),
            # One card under several accounts: its network counts all of its tries.
            models.Index(fields=["fingerprint"], condition=~Q(fingerprint=""), name="payment_method_fingerprint"),
        ]

    def __str__(self) -> str:
        return f"{self.brand} {self.last4}"


class PaymentAttemptQuerySet(models.QuerySet["PaymentAttempt"]):
    """Questions about attempts, and their lock."""

    def locked(self) -> PaymentAttemptQuerySet:
        return self.order_by("pk").select_for_update(of=("self",))

    def unsettled(self, now: datetime, *, ahead: timedelta) -> PaymentAttemptQuerySet:
        """Those whose caller is gone: the outcome is unknown and nobody is asking for it.

        A lease that ends further `ahead` was taken by a wrong clock, and would outlive what the gateway remembers.
        """
        over = Q(claimed_until__lte=now) | Q(claimed_until__gt=now + ahead)
        return self.filter(over, state__in=["created", "sent"]).order_by("claimed_until")


class PaymentAttempt(models.Model):
    """One try to collect one invoice. `params` and `idempotency_key` are what is sent, each time.

    `created` was surely not sent; `sent` may have been charged; `requires_action` waits for the
    customer. The rest is final. A time-out or an error of the gateway is no outcome: it stays `sent`.
    """

    class State(models.TextChoices):
        CREATED = "created", _("created")
        SENT = "sent", _("sent")
        REQUIRES_ACTION = "requires_action", _("requires action")
        SUCCEEDED = "succeeded", _("succeeded")
        FAILED = "failed", _("failed")
        CANCELED = "canceled", _("canceled")

    class DeclineClass(models.TextChoices):
        HARD = rules.DeclineClass.HARD, _("hard")
        AUTHENTICATION = rules.DeclineClass.AUTHENTICATION, _("authentication")
        SOFT = rules.DeclineClass.SOFT, _("soft")

    OPEN = ("created", "requires_action", "sent")

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    invoice = models.ForeignKey(Invoice, on_delete=models.PROTECT, related_name="attempts", db_index=False)
    n = models.PositiveSmallIntegerField(help_text=_("Counts the invoice's attempts from 1."))
    payment_method = models.ForeignKey(PaymentMethod, on_delete=models.PROTECT, related_name="attempts", db_index=False)
    state = models.CharField(max_length=15, choices=State.choices, default=State.CREATED)
    idempotency_key = models.CharField(max_length=255, unique=True)
    params = models.JSONField()
    gateway_id = models.CharField(max_length=255, blank=True, help_text=_("The PaymentIntent, once known."))
    decline_code = models.CharField(max_length=100, blank=True)
    decline_class = models.CharField(max_length=14, choices=DeclineClass.choices, blank=True)
    created_at = models.DateTimeField()
    sent_at = models.DateTimeField(null=True, blank=True, help_text=_("First sent; Stripe's key lives 24 h from then."))
    settled_at = models.DateTimeField(null=True, blank=True)
    claimed_until = models.DateTimeField(help_text=_("Until then somebody is calling; afterwards the sweeper asks."))

    objects = PaymentAttemptQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["invoice", "n"], name="payment_attempt_number_unique"),
            # A second charge while the first one's outcome is unknown is how people pay twice.
            models.UniqueConstraint(
                fields=["invoice"],
                condition=Q(state__in=["created", "sent", "requires_action"]),
                name="payment_attempt_one_open",
            ),
            # One PaymentIntent settles one attempt.
            models.UniqueConstraint(
                fields=["gateway_id"], condition=~Q(gateway_id=""), name="payment_attempt_gateway_id_unique"
            ),
            models.CheckConstraint(
                condition=(Q(state__in=["succeeded", "failed", "canceled"]) & Q(settled_at__isnull=False))
                | (Q(state__in=["created", "sent", "requires_action"]) & Q(settled_at=None)),
                name="payment_attempt_settled_at_when_final",
            ),
            # What may have been charged has the time from which its key's life counts.
            models.CheckConstraint(
                condition=Q(state__in=["created", "canceled"]) | Q(sent_at__isnull=False),
                name="payment_attempt_sent_at_when_sent",
            ),
        ]
        indexes = [
            # The sweeper's scan.
            models.Index(
                F("claimed_until"), condition=Q(state__in=["created", "sent"]), name="payment_attempt_unsettled"
            ),
            # Its second scan: what customers left lying, those first that were looked at longest ago.
            models.Index(F("claimed_until"), condition=Q(state="requires_action"), name="payment_attempt_left_lying"),
            # How often a card was declined lately.
            models.Index(
                fields=["payment_method", "settled_at"], condition=Q(state="failed"), name="payment_attempt_declined"
            ),
        ]

    def __str__(self) -> str:
        return gettext("attempt %(n)d: %(state)s") % {"n": self.n, "state": self.get_state_display()}


class WebhookEventQuerySet(models.QuerySet["WebhookEvent"]):
    """Questions about events."""

    def due(self, now: datetime) -> WebhookEventQuerySet:
        return self.filter(status__in=["received", "parked"], next_try_at__lte=now).order_by("next_try_at")


class WebhookEvent(models.Model):
    """An event of Stripe's as it arrived, and what became of it."""

    class Status(models.TextChoices):
        RECEIVED = "received", _("received")
        PARKED = "parked", _("waiting for its object")
        PROCESSED = "processed", _("processed")
        IGNORED = "ignored", _("no concern of ours")
        FAILED = "failed", _("given up")

    event_id = models.CharField(max_length=255)
    type = models.CharField(max_length=100)
    payload = models.JSONField()
    livemode = models.BooleanField()
    status = models.CharField(max_length=9, choices=Status.choices, default=Status.RECEIVED)
    tries = models.PositiveSmallIntegerField(default=0)
    note = models.CharField(max_length=200, blank=True)
    received_at = models.DateTimeField()
    next_try_at = models.DateTimeField(null=True, blank=True)
    processed_at = models.DateTimeField(null=True, blank=True)

    objects = WebhookEventQuerySet.as_manager()

    class Meta:
        constraints = [
            # Stripe delivers at least once, sometimes twice at the same moment.
            models.UniqueConstraint(fields=["event_id"], name="webhook_event_unique"),
            models.CheckConstraint(
                condition=(Q(status__in=["received", "parked"]) & Q(next_try_at__isnull=False))
                | (~Q(status__in=["received", "parked"]) & Q(next_try_at=None)),
                name="webhook_event_waiting_has_next_try",
            ),
        ]
        indexes = [
            # The worker's scan.
            models.Index(
                F("next_try_at"), condition=Q(status__in=["received", "parked"]), name="webhook_event_waiting"
            ),
            # What staff look into.
            models.Index(F("id"), condition=Q(status="failed"), name="webhook_event_given_up"),
            # What is deleted once it has been kept long enough.
            models.Index(F("processed_at"), condition=Q(processed_at__isnull=False), name="webhook_event_applied"),
        ]

    def __str__(self) -> str:
        return f"{self.type} {self.event_id}"
