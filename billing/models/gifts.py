"""Gifts: bought by one person, redeemed by another. Paid and not redeemed, a gift is money that we owe.

The code is a bearer's right and is stored nowhere: a row holds its hash alone.
"""

from __future__ import annotations

from datetime import date, datetime

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from billing.models.invoices import Invoice
from core import money
from core.ids import new_id
from core.money import Money


class GiftQuerySet(models.QuerySet["Gift"]):
    """Questions about gifts, and their lock."""

    def locked(self) -> GiftQuerySet:
        """Lock after the invoice, before credit."""
        return self.order_by("pk").select_for_update(of=("self",))

    def to_deliver(self, now: datetime) -> GiftQuerySet:
        return self.filter(state=Gift.State.PAID, delivered_at=None, deliver_at__lte=now).exclude(recipient_email="")

    def to_expire(self, today: date) -> GiftQuerySet:
        return self.filter(state=Gift.State.PAID, expires_on__lte=today)


class Gift(models.Model):
    """An amount for somebody. It becomes the receiver's credit when its code is redeemed."""

    class State(models.TextChoices):
        UNPAID = "unpaid", _("waits for its payment")
        PAID = "paid", _("to be redeemed")
        REDEEMED = "redeemed", _("redeemed")
        EXPIRED = "expired", _("expired")
        REFUNDED = "refunded", _("given back")
        VOID = "void", _("never paid")

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    buyer = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="gifts", db_index=False)
    request_key = models.UUIDField(unique=True, editable=False)
    invoice = models.OneToOneField(Invoice, on_delete=models.PROTECT, related_name="gift")
    state = models.CharField(max_length=8, choices=State.choices, default=State.UNPAID)
    amount = models.BigIntegerField(help_text=_("Minor units."))
    currency = models.CharField(max_length=3)
    country = models.CharField(
        max_length=2, blank=True, help_text=_("Where it was bought: whose law says when it ends.")
    )
    code_hash = models.CharField(max_length=64, unique=True, editable=False)
    sender_name = models.CharField(max_length=100, blank=True)
    recipient_name = models.CharField(max_length=100, blank=True)
    recipient_email = models.EmailField(blank=True, help_text=_("Empty: the buyer prints it."))
    message = models.CharField(max_length=500, blank=True)
    language = models.CharField(max_length=10)
    deliver_at = models.DateTimeField()
    delivered_at = models.DateTimeField(null=True, blank=True)
    expires_on = models.DateField(null=True, blank=True, help_text=_("The first day on which it cannot be redeemed."))
    redeemed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+", null=True, blank=True, db_index=False
    )
    redeemed_at = models.DateTimeField(null=True, blank=True)
    # The requests that redeemed it and gave it back: the same ones are answered the same.
    redeem_key = models.UUIDField(null=True, editable=False)
    refund_key = models.UUIDField(null=True, editable=False)
    created_at = models.DateTimeField()

    objects = GiftQuerySet.as_manager()

    class Meta:
        permissions = [("refund_gift", "Can give a gift back that is not redeemed")]
        constraints = [
            models.CheckConstraint(condition=Q(amount__gt=0), name="gift_amount_positive"),
            models.CheckConstraint(condition=Q(currency__regex=r"^[A-Z]{3}$"), name="gift_currency_is_iso"),
            # Who redeemed and when come together, and with the state that says so.
            models.CheckConstraint(
                condition=Q(state="redeemed", redeemed_by__isnull=False, redeemed_at__isnull=False)
                | (~Q(state="redeemed") & Q(redeemed_by=None, redeemed_at=None)),
                name="gift_redeemed_by_somebody",
            ),
            # Nobody is sent what is not paid.
            models.CheckConstraint(
                condition=~Q(state__in=["unpaid", "void"]) | Q(delivered_at=None), name="gift_delivered_when_paid"
            ),
        ]
        indexes = [
            # A buyer's gifts, newest first.
            models.Index(F("buyer"), F("id").desc(), name="gift_of_buyer"),
            # The delivery's scan.
            models.Index(
                fields=["deliver_at"],
                condition=Q(state="paid", delivered_at=None) & ~Q(recipient_email=""),
                name="gift_to_deliver",
            ),
            # The scan of those that end.
            models.Index(
                fields=["expires_on"], condition=Q(state="paid", expires_on__isnull=False), name="gift_to_expire"
            ),
        ]

    def __str__(self) -> str:
        return f"{money.shown(Money(self.amount, self.currency))}, {self.get_state_display()}"
