"""Bringing events to their handlers.

Any number of relays may run at once and be killed at any moment. Each delivery is one transaction: the
lane's lock, the handler's writes and the receipt commit together or not at all.
"""

from __future__ import annotations

import logging
import math
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum

from django.conf import settings
from django.db import connection, transaction
from prometheus_client import Counter

from core.models.outbox import OutboxDelivery, OutboxEvent
from core.outbox import backoff, encoding, lanes, nudge, subscriptions
from core.outbox.lanes import Head, Lane

logger = logging.getLogger(__name__)

ATTEMPTS = Counter("outbox_attempts", "Attempts of this process to deliver an event.", ["handler", "outcome"])

# So many deliveries of one lane before the next lane has its turn.
_BURST = 100
_ERROR_LENGTH = 2000


class _Outcome(Enum):
    BUSY = "busy"
    SETTLED_BEFORE = "settled before"
    NOT_DUE = "not due"
    DELIVERED = "delivered"
    FAILED = "failed"
    PARKED = "parked"


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

    def count(self, outcome: _Outcome) -> None:
        """Count an attempt."""
        self.delivered += outcome is _Outcome.DELIVERED
        self.failed += outcome is _Outcome.FAILED
        self.parked += outcome is _Outcome.PARKED


def relay(*, clock: Callable[[], datetime], budget: timedelta | None = None, after: Lane | None = None) -> Report:
    """Deliver what is due until nothing is, or `budget` has passed where there is one; begin beyond `after`.

    Call it outside a transaction. A failure of a handler is recorded and reported; what is raised is the
    failure of the database.
    """
    nudge.heard()
    deadline = time.monotonic() + budget.total_seconds() if budget is not None else math.inf
    report = Report()
    while True:
        held_a_lane = False
        for head in lanes.heads(after=after):
            if not lanes.is_due(head, clock()):
                continue
            held_a_lane |= _visit(head, clock=clock, deadline=deadline, report=report)
            if time.monotonic() >= deadline:
                report.stopped_at = head.lane
                return report
        # Who finds a lane taken leaves it to its holder, even when the delivery came after the holder's last
        # look; so whoever held a lane looks once more after letting go.
        if not held_a_lane and after is None:
            return report
        after = None


def _visit(head: Head, *, clock: Callable[[], datetime], deadline: float, report: Report) -> bool:
    """Deliver a lane's due events in order; answer False when another relay has the lane."""
    outcome = _deliver(head.delivery_id, head.occurred_at, lane=head.lane, now=clock())
    report.count(outcome)
    if outcome is _Outcome.BUSY:
        return False
    # As long as each is settled, the next is the head.
    waiting = iter(() if head.alone else lanes.behind(head, limit=_BURST))
    while (
        outcome in (_Outcome.DELIVERED, _Outcome.SETTLED_BEFORE)
        and time.monotonic() < deadline
        and (delivery := next(waiting, None))
    ):
        outcome = _deliver(delivery.pk, delivery.occurred_at, lane=head.lane, now=clock())
        report.count(outcome)
    return True


def _deliver(delivery_id: int, occurred_at: datetime, *, lane: Lane, now: datetime) -> _Outcome:
    with transaction.atomic(durable=True):
        if not lanes.try_lock(lane):
            return _Outcome.BUSY
        # Read again under the lock, so in a snapshot that has whatever the last holder did. The month is named
        # so that PostgreSQL looks into one partition.
        delivery = OutboxDelivery.objects.open().filter(pk=delivery_id, occurred_at=occurred_at).first()
        if delivery is None:
            return _Outcome.SETTLED_BEFORE
        if not lanes.is_due(delivery, now):
            return _Outcome.NOT_DUE
        try:
            with transaction.atomic():
                _hand_over(delivery, now=now)
                with connection.cursor() as cursor:
                    # What the handler left for the end of the transaction must fail here, as its failure,
                    # and not at our commit, as nobody's.
                    cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        except Exception as error:
            outcome = _record_failure(delivery, error, now=now)
            logger.warning(
                "An event was not delivered.",
                exc_info=error,
                extra={"handler": delivery.handler, "event_id": delivery.event_id, "aggregate": delivery.aggregate},
            )
        else:
            _change(delivery, state=OutboxDelivery.State.DELIVERED, settled_at=now)
            outcome = _Outcome.DELIVERED
    ATTEMPTS.labels(lane.handler, outcome.value).inc()
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
        _change(delivery, state=OutboxDelivery.State.PARKED, failures=failures, error=message, due_at=None)
        return _Outcome.PARKED
    wait = backoff.delay(failures, jitter=random.random())  # noqa: S311 - spreads load, guards nothing
    _change(delivery, failures=failures, error=message, due_at=now + wait)
    return _Outcome.FAILED


def _change(delivery: OutboxDelivery, **values: object) -> None:
    changed = OutboxDelivery.objects.open().filter(pk=delivery.pk, occurred_at=delivery.occurred_at).update(**values)
    if changed != 1:
        # Rolls the handler's writes back: an effect without its receipt would happen again.
        raise RuntimeError(f"Delivery {delivery.pk} changed while its lane was locked.")
