"""Valkey for what can do without it: short time-outs, and a circuit that opens at a failure.

Nobody waits longer than PATIENCE; after a failure this process leaves Valkey alone for PAUSE.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from functools import cache

import structlog
from django.conf import settings
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

logger = structlog.get_logger(__name__)

PATIENCE = 0.25
"""Seconds that a Valkey which hangs may cost."""
PAUSE = 1.0
"""Seconds without Valkey after a failure, and once more after it has come back: see `Connection`."""
_RETRY = 0.2
"""Seconds between two tries of what must be done in the end."""


class Connection:
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

    def insist(self, command: Callable[[Redis], object], *, seconds: float) -> None:
        """Run a command whatever the circuit says; one that fails is tried again until `seconds` have passed."""
        try:
            command(self._valkey)
        except RedisError as error:
            self._fail(error)
            with self._lock:
                self._owed.append((time.monotonic() + seconds, command))
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
def _connections(url: str) -> Connection:
    return Connection(url)


def connection() -> Connection:
    """Answer this process's connection to the Valkey of the settings."""
    return _connections(settings.REDIS_URL)
