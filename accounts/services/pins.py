"""PINs: set, taken away, tried.

A wrong one counts under the account's lock, so that two tries at once are two; after the third in a row each costs a
growing delay. Whatever refuses is answered and not raised, so that the caller's transaction commits what was counted.
"""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from django.contrib.auth.hashers import check_password, make_password
from django.db import transaction
from django.utils.translation import gettext as _

from accounts import rules
from accounts.models import Pin, Profile, SessionProfile, User
from accounts.services import audit, notices, sessions
from accounts.services.audit import Act, Origin
from core.errors import DomainError


class ProfileNotFound(DomainError):
    """No such profile in this account, whether or not another account has it."""

    code = "profile_not_found"
    title = "This account has no such profile."
    status = 404


class PinRequired(DomainError):
    """A PIN guards this, and none was sent."""

    code = "pin_required"
    title = "A PIN guards this; send it along."
    status = 403


class PinWrong(DomainError):
    """Another PIN guards this."""

    code = "pin_wrong"
    title = "This is not the PIN."
    status = 403


class PinLocked(DomainError):
    """Too many wrong PINs were tried."""

    code = "pin_locked"
    title = "Too many wrong PINs were tried; wait, or set a new one with your password."
    status = 429


class PinWeak(DomainError):
    """It is no PIN, or one that is tried first."""

    code = "pin_weak"
    title = (
        f"A PIN has {rules.PIN_DIGITS.start} to {rules.PIN_DIGITS.stop - 1} digits, and is no row, repetition or year."
    )
    status = 422


def locked(account_id: UUID, profile_id: UUID) -> Profile:
    """Lock the account, then the profile, in the caller's transaction. Raises ProfileNotFound."""
    User.objects.locked().get(pk=account_id)
    try:
        return Profile.objects.locked().get(pk=profile_id, account_id=account_id)
    except Profile.DoesNotExist:
        raise ProfileNotFound from None


def refusal_of(
    account_id: UUID, profile_id: UUID | None, pin: str | None, *, origin: Origin, now: datetime
) -> DomainError | None:
    """Try a profile's PIN, or the master PIN (None); answer what refuses, None when it is right or there is none.

    In the caller's transaction, under the account's lock; the caller raises the answer after the commit. A wrong
    PIN is on record.
    """
    guard = Pin.objects.filter(account=account_id, profile=profile_id).first()
    if guard is None:
        return None
    if guard.locked_until is not None and guard.locked_until > now:
        return PinLocked(_("Too many wrong PINs: try again at %(time)s.") % {"time": guard.locked_until.isoformat()})
    if pin is None:
        return PinRequired()
    if check_password(pin, guard.hash):
        if guard.wrong_tries:
            Pin.objects.filter(pk=guard.pk).update(wrong_tries=0, locked_until=None)
        return None
    guard.wrong_tries = min(guard.wrong_tries + 1, rules.MOST_WRONG_TRIES)
    delay = rules.pin_delay(guard.wrong_tries)
    guard.locked_until = now + delay if delay else None
    guard.save(update_fields=["wrong_tries", "locked_until"])
    account = User.objects.get(pk=account_id)
    audit.record(
        Act.PIN_FAILED,
        account_id=account_id,
        by=account,
        origin=origin,
        now=now,
        pin=_name(profile_id),
        tries=guard.wrong_tries,
    )
    return PinWrong()


def put(*, account_id: UUID, profile_id: UUID | None, pin: str, now: datetime, origin: Origin = audit.NOWHERE) -> None:
    """Set or replace a profile's PIN, or the master PIN (None); whoever asks has proven to be the owner.

    So a forgotten one is replaced, and a lock ends. Sign-ins that act as the profile act as none from then on; those
    in a kids profile stay there when the master PIN changes, which is what keeps them in. The owner is told by mail.
    Raises PinWeak, ProfileNotFound.
    """
    if rules.is_weak_pin(pin):
        raise PinWeak
    with transaction.atomic():
        profile = _lock(account_id, profile_id)
        _, is_new = Pin.objects.update_or_create(
            account_id=account_id,
            profile=profile,
            defaults={"hash": make_password(pin), "wrong_tries": 0, "locked_until": None, "changed_at": now},
        )
        notice = "pin_set" if is_new else "pin_changed"
        _changed(Act.PIN_SET, notice, account_id, profile, now=now, origin=origin)


def remove(*, account_id: UUID, profile_id: UUID | None, now: datetime, origin: Origin = audit.NOWHERE) -> None:
    """Take a PIN away, as `put` sets one; one that is not there is no error. Raises ProfileNotFound."""
    with transaction.atomic():
        profile = _lock(account_id, profile_id)
        if Pin.objects.filter(account=account_id, profile=profile_id).delete()[0]:
            _changed(Act.PIN_REMOVED, "pin_removed", account_id, profile, now=now, origin=origin)


def _lock(account_id: UUID, profile_id: UUID | None) -> Profile | None:
    """Lock the account, and the profile if one is named, which is answered."""
    if profile_id is not None:
        return locked(account_id, profile_id)
    User.objects.locked().get(pk=account_id)
    return None


def _changed(
    act: Act, notice: str, account_id: UUID, profile: Profile | None, *, now: datetime, origin: Origin
) -> None:
    account = User.objects.get(pk=account_id)
    audit.record(
        act, account_id=account_id, by=account, origin=origin, now=now, pin=_name(profile.pk if profile else None)
    )
    notices.tell(
        account,
        notice,
        now=now,
        profile=profile.name if profile else "",
        timestamp=now.isoformat(),
        ip=origin.address or "",
        user_agent=origin.user_agent[:200],
    )
    if profile is not None:
        SessionProfile.objects.filter(profile=profile).delete()
        sessions.forget(account_id=account_id)


def _name(profile_id: UUID | None) -> str:
    return str(profile_id) if profile_id else "master"
