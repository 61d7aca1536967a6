"""Reads."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from django.db.models import OuterRef, QuerySet, Subquery

from accounts.models import AuditEntry, Device, DeviceRegistration, OutgoingEmail, Profile


def profiles_of(account_id: UUID) -> QuerySet[Profile]:
    """Answer a household's profiles, oldest first."""
    return Profile.objects.filter(account_id=account_id).order_by("created_at", "pk")


def devices_of(account_id: UUID) -> QuerySet[Device]:
    """Answer what is signed in to an account or holds a place of its plan, last used first."""
    held = DeviceRegistration.objects.filter(device=OuterRef("pk"), ended_at__isnull=True)
    return (
        Device.objects.of_account(account_id)
        .listed()
        .annotate(registered_at=Subquery(held.values("registered_at")))
        .select_related("session")
        .order_by("-last_seen_at", "pk")
    )


def activity_of(account_id: UUID) -> QuerySet[AuditEntry]:
    """Answer what was done to an account, and tried."""
    return AuditEntry.objects.filter(account=account_id)


def due_mail(*, now: datetime, limit: int) -> list[UUID]:
    """Answer mail that should have been sent by now, longest waiting first."""
    return list(OutgoingEmail.objects.due(now).order_by("next_attempt_at").values_list("pk", flat=True)[:limit])
