"""Lanes: the deliveries of one aggregate to one handler, in order.

Whoever changes a delivery holds its lane's lock, and the lock ends with the transaction, so it works
through a pooler that changes servers between transactions and dies with a killed process.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2b
from typing import NamedTuple

from django.db import connection

from core.models.outbox import OutboxDelivery


class Lane(NamedTuple):
    """One handler's deliveries of one aggregate."""

    handler: str
    aggregate: str


@dataclass(frozen=True)
class Head:
    """The first open delivery of a lane, which holds back the rest."""

    lane: Lane
    state: str
    due_at: datetime | None

    def is_due(self, now: datetime) -> bool:
        """Answer whether a relay may try it."""
        return is_due(self.state, self.due_at, now)


def is_due(state: str, due_at: datetime | None, now: datetime) -> bool:
    """Answer whether a head in this state may be tried."""
    return state == OutboxDelivery.State.PENDING and (due_at is None or due_at <= now)


def try_lock(lane: Lane) -> bool:
    """Take the lane for the rest of the transaction; answer False when somebody has it.

    Two lanes share a lock once in 2^64 pairs: one then waits for the other's turn, no more.
    """
    key = blake2b("\0".join(("core.outbox", *lane)).encode(), digest_size=8).digest()
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [int.from_bytes(key, signed=True)])
        (locked,) = cursor.fetchone()
    return bool(locked)


# Steps from lane to lane through the index of open deliveries, one probe a lane: a million deliveries
# waiting behind a parked head cost nothing.
HEADS = """
WITH RECURSIVE head AS (
    (
        SELECT handler, aggregate, state, due_at, 1 AS number
        FROM core_outboxdelivery
        WHERE settled_at IS NULL AND (handler, aggregate) > (%(handler)s, %(aggregate)s)
        ORDER BY handler, aggregate, event_id
        LIMIT 1
    )
    UNION ALL
    SELECT following.*, head.number + 1
    FROM head CROSS JOIN LATERAL (
        SELECT handler, aggregate, state, due_at
        FROM core_outboxdelivery
        WHERE settled_at IS NULL AND (handler, aggregate) > (head.handler, head.aggregate)
        ORDER BY handler, aggregate, event_id
        LIMIT 1
    ) AS following
    WHERE head.number < %(limit)s
)
SELECT handler, aggregate, state, due_at FROM head
"""
_CHUNK = 500


def heads(*, after: Lane | None) -> Iterator[Head]:
    """Yield the head of every lane with open deliveries beyond `after`, in the order of lanes.

    Holds no lock: what is yielded may be settled by the time it is looked at.
    """
    position = after or Lane("", "")
    while True:
        with connection.cursor() as cursor:
            cursor.execute(HEADS, {"handler": position.handler, "aggregate": position.aggregate, "limit": _CHUNK})
            rows = cursor.fetchall()
        for handler, aggregate, state, due_at in rows:
            yield Head(Lane(handler, aggregate), state, due_at)
        if len(rows) < _CHUNK:
            return
        position = Lane(rows[-1][0], rows[-1][1])
