"""Publishing: beside the change, or not at all."""

from __future__ import annotations

import enum
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pytest
import redis
from django.conf import settings
from django.core.cache import cache
from django.core.exceptions import ImproperlyConfigured
from django.db import connection, transaction
from pytest_django import DjangoAssertNumQueries

from core import outbox
from core.models import OutboxDelivery, OutboxEvent
from tests.core.outbox import probe
from tests.core.outbox.probe import NOW, Happened, Unheard
from tests.core.outbox.processes import ROOT, environment


@pytest.fixture
def queue() -> Iterator[redis.Redis]:
    """The broker with nothing in the outbox's queue and no nudge under way."""
    broker = redis.Redis.from_url(settings.REDIS_URL)
    broker.delete("outbox")
    cache.clear()
    yield broker
    broker.delete("outbox")
    cache.clear()
    broker.close()


@pytest.mark.django_db
class TestPublish:
    def test_writes_the_event_and_a_delivery_for_each_handler(self) -> None:
        probe.publish("a", [7])
        event = OutboxEvent.objects.get()
        assert (event.type, event.aggregate, event.payload, event.occurred_at) == (
            "tests.Happened",
            "lane:a",
            {"lane": "a", "number": 7},
            NOW,
        )
        assert list(
            OutboxDelivery.objects.order_by("handler").values_list(
                "handler", "event_id", "aggregate", "state", "due_at"
            )
        ) == [
            ("probe.record", event.pk, "lane:a", "pending", None),
            ("probe.record_too", event.pk, "lane:a", "pending", None),
        ]

    def test_leaves_nothing_when_the_change_rolls_back(self) -> None:
        with transaction.atomic():
            outbox.publish(Happened("a", 1), aggregate="lane:a", now=NOW)
            transaction.set_rollback(True)
        assert not OutboxEvent.objects.exists()
        assert not OutboxDelivery.objects.exists()

    def test_refuses_outside_a_transaction(self) -> None:
        with pytest.raises(outbox.NotInTransaction, match=r"Happened was published outside a transaction"):
            outbox.publish(Happened("a", 1), aggregate="lane:a", now=NOW)
        assert not OutboxEvent.objects.exists()

    def test_costs_two_statements_however_many_handlers(
        self, django_assert_num_queries: DjangoAssertNumQueries
    ) -> None:
        with transaction.atomic(), django_assert_num_queries(2):
            outbox.publish(Happened("a", 1), aggregate="lane:a", now=NOW)

    def test_costs_one_statement_when_nobody_subscribed(
        self, django_assert_num_queries: DjangoAssertNumQueries
    ) -> None:
        with transaction.atomic(), django_assert_num_queries(1):
            outbox.publish(Unheard(1), aggregate="lane:a", now=NOW)
        assert OutboxEvent.objects.get().type == "tests.Unheard"
        assert not OutboxDelivery.objects.exists()

    @pytest.mark.parametrize("aggregate", ["", "account", "account:", ":1", "account: 1", "lane:" + "x" * 200])
    def test_refuses_an_aggregate_that_names_nothing(self, aggregate: str) -> None:
        with transaction.atomic(), pytest.raises(ValueError, match="names no aggregate"):
            outbox.publish(Happened("a", 1), aggregate=aggregate, now=NOW)
        assert not OutboxEvent.objects.exists()

    def test_refuses_a_naive_time(self) -> None:
        with transaction.atomic(), pytest.raises(ValueError, match="no time zone"):
            outbox.publish(Happened("a", 1), aggregate="lane:a", now=NOW.replace(tzinfo=None))
        assert not OutboxEvent.objects.exists()

    def test_takes_any_time_because_some_partition_does(self) -> None:
        for year in (1999, 2026, 2999):
            probe.publish("a", [year], now=NOW.replace(year=year))
        assert OutboxEvent.objects.count() == 3


@pytest.mark.django_db(transaction=True)
class TestNudge:
    def test_is_sent_once_a_transaction_on_commit(self, queue: redis.Redis) -> None:
        with transaction.atomic():
            outbox.publish(Happened("a", 1), aggregate="lane:a", now=NOW)
            outbox.publish(Happened("a", 2), aggregate="lane:a", now=NOW)
            assert len(connection.run_on_commit) == 1
            assert queue.llen("outbox") == 0
        assert queue.llen("outbox") == 1

    def test_is_asked_for_again_when_the_first_asking_was_rolled_back(self, queue: redis.Redis) -> None:
        with transaction.atomic():
            with transaction.atomic():
                outbox.publish(Happened("a", 1), aggregate="lane:a", now=NOW)
                transaction.set_rollback(True)
            outbox.publish(Happened("a", 2), aggregate="lane:a", now=NOW)
        assert queue.llen("outbox") == 1

    def test_is_sent_once_for_many_commits_until_a_relay_has_looked(self, queue: redis.Redis) -> None:
        probe.publish("a", [1])
        probe.publish("a", [2])
        assert queue.llen("outbox") == 1
        with probe.table():
            outbox.relay(clock=lambda: NOW)
        probe.publish("a", [3])
        assert queue.llen("outbox") == 2

    def test_is_not_sent_when_nothing_was_committed(self, queue: redis.Redis) -> None:
        with transaction.atomic():
            outbox.publish(Happened("a", 1), aggregate="lane:a", now=NOW)
            transaction.set_rollback(True)
        assert queue.llen("outbox") == 0

    def test_costs_nobody_a_request_when_the_broker_is_gone(self) -> None:
        program = """
import django; django.setup()
from tests.core.outbox import probe
probe.publish("a", [1])
"""
        finished = subprocess.run(
            [sys.executable, "-c", program],
            cwd=ROOT,
            env=environment() | {"REDIS_URL": "redis://127.0.0.1:9/0"},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert finished.returncode == 0, finished.stderr
        assert OutboxDelivery.objects.filter(state="pending").count() == 2


class Colour(enum.StrEnum):
    RED = "red"


@dataclass
class Mutable:
    n: int


@dataclass(frozen=True)
class WithFloat:
    n: float


@dataclass(frozen=True)
class WithList:
    n: list[int]


@dataclass(frozen=True)
class Timed:
    at: datetime


@dataclass(frozen=True)
class Coloured:
    colour: Colour


class TestEvents:
    @pytest.mark.parametrize("event_class", [Mutable, int], ids=["mutable", "no dataclass"])
    def test_are_frozen_dataclasses(self, event_class: type) -> None:
        with pytest.raises(TypeError, match="is not a frozen dataclass"):
            outbox.subscribe(event_class, name="probe.refused")

    @pytest.mark.parametrize("event_class", [WithFloat, WithList])
    def test_carry_plain_scalars_only(self, event_class: type) -> None:
        with pytest.raises(TypeError, match=rf"{event_class.__name__}\.n is not a plain scalar"):
            outbox.subscribe(event_class, name="probe.refused")

    @pytest.mark.django_db
    @pytest.mark.parametrize(
        ("event", "complaint"),
        [
            (Happened("a", "7"), r"tests\.Happened: Expected `int`, got `str` - at `\$\.number`"),  # type: ignore[arg-type]  # the mistake
            (Timed(NOW.replace(tzinfo=None)), r"tests\.Timed\.at has no time zone"),
            (Coloured("mauve"), r"tests\.Coloured: Invalid enum value 'mauve' - at `\$\.colour`"),  # type: ignore[arg-type]  # the mistake
        ],
        ids=["wrong type", "naive time", "no member"],
    )
    def test_that_do_not_fit_are_refused_to_the_publisher(self, event: Any, complaint: str) -> None:
        with transaction.atomic(), pytest.raises(ValueError, match=complaint):
            outbox.publish(event, aggregate="lane:a", now=NOW)
        assert not OutboxEvent.objects.exists()


class TestSubscribe:
    def test_refuses_a_name_that_is_taken(self) -> None:
        with pytest.raises(ImproperlyConfigured, match=r"Two handlers are named 'probe\.record'"):

            @outbox.subscribe(Unheard, name="probe.record")
            def another(event: Unheard, *, now: datetime) -> None: ...

    @pytest.mark.parametrize("name", ["", "record", "Probe.record", "probe.record it", "probe." + "x" * 95])
    def test_refuses_a_name_that_says_no_app_and_verb(self, name: str) -> None:
        with pytest.raises(ImproperlyConfigured, match="is no handler name"):
            outbox.subscribe(Unheard, name=name)
