"""Values kept in Valkey for a minute at most, which their owner takes back at once.

A reader that finds nothing takes a lease, asks the database, and stores the value only if its lease is
still there (compare and set). Whoever changes what the value is made of commits, and then forgets the
name, which breaks the lease: what was read before the commit is never stored after it. A name that has
ended for good gets a tombstone, which no lease replaces.

Valkey may be away or hang. Nobody waits longer than PATIENCE; after a failure this process leaves it
alone for PAUSE, and what could not be taken back is tried again until every value has run out by itself.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable, Collection
from enum import Enum
from functools import cache

import structlog
from django.conf import settings
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

logger = structlog.get_logger(__name__)

LIFETIME = 60.0
"""Seconds that a value is kept."""
PATIENCE = 0.25
"""Seconds that a Valkey which hangs may cost."""
PAUSE = 1.0
"""Seconds without Valkey after a failure, and once more after it has come back: see `_Connection`."""
_LEASE = 10
"""Seconds in which who leased a name must have read its value; longer than a request may take a query."""
_RETRY = 0.2
"""Seconds between two tries to take back what could not be taken back."""

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
        kept = _connection().run(lambda valkey: valkey.get(self._key(name)))
        if not isinstance(kept, bytes):
            return State.ABSENT
        if kept[:1] == _VALUE:
            return kept[1:]
        return State.ENDED if kept == _TOMBSTONE else State.ABSENT

    def lease(self, name: str) -> bytes | None:
        """Claim the right to fill a name, before reading its value; None if there is no such right now."""
        lease = _LEASED + secrets.token_bytes(12)
        taken = _connection().run(lambda valkey: valkey.set(self._key(name), lease, nx=True, ex=_LEASE))
        return lease if taken else None

    def fill(self, name: str, lease: bytes, value: bytes, *, seconds: float = LIFETIME) -> None:
        """Keep a value that was read under a lease, unless the name was forgotten or ended meanwhile.

        For less than LIFETIME where it is true for `seconds` only.
        """
        key, milliseconds = self._key(name), max(1, round(min(seconds, LIFETIME) * 1000))
        _connection().run(lambda valkey: valkey.eval(_FILL, 1, key, lease, _VALUE + value, milliseconds))

    def forget(self, names: Collection[str]) -> None:
        """Take values back after what they are made of has changed; call it after the commit."""
        if names:
            keys = [self._key(name) for name in names]
            _connection().insist(lambda valkey: valkey.delete(*keys))

    def end(self, names: Collection[str]) -> None:
        """Take values back for good; call it after the commit."""
        if names:
            keys = [self._key(name) for name in names]
            _connection().insist(lambda valkey: _bury(valkey, keys))

    def _key(self, name: str) -> str:
        return f"{self._prefix}:{name}"


def _bury(valkey: Redis, keys: list[str]) -> None:
    pipeline = valkey.pipeline(transaction=False)
    for key in keys:
        pipeline.set(key, _TOMBSTONE, ex=round(2 * LIFETIME))
    pipeline.execute()


class _Connection:
    """Valkey with short time-outs, and a circuit that opens at a failure.

    Once Valkey answers again it is left alone for one more PAUSE: in that time, whoever could not take
    something back while it hung does so (see `insist`), and nobody here reads the old value in between.
    """

    def __init__(self, url: str) -> None:
        self._valkey = Redis.from_url(
            url, socket_timeout=PATIENCE, socket_connect_timeout=PATIENCE, retry=Retry(NoBackoff(), 0)
        )
        self._lock = threading.Lock()
        self._is_open = False
        self._answers_again = False
        self._paused_until = 0.0
        self._owed: list[tuple[float, Callable[[Redis], object]]] = []
        self._is_paying = False

    def run(self, command: Callable[[Redis], object]) -> object:
        """Answer a command's answer; None while Valkey is left alone, and when it fails."""
        is_probe = False
        if self._is_open:
            with self._lock:
                moment = time.monotonic()
                if moment < self._paused_until:
                    return None
                is_probe = not self._answers_again
                self._is_open = is_probe
                # One request tries; the others of this moment do without.
                self._paused_until = moment + PATIENCE
        try:
            answer = command(self._valkey)
        except RedisError as error:
            self._fail(error)
            return None
        if is_probe:
            with self._lock:
                self._answers_again = True
                self._paused_until = time.monotonic() + PAUSE
            return None
        return answer

    def insist(self, command: Callable[[Redis], object]) -> None:
        """Run a command whatever the circuit says; one that fails is tried again until LIFETIME has passed."""
        try:
            command(self._valkey)
        except RedisError as error:
            self._fail(error)
            with self._lock:
                self._owed.append((time.monotonic() + LIFETIME, command))
                if not self._is_paying:
                    self._is_paying = True
                    threading.Thread(target=self._pay, name="revocations", daemon=True).start()

    def _fail(self, error: RedisError) -> None:
        logger.warning("valkey_unavailable", error=type(error).__name__)
        with self._lock:
            self._is_open, self._answers_again = True, False
            self._paused_until = time.monotonic() + PAUSE

    def _pay(self) -> None:
        while True:
            time.sleep(_RETRY)
            with self._lock:
                # What is older has run out by itself.
                self._owed = [(until, command) for until, command in self._owed if until > time.monotonic()]
                owed = list(self._owed)
                if not owed:
                    self._is_paying = False
                    return
            for debt in owed:
                try:
                    debt[1](self._valkey)
                except RedisError:
                    break
                with self._lock:
                    self._owed.remove(debt)


@cache
def _connections(url: str) -> _Connection:
    return _Connection(url)


def _connection() -> _Connection:
    return _connections(settings.REDIS_URL)
