"""Endpoints: what a resource module declares, and what lists and answers have in common."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from local.stripe_standin.errors import InvalidParameter, NotFound
from local.stripe_standin.params import EXPAND, Schema
from local.stripe_standin.store import FILTERS
from local.stripe_standin.work import Thing, Work

Handler = Callable[..., Thing]


@dataclass(frozen=True)
class Operation:
    """One endpoint.

    `handler(work, params, *ids)` answers an object or a list. `for_clients` marks what a publishable
    key may call, on an intent whose `client_secret` it shows.
    """

    method: str
    path: str
    params: Schema
    handler: Handler
    for_clients: bool = False


OPERATIONS: list[Operation] = []


def operation(
    method: str, path: str, params: Schema | None = None, *, for_clients: bool = False
) -> Callable[[Handler], Handler]:
    """Register a handler as an endpoint; `expand` it takes in any case."""

    def register(handler: Handler) -> Handler:
        OPERATIONS.append(Operation(method, path, {**EXPAND, **(params or {})}, handler, for_clients))
        return handler

    return register


def listing(work: Work, kind: str, params: dict[str, Any], url: str, **filters: str | None) -> Thing:
    """Answer one page of the objects of a kind, newest first, that match the filters given."""
    conditions, values = ["kind = ?"], [kind]
    for name, value in filters.items():
        if value is not None:
            if name not in FILTERS[kind]:
                raise LookupError(f"{kind} has no index by {name}.")
            conditions.append(f"{name} = ?")
            values.append(value)
    work.flush()

    def place(object_id: str, param: str) -> tuple[int, int]:
        row = work.store.row("SELECT created, seq FROM objects WHERE id = ? AND kind = ?", object_id, kind)
        if row is None:
            raise NotFound.of(kind, object_id, param=param)
        return row[0], row[1]

    def read(condition: str, order: str, limit: int, *more: Any) -> list[Thing]:
        return work.select(f"{condition} ORDER BY {order} LIMIT {limit}", *values, *more)

    things, more = paged(params, conditions, place, read)
    return {"object": "list", "url": url, "has_more": more, "data": [work.show(thing) for thing in things]}


def paged(
    params: dict[str, Any],
    conditions: list[str],
    place: Callable[[str, str], tuple[int, int]],
    read: Callable[..., list[Any]],
) -> tuple[list[Any], bool]:
    """Answer the rows of one page, newest first, and whether there are more in its direction.

    `place` answers where in the list an id stands; `read` answers rows by condition, order and limit.
    """
    conditions, values = [*conditions], []
    created = params.get("created")
    bounds = created if isinstance(created, dict) else {} if created is None else {"eq": created}
    for bound, moment in bounds.items():
        conditions.append(f"created {_COMPARISONS[bound]} ?")
        values.append(moment)
    after, before = params.get("starting_after"), params.get("ending_before")
    if after and before:
        raise InvalidParameter("You may only specify one of these parameters: ending_before, starting_after.")
    limit = params.get("limit", 10)
    if after or before:
        conditions.append(f"(created, seq) {'<' if after else '>'} (?, ?)")
        values.extend(place(str(after or before), "starting_after" if after else "ending_before"))
    direction = "ASC" if before else "DESC"
    rows = read(" AND ".join(conditions), f"created {direction}, seq {direction}", limit + 1, *values)
    page = rows[:limit]
    return (page[::-1] if before else page), len(rows) > limit


_COMPARISONS = {"gt": ">", "gte": ">=", "lt": "<", "lte": "<=", "eq": "="}

EXPANDABLE = frozenset({
    "balance_transaction", "charge", "customer", "default_payment_method", "failure_balance_transaction",
    "latest_attempt", "latest_charge", "payment_intent", "payment_method", "setup_intent", "source",
})  # fmt: skip
"""Fields that hold an id and can hold the object."""


def expand(work: Work, answer: Thing, paths: list[str]) -> Thing:
    """Answer it with the objects at these dotted paths in the place of their ids."""
    for path in paths:
        steps = path.split(".")
        if len(steps) > 4 + (steps[0] == "data"):
            raise InvalidParameter("You cannot expand more than 4 levels of a property.", param="expand")
        _expand(work, answer, steps, path)
    return answer


def _expand(work: Work, node: Any, steps: list[str], path: str) -> None:
    if isinstance(node, list):
        for item in node:
            _expand(work, item, steps, path)
        return
    step, rest = steps[0], steps[1:]
    if node.get("object") == "charge" and step == "refunds":
        # Left out unless asked for.
        node["refunds"] = listing(work, "refund", {}, f"/v1/charges/{node['id']}/refunds", charge=node["id"])
    elif step not in node or (step not in EXPANDABLE and not isinstance(node[step], dict | list)):
        raise InvalidParameter(f"This property cannot be expanded ({path}).", param="expand[0]")
    if isinstance(node[step], str):
        found = work.find(node[step])
        if found is None:
            return
        node[step] = work.show(found)
    if rest and node[step] is not None:
        _expand(work, node[step], rest, path)
