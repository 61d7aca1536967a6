"""The jobs around the outbox."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
import redis
from celery import current_app
from django.conf import settings
from django.core.cache import cache

from core import clock, partitions, tasks
from core.models import OutboxDelivery
from tests.core.outbox.probe import effects, publish


@pytest.fixture
def queue() -> Iterator[redis.Redis]:
    """The broker with nothing in the outbox's queue."""
    broker = redis.Redis.from_url(settings.REDIS_URL)
    broker.delete("outbox")
    yield broker
    broker.delete("outbox")
    cache.clear()
    broker.close()


@pytest.mark.usefixtures("probed")
class TestRelayOutbox:
    def test_delivers_what_is_due(self, queue: redis.Redis) -> None:
        publish("a", [1, 2], now=clock.now())
        tasks.relay_outbox(an_argument_of_a_later_release=1)
        assert effects() == {"a": [1, 2]}
        assert queue.llen("outbox") == 0

    def test_leaves_the_rest_to_a_next_task_when_its_time_is_up(
        self, queue: redis.Redis, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(tasks, "RELAY_BUDGET", timedelta(0))
        publish("a", [1], now=clock.now())
        publish("b", [1], now=clock.now())
        tasks.relay_outbox()
        assert effects() == {"a": [1]}
        assert queue.llen("outbox") == 1
        tasks.relay_outbox(after=["probe.record", "lane:a"])
        assert effects() == {"a": [1], "b": [1]}


@pytest.mark.django_db
class TestKeepPartitions:
    def test_makes_the_coming_months_and_drops_the_old(self) -> None:
        long_ago = clock.now() - timedelta(days=1000)
        publish("a", [1], now=long_ago)
        OutboxDelivery.objects.update(state="delivered", settled_at=long_ago)
        table = partitions.PartitionedTable("core_outboxevent", "occurred_at", retention=timedelta(0))
        tasks.keep_partitions(an_argument_of_a_later_release=1)
        assert partitions.Month.of(clock.now()) in partitions.months(table)
        assert partitions.Month.of(long_ago) not in partitions.months(table)
        assert not OutboxDelivery.objects.exists()


class TestSchedule:
    @pytest.mark.parametrize(("entry", "seconds"), [("relay-outbox", 60), ("keep-partitions", 24 * 3600)])
    def test_names_tasks_that_there_are(self, entry: str, seconds: int) -> None:
        assert settings.CELERY_BEAT_SCHEDULE[entry]["schedule"] == seconds
        assert settings.CELERY_BEAT_SCHEDULE[entry]["task"] in current_app.tasks
