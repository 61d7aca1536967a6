"""Many calls to the gateway in flight at once, from one process.

The threads here call and do nothing else: no database, no decision. Whoever hands calls over collects the
outcomes and settles them.
"""

from __future__ import annotations

import random
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from billing.gateway import ChargeOutcome, Gateway, OutcomeKind
from core import sweeping

IN_FLIGHT = 64
"""Threads: enough for 100 calls a second that take 600 ms, or 25 that take 2.5 s."""

AT_FIRST, QUICK = 4, 0.05
"""So many threads do where calls take no time; there are more once calls have waited for so many seconds."""

PATIENCE = 20.0
"""Seconds in which a call must have begun: a later one would outlive its lease and meet the sweeper's."""

BACK_OFF = 1.0
"""Seconds, half of them to half as many again, after which a call that was one too many is made again."""

RATE_LIMITED = "rate_limited"
NOT_SENT = ChargeOutcome(OutcomeKind.UNKNOWN, code="not_sent_in_time")
FAILED = ChargeOutcome(OutcomeKind.UNKNOWN, code="call_failed")

Outcomes = dict[UUID, ChargeOutcome]


@dataclass(frozen=True)
class Call:
    """What is sent for one attempt, as its row holds it."""

    attempt_id: UUID
    params: dict[str, Any]
    idempotency_key: str


class Calls:
    """Calls under way: those that wait for a thread, and those that wait for their answer."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._waiting: deque[tuple[Call, float]] = deque()
        self._answered: Outcomes = {}
        self._failure: BaseException | None = None
        self._under_way = 0
        self._is_over = False
        self._threads: list[threading.Thread] = []
        self._idle = 0
        self._is_time: Callable[[], bool] = lambda: False
        lock = threading.Lock()
        self._work = threading.Condition(lock)
        self._news = threading.Condition(lock)

    @property
    def waiting(self) -> int:
        """How many have not begun."""
        return len(self._waiting)

    @property
    def under_way(self) -> int:
        """How many were handed over and not collected."""
        return self._under_way

    def start(self, calls: Iterable[Call]) -> None:
        """Hand over calls; they begin as soon as a thread is free."""
        until = time.monotonic() + PATIENCE
        with self._work:
            for call in calls:
                self._waiting.append((call, until))
                self._under_way += 1
            self._grow(AT_FIRST)
            self._work.notify_all()

    def collect(self, *, count: int, when_waiting: int, seconds: float) -> Outcomes:
        """Wait for `count` outcomes, or all there will be, or `seconds`; answers them, and forgets them here.

        Answers nothing yet when fewer than `when_waiting` calls have not begun: it is time to start others.
        """

        def is_enough() -> bool:
            return len(self._answered) >= min(count, self._under_way)

        def is_time() -> bool:
            return self._failure is not None or is_enough() or len(self._waiting) < when_waiting

        with self._news:
            self._is_time = is_time
            is_news = self._news.wait_for(is_time, min(seconds, QUICK))
            if not is_news:
                self._grow(IN_FLIGHT)
                is_news = self._news.wait_for(is_time, seconds)
            if self._failure is not None:
                raise self._failure
            if is_news and not is_enough():
                return {}
            answered, self._answered = self._answered, {}
            self._under_way -= len(answered)
            return answered

    def _grow(self, most: int) -> None:
        """Have a thread for each call that waits, up to `most`."""
        for _ in range(min(len(self._waiting) - self._idle, most - len(self._threads))):
            thread = threading.Thread(target=self._call_all, name="charge", daemon=True)
            self._threads.append(thread)
            thread.start()

    def end(self) -> None:
        """Let the threads go. What has not begun, because whoever collects has failed, is left to the sweep."""
        with self._work:
            self._is_over = True
            self._waiting.clear()
            self._work.notify_all()

    def _call_all(self) -> None:
        while True:
            with self._work:
                while not self._waiting:
                    if self._is_over:
                        return
                    self._idle += 1
                    self._work.wait()
                    self._idle -= 1
                call, until = self._waiting.popleft()
            try:
                outcome = self._call(call, until)
            except Exception as error:
                # Of one call, which keeps none of the others; it may have been made, so it is asked for again.
                sweeping.report("charges", call.attempt_id, error)
                outcome = FAILED
            except BaseException as error:
                with self._news:
                    self._failure = error
                    self._news.notify_all()
                return
            with self._news:
                self._answered[call.attempt_id] = outcome
                # Woken for each answer, who collects would take the threads' time.
                if self._is_time():
                    self._news.notify()

    def _call(self, call: Call, until: float) -> ChargeOutcome:
        while time.monotonic() < until:
            outcome = self._gateway.charge(params=call.params, idempotency_key=call.idempotency_key)
            if outcome.kind is not OutcomeKind.UNKNOWN or outcome.code != RATE_LIMITED:
                return outcome
            # Nothing was done, and the gateway keeps no such answer: the same call may be made again.
            time.sleep(BACK_OFF * random.uniform(0.5, 1.5))  # noqa: S311 - chance, not secrecy
        return NOT_SENT


@contextmanager
def calling(gateway: Gateway) -> Iterator[Calls]:
    """Yield calls to a gateway; their threads end afterwards."""
    calls = Calls(gateway)
    try:
        yield calls
    finally:
        calls.end()


def make(calls: list[Call], *, gateway: Gateway, settle: Callable[[Outcomes], None]) -> Outcomes:
    """Make calls, settle them as their answers come, and answer all outcomes."""
    outcomes: Outcomes = {}
    with calling(gateway) as under_way:
        under_way.start(calls)
        while under_way.under_way:
            answered = under_way.collect(count=len(calls), when_waiting=0, seconds=1)
            settle(answered)
            outcomes |= answered
    return outcomes
