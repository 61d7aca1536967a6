"""One relay: order, failures, back-off, parking."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from django.conf import LazySettings
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from core import outbox
from core.models import OutboxDelivery, OutboxEvent
from core.outbox import lanes, relaying
from core.outbox.relaying import Report
from tests.core.outbox.probe import NOW, Continued, Odd, effects, faults, publish

pytestmark = pytest.mark.usefixtures("probed")

HOUR = timedelta(hours=1)


def relay(now: datetime = NOW) -> Report:
    """Run a relay at a fixed instant."""
    return outbox.relay(clock=lambda: now)


def only(handler: str = "probe.record") -> OutboxDelivery:
    """Answer a handler's single delivery."""
    return OutboxDelivery.objects.get(handler=handler)


class TestRelay:
    def test_delivers_to_every_handler_in_order(self) -> None:
        publish("a", [1, 2, 3])
        publish("b", [1])
        publish("a", [4])
        assert relay() == Report(delivered=10)
        assert effects() == {"a": [1, 2, 3, 4], "b": [1]}
        assert effects("probe.record_too") == {"a": [1, 2, 3, 4], "b": [1]}
        assert set(OutboxDelivery.objects.values_list("state", "settled_at", "failures", "error")) == {
            ("delivered", NOW, 0, "")
        }

    def test_delivers_nothing_twice(self) -> None:
        publish("a", [1, 2])
        relay()
        assert relay(NOW + HOUR) == Report()
        assert effects() == {"a": [1, 2]}

    def test_does_nothing_with_nothing(self) -> None:
        assert relay() == Report()

    def test_delivers_what_handlers_publish_in_the_same_run(self) -> None:
        with transaction.atomic():
            outbox.publish(Continued(3), aggregate="chain:3", now=NOW)
        assert relay() == Report(delivered=4)

    @pytest.mark.parametrize("number_of_lanes", [2, 3, 4, 7])
    def test_reaches_every_lane_when_there_are_more_than_it_looks_up_at_once(
        self, number_of_lanes: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(lanes, "_CHUNK", 3)
        names = "abcdefg"[:number_of_lanes]
        for name in names:
            publish(name, [1, 2])
        assert relay().delivered == number_of_lanes * 4
        assert effects() == {name: [1, 2] for name in names}

    def test_delivers_more_of_a_lane_than_its_turn_allows(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(relaying, "_BURST", 5)
        publish("a", range(12))
        publish("b", [1])
        assert relay().delivered == 26
        assert effects() == {"a": list(range(12)), "b": [1]}

    def test_delivers_whatever_the_publishers_clock_said(self) -> None:
        publish("a", [1], now=NOW + HOUR)
        assert relay(NOW).delivered == 2

    def test_tells_where_its_time_ended_and_goes_on_from_there(self) -> None:
        for lane in "abc":
            publish(lane, [1])
        done: list[dict[str, list[int]]] = []
        after = None
        for _ in range(3):
            report = outbox.relay(clock=lambda: NOW, budget=timedelta(0), after=after)
            assert report.delivered == 1
            after = report.stopped_at
            done.append(effects())
        assert done == [{"a": [1]}, {"a": [1], "b": [1]}, {"a": [1], "b": [1], "c": [1]}]
        assert outbox.relay(clock=lambda: NOW, after=after) == Report(delivered=3)

    def test_begins_again_at_the_first_lane_when_it_began_beyond_it(self) -> None:
        publish("a", [1])
        assert outbox.relay(clock=lambda: NOW, after=outbox.Lane("probe.z", "")).delivered == 2

    def test_asks_the_database_this_much_for_a_delivery(self) -> None:
        publish("a", [1])
        OutboxDelivery.objects.filter(handler="probe.record_too").delete()
        with CaptureQueriesContext(connection) as queries:
            relay()
        # heads, savepoint (the test's), lock, head, savepoint, event, effect, constraints, release, receipt,
        # release, and the look at the end
        assert [query["sql"].split()[0] for query in queries] == [
            "WITH",
            *["SAVEPOINT", "SELECT", "SELECT", "SAVEPOINT", "SELECT", "INSERT", "SET", "RELEASE", "UPDATE", "RELEASE"],
            "WITH",
        ]


class TestFailure:
    def test_takes_the_handlers_writes_back_and_is_recorded(self) -> None:
        publish("a", [1])
        faults["a", 1] = 1
        assert relay() == Report(delivered=1, failed=1)
        assert effects() == {}
        failed = only()
        assert (failed.state, failed.failures, failed.error, failed.settled_at) == ("pending", 1, "Broken: a 1", None)
        assert failed.due_at is not None
        assert NOW + timedelta(seconds=15) <= failed.due_at <= NOW + timedelta(seconds=30)

    def test_waits_until_it_is_due(self) -> None:
        publish("a", [1])
        faults["a", 1] = 1
        relay()
        due_at = only().due_at
        assert due_at is not None
        assert relay(due_at - timedelta(microseconds=1)) == Report()
        assert relay(due_at) == Report(delivered=1)
        assert effects() == {"a": [1]}
        delivered = only()
        assert (delivered.state, delivered.failures, delivered.error) == ("delivered", 1, "Broken: a 1")

    def test_holds_back_its_lane_and_no_other(self) -> None:
        publish("a", [1, 2, 3])
        publish("b", [1, 2])
        faults["a", 2] = 1
        relay()
        assert effects() == {"a": [1], "b": [1, 2]}
        assert effects("probe.record_too") == {"a": [1, 2, 3], "b": [1, 2]}
        relay(NOW + HOUR)
        assert effects() == {"a": [1, 2, 3], "b": [1, 2]}

    def test_parks_at_the_last_attempt_and_is_not_tried_again(self, settings: LazySettings) -> None:
        settings.OUTBOX_MAX_FAILURES = 3
        publish("a", [1, 2])
        publish("b", [1])
        faults["a", 1] = 99
        assert relay() == Report(delivered=4, failed=1)
        assert relay(NOW + HOUR) == Report(failed=1)
        assert relay(NOW + 2 * HOUR) == Report(parked=1)
        parked = OutboxDelivery.objects.get(state="parked")
        assert (parked.failures, parked.due_at, parked.settled_at, parked.error) == (3, None, None, "Broken: a 1")
        assert relay(NOW + 99 * HOUR) == Report()
        assert faults["a", 1] == 96
        assert effects() == {"b": [1]}

    @pytest.mark.parametrize(
        ("fault", "error"),
        [
            ("breaks a deferred constraint", "IntegrityError: insert or update on table"),
            ("swallows a database error", "InternalError: current transaction is aborted"),
            ("marks the transaction for rollback", "TransactionManagementError: An error occurred"),
            ("raises a text with a NUL and no end", "Broken: xxx"),
        ],
    )
    def test_is_the_handlers_however_it_fails(self, fault: str, error: str) -> None:
        with transaction.atomic():
            outbox.publish(Odd(fault), aggregate="odd:1", now=NOW)
        publish("a", [1])
        assert relay() == Report(delivered=2, failed=1)
        failed = only("probe.misbehave")
        assert (failed.state, failed.failures) == ("pending", 1)
        assert failed.error.startswith(error)
        assert len(failed.error) <= 2000

    def test_of_an_event_whose_handler_is_gone_says_so(self, settings: LazySettings) -> None:
        settings.OUTBOX_MAX_FAILURES = 1
        publish("a", [1])
        OutboxDelivery.objects.filter(handler="probe.record").update(handler="probe.retired")
        assert relay() == Report(delivered=1, parked=1)
        assert only("probe.retired").error == (
            "HandlerMissing: No handler is named 'probe.retired': it was removed or renamed, or this process is older."
        )

    def test_of_an_event_whose_type_is_gone_says_so(self, settings: LazySettings) -> None:
        settings.OUTBOX_MAX_FAILURES = 1
        publish("a", [1])
        OutboxEvent.objects.update(type="tests.Occurred")
        assert relay() == Report(parked=2)
        assert only().error == (
            "HandlerMissing: 'probe.record' takes tests.Happened, and the event is a tests.Occurred."
        )

    def test_of_an_event_that_no_longer_fits_its_class_names_the_field(self) -> None:
        publish("a", [1])
        OutboxEvent.objects.update(payload={"lane": "a"})
        assert relay() == Report(failed=2)
        assert only().error == "ValidationError: Object missing required field `number`"
