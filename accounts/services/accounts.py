"""An account itself: what it says of itself, and its suspension by staff."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from allauth.usersessions.models import UserSession
from django.db import transaction

from accounts.models import User
from core.errors import DomainError

CHANGEABLE = {"country", "language"}


class AlreadySuspended(DomainError):
    """The account is suspended."""

    code = "already_suspended"
    title = "This account is suspended already."


class NotSuspended(DomainError):
    """The account is not suspended."""

    code = "not_suspended"
    title = "This account is not suspended."


class SuspensionRefused(DomainError):
    """Nobody shuts out staff, or themselves, by a slip."""

    code = "suspension_refused"
    title = "Staff are not suspended; take their rights away instead."


def change(*, account_id: UUID, fields: Mapping[str, Any]) -> User:
    """Change some of CHANGEABLE."""
    with transaction.atomic():
        account = User.objects.locked().get(pk=account_id)
        changed = sorted(CHANGEABLE & fields.keys())
        for name in changed:
            setattr(account, name, fields[name])
        account.save(update_fields=changed)
        return account


def suspend(*, account_id: UUID, reason: str, by: User, now: datetime) -> User:
    """Shut an account out and end its sign-ins at once.

    Raises AlreadySuspended and SuspensionRefused (staff).
    """
    with transaction.atomic():
        account = User.objects.locked().get(pk=account_id)
        if account.suspended_at is not None:
            raise AlreadySuspended
        if account.is_staff or account == by:
            raise SuspensionRefused
        account.suspended_at = now
        account.suspension_reason = reason
        account.is_active = False
        account.save(update_fields=["suspended_at", "suspension_reason", "is_active"])
        # Else they would come alive again when the suspension ends.
        for session in UserSession.objects.filter(user=account):
            session.end()
        return account


def unsuspend(*, account_id: UUID) -> User:
    """Let an account in again; it signs in anew. Raises NotSuspended."""
    with transaction.atomic():
        account = User.objects.locked().get(pk=account_id)
        if account.suspended_at is None:
            raise NotSuspended
        account.suspended_at = None
        account.suspension_reason = ""
        account.is_active = True
        account.save(update_fields=["suspended_at", "suspension_reason", "is_active"])
        return account
