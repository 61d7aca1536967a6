"""Television sign-in after RFC 8628: a code on the screen, confirmed on a phone, turned into a session once.

The state lives in PostgreSQL. Every step locks the row it changes, so that of two polls at once one gets
the token, and a code that was refused stays refused.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from allauth.usersessions.models import UserSession
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.sessions.backends.db import SessionStore
from django.db import IntegrityError, transaction

from accounts import rules
from accounts.models import CodeTries, DeviceAuthorization, User
from accounts.services import audit, devices, notices
from accounts.services.audit import Act, Origin
from core.errors import DomainError

LIFETIME = timedelta(minutes=15)
INTERVAL = 5
"""Seconds between polls to begin with, and those that a poll too early adds (RFC 8628, 3.5)."""
KEPT = timedelta(days=1)
"""How long what has run out is still told apart from what never was."""
WRONG_CODES = 10
WRONG_CODES_WITHIN = timedelta(hours=1)

State = DeviceAuthorization.State


class OAuthError(Exception):
    """An answer of RFC 6749 (5.2) or RFC 8628 (3.5); `code` is the one that the RFC defines."""

    def __init__(self, code: str, description: str) -> None:
        super().__init__(description)
        self.code = code
        self.description = description


class CodeNotFound(DomainError):
    """No television waits with this code: it is misspelt, has run out, or was answered."""

    code = "tv_code_not_found"
    title = "No television is waiting with this code. Check it, or begin again on the television."
    status = 404


class TooManyCodes(DomainError):
    """The account entered too many wrong codes; `retry_after` says how many seconds to wait."""

    code = "too_many_tv_codes"
    title = "Too many wrong codes; wait before the next one."
    status = 429


@dataclass(frozen=True)
class Started:
    """What a television shows, and asks with."""

    device_code: str
    user_code: str
    expires_in: int
    interval: int


@dataclass(frozen=True)
class Token:
    """A session for the television."""

    session_key: str
    expires_in: int


def start(*, client_id: str, name: str, place: str, now: datetime) -> Started:
    """Let a television wait for a person. `client_id` is the stable id of the app on it."""
    device_code = secrets.token_urlsafe(32)
    while True:
        user_code = "".join(secrets.choice(rules.CODE_ALPHABET) for _ in range(rules.CODE_LENGTH))
        try:
            with transaction.atomic():
                DeviceAuthorization.objects.create(
                    device_hash=_hash(device_code),
                    user_hash=_hash(user_code),
                    client_hash=_client_hash(client_id),
                    name=name,
                    place=place,
                    interval_seconds=INTERVAL,
                    created_at=now,
                    expires_at=now + LIFETIME,
                )
        except IntegrityError as error:
            if "device_authorization_code_unique" not in str(error):
                raise
            continue  # somebody has this code on the screen
        return Started(device_code, rules.shown_code(user_code), int(LIFETIME.total_seconds()), INTERVAL)


def poll(*, device_code: str, client_id: str, address: str, user_agent: str, now: datetime) -> Token:
    """Answer the television's session once somebody has confirmed it.

    Raises OAuthError: authorization_pending, slow_down, access_denied, expired_token, invalid_grant.
    """
    with transaction.atomic():
        codes = {"device_hash": _hash(device_code), "client_hash": _client_hash(client_id)}
        known = DeviceAuthorization.objects.filter(**codes).first()
        if known is None:
            raise OAuthError("invalid_grant", "There is no such device code for this client.")
        # The account's lock comes first; who confirms meanwhile is seen at the next poll.
        account = User.objects.locked().filter(pk=known.account_id).first() if known.account_id else None
        asked = DeviceAuthorization.objects.locked().get(pk=known.pk)
        refusal = _refusal(asked, account, now)
        if refusal is None and account is not None:
            return _redeem(asked, account, address=address, user_agent=user_agent, now=now)
        # What a poll leaves behind is kept although it is refused.
        asked.polled_at = now
        asked.save(update_fields=["polled_at", "interval_seconds"])
    raise refusal or OAuthError("authorization_pending", "Nobody has confirmed the code yet.")


def look_up(*, account_id: UUID, user_code: str, now: datetime) -> DeviceAuthorization:
    """Answer which television waits with a code. Raises CodeNotFound and TooManyCodes."""
    with transaction.atomic():
        found = _waiting(account_id, user_code, now)
    return _found(found)


def approve(*, account_id: UUID, user_code: str, now: datetime) -> DeviceAuthorization:
    """Let the television with this code sign in to the account. Raises CodeNotFound and TooManyCodes."""
    with transaction.atomic():
        found = _waiting(account_id, user_code, now)
        if found is not None:
            found.state, found.account_id = State.APPROVED, account_id
            found.save(update_fields=["state", "account"])
    return _found(found)


def deny(*, account_id: UUID, user_code: str, now: datetime) -> None:
    """Refuse the television with this code. Raises CodeNotFound and TooManyCodes."""
    with transaction.atomic():
        found = _waiting(account_id, user_code, now)
        if found is not None:
            found.state = State.DENIED
            found.save(update_fields=["state"])
    _found(found)


def purge(*, now: datetime) -> int:
    """Delete what ran out a day ago, and counts of wrong codes that no longer matter; answers how many rows."""
    gone = DeviceAuthorization.objects.filter(expires_at__lt=now - KEPT).delete()[0]
    return gone + CodeTries.objects.filter(since__lt=now - WRONG_CODES_WITHIN).delete()[0]


def _hash(code: str) -> str:
    return hashlib.sha256(code.encode()).hexdigest()


def _client_hash(client_id: str) -> str:
    return devices.hash_client(rules.TELEVISION, client_id)


def _refusal(asked: DeviceAuthorization, account: User | None, now: datetime) -> OAuthError | None:
    if asked.state == State.REDEEMED:
        return OAuthError("invalid_grant", "This device code has been used.")
    if asked.state == State.DENIED or (account is not None and not account.is_active):
        return OAuthError("access_denied", "The request was refused.")
    if asked.expires_at <= now:
        return OAuthError("expired_token", "The device code has run out; start again.")
    if asked.polled_at is not None and now - asked.polled_at < timedelta(seconds=asked.interval_seconds):
        asked.interval_seconds = min(asked.interval_seconds + INTERVAL, int(LIFETIME.total_seconds()))
        return OAuthError("slow_down", f"Wait {asked.interval_seconds} seconds between requests from now on.")
    return None


def _redeem(asked: DeviceAuthorization, account: User, *, address: str, user_agent: str, now: datetime) -> Token:
    store = SessionStore()
    store[SESSION_KEY] = str(account.pk)
    store[BACKEND_SESSION_KEY] = "allauth.account.auth_backends.AuthenticationBackend"
    store[HASH_SESSION_KEY] = account.get_session_auth_hash()
    store.create()
    session_key = store.session_key
    assert session_key
    session = UserSession.objects.create(
        user=account,
        session_key=session_key,
        ip=address,
        user_agent=user_agent[: UserSession._meta.get_field("user_agent").max_length],
        created_at=now,
        last_seen_at=now,
    )
    devices.bind(
        account_id=account.pk,
        session=session,
        client_hash=asked.client_hash,
        kind=rules.TELEVISION,
        name=asked.name,
        place=asked.place,
        now=now,
    )
    origin = Origin(address=None if address == "::" else address, place=asked.place, user_agent=user_agent)
    audit.record(Act.SIGNED_IN, account_id=account.pk, by=account, origin=origin, now=now, kind=rules.TELEVISION)
    notices.tell(
        account,
        "new_device",
        now=now,
        timestamp=now.isoformat(),
        place=asked.place or address,
        device=asked.name or user_agent[:200] or "?",
    )
    asked.state, asked.polled_at = State.REDEEMED, now
    asked.save(update_fields=["state", "polled_at"])
    return Token(session_key, int(rules.SESSION_LIFETIME[rules.TELEVISION].total_seconds()))


def _waiting(account_id: UUID, user_code: str, now: datetime) -> DeviceAuthorization | None:
    """Answer, locked, what waits with a code; None counts as a wrong try, which the caller must commit."""
    User.objects.locked().get(pk=account_id)
    tries = CodeTries.objects.filter(account=account_id, since__gt=now - WRONG_CODES_WITHIN).first()
    if tries is not None and tries.wrong >= WRONG_CODES:
        wait = tries.since + WRONG_CODES_WITHIN - now
        raise TooManyCodes(retry_after=max(1, int(wait.total_seconds())))
    user_hash = _hash(rules.read_code(user_code))
    found = DeviceAuthorization.objects.waiting(now).filter(user_hash=user_hash).locked().first()
    if found is None:
        CodeTries.objects.update_or_create(
            account_id=account_id,
            defaults={"wrong": tries.wrong + 1 if tries else 1, "since": tries.since if tries else now},
        )
    return found


def _found(found: DeviceAuthorization | None) -> DeviceAuthorization:
    if found is None:
        raise CodeNotFound
    return found
