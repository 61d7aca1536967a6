"""Ways back into an account whose second factor is lost.

Asked for with address and password, announced everywhere, and carried out only after a delay in which whoever is
signed in, or reads the mail, may stop it.
"""

from __future__ import annotations

from datetime import datetime
from typing import Self

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from accounts.models.users import User
from core.ids import new_id


class RecoveryQuerySet(models.QuerySet["Recovery"]):
    """Questions about recoveries."""

    def locked(self) -> Self:
        """Lock these recoveries until the transaction ends; the account's lock comes first."""
        return self.order_by("pk").select_for_update(of=("self",))

    def open(self) -> Self:
        """Those that have not ended in one way or another."""
        return self.filter(ended_at__isnull=True)

    def awaiting_code(self, now: datetime) -> Self:
        """Those whose delay is over and whose code was not mailed yet."""
        return self.open().filter(code_hash="", effective_at__lte=now)


class Recovery(models.Model):
    """One wish to get in without the second factor, and what became of it."""

    class Outcome(models.TextChoices):
        """How it ended."""

        OPEN = "", _("open")
        CANCELLED = "cancelled", _("cancelled")
        COMPLETED = "completed", _("completed")
        FAILED = "failed", _("too many wrong codes")
        EXPIRED = "expired", _("not completed in time")

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    account = models.ForeignKey(User, on_delete=models.CASCADE, related_name="recoveries")
    requested_at = models.DateTimeField()
    effective_at = models.DateTimeField()
    """From when it may be completed."""
    expires_at = models.DateTimeField()
    cancel_hash = models.CharField(max_length=64, unique=True, editable=False)
    """SHA-256 of what the mailed link to stop it holds."""
    code_hash = models.CharField(max_length=64, blank=True, editable=False)
    """SHA-256 of the code that was mailed when the delay was over; empty before."""
    wrong_codes = models.PositiveSmallIntegerField(default=0)
    ended_at = models.DateTimeField(null=True, blank=True)
    outcome = models.CharField(max_length=9, choices=Outcome, blank=True)

    objects = RecoveryQuerySet.as_manager()

    class Meta:
        verbose_name_plural = "recoveries"
        constraints = [
            # Asking again neither hurries nor multiplies it.
            models.UniqueConstraint(fields=["account"], condition=Q(ended_at__isnull=True), name="recovery_one_open"),
            models.CheckConstraint(
                condition=Q(ended_at__isnull=True, outcome="") | (Q(ended_at__isnull=False) & ~Q(outcome="")),
                name="recovery_ends_with_an_outcome",
            ),
            models.CheckConstraint(condition=Q(effective_at__gt=F("requested_at")), name="recovery_has_its_delay"),
            # What was completed waited: the delay is the only thing between a thief of passwords and the account.
            models.CheckConstraint(
                condition=~Q(outcome="completed") | Q(ended_at__gte=F("effective_at")), name="recovery_waits_its_delay"
            ),
        ]
        indexes = [
            # The minute's sweep for codes to mail.
            models.Index(
                fields=["effective_at"], name="recovery_awaits_code", condition=Q(ended_at__isnull=True, code_hash="")
            ),
        ]

    def __str__(self) -> str:
        return f"recovery of {self.requested_at:%Y-%m-%d %H:%M}"
