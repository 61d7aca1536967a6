"""Setbacks: rows that a sweep could not handle, set aside so that the others go on.

Each is tried again by itself, later each time. Do not read from here how a payment or a refund stands.
"""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _


class Setback(models.Model):
    """A row that a sweep failed at, with its last error; gone when the row has been handled, or nobody asks for it."""

    class Sweep(models.TextChoices):
        RENEWALS = "renewals", _("renewals")
        PAYMENTS = "payments", _("payments")
        REFUNDS = "refunds", _("refunds")
        GIFT_MAILS = "gift_mails", _("mails of gifts")
        GIFT_ENDS = "gift_ends", _("ends of gifts")
        RECEIPTS = "receipts", _("receipts")
        PRICE_NOTICES = "price_notices", _("notices of new prices")
        REMINDERS = "reminders", _("reminders")
        CARD_WARNINGS = "card_warnings", _("warnings of cards that end")

    sweep = models.CharField(max_length=20, choices=Sweep.choices)
    row = models.UUIDField(
        help_text=_("The key of the row: a subscription's for renewals, a payment attempt's for payments.")
    )
    failures = models.PositiveIntegerField()
    error = models.CharField(max_length=500)
    first_at = models.DateTimeField()
    last_at = models.DateTimeField()
    next_try_at = models.DateTimeField()

    class Meta:
        constraints = [
            # Two sweeps at once that fail at the same row count on.
            models.UniqueConstraint(fields=["sweep", "row"], name="setback_one_of_a_row"),
            models.CheckConstraint(condition=Q(failures__gte=1), name="setback_has_failed"),
        ]
        permissions = [("retry_setback", "Can have what failed tried again")]

    def __str__(self) -> str:
        return f"{self.get_sweep_display()}: {self.error}"
