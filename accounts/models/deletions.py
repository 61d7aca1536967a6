"""Accounts on their way out, and the proof of what was erased.

A deletion is asked for, may be taken back until its erasure begins, and ends as the record of that erasure.
Neither table holds a name or an address once it has ended; both stay, as evidence. Nothing decides by the counts.
"""

from __future__ import annotations

from datetime import datetime
from typing import Self

from django.db import models
from django.db.models import F, Q

from accounts.models.users import User
from core.ids import new_id


class AccountDeletionQuerySet(models.QuerySet["AccountDeletion"]):
    """Questions about deletions."""

    def locked(self) -> Self:
        """Lock these deletions until the transaction ends; the account's lock comes first."""
        return self.order_by("pk").select_for_update(of=("self",))

    def open(self) -> Self:
        """Those that were neither taken back nor carried out."""
        return self.filter(cancelled_at__isnull=True, erased_at__isnull=True)

    def due(self, now: datetime) -> Self:
        """Those whose grace is over, that wait for nothing, and that nobody works on."""
        return self.open().filter(next_try_at__lte=now)


class AccountDeletion(models.Model):
    """The wish of an account's owner to leave, and what became of it."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    account = models.ForeignKey(User, on_delete=models.PROTECT, related_name="deletions", db_index=False)
    requested_at = models.DateTimeField()
    erase_at = models.DateTimeField()
    """The end of the grace period."""
    cancelled_at = models.DateTimeField(null=True, blank=True)
    next_try_at = models.DateTimeField()
    """When it is due, or looked at again; also the lease of who is erasing now."""
    waits_for = models.CharField(max_length=60, blank=True)
    """The code of what hinders the erasure; empty while nothing does."""
    started_at = models.DateTimeField(null=True, blank=True)
    """When the erasure began, from when there is no way back."""
    farewell_to = models.EmailField(blank=True)
    """Where the last mail goes; held from the beginning of the erasure to its end, when the address is gone."""
    farewell_language = models.CharField(max_length=12, blank=True)
    erased_at = models.DateTimeField(null=True, blank=True)

    objects = AccountDeletionQuerySet.as_manager()

    class Meta:
        constraints = [
            # Two taps on "delete" make one deletion; also finds an account's open one.
            models.UniqueConstraint(
                fields=["account"], condition=Q(cancelled_at__isnull=True), name="account_deletion_one_open"
            ),
            # What has begun is not taken back, and what is done has begun.
            models.CheckConstraint(
                condition=Q(started_at__isnull=True) | Q(cancelled_at__isnull=True),
                name="account_deletion_started_is_not_cancelled",
            ),
            models.CheckConstraint(
                condition=Q(erased_at__isnull=True) | (Q(started_at__isnull=False) & Q(farewell_to="")),
                name="account_deletion_erased_keeps_no_address",
            ),
            models.CheckConstraint(condition=Q(erase_at__gte=F("requested_at")), name="account_deletion_has_its_grace"),
        ]
        indexes = [
            # The minute's sweep.
            models.Index(
                fields=["next_try_at"],
                name="account_deletion_due",
                condition=Q(cancelled_at__isnull=True, erased_at__isnull=True),
            ),
            # The history of an account, for staff.
            models.Index(fields=["account", "-requested_at"], name="account_deletion_of_account"),
        ]

    def __str__(self) -> str:
        return f"deletion of {self.account_id}"


class ErasureStep(models.Model):
    """One app's part in an erasure: how many rows of which table went, or were stripped of the person."""

    deletion = models.ForeignKey(AccountDeletion, on_delete=models.CASCADE, related_name="steps", db_index=False)
    contributor = models.CharField(max_length=40)
    rows = models.JSONField(default=dict)
    """By model, `{"accounts.Profile": 3}`; written by the transactions that erased them."""
    started_at = models.DateTimeField()
    done_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            # An app has one part in an erasure, however often it is resumed.
            models.UniqueConstraint(fields=["deletion", "contributor"], name="erasure_step_unique"),
        ]

    def __str__(self) -> str:
        return self.contributor
