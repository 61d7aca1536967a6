"""Values kept in Valkey for a minute at most, which their owner takes back at once.

A reader that finds nothing takes a lease, asks the database, and stores the value only if its lease is
still there (compare and set). Whoever changes what the value is made of commits, and then forgets the
name, which breaks the lease: what was read before the commit is never stored after it. A name that has
ended for good gets a tombstone, which no lease replaces.

Valkey may be away or hang (see core.valkey): what could not be taken back is tried again until every value has
run out by itself.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection, Sequence
from enum import Enum

import structlog
from redis import Redis

from core.valkey import connection

logger = structlog.get_logger(__name__)

LIFETIME = 60.0
"""Seconds that a value is kept."""
_LEASE = 10
"""Seconds in which who leased a name must have read its value; longer than a request may take a query."""

_VALUE, _LEASED, _TOMBSTONE = b"v", b"l", b"x"

# Stores a value in place of the lease that was taken for it, and of nothing else.
_FILL = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3]) end"


class State(Enum):
    """What is found instead of a value."""

    ABSENT = "absent"
    """Nothing is kept, or somebody is about to keep it: ask the database."""
    ENDED = "ended"
    """It has ended for good."""


class RevocableCache:
    """Values of one kind, by name. A name that is a secret is for the caller to hash."""

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix

    def read(self, name: str) -> bytes | State:
        """Answer what is kept under a name: one read of Valkey."""
        return _found(connection().run(lambda valkey: valkey.get(self._key(name))))

    def read_all(self, names: Sequence[str]) -> list[bytes | State]:
        """Answer what is kept under each name at one instant: one read of Valkey."""
        keys = [self._key(name) for name in names]
        kept = connection().run(lambda valkey: valkey.mget(keys))
        return [_found(each) for each in kept] if isinstance(kept, list) else [State.ABSENT for _ in keys]

    def lease(self, name: str) -> bytes | None:
        """Claim the right to fill a name, before reading its value; None if there is no such right now."""
        lease = _LEASED + secrets.token_bytes(12)
        taken = connection().run(lambda valkey: valkey.set(self._key(name), lease, nx=True, ex=_LEASE))
        return lease if taken else None

    def fill(self, name: str, lease: bytes, value: bytes, *, seconds: float = LIFETIME) -> None:
        """Keep a value that was read under a lease, unless the name was forgotten or ended meanwhile.

        For less than LIFETIME where it is true for `seconds` only.
        """
        key, milliseconds = self._key(name), max(1, round(min(seconds, LIFETIME) * 1000))
        connection().run(lambda valkey: valkey.eval(_FILL, 1, key, lease, _VALUE + value, milliseconds))

    def forget(self, names: Collection[str]) -> None:
        """Take values back after what they are made of has changed; call it after the commit."""
        if names:
            keys = [self._key(name) for name in names]
            connection().insist(lambda valkey: valkey.delete(*keys), seconds=LIFETIME)

    def end(self, names: Collection[str]) -> None:
        """Take values back for good; call it after the commit."""
        if names:
            keys = [self._key(name) for name in names]
            connection().insist(lambda valkey: _bury(valkey, keys), seconds=LIFETIME)

    def _key(self, name: str) -> str:
        return f"{self._prefix}:{name}"


def _found(kept: object) -> bytes | State:
    if not isinstance(kept, bytes):
        return State.ABSENT
    if kept[:1] == _VALUE:
        return kept[1:]
    return State.ENDED if kept == _TOMBSTONE else State.ABSENT


def _bury(valkey: Redis, keys: list[str]) -> None:
    pipeline = valkey.pipeline(transaction=False)
    for key in keys:
        pipeline.set(key, _TOMBSTONE, ex=round(2 * LIFETIME))
    pipeline.execute()
