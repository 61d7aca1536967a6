"""Profiles of a household.

Every write locks the account's row first, so that two at once see each other: the number of
profiles and "the last adult" are counted under that lock.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from allauth.usersessions.models import UserSession
from django.db import IntegrityError, transaction

from accounts import rules
from accounts.models import Profile, SessionProfile, User
from accounts.services import sessions
from core.errors import DomainError

CHANGEABLE = {"name", "avatar", "language", "is_kids", "highest_age", "allows_unrated", "autoplay"}


class ProfileNotFound(DomainError):
    """No such profile in this account, whether or not another account has it."""

    code = "profile_not_found"
    title = "This account has no such profile."
    status = 404


class TooManyProfiles(DomainError):
    """The account has as many profiles as it may."""

    code = "too_many_profiles"
    title = f"An account has at most {rules.PROFILES_PER_ACCOUNT} profiles; delete one first."


class ProfileNameTaken(DomainError):
    """Two profiles of an account would look the same."""

    code = "profile_name_taken"
    title = "Another profile of this account has this name; choose another name."


class AdultProfileRequired(DomainError):
    """Somebody must answer for the account."""

    code = "adult_profile_required"
    title = "An account needs a profile that is not a kids profile; add one first."


class KidsLimitsExceeded(DomainError):
    """A kids profile would show what is meant for grown-ups."""

    code = "kids_limits_exceeded"
    title = f"A kids profile watches up to age {rules.KIDS_HIGHEST_AGE}, and nothing unrated."
    status = 422


def create(*, account_id: UUID, fields: Mapping[str, Any], now: datetime) -> Profile:
    """Add a profile; `fields` holds `name` and any other of CHANGEABLE.

    Raises TooManyProfiles, ProfileNameTaken, AdultProfileRequired (the first profile is an adult's)
    and KidsLimitsExceeded.
    """
    with transaction.atomic():
        account = User.objects.locked().get(pk=account_id)
        others = Profile.objects.of_account(account)
        if others.count() >= rules.PROFILES_PER_ACCOUNT:
            raise TooManyProfiles
        profile = Profile(account=account, language=account.language, created_at=now)
        _apply(profile, fields)
        if profile.is_kids and not others.adults().exists():
            raise AdultProfileRequired
        return _saved(profile, now)


def change(*, account_id: UUID, profile_id: UUID, fields: Mapping[str, Any], now: datetime) -> Profile:
    """Change some of CHANGEABLE.

    Raises ProfileNotFound, ProfileNameTaken, AdultProfileRequired (the last adult becomes no child)
    and KidsLimitsExceeded.
    """
    with transaction.atomic():
        profile = _locked(account_id, profile_id)
        was_kids = profile.is_kids
        _apply(profile, fields)
        if profile.is_kids and not was_kids:
            _require_another_adult(profile)
        sessions.forget(account_id=account_id)
        return _saved(profile, now)


def delete(*, account_id: UUID, profile_id: UUID) -> None:
    """Delete a profile; sign-ins that acted as it act as none.

    Raises ProfileNotFound and AdultProfileRequired.
    """
    with transaction.atomic():
        profile = _locked(account_id, profile_id)
        if not profile.is_kids:
            _require_another_adult(profile)
        profile.delete()
        sessions.forget(account_id=account_id)


def enter(*, account_id: UUID, profile_id: UUID, session_key: str, now: datetime) -> Profile:
    """Let a sign-in act as a profile from its next request on.

    Raises ProfileNotFound, and SessionUnknown when the sign-in has ended meanwhile.
    """
    with transaction.atomic():
        profile = _locked(account_id, profile_id)
        session = UserSession.objects.filter(session_key=session_key, user_id=account_id).first()
        if session is None:
            raise sessions.SessionUnknown
        SessionProfile.objects.update_or_create(session=session, defaults={"profile": profile, "entered_at": now})
        sessions.forget(account_id=account_id)
        return profile


def _locked(account_id: UUID, profile_id: UUID) -> Profile:
    User.objects.locked().get(pk=account_id)
    try:
        return Profile.objects.locked().get(pk=profile_id, account_id=account_id)
    except Profile.DoesNotExist:
        raise ProfileNotFound from None


def _apply(profile: Profile, fields: Mapping[str, Any]) -> None:
    becomes_kids = bool(fields.get("is_kids")) and not profile.is_kids
    if becomes_kids:
        profile.highest_age = min(profile.highest_age, rules.KIDS_HIGHEST_AGE)
        profile.allows_unrated = False
    for name in CHANGEABLE & fields.keys():
        setattr(profile, name, fields[name])
    if profile.is_kids and (profile.highest_age > rules.KIDS_HIGHEST_AGE or profile.allows_unrated):
        raise KidsLimitsExceeded


def _require_another_adult(profile: Profile) -> None:
    if not Profile.objects.of_account(profile.account).adults().exclude(pk=profile.pk).exists():
        raise AdultProfileRequired


def _saved(profile: Profile, now: datetime) -> Profile:
    profile.updated_at = now
    try:
        with transaction.atomic():
            profile.save()
    except IntegrityError as error:
        if "profile_name_unique_in_account" in str(error):
            raise ProfileNameTaken from None
        raise
    return profile
