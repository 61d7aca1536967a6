"""The relay's look for work costs what is open, not what was ever delivered."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from core.models import OutboxDelivery
from core.outbox import lanes
from tests.core.outbox import backlog

pytestmark = pytest.mark.django_db

DELIVERED = 1_000_000
PENDING = 10_000


def explain(query: str, parameters: dict[str, Any] | tuple[Any, ...]) -> dict[str, Any]:
    """Answer the plan of a query that was run."""
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {query}", parameters)
        (answer,) = cursor.fetchone()
    plans = json.loads(answer) if isinstance(answer, str) else answer
    plan: dict[str, Any] = plans[0]["Plan"]
    return plan


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield a plan's nodes."""
    yield plan
    for child in plan.get("Plans", ()):
        yield from nodes(child)


def read_whole(plan: dict[str, Any]) -> set[str]:
    """Answer the partitions that were read from end to end, save the empty ones of months to come."""
    return {
        node["Relation Name"]
        for node in nodes(plan)
        if node["Node Type"] == "Seq Scan" and node["Actual Rows"] + node.get("Rows Removed by Filter", 0) > 0
    }


def rows_read(plan: dict[str, Any]) -> int:
    """Answer how many rows the plan's scans looked at."""
    rows: float = sum(
        (node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) * node["Actual Loops"]
        for node in nodes(plan)
        if "Relation Name" in node
    )
    return round(rows)


class TestPlan:
    def test_walks_the_index_of_what_is_open(self) -> None:
        backlog.fill(delivered=DELIVERED, pending=PENDING, lanes=1_000)
        heads = explain(lanes.HEADS, {"handler": "", "aggregate": "", "limit": 100})
        assert heads["Actual Rows"] == 100
        assert read_whole(heads) == set()
        # For each lane its head, and whether something is behind it, in two partitions that have rows.
        assert rows_read(heads) <= 100 * 2 * 2 + 2

    def test_reads_one_lane_from_the_same_index(self) -> None:
        backlog.fill(delivered=DELIVERED // 10, pending=PENDING, lanes=1_000)
        delivery = OutboxDelivery.objects.open().filter(aggregate="lane:500").order_by("event_id")[0]
        head = lanes.Head(
            lanes.Lane(delivery.handler, delivery.aggregate),
            delivery.pk,
            delivery.occurred_at,
            delivery.event_id,
            delivery.state,
            delivery.due_at,
            alone=False,
        )
        with CaptureQueriesContext(connection) as queries:
            assert len(lanes.behind(head, limit=5)) == 5
        plan = explain(queries[0]["sql"], ())
        assert read_whole(plan) == set()
        assert rows_read(plan) <= 5 * 2

    def test_steps_over_what_waits_behind_a_parked_head(self) -> None:
        backlog.fill(delivered=0, pending=100_000, lanes=2)
        plan = explain(lanes.HEADS, {"handler": "", "aggregate": "", "limit": 500})
        assert plan["Actual Rows"] == 2
        assert read_whole(plan) == set()
        assert rows_read(plan) <= 10
