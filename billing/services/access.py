"""Giving access without payment, and ending it."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar
from uuid import UUID

from django.db import transaction

from billing import entitlements
from billing.models import AccessGrant
from core.errors import DomainError


class AccessNeverBegins(DomainError):
    """It would end before it begins, or has ended already."""

    code: ClassVar[str] = "access_never_begins"
    title: ClassVar[str] = "Access begins before it ends, and ends in the future."
    status: ClassVar[int] = 409


class AccessAlreadyRevoked(DomainError):
    """Somebody ended it before."""

    code: ClassVar[str] = "access_already_revoked"
    title: ClassVar[str] = "This access was ended already."
    status: ClassVar[int] = 409


@transaction.atomic
def grant(
    *,
    account_id: UUID,
    plan_id: UUID,
    kind: AccessGrant.Kind,
    reason: str,
    starts_at: datetime,
    ends_at: datetime,
    by: str,
    now: datetime,
) -> AccessGrant:
    """Give an account a plan for a time, beside whatever it pays for. Raises AccessNeverBegins."""
    if ends_at <= max(starts_at, now):
        raise AccessNeverBegins
    granted = AccessGrant.objects.create(
        account_id=account_id,
        plan_id=plan_id,
        kind=kind,
        reason=reason[:200],
        starts_at=starts_at,
        ends_at=ends_at,
        granted_by=by,
        granted_at=now,
    )
    entitlements.forget_on_commit([account_id])
    return granted


@transaction.atomic
def revoke(*, grant_id: UUID, by: str, now: datetime) -> AccessGrant:
    """End access that was given, at once. Raises AccessAlreadyRevoked."""
    granted = AccessGrant.objects.locked().get(pk=grant_id)
    if granted.revoked_at is not None:
        raise AccessAlreadyRevoked
    granted.revoked_at, granted.revoked_by = now, by
    granted.save(update_fields=["revoked_at", "revoked_by"])
    entitlements.forget_on_commit([granted.account_id])
    return granted
