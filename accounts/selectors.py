"""Reads."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from django.db.models import QuerySet

from accounts.models import OutgoingEmail, Profile


def profiles_of(account_id: UUID) -> QuerySet[Profile]:
    """Answer a household's profiles, oldest first."""
    return Profile.objects.filter(account_id=account_id).order_by("created_at", "pk")


def due_mail(*, now: datetime, limit: int) -> list[UUID]:
    """Answer mail that should have been sent by now, longest waiting first."""
    return list(OutgoingEmail.objects.due(now).order_by("next_attempt_at").values_list("pk", flat=True)[:limit])
