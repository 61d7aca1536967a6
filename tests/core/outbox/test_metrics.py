"""What Prometheus hears of the outbox."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.conf import LazySettings
from django.db import OperationalError, connection
from prometheus_client import REGISTRY

from core import outbox
from core.outbox.metrics import Backlog
from tests.core.outbox.probe import NOW, faults, publish


def samples() -> dict[tuple[str, str, str], float]:
    """Answer each figure by metric, handler and state."""
    return {
        (sample.name, sample.labels["handler"], sample.labels["state"]): sample.value
        for family in Backlog().collect()
        for sample in family.samples
    }


@pytest.mark.usefixtures("probed")
class TestBacklog:
    def test_counts_what_is_open_and_how_old_it_is(self, settings: LazySettings) -> None:
        settings.OUTBOX_MAX_FAILURES = 1
        publish("a", [1])
        publish("a", [2], now=NOW + timedelta(minutes=1))
        faults["a", 1] = 1
        outbox.relay(clock=lambda: NOW)
        with time_machine.travel(NOW + timedelta(minutes=5), tick=False):
            assert samples() == {
                ("outbox_open_deliveries", "probe.record", "parked"): 1,
                ("outbox_open_deliveries", "probe.record", "pending"): 1,
                ("outbox_oldest_seconds", "probe.record", "parked"): 300,
                ("outbox_oldest_seconds", "probe.record", "pending"): 240,
            }

    def test_is_empty_when_nothing_waits(self) -> None:
        assert samples() == {}

    def test_is_silent_without_a_database(self) -> None:
        def refuse(*_: Any) -> None:
            raise OperationalError("the database is gone")

        with connection.execute_wrapper(refuse):
            assert list(Backlog().collect()) == []


@pytest.mark.usefixtures("probed")
class TestAttempts:
    def test_are_counted_by_handler_and_outcome(self) -> None:
        def count(outcome: str) -> float:
            labels = {"handler": "probe.record", "outcome": outcome}
            return REGISTRY.get_sample_value("outbox_attempts_total", labels) or 0

        before = {outcome: count(outcome) for outcome in ("delivered", "failed")}
        publish("a", [1, 2])
        publish("b", [1])
        faults["b", 1] = 1
        outbox.relay(clock=lambda: NOW)
        assert {outcome: count(outcome) - number for outcome, number in before.items()} == {"delivered": 2, "failed": 1}
