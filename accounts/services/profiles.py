"""Profiles of a household.

Every write locks the account's row first, so that two at once see each other: the number of
profiles and "the last adult" are counted under that lock.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from allauth.usersessions.models import UserSession
from django.db import IntegrityError, transaction

from accounts import rules
from accounts.events import ProfileDeleted, ProfileTransferred
from accounts.models import Pin, Profile, SessionProfile, User
from accounts.services import audit, offers, pins, sessions
from accounts.services.audit import Origin
from core import outbox
from core.errors import DomainError

LIMITS = {"is_kids", "highest_age", "allows_unrated"}
CHANGEABLE = LIMITS | {
    "name", "avatar", "language", "autoplay", "subtitles", "subtitle_language", "subtitles_for_deaf",
}  # fmt: skip


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


def create(
    *,
    account_id: UUID,
    fields: Mapping[str, Any],
    now: datetime,
    master_pin: str | None = None,
    origin: Origin = audit.NOWHERE,
) -> Profile:
    """Add a profile; `fields` holds `name` and any other of CHANGEABLE.

    Raises TooManyProfiles, ProfileNameTaken, AdultProfileRequired (the first profile is an adult's),
    KidsLimitsExceeded, and of a household with a master PIN what `pins.refusal_of` answers.
    """
    with transaction.atomic():
        account = User.objects.locked().get(pk=account_id)
        require_room(account)
        profile = Profile(account=account, language=account.language, created_at=now)
        _apply(profile, fields)
        if profile.is_kids:
            require_adult(account)
        refusal = pins.refusal_of(account_id, None, master_pin, origin=origin, now=now)
        if refusal is None:
            _save(profile, now)
    if refusal:
        raise refusal
    return profile


def change(
    *,
    account_id: UUID,
    profile_id: UUID,
    fields: Mapping[str, Any],
    now: datetime,
    master_pin: str | None = None,
    origin: Origin = audit.NOWHERE,
) -> Profile:
    """Change some of CHANGEABLE.

    Raises ProfileNotFound, ProfileNameTaken, AdultProfileRequired (the last adult becomes no child),
    KidsLimitsExceeded and, when LIMITS change, what `pins.refusal_of` answers of the master PIN.
    """
    with transaction.atomic():
        profile = pins.locked(account_id, profile_id)
        before = {name: getattr(profile, name) for name in LIMITS}
        _apply(profile, fields)
        if profile.is_kids and not before["is_kids"]:
            require_adult(profile.account, besides=profile)
        refusal = None
        if any(getattr(profile, name) != value for name, value in before.items()):
            refusal = pins.refusal_of(account_id, None, master_pin, origin=origin, now=now)
        if refusal is None:
            sessions.forget(account_id=account_id)
            _save(profile, now)
    if refusal:
        raise refusal
    return profile


def delete(*, account_id: UUID, profile_id: UUID, now: datetime, origin: Origin = audit.NOWHERE) -> None:
    """Delete a profile; sign-ins that acted as it act as none, and whoever it was offered to is told.

    Raises ProfileNotFound and AdultProfileRequired.
    """
    with transaction.atomic():
        profile = pins.locked(account_id, profile_id)
        if not profile.is_kids:
            require_adult(profile.account, besides=profile)
        offers.withdraw(account_id=account_id, profile_id=profile_id, now=now, origin=origin)
        profile.delete()
        sessions.forget(account_id=account_id)
        event = ProfileDeleted(account_id=str(account_id), profile_id=str(profile_id))
        outbox.publish(event, aggregate=f"account:{account_id}", now=now)


def move(profile: Profile, *, to: User, name: str | None, now: datetime) -> None:
    """Let a profile belong to another account, in the caller's transaction, which holds the locks of all three.

    Sign-ins that acted as it act as none. Its limits stay as they are; its PIN, which another household knows, goes.
    Raises ProfileNameTaken.
    """
    from_account_id = profile.account_id
    Pin.objects.filter(profile=profile).delete()
    SessionProfile.objects.filter(profile=profile).delete()
    profile.account = to
    profile.name = name or profile.name
    _save(profile, now)
    for account_id in (from_account_id, to.pk):
        sessions.forget(account_id=account_id)
    event = ProfileTransferred(
        profile_id=str(profile.pk), from_account_id=str(from_account_id), to_account_id=str(to.pk)
    )
    # The receiver's, so that whoever follows the profile sees this before what happens to it there.
    outbox.publish(event, aggregate=f"account:{to.pk}", now=now)


def enter(
    *,
    account_id: UUID,
    profile_id: UUID,
    session_key: str,
    now: datetime,
    pin: str | None = None,
    master_pin: str | None = None,
    origin: Origin = audit.NOWHERE,
) -> Profile:
    """Let a sign-in act as a profile from its next request on.

    `pin` is the profile's, where it has one; `master_pin` the account's, where the sign-in leaves a kids profile.
    Raises ProfileNotFound, what `pins.refusal_of` answers, and SessionUnknown when the sign-in has ended meanwhile.
    """
    with transaction.atomic():
        profile = pins.locked(account_id, profile_id)
        session = _session(account_id, session_key)
        refusal = _refusal_to_leave(session, master_pin, besides=profile, origin=origin, now=now) or pins.refusal_of(
            account_id, profile_id, pin, origin=origin, now=now
        )
        if refusal is None:
            SessionProfile.objects.update_or_create(session=session, defaults={"profile": profile, "entered_at": now})
            sessions.forget(account_id=account_id)
    if refusal:
        raise refusal
    return profile


def leave(
    *, account_id: UUID, session_key: str, now: datetime, master_pin: str | None = None, origin: Origin = audit.NOWHERE
) -> None:
    """Let a sign-in act as no profile from its next request on.

    Raises what `pins.refusal_of` answers of the master PIN when a kids profile is left, and SessionUnknown.
    """
    with transaction.atomic():
        User.objects.locked().get(pk=account_id)
        session = _session(account_id, session_key)
        refusal = _refusal_to_leave(session, master_pin, besides=None, origin=origin, now=now)
        if refusal is None:
            SessionProfile.objects.filter(session=session).delete()
            sessions.forget(account_id=account_id)
    if refusal:
        raise refusal


def renew_blocks_version(profile: Profile, *, has_blocks: bool) -> None:
    """Let what was kept for a profile be anybody's no more, since what is hidden from it changes.

    In the transaction that changes it, under the account's lock. A version never comes back: what was made
    while it changed lies under one that nobody asks for.
    """
    profile.blocks_version = secrets.token_urlsafe(9) if has_blocks else ""
    profile.save(update_fields=["blocks_version"])
    sessions.forget(account_id=profile.account_id)


def require_room(account: User) -> None:
    """Refuse one more profile where there are as many as may be; under the account's lock. Raises TooManyProfiles."""
    if Profile.objects.of_account(account).count() >= rules.PROFILES_PER_ACCOUNT:
        raise TooManyProfiles


def require_adult(account: User, *, besides: Profile | None = None) -> None:
    """Refuse to leave children alone; under the account's lock. Raises AdultProfileRequired."""
    adults = Profile.objects.of_account(account).adults()
    if not (adults.exclude(pk=besides.pk) if besides else adults).exists():
        raise AdultProfileRequired


def _session(account_id: UUID, session_key: str) -> UserSession:
    session: UserSession | None = UserSession.objects.filter(session_key=session_key, user_id=account_id).first()
    if session is None:
        raise sessions.SessionUnknown
    return session


def _refusal_to_leave(
    session: UserSession, master_pin: str | None, *, besides: Profile | None, origin: Origin, now: datetime
) -> DomainError | None:
    entered = Profile.objects.filter(sessions__session=session).first()
    if entered is None or not entered.is_kids or entered == besides:
        return None
    return pins.refusal_of(session.user_id, None, master_pin, origin=origin, now=now)


def _apply(profile: Profile, fields: Mapping[str, Any]) -> None:
    becomes_kids = bool(fields.get("is_kids")) and not profile.is_kids
    if becomes_kids:
        profile.highest_age = min(profile.highest_age, rules.KIDS_HIGHEST_AGE)
        profile.allows_unrated = False
    for name in CHANGEABLE & fields.keys():
        setattr(profile, name, fields[name])
    if profile.is_kids and (profile.highest_age > rules.KIDS_HIGHEST_AGE or profile.allows_unrated):
        raise KidsLimitsExceeded


def _save(profile: Profile, now: datetime) -> None:
    profile.updated_at = now
    try:
        with transaction.atomic():
            profile.save()
    except IntegrityError as error:
        if "profile_name_unique_in_account" in str(error):
            raise ProfileNameTaken from None
        raise
