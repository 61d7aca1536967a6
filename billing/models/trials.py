"""Who has had a trial. Kept for good: one a person, and one a card."""

from __future__ import annotations

import hashlib

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from billing.models.subscriptions import Subscription


class Trial(models.Model):
    """A trial that began. The card is kept as a digest, which outlives the account and tells nothing of the card."""

    account = models.OneToOneField(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="trial")
    subscription = models.OneToOneField(Subscription, on_delete=models.PROTECT, related_name="trial")
    card_digest = models.CharField(
        max_length=64, blank=True, help_text=_("SHA-256 of the card's fingerprint at Stripe.")
    )
    started_at = models.DateTimeField()
    ends_at = models.DateTimeField()

    class Meta:
        constraints = [
            # A new account with the same card gets no second trial, not even when both ask at once.
            models.UniqueConstraint(fields=["card_digest"], condition=~Q(card_digest=""), name="trial_once_a_card"),
            models.CheckConstraint(condition=Q(started_at__lt=models.F("ends_at")), name="trial_lasts"),
        ]

    def __str__(self) -> str:
        return gettext("%(start)s to %(end)s") % {
            "start": f"{self.started_at:%Y-%m-%d}",
            "end": f"{self.ends_at:%Y-%m-%d}",
        }

    @staticmethod
    def digest(fingerprint: str) -> str:
        """Answer what a card is known by here; nothing for a card without fingerprint."""
        return hashlib.sha256(fingerprint.encode()).hexdigest() if fingerprint else ""
