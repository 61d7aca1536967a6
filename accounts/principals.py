"""Who a request comes from: one read of Valkey for a session's key, and one query when that finds nothing.

What is kept there is made of the session, its account, the profile it entered, its device and the account's
groups. Whoever changes one of these says so, after the commit: `forget` for a change, `end` for the end of a
session (see services.sessions, which every other service calls). Inside a transaction nothing is kept,
since what it reads may never be committed.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any, TypeVar
from uuid import UUID

import msgspec
from allauth.usersessions.models import UserSession
from django.contrib.auth import HASH_SESSION_KEY, SESSION_KEY
from django.contrib.auth.models import Group
from django.contrib.postgres.expressions import ArraySubquery
from django.contrib.sessions.backends.db import SessionStore
from django.contrib.sessions.models import Session
from django.db import connection, models
from django.db.models import OuterRef, Subquery
from django.utils.crypto import constant_time_compare

from accounts import rules
from accounts.models import Device, Profile, User
from core.revocable import RevocableCache, State

M = TypeVar("M", bound=models.Model)

# Django's session keys. Anything else is none, and costs no look-up.
_KEY = re.compile(r"[a-z0-9]{32}")

# What is kept of each; anything else of theirs is read from the database when somebody asks.
# No password, no PIN, no hash of either.
_USER = ("id", "email", "country", "language", "is_staff", "is_superuser", "is_active", "created_at")
_PROFILE = (
    "id", "account_id", "name", "avatar", "language", "is_kids", "highest_age", "allows_unrated", "autoplay",
    "subtitles", "subtitle_language", "subtitles_for_deaf", "blocks_version", "created_at",
)  # fmt: skip
_DEVICE = ("id", "account_id", "session_id", "kind", "name", "created_at")

_cache = RevocableCache("principal")


@dataclass(frozen=True)
class Principal:
    """What a request acts with: its session, the account, and the profile that this session entered, if any."""

    session_id: int
    session_key: str
    account: User
    profile: Profile | None
    device: Device | None
    """None for a session that began before devices were known."""
    groups: frozenset[str]
    """Names of the account's groups: those of staff."""
    last_seen_at: datetime
    """When the session was last used, as far as it was written down."""
    ends_at: datetime
    """When the session runs out, unless it is used before."""

    @property
    def is_television(self) -> bool:
        """Whether this is a television, which can do nothing sensitive."""
        return self.device is not None and self.device.kind == rules.TELEVISION

    @property
    def is_restricted(self) -> bool:
        """Whether a kids profile is entered, from which nothing of the account can be reached."""
        return self.profile is not None and self.profile.is_kids


class _Kept(msgspec.Struct, array_like=True):
    """A principal as Valkey has it, without the session's key, which opens the door."""

    session_id: int
    account: dict[str, Any]
    profile: dict[str, Any] | None
    device: dict[str, Any] | None
    groups: list[str]
    last_seen_at: datetime
    ends_at: datetime


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(_Kept)


def resolve(session_key: str, *, now: datetime) -> Principal | None:
    """Answer who a session's key stands for; None when it is no key, or its session has ended."""
    if not _KEY.fullmatch(session_key):
        return None
    if connection.in_atomic_block:
        return _read(session_key, now)
    name = _name(session_key)
    kept = _cache.read(name)
    if kept is State.ENDED:
        return None
    if isinstance(kept, bytes):
        principal = _unpack(session_key, kept)
        return principal if principal.ends_at > now else None
    lease = _cache.lease(name)
    found = _read(session_key, now)
    if lease is not None and found is not None:
        _cache.fill(name, lease, _pack(found))
    return found


def forget(session_keys: Collection[str]) -> None:
    """Read these sessions anew; call it after the commit of what changed."""
    _cache.forget([_name(key) for key in session_keys])


def end(session_keys: Collection[str]) -> None:
    """Refuse these sessions from now on; call it after the commit that ended them."""
    _cache.end([_name(key) for key in session_keys])


def _name(session_key: str) -> str:
    return hashlib.sha256(session_key.encode()).hexdigest()


def _read(session_key: str, now: datetime) -> Principal | None:
    stored = Session.objects.filter(session_key=OuterRef("session_key"), expire_date__gt=now)
    session = (
        UserSession.objects.filter(session_key=session_key, user__is_active=True)
        .select_related("user", "entered__profile", "device")
        .annotate(
            stored=Subquery(stored.values("session_data")),
            ends_at=Subquery(stored.values("expire_date")),
            group_names=ArraySubquery(Group.objects.filter(user=OuterRef("user_id")).order_by("name").values("name")),
        )
        .first()
    )
    if session is None or session.stored is None or not _is_signed_in(session.stored, session.user):
        return None
    entered, device = getattr(session, "entered", None), getattr(session, "device", None)
    return Principal(
        session_id=session.pk,
        session_key=session_key,
        account=session.user,
        profile=entered.profile if entered else None,
        device=device,
        groups=frozenset(session.group_names),
        last_seen_at=session.last_seen_at,
        ends_at=session.ends_at,
    )


def _is_signed_in(stored: str, user: User) -> bool:
    """Answer whether a session's data says that this user signed in, with the password they have now."""
    data = SessionStore().decode(stored)
    if data.get(SESSION_KEY) != str(user.pk):
        return False
    hashes = [user.get_session_auth_hash(), *user.get_session_auth_fallback_hash()]
    return any(constant_time_compare(data.get(HASH_SESSION_KEY, ""), each) for each in hashes)


def _pack(principal: Principal) -> bytes:
    return _encoder.encode(
        _Kept(
            session_id=principal.session_id,
            account=_values(principal.account, _USER),
            profile=_values(principal.profile, _PROFILE) if principal.profile else None,
            device=_values(principal.device, _DEVICE) if principal.device else None,
            groups=sorted(principal.groups),
            last_seen_at=principal.last_seen_at,
            ends_at=principal.ends_at,
        )
    )


def _unpack(session_key: str, packed: bytes) -> Principal:
    kept = _decoder.decode(packed)
    account = _instance(User, kept.account)
    profile = _instance(Profile, kept.profile) if kept.profile else None
    device = _instance(Device, kept.device) if kept.device else None
    for owned in (profile, device):
        if owned is not None:
            owned.account = account
    return Principal(
        session_id=kept.session_id,
        session_key=session_key,
        account=account,
        profile=profile,
        device=device,
        groups=frozenset(kept.groups),
        last_seen_at=kept.last_seen_at,
        ends_at=kept.ends_at,
    )


def _values(instance: models.Model, names: Collection[str]) -> dict[str, Any]:
    return {name: getattr(instance, name) for name in names}


def _instance(model: type[M], values: dict[str, Any]) -> M:
    names, ids = _known(model, tuple(values))
    found = [UUID(values[name]) if name in ids and values[name] else values[name] for name in names]
    return model.from_db(connection.alias, names, found)


@cache
def _known(model: type[models.Model], kept: tuple[str, ...]) -> tuple[list[str], frozenset[str]]:
    """Answer the fields of what was kept, and which of them are ids, that MessagePack has as text.

    Another release may have kept other fields: those it lacks are read when asked for.
    """
    fields = [field for field in model._meta.concrete_fields if field.attname in kept]
    ids = (field.attname for field in fields if isinstance(getattr(field, "target_field", field), models.UUIDField))
    return [field.attname for field in fields], frozenset(ids)
