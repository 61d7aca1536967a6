"""Televisions that wait to be signed in (RFC 8628). What grants access is the session; this leads to one."""

from __future__ import annotations

from datetime import datetime
from typing import Self

from django.db import models
from django.db.models import Q

from accounts import rules
from accounts.models.users import User
from core.ids import new_id


class DeviceAuthorizationQuerySet(models.QuerySet["DeviceAuthorization"]):
    """Questions about televisions that wait."""

    def locked(self) -> Self:
        """Lock these until the transaction ends; after the account's lock where there is one."""
        return self.order_by("pk").select_for_update(of=("self",))

    def waiting(self, now: datetime) -> Self:
        """Those that somebody may still confirm or refuse."""
        return self.filter(state=DeviceAuthorization.State.PENDING, expires_at__gt=now)


class DeviceAuthorization(models.Model):
    """One attempt of a television to be signed in. Both of its codes are stored as SHA-256 alone."""

    class State(models.TextChoices):
        """What became of it; each goes only forwards."""

        PENDING = "pending"
        APPROVED = "approved"
        DENIED = "denied"
        REDEEMED = "redeemed"

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    device_hash = models.CharField(max_length=64, unique=True)
    """Of the device code, by which the television asks."""
    user_hash = models.CharField(max_length=64)
    """Of the user code, which a person reads off the screen."""
    client_hash = models.CharField(max_length=64)
    """Of the app's stable id, as `Device` has it: only who began may go on, and the device is known again."""
    name = models.CharField(max_length=rules.NAME_LENGTH)
    place = models.CharField(max_length=120, blank=True)
    """Roughly where the television is, for the person who is asked."""
    state = models.CharField(max_length=10, choices=State, default=State.PENDING)
    account = models.ForeignKey(User, on_delete=models.CASCADE, null=True, related_name="device_authorizations")
    """Who confirmed it."""
    interval_seconds = models.PositiveSmallIntegerField()
    """How long to wait between two polls; five seconds more after each that came too early."""
    polled_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()

    objects = DeviceAuthorizationQuerySet.as_manager()

    class Meta:
        constraints = [
            # A code on a screen means one television; codes of the past may come again.
            models.UniqueConstraint(
                fields=["user_hash"], condition=Q(state="pending"), name="device_authorization_code_unique"
            ),
            # No token without the person who allowed it.
            models.CheckConstraint(
                condition=Q(account__isnull=False) | Q(state__in=["pending", "denied"]),
                name="device_authorization_has_its_account",
            ),
        ]
        indexes = [
            # The purge.
            models.Index(fields=["expires_at"], name="device_authorization_expires"),
        ]


class CodeTries(models.Model):
    """How many wrong codes an account has entered of late, so that nobody can try them all."""

    account = models.OneToOneField(User, on_delete=models.CASCADE, primary_key=True, related_name="code_tries")
    wrong = models.PositiveSmallIntegerField()
    since = models.DateTimeField()
