"""Profiles offered to another household, and what became of each offer.

An offer is addressed to an e-mail address, whether or not an account has it. The profile keeps its id when it changes
hands, so what hangs on it goes along. Kept for a while after its end, so that both sides can see how it ended.
"""

from __future__ import annotations

from datetime import datetime
from typing import Self
from uuid import UUID

from allauth.account.models import EmailAddress
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from accounts.models.profiles import Profile
from accounts.models.users import User
from core.ids import new_id


class ProfileTransferQuerySet(models.QuerySet["ProfileTransfer"]):
    """Questions about transfers."""

    def locked(self) -> Self:
        """Lock these transfers until the transaction ends; the locks of accounts and profile come first."""
        return self.order_by("pk").select_for_update(of=("self",))

    def open(self) -> Self:
        """Those that have not ended in one way or another."""
        return self.filter(ended_at__isnull=True)

    def due(self, now: datetime) -> Self:
        """Those that nobody answered in time."""
        return self.open().filter(expires_at__lte=now)

    def received_by(self, account_id: UUID) -> Self:
        """Those that an account answered, or may: the address is one that it has verified."""
        addresses = EmailAddress.objects.filter(user=account_id, verified=True).values("email")
        return self.filter(Q(to_account=account_id) | Q(to_account__isnull=True, to_email__in=addresses))

    def known_to(self, account_id: UUID) -> Self:
        """Those that an account made or received."""
        return self.filter(from_account=account_id) | self.received_by(account_id)


class ProfileTransfer(models.Model):
    """A profile that its household offers to whoever reads an address."""

    class Outcome(models.TextChoices):
        """How it ended."""

        OPEN = "", _("open")
        ACCEPTED = "accepted", _("accepted")
        DECLINED = "declined", _("declined")
        CANCELLED = "cancelled", _("cancelled")
        EXPIRED = "expired", _("not answered in time")

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    profile = models.ForeignKey(Profile, on_delete=models.SET_NULL, null=True, related_name="transfers")
    """None once it was deleted, in whichever household."""
    from_account = models.ForeignKey(User, on_delete=models.CASCADE, related_name="profiles_offered")
    to_email = models.EmailField(db_index=True)
    """In its canonical form: see `rules.canonical_email`."""
    to_account = models.ForeignKey(
        User, on_delete=models.CASCADE, null=True, blank=True, related_name="profiles_received"
    )
    """Who answered; None until somebody did."""
    offered_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)
    outcome = models.CharField(max_length=9, choices=Outcome, blank=True)

    objects = ProfileTransferQuerySet.as_manager()

    class Meta:
        constraints = [
            # Two households that both accepted would each have the profile.
            models.UniqueConstraint(
                fields=["profile"], condition=Q(ended_at__isnull=True), name="profile_transfer_one_open"
            ),
            # Nobody is offered what is gone.
            models.CheckConstraint(
                condition=Q(ended_at__isnull=False) | Q(profile__isnull=False),
                name="profile_transfer_open_is_of_a_profile",
            ),
            models.CheckConstraint(
                condition=Q(ended_at__isnull=True, outcome="") | (Q(ended_at__isnull=False) & ~Q(outcome="")),
                name="profile_transfer_ends_with_an_outcome",
            ),
            # An answer is somebody's, and what nobody answered is nobody's.
            models.CheckConstraint(
                condition=Q(outcome__in=["accepted", "declined"], to_account__isnull=False)
                | (~Q(outcome__in=["accepted", "declined"]) & Q(to_account__isnull=True)),
                name="profile_transfer_is_answered_by_an_account",
            ),
            models.CheckConstraint(
                condition=Q(to_account__isnull=True) | ~Q(to_account=F("from_account")),
                name="profile_transfer_leads_elsewhere",
            ),
            # What was accepted was accepted in time.
            models.CheckConstraint(
                condition=~Q(outcome="accepted") | Q(ended_at__lt=F("expires_at")), name="profile_transfer_is_in_time"
            ),
        ]
        indexes = [
            # The sweep for what nobody answered.
            models.Index(fields=["expires_at"], name="profile_transfer_due", condition=Q(ended_at__isnull=True)),
        ]

    def __str__(self) -> str:
        return f"transfer of {self.profile_id}"
