"""Archives of what the platform holds about an account, made for its owner.

The archive itself lies in private storage until `expires_at`; the row says where it stands.
"""

from __future__ import annotations

from datetime import datetime
from typing import Self

from django.db import models
from django.db.models import Q

from accounts.models.users import User
from core.ids import new_id


class DataExportQuerySet(models.QuerySet["DataExport"]):
    """Questions about exports."""

    def locked(self) -> Self:
        """Lock these exports until the transaction ends; the account's lock comes first."""
        return self.order_by("pk").select_for_update(of=("self",))

    def due(self, now: datetime) -> Self:
        """Those to be built that nobody is building."""
        return self.filter(ready_at__isnull=True, failed_at__isnull=True, next_try_at__lte=now)

    def expired(self, now: datetime) -> Self:
        """Those whose archive has lain there long enough."""
        return self.filter(expires_at__lte=now)


class DataExport(models.Model):
    """One archive, asked for by the account's owner."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    account = models.ForeignKey(User, on_delete=models.CASCADE, related_name="exports")
    requested_at = models.DateTimeField()
    attempts = models.PositiveSmallIntegerField(default=0)
    next_try_at = models.DateTimeField()
    """Also the lease of who is building it now."""
    ready_at = models.DateTimeField(null=True, blank=True)
    failed_at = models.DateTimeField(null=True, blank=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    """When the archive, or the note that it failed, is deleted."""
    size = models.BigIntegerField(default=0)
    """Bytes."""
    sha256 = models.CharField(max_length=64, blank=True)
    contents = models.JSONField(default=list)
    """The table of contents, as the archive has it."""

    objects = DataExportQuerySet.as_manager()

    class Meta:
        constraints = [
            # One at a time: whoever asks twice waits for the first.
            models.UniqueConstraint(
                fields=["account"],
                condition=Q(ready_at__isnull=True, failed_at__isnull=True),
                name="data_export_one_under_way",
            ),
            # An archive has an end, and its fingerprint.
            models.CheckConstraint(
                condition=Q(ready_at__isnull=True)
                | (Q(failed_at__isnull=True, expires_at__isnull=False) & ~Q(sha256="")),
                name="data_export_ready_is_whole",
            ),
            models.CheckConstraint(
                condition=Q(failed_at__isnull=True) | Q(expires_at__isnull=False),
                name="data_export_failed_is_forgotten",
            ),
        ]
        indexes = [
            # The minute's sweep.
            models.Index(
                fields=["next_try_at"],
                name="data_export_due",
                condition=Q(ready_at__isnull=True, failed_at__isnull=True),
            ),
            # The purge.
            models.Index(fields=["expires_at"], name="data_export_expires"),
        ]

    def __str__(self) -> str:
        return f"export of {self.requested_at:%Y-%m-%d %H:%M}"
