"""Staff decide what becomes of a delivery that fails."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.conf import LazySettings

from accounts.models import User
from core import outbox
from core.models import OutboxDelivery
from core.outbox import interventions
from core.outbox.relaying import Report
from tests.core.outbox.probe import NOW, effects, faults, publish

pytestmark = pytest.mark.usefixtures("probed")

LATER = NOW + timedelta(hours=1)


@pytest.fixture
def staff(db: None) -> User:
    return User.objects.create_user("editor@example.com", is_staff=True)


@pytest.fixture
def parked(probed: None, settings: LazySettings) -> OutboxDelivery:
    """The second of three deliveries in a lane, which failed for the last time."""
    settings.OUTBOX_MAX_FAILURES = 1
    publish("a", [1, 2, 3])
    faults["a", 2] = 1
    assert outbox.relay(clock=lambda: NOW) == Report(delivered=4, parked=1)
    return OutboxDelivery.objects.get(state="parked")


def decision(delivery: OutboxDelivery) -> tuple[object, ...]:
    """Answer what is recorded of a decision."""
    delivery.refresh_from_db()
    return delivery.decision, delivery.decided_by, delivery.decided_at, delivery.decision_reason


class TestRetry:
    def test_lets_the_lane_go_on_from_there(self, parked: OutboxDelivery, staff: User) -> None:
        interventions.retry(delivery_id=parked.pk, by=staff, reason=" The bug is mended. ", now=LATER)
        assert outbox.relay(clock=lambda: LATER) == Report(delivered=2)
        assert effects() == {"a": [1, 2, 3]}
        assert decision(parked) == ("retry", str(staff.pk), LATER, "The bug is mended.")

    def test_gives_all_attempts_again(self, parked: OutboxDelivery, staff: User, settings: LazySettings) -> None:
        settings.OUTBOX_MAX_FAILURES = 2
        faults["a", 2] = 2
        interventions.retry(delivery_id=parked.pk, by=staff, reason="again", now=LATER)
        assert outbox.relay(clock=lambda: LATER) == Report(failed=1)
        parked.refresh_from_db()
        assert (parked.state, parked.failures) == ("pending", 1)

    def test_need_not_wait_for_the_back_off(self, staff: User) -> None:
        publish("a", [1])
        faults["a", 1] = 1
        outbox.relay(clock=lambda: NOW)
        failing = OutboxDelivery.objects.get(handler="probe.record")
        interventions.retry(delivery_id=failing.pk, by=staff, reason="now", now=NOW)
        assert outbox.relay(clock=lambda: NOW) == Report(delivered=1)


class TestSkip:
    def test_lets_the_lane_go_on_without_it(self, parked: OutboxDelivery, staff: User) -> None:
        interventions.skip(delivery_id=parked.pk, by=staff, reason="A test account.", now=LATER)
        assert outbox.relay(clock=lambda: LATER) == Report(delivered=1)
        assert effects() == {"a": [1, 3]}
        assert decision(parked) == ("skip", str(staff.pk), LATER, "A test account.")
        assert (parked.state, parked.settled_at, parked.error) == ("skipped", LATER, "Broken: a 2")


@pytest.mark.parametrize("decide", [interventions.retry, interventions.skip])
class TestDecision:
    @pytest.mark.parametrize("reason", ["", "  \n"])
    def test_needs_a_reason(
        self, decide: Callable[..., None], reason: str, parked: OutboxDelivery, staff: User
    ) -> None:
        with pytest.raises(interventions.ReasonMissing):
            decide(delivery_id=parked.pk, by=staff, reason=reason, now=LATER)
        assert decision(parked) == ("", "", None, "")
        assert parked.state == "parked"

    def test_is_not_for_what_has_not_failed(
        self, decide: Callable[..., None], parked: OutboxDelivery, staff: User
    ) -> None:
        waiting = OutboxDelivery.objects.get(handler="probe.record", state="pending")
        with pytest.raises(interventions.DeliveryNotFailing):
            decide(delivery_id=waiting.pk, by=staff, reason="because", now=LATER)
        assert decision(waiting) == ("", "", None, "")

    def test_is_not_for_what_is_settled(self, decide: Callable[..., None], parked: OutboxDelivery, staff: User) -> None:
        interventions.skip(delivery_id=parked.pk, by=staff, reason="first", now=LATER)
        with pytest.raises(interventions.DeliveryNotFailing):
            decide(delivery_id=parked.pk, by=staff, reason="second", now=LATER)
        assert decision(parked) == ("skip", str(staff.pk), LATER, "first")

    def test_is_not_for_what_does_not_exist(self, decide: Callable[..., None], staff: User) -> None:
        with pytest.raises(interventions.UnknownDelivery):
            decide(delivery_id=987_654_321, by=staff, reason="because", now=LATER)
