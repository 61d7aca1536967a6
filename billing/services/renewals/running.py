"""A run: batches are claimed, charged with many calls in flight, and settled, each while the others are under way."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime
from uuid import UUID

from billing.gateway import ChargeOutcome, Gateway, OutcomeKind
from billing.services import payments
from billing.services.calls import Calls, calling
from billing.services.invoicing import Charge
from billing.services.renewals.claiming import Claimed, claim_or_park
from billing.services.renewals.reports import Handled, charged

BATCH = 400
FIRST_BATCH = 100
SMALLEST_BATCH = 20
CLAIM_SECONDS = 8
"""A batch is what the gateway takes in so many seconds, between the smallest and the largest."""
LOW_WATER = 32
"""The next batch is claimed when fewer calls than these have not begun."""
MOST_UNDER_WAY = 2 * BATCH
"""How many may be claimed and not settled."""
SETTLE_SECONDS = 0.5
"""How long an outcome may wait for others to be settled with."""


def run(*, gateway: Gateway, clock: Callable[[], datetime], limit: int) -> list[Handled]:
    """Handle due subscriptions, oldest first, until none is left or `limit` were handled.

    The next batch is claimed while the calls of the last one are under way, so that the gateway never waits for
    the database. The clock is read for each batch: a run lasts long enough for leases and settlement times to
    depend on it. A gateway that mostly gives no answer ends the run; what is still due is due in a minute too.
    """
    with calling(gateway) as under_way:
        return _Run(under_way, clock=clock, limit=limit).through()


class _Run:
    """One run's state."""

    def __init__(self, under_way: Calls, *, clock: Callable[[], datetime], limit: int) -> None:
        self._calls = under_way
        self._clock = clock
        self._limit = limit
        self._charges: dict[UUID, Charge] = {}
        self._handled: list[Handled] = []
        self._is_dry = False
        self._is_stopped = False
        self._size = FIRST_BATCH
        self._answered = 0
        self._began = time.monotonic()

    def through(self) -> list[Handled]:
        while not self._is_dry or self._charges:
            while self._may_claim and self._calls.waiting < LOW_WATER:
                self._claim()
            if self._charges:
                self._collect()
        return self._handled

    @property
    def _may_claim(self) -> bool:
        return not self._is_dry and len(self._charges) < MOST_UNDER_WAY

    def _claim(self) -> None:
        size = min(self._size, self._limit - len(self._handled) - len(self._charges))
        now = self._clock()
        claimed = claim_or_park(now=now, size=size) if size > 0 else Claimed({}, [])
        found = len(claimed.attempts) + len(claimed.handled) + claimed.set_aside
        self._handled += claimed.handled
        self._charges |= claimed.attempts
        # Asked for more than there were, it is asked again when these are settled.
        self._is_dry = not found or (found < size and bool(self._charges))
        # Handling them one by one may have taken long, and their lease begins where their calls do.
        self._calls.start(payments.mark_sent(list(claimed.attempts), now=self._clock()))

    def _collect(self) -> None:
        outcomes = self._calls.collect(
            count=BATCH, when_waiting=LOW_WATER if self._may_claim else 0, seconds=SETTLE_SECONDS
        )
        payments.settle_each(outcomes, now=self._clock())
        self._handled += [charged(self._charges.pop(attempt), outcome) for attempt, outcome in outcomes.items()]
        if not self._calls.under_way:
            # What was final before it could be sent needs no call.
            self._handled += [charged(charge, ChargeOutcome(OutcomeKind.UNKNOWN)) for charge in self._charges.values()]
            self._charges.clear()
        self._answered += len(outcomes)
        # As many as get through while a call may wait, so that none waits in vain.
        rate = self._answered / (time.monotonic() - self._began)
        self._size = max(SMALLEST_BATCH, min(BATCH, round(rate * CLAIM_SECONDS)))
        unknown = sum(outcome.kind is OutcomeKind.UNKNOWN for outcome in outcomes.values())
        self._is_stopped = self._is_stopped or unknown > len(outcomes) / 2
        # What was settled may be due for its next step at once.
        self._is_dry = self._is_stopped or (self._is_dry and bool(self._charges))
