"""Several relays, publishers and staff on connections of their own, and relays that die."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from threading import Barrier, Event
from typing import Any

import pytest
from django.conf import LazySettings
from django.db import connection, connections, transaction
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from accounts.models import User
from core import outbox
from core.models import OutboxDelivery, OutboxEvent
from core.outbox import interventions, lanes
from core.outbox.relaying import Report
from tests.core.outbox.probe import NOW, effects, faults, publish
from tests.core.outbox.processes import ROOT, environment

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("probed_for_real")]

PATIENCE = 120
"""Seconds after which what should happen at once has failed to."""


def together(*acts: Callable[[], Any]) -> list[Any]:
    """Run each act in a thread, so on a connection, of its own; all begin at once."""
    start = Barrier(len(acts))

    def run(act: Callable[[], Any]) -> Any:
        try:
            start.wait()
            return act()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(len(acts)) as pool:
        return [future.result(PATIENCE) for future in [pool.submit(run, act) for act in acts]]


def relay() -> Report:
    """Run a relay at a fixed instant."""
    return outbox.relay(clock=lambda: NOW)


@contextmanager
def held(lane: outbox.Lane) -> Iterator[None]:
    """Hold a lane on another connection, as a relay does that is busy with it."""
    locked, release = Event(), Event()

    def hold() -> None:
        try:
            with transaction.atomic():
                assert lanes.try_lock(lane)
                locked.set()
                assert release.wait(PATIENCE)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(hold)
        try:
            assert locked.wait(PATIENCE)
            yield
        finally:
            release.set()
        future.result(PATIENCE)


class TestRelays:
    def test_at_once_deliver_each_event_once_and_in_order(self) -> None:
        names = [f"lane{number}" for number in range(8)]
        for name in names:
            publish(name, range(20))
        reports = together(relay, relay, relay)
        assert sum(report.delivered for report in reports) == 8 * 20 * 2
        assert effects() == effects("probe.record_too") == {name: list(range(20)) for name in names}

    def test_beside_publishers_leave_nothing_behind(self) -> None:
        def publish_slowly(name: str) -> None:
            for number in range(30):
                publish(name, [number])
                relay()  # as the nudge after each commit does

        together(lambda: publish_slowly("a"), lambda: publish_slowly("b"), lambda: publish_slowly("c"))
        # Without another run: whoever was nudged last found, or left to the holder, all there was.
        assert not OutboxDelivery.objects.open().exists()
        assert effects() == effects("probe.record_too") == {name: list(range(30)) for name in "abc"}

    def test_keep_off_a_lane_that_another_holds(self) -> None:
        publish("a", [1])
        publish("b", [1])
        with held(outbox.Lane("probe.record", "lane:a")):
            assert relay() == Report(delivered=3)
            assert effects() == {"b": [1]}
        assert relay() == Report(delivered=1)

    def test_find_what_commits_after_later_events_were_delivered(self) -> None:
        published, commit = Event(), Event()

        def publish_early_and_commit_late() -> None:
            with transaction.atomic():
                publish("slow", [1])
                published.set()
                assert commit.wait(PATIENCE)

        def publish_and_relay_meanwhile() -> None:
            assert published.wait(PATIENCE)
            try:
                publish("quick", [2])
                assert relay() == Report(delivered=2)
                assert effects() == {"quick": [2]}
            finally:
                commit.set()

        together(publish_early_and_commit_late, publish_and_relay_meanwhile)
        numbers = [event.payload["number"] for event in OutboxEvent.objects.order_by("pk")]
        assert numbers == [1, 2]  # the late one has the lower number
        assert relay() == Report(delivered=2)
        assert effects() == {"quick": [2], "slow": [1]}

    @hypothesis_settings(
        max_examples=8,
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture],
        phases=[Phase.generate],  # threads do not fail the same way twice, so there is nothing to shrink
    )
    @given(seed=st.integers(0, 2**32))
    def test_deliver_all_in_order_however_work_interleaves(self, seed: int) -> None:
        """Publishers, relays and failures in random order on connections of their own."""
        with connection.cursor() as cursor:
            cursor.execute("TRUNCATE core_outboxdelivery, core_outboxevent, probe_effect")
        dice = random.Random(seed)
        script = [(name, number) for name in "abcd" for number in range(6)]
        faults.clear()
        faults.update({step: 1 for step in script if dice.random() < 0.2})
        numbers = {name: iter(range(6)) for name in "abcd"}
        ticks = iter(range(1, 100_000))

        def publish_all(names: str, dice: random.Random) -> None:
            waiting = [name for name in names for _ in range(6)]
            dice.shuffle(waiting)
            for name in waiting:
                publish(name, [next(numbers[name])])
                if dice.random() < 0.3:
                    with transaction.atomic():
                        publish(name, [-1])
                        transaction.set_rollback(True)

        def relay_often() -> None:
            # The clock runs far ahead each time, so that failures are due again.
            for _ in range(6):
                outbox.relay(clock=lambda: NOW + timedelta(hours=next(ticks)))

        others = [random.Random(dice.random()) for _ in range(2)]
        together(lambda: publish_all("ab", others[0]), lambda: publish_all("cd", others[1]), relay_often, relay_often)
        relay_often()
        assert not OutboxDelivery.objects.open().exists()
        assert effects() == effects("probe.record_too") == {name: list(range(6)) for name in "abcd"}


class TestKilledRelay:
    @pytest.mark.parametrize("number", [0, 3, 6], ids=["first", "middle", "last"])
    def test_leaves_everything_to_the_next(self, number: int) -> None:
        publish("a", range(7))
        publish("b", range(7))
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.core.outbox.relay_process"],
            cwd=ROOT,
            env=environment() | {"PROBE_STALL": f"a {number}"},
            stdout=subprocess.PIPE,
            text=True,
        )
        with process:
            assert process.stdout is not None
            # In the handler, after its write and before its receipt.
            assert process.stdout.readline() == "stalled\n"
            assert effects() == ({"a": list(range(number))} if number else {})
            process.send_signal(signal.SIGKILL)
        end = time.monotonic() + PATIENCE
        while OutboxDelivery.objects.open().exists() and time.monotonic() < end:
            relay()  # the server frees the lane as soon as it notices the death
        assert effects() == effects("probe.record_too") == {"a": list(range(7)), "b": list(range(7))}
        assert not OutboxDelivery.objects.exclude(state="delivered", failures=0).exists()


class TestDecision:
    def test_waits_its_turn_when_a_relay_has_the_lane(self, settings: LazySettings) -> None:
        settings.OUTBOX_MAX_FAILURES = 1
        publish("a", [1])
        faults["a", 1] = 1
        relay()
        staff = User.objects.create_user("editor@example.com", is_staff=True)
        parked = OutboxDelivery.objects.get(state="parked")
        with held(outbox.Lane("probe.record", "lane:a")):
            for decide in (interventions.retry, interventions.skip):
                with pytest.raises(interventions.DeliveryBusy):
                    decide(delivery_id=parked.pk, by=staff, reason="because", now=NOW)
        parked.refresh_from_db()
        assert (parked.state, parked.decision) == ("parked", "")


class TestWorker:
    def test_delivers_soon_after_the_commit(self) -> None:
        """A real worker on the real broker, woken by nothing but the commit."""
        worker = subprocess.Popen(
            [
                *(sys.executable, "-m", "celery", "--app", "config", "worker", "--queues", "outbox"),
                *("--pool", "solo", "--without-gossip", "--without-mingle", "--include", "tests.core.outbox.probe"),
            ],
            cwd=ROOT,
            env=environment(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            for number in range(3):
                publish("a", [number])
                end = time.monotonic() + PATIENCE
                while effects() != {"a": list(range(number + 1))} and time.monotonic() < end:
                    assert worker.poll() is None
                    time.sleep(0.05)
                assert effects() == {"a": list(range(number + 1))}
        finally:
            worker.terminate()
            worker.wait(PATIENCE)
