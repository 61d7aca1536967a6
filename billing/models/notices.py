"""What customers were told before something changes for them. A row is the proof, and what depends on it asks here.

Rows are written in the transaction that queues the mail, so that none tells of a mail that was never written.
"""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from billing.models.plans import Price
from billing.models.subscriptions import Subscription


class PriceNotice(models.Model):
    """A subscriber was told of a new version of their price. Without this row the old version goes on being billed."""

    subscription = models.ForeignKey(Subscription, on_delete=models.PROTECT, related_name="price_notices")
    price = models.ForeignKey(Price, on_delete=models.PROTECT, related_name="notices")
    sent_at = models.DateTimeField()
    earliest_on = models.DateField(
        help_text=_("Local date; the first boundary on or after it is billed by the new version.")
    )

    class Meta:
        constraints = [
            # Two runs at once tell a subscriber once.
            models.UniqueConstraint(fields=["subscription", "price"], name="price_notice_once"),
        ]

    def __str__(self) -> str:
        return f"{self.subscription_id} from {self.earliest_on}"


class Reminder(models.Model):
    """A subscriber was reminded of a charge to come at `boundary`."""

    class Kind(models.TextChoices):
        TRIAL_ENDING = "trial_ending", _("a trial ends")
        INTRO_ENDING = "intro_ending", _("an introductory price ends")
        YEARLY_RENEWAL = "yearly_renewal", _("a year is about to be renewed")

    subscription = models.ForeignKey(Subscription, on_delete=models.PROTECT, related_name="reminders")
    kind = models.CharField(max_length=14, choices=Kind.choices)
    boundary = models.DateTimeField(help_text=_("When the charge that it tells of falls due."))
    sent_at = models.DateTimeField()

    class Meta:
        constraints = [
            # Two runs at once remind once.
            models.UniqueConstraint(fields=["subscription", "kind", "boundary"], name="reminder_once"),
            models.CheckConstraint(
                condition=models.Q(sent_at__lt=models.F("boundary")), name="reminder_comes_before_what_it_tells_of"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} at {self.boundary:%Y-%m-%d}"
