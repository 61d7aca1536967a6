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
    delivery_id: int
    occurred_at: datetime
    event_id: int
    state: str
    due_at: datetime | None
    alone: bool
    """Nothing waits behind it."""


def is_due(delivery: Head | OutboxDelivery, now: datetime) -> bool:
    """Answer whether a delivery may be tried, as far as its own state goes."""
    return delivery.state == OutboxDelivery.State.PENDING and (delivery.due_at is None or delivery.due_at <= now)


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
        SELECT handler, aggregate, id, occurred_at, event_id, state, due_at, 1 AS number
        FROM core_outboxdelivery
        WHERE settled_at IS NULL AND (handler, aggregate) > (%(handler)s, %(aggregate)s)
        ORDER BY handler, aggregate, event_id
        LIMIT 1
    )
    UNION ALL
    SELECT following.*, head.number + 1
    FROM head CROSS JOIN LATERAL (
        SELECT handler, aggregate, id, occurred_at, event_id, state, due_at
        FROM core_outboxdelivery
        WHERE settled_at IS NULL AND (handler, aggregate) > (head.handler, head.aggregate)
        ORDER BY handler, aggregate, event_id
        LIMIT 1
    ) AS following
    WHERE head.number < %(limit)s
)
SELECT handler, aggregate, id, occurred_at, event_id, state, due_at, (
    -- ordered and limited, so that no plan reads all that waits
    SELECT behind.event_id
    FROM core_outboxdelivery AS behind
    WHERE behind.settled_at IS NULL AND behind.handler = head.handler AND behind.aggregate = head.aggregate
        AND behind.event_id > head.event_id
    ORDER BY behind.handler, behind.aggregate, behind.event_id
    LIMIT 1
) IS NULL AS alone
FROM head
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
        for handler, aggregate, *rest in rows:
            position = Lane(handler, aggregate)
            yield Head(position, *rest)
        if len(rows) < _CHUNK:
            return


def behind(head: Head, *, limit: int) -> list[OutboxDelivery]:
    """Answer the next open deliveries behind a head, in order; holds no lock either."""
    return list(
        OutboxDelivery.objects.open()
        .filter(handler=head.lane.handler, aggregate=head.lane.aggregate, event_id__gt=head.event_id)
        .order_by("event_id")[:limit]
    )
