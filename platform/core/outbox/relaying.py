"""Bringing events to their handlers.

Any number of relays may run at once and be killed at any moment. Each delivery is one transaction: the
lane's lock, the handler's writes and the receipt commit together or not at all.
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum, auto

from django.conf import settings
from django.db import connection, transaction
from prometheus_client import Counter

from core.models.outbox import OutboxDelivery, OutboxEvent
from core.outbox import backoff, encoding, lanes, nudge, subscriptions
from core.outbox.lanes import Lane

logger = logging.getLogger(__name__)

ATTEMPTS = Counter("outbox_attempts", "Attempts of this process to deliver an event.", ["handler", "outcome"])

# A relay gives its worker back after this long, for other tasks of the queue; the next goes on from there.
BUDGET = timedelta(seconds=20)
# So many deliveries of one lane before the next lane has its turn.
_BURST = 100
_ERROR_LENGTH = 2000


@dataclass
class Report:
    """What one run did."""

    delivered: int = 0
    failed: int = 0
    """Failures that will be tried again."""
    parked: int = 0
    """Failures that will not, until staff decide."""
    stopped_at: Lane | None = None
    """The lane where the time ended; None when nothing was due any more."""


class _Outcome(Enum):
    BUSY = auto()
    NOTHING_DUE = auto()
    DELIVERED_LAST = auto()
    DELIVERED = auto()
    FAILED = auto()
    PARKED = auto()


def relay(*, clock: Callable[[], datetime], budget: timedelta = BUDGET, after: Lane | None = None) -> Report:
    """Deliver what is due until nothing is, or until `budget` has passed; begin beyond the lane `after`.

    Call it outside a transaction. A failure of a handler is recorded and reported; what is raised is the
    failure of the database.
    """
    nudge.heard()
    deadline = time.monotonic() + budget.total_seconds()
    report = Report()
    while True:
        held_a_lane = False
        for head in lanes.heads(after=after):
            if not head.is_due(clock()):
                continue
            held_a_lane |= _visit(head.lane, clock=clock, deadline=deadline, report=report)
            if time.monotonic() >= deadline:
                report.stopped_at = head.lane
                return report
        # Who finds a lane taken leaves it to its holder, even when the delivery came after the holder's last
        # look; so whoever held a lane looks once more after letting go.
        if not held_a_lane and after is None:
            return report
        after = None


def _visit(lane: Lane, *, clock: Callable[[], datetime], deadline: float, report: Report) -> bool:
    """Deliver a lane's due events in order; answer False when another relay has the lane."""
    for _ in range(_BURST):
        outcome = _deliver_head(lane, now=clock())
        match outcome:
            case _Outcome.BUSY:
                return False
            case _Outcome.DELIVERED | _Outcome.DELIVERED_LAST:
                report.delivered += 1
            case _Outcome.FAILED:
                report.failed += 1
            case _Outcome.PARKED:
                report.parked += 1
            case _Outcome.NOTHING_DUE:
                pass
        if outcome is not _Outcome.DELIVERED or time.monotonic() >= deadline:
            break
    return True


def _deliver_head(lane: Lane, *, now: datetime) -> _Outcome:
    with transaction.atomic(durable=True):
        if not lanes.try_lock(lane):
            return _Outcome.BUSY
        # Read under the lock, so in a snapshot that has whatever the last holder did.
        following = OutboxDelivery.objects.open().in_lane(*lane)[:2]
        if not following or not lanes.is_due(following[0].state, following[0].due_at, now):
            return _Outcome.NOTHING_DUE
        head = following[0]
        try:
            with transaction.atomic():
                _hand_over(head, now=now)
                with connection.cursor() as cursor:
                    # What the handler left for the end of the transaction must fail here, as its failure,
                    # and not at our commit, as nobody's.
                    cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        except Exception as error:
            outcome = _record_failure(head, error, now=now)
            logger.warning(
                "An event was not delivered.",
                exc_info=error,
                extra={"handler": head.handler, "event_id": head.event_id, "aggregate": head.aggregate},
            )
        else:
            _settle(head, state=OutboxDelivery.State.DELIVERED, settled_at=now)
            outcome = _Outcome.DELIVERED if len(following) > 1 else _Outcome.DELIVERED_LAST
    name = "delivered" if outcome is _Outcome.DELIVERED_LAST else outcome.name.lower()
    ATTEMPTS.labels(head.handler, name).inc()
    return outcome


def _hand_over(delivery: OutboxDelivery, *, now: datetime) -> None:
    # With its month, so that PostgreSQL looks into one partition.
    event = OutboxEvent.objects.get(pk=delivery.event_id, occurred_at=delivery.occurred_at)
    subscription = subscriptions.find(delivery.handler, type_name=event.type)
    subscription.handler(encoding.decode(event.payload, subscription.event_class), now=now)


def _record_failure(delivery: OutboxDelivery, error: Exception, *, now: datetime) -> _Outcome:
    failures = delivery.failures + 1
    message = f"{type(error).__name__}: {error}".replace("\0", "")[:_ERROR_LENGTH]
    if failures >= settings.OUTBOX_MAX_FAILURES:
        _settle(delivery, state=OutboxDelivery.State.PARKED, failures=failures, error=message, due_at=None)
        return _Outcome.PARKED
    wait = backoff.delay(failures, jitter=random.random())  # noqa: S311 - spreads load, guards nothing
    _settle(delivery, failures=failures, error=message, due_at=now + wait)
    return _Outcome.FAILED


def _settle(delivery: OutboxDelivery, **values: object) -> None:
    changed = OutboxDelivery.objects.open().filter(pk=delivery.pk, occurred_at=delivery.occurred_at).update(**values)
    if changed != 1:
        # Rolls the handler's writes back: an effect without its receipt would happen again.
        raise RuntimeError(f"Delivery {delivery.pk} changed while its lane was locked.")
