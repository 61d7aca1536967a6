"""Events: what happened, in the order it happened, for thirty days."""

from __future__ import annotations

from typing import Any

import orjson

from local.stripe_standin import shapes
from local.stripe_standin.errors import InvalidParameter, NotFound
from local.stripe_standin.operations import operation, paged
from local.stripe_standin.params import PAGE, RANGE, array_of, boolean, text
from local.stripe_standin.store import Store
from local.stripe_standin.work import Thing, Work

API_VERSION = "2026-10-28.endive"
KEPT = 30 * 86_400
"""Seconds for which events can be asked for."""

_FIELDS = "seq, id, type, created, kind, body, previous, request, idempotency_key"


@operation(
    "GET",
    "/v1/events",
    {**PAGE, "created": RANGE, "delivery_success": boolean, "type": text(), "types": array_of(text())},
)
def list_(work: Work, params: dict[str, Any]) -> Thing:
    conditions, values = ["created > ?"], [work.now - KEPT]
    if "type" in params and "types" in params:
        raise InvalidParameter("You may only specify one of these parameters: type, types.", param="types")
    types = params.get("types") or ([params["type"]] if "type" in params else [])
    if types:
        # In SQLite's GLOB a star means what it means here; equality can use the index.
        conditions.append(f"({' OR '.join('type GLOB ?' if '*' in name else 'type = ?' for name in types)})")
        values.extend(types)
    if "delivery_success" in params:
        undelivered = (
            "EXISTS (SELECT 1 FROM deliveries WHERE deliveries.event = events.seq AND deliveries.state != 'delivered')"
        )
        conditions.append(f"NOT {undelivered}" if params["delivery_success"] else undelivered)

    def place(event_id: str, param: str) -> tuple[int, int]:
        row = work.store.row("SELECT created, seq FROM events WHERE id = ?", event_id)
        if row is None:
            raise NotFound.of("event", event_id, param=param)
        return row[0], row[1]

    def read(condition: str, order: str, limit: int, *more: Any) -> list[Any]:
        return work.store.rows(
            f"SELECT {_FIELDS} FROM events WHERE {condition} ORDER BY {order} LIMIT {limit}",  # noqa: S608 - constants of ours
            *values,
            *more,
        )

    rows, more = paged(params, conditions, place, read)
    return {"object": "list", "url": "/v1/events", "has_more": more, "data": [_event(work.store, row) for row in rows]}


@operation("GET", "/v1/events/{event}")
def retrieve(work: Work, params: dict[str, Any], event: str) -> Thing:
    row = work.store.row(f"SELECT {_FIELDS} FROM events WHERE id = ? AND created > ?", event, work.now - KEPT)  # noqa: S608 - a constant of ours
    if row is None:
        raise NotFound.of("event", event)
    return _event(work.store, row)


def by_number(store: Store, number: int) -> Thing:
    """Answer the event of this number, as it is sent."""
    return _event(store, store.row(f"SELECT {_FIELDS} FROM events WHERE seq = ?", number))  # noqa: S608 - a constant of ours


def _event(store: Store, row: Any) -> Thing:
    number, event_id, event_type, created, kind, body, previous, request, key = row
    waiting = store.row("SELECT count(*) FROM deliveries WHERE event = ? AND state IN ('pending', 'held')", number)
    data = {"object": shapes.unpack(kind, body)}
    if previous is not None:
        data["previous_attributes"] = orjson.loads(previous)
    return {
        "id": event_id,
        "object": "event",
        "api_version": API_VERSION,
        "created": created,
        "data": data,
        "livemode": False,
        "pending_webhooks": waiting[0],
        "request": {"id": request, "idempotency_key": key},
        "type": event_type,
    }
