"""Writing an event beside the change that it tells of."""

from __future__ import annotations

import re
from datetime import datetime

from django.db import transaction

from core.models.outbox import OutboxDelivery, OutboxEvent
from core.outbox import encoding, nudge, subscriptions


class NotInTransaction(RuntimeError):
    """An event was published outside a transaction, so it could tell of a change that never committed: a bug."""


def publish(event: object, *, aggregate: str, now: datetime) -> None:
    """Record `event`, with one delivery for each handler subscribed now, in the caller's transaction.

    `aggregate` names what the event is about, `account:<uuid>`. Each handler receives the events of one
    aggregate in the order in which they were published, provided that publishers of the same aggregate hold
    a lock on it (the row that their service locks anyway); otherwise in the order of commits, roughly.

    Costs two statements, or one when nobody subscribed. Raises NotInTransaction; TypeError and ValueError
    when the event is not a frozen dataclass of plain scalars that fit their annotations, the aggregate is
    malformed or `now` has no time zone.
    """
    _require_transaction(event)
    if not re.fullmatch(r"[a-z_]+:\S+", aggregate) or len(aggregate) > 200:
        raise ValueError(f"{aggregate!r} names no aggregate: it is `noun:id`, 200 characters at most.")
    if now.tzinfo is None:
        raise ValueError(f"now has no time zone: {now!r}")
    row = OutboxEvent.objects.create(
        occurred_at=now,
        type=encoding.type_name(type(event)),
        aggregate=aggregate,
        payload=encoding.encode(event),
    )
    deliveries = [
        OutboxDelivery(occurred_at=now, event=row, handler=subscription.name, aggregate=aggregate)
        for subscription in subscriptions.of(type(event))
    ]
    if deliveries:
        OutboxDelivery.objects.bulk_create(deliveries)
        nudge.on_commit()


def _require_transaction(event: object) -> None:
    # Django's test case wraps each test in transactions of its own, which must not hide a missing one.
    blocks = transaction.get_connection().atomic_blocks
    if all(getattr(block, "_from_testcase", False) for block in blocks):
        raise NotInTransaction(
            f"{type(event).__name__} was published outside a transaction; publish inside the `transaction.atomic()` "
            "that makes the change."
        )
