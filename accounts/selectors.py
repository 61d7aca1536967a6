"""Reads."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db.models import QuerySet

from accounts.models import OutgoingEmail, Profile, SessionProfile


@dataclass(frozen=True)
class SignIn:
    """What a request acts with: its session, and the profile that this session entered, if any."""

    session_key: str
    profile: Profile | None


def sign_in(session_key: str) -> SignIn:
    """Answer what a live session acts as."""
    entered = SessionProfile.objects.select_related("profile").filter(session__session_key=session_key).first()
    return SignIn(session_key, entered.profile if entered else None)


def profiles_of(account_id: UUID) -> QuerySet[Profile]:
    """Answer a household's profiles, oldest first."""
    return Profile.objects.filter(account_id=account_id).order_by("created_at", "pk")


def due_mail(*, now: datetime, limit: int) -> list[UUID]:
    """Answer mail that should have been sent by now, longest waiting first."""
    return list(OutgoingEmail.objects.due(now).order_by("next_attempt_at").values_list("pk", flat=True)[:limit])
