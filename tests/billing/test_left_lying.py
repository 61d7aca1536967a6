"""Payments that customers left lying: withdrawn in turns, so that none that stays unknown keeps the others from theirs."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from pytest_django import DjangoAssertNumQueries

from billing.gateway import ChargeOutcome, OutcomeKind
from billing.models import Invoice, PaymentAttempt, Setback
from billing.services import payments, renewals
from billing.services.payments import waiting
from tests.billing.instant import InstantGateway
from tests.billing.reading import read_as_a_whole
from tests.factories.billing import NOW, PriceFactory, make_due

pytestmark = pytest.mark.django_db

MINUTE = timedelta(minutes=1)
AUTHENTICATION = ChargeOutcome(OutcomeKind.REQUIRES_ACTION, code="authentication_required")


class Withdrawing(InstantGateway):
    """A gateway that cancels what it is asked to, but for what stays unknown; `asked` is what it was asked for."""

    def __init__(self, *unknown: str) -> None:
        super().__init__()
        self.unknown = set(unknown)
        self.asked: list[str] = []

    def charge(self, *, params: Mapping[str, Any], idempotency_key: str) -> ChargeOutcome:
        return ChargeOutcome(OutcomeKind.REQUIRES_ACTION, f"pi_{idempotency_key}", "authentication_required")

    def cancel_charge(self, payment_intent: str, *, idempotency_key: str) -> ChargeOutcome:
        self.asked.append(payment_intent)
        kind = OutcomeKind.UNKNOWN if payment_intent in self.unknown else OutcomeKind.CANCELED
        return ChargeOutcome(kind, payment_intent)


class Refusing(InstantGateway):
    """A gateway with the key of another account."""

    REFUSED = ChargeOutcome(OutcomeKind.UNKNOWN, code="resource_missing", is_refused=True)

    def cancel_charge(self, payment_intent: str, *, idempotency_key: str) -> ChargeOutcome:
        return self.REFUSED

    def find_charge(self, *, customer: str, attempt_id: str, since: datetime) -> ChargeOutcome:
        return self.REFUSED


def leave_lying(count: int, *, owed: int = 0) -> list[PaymentAttempt]:
    """Make payments that wait for their customers, whose invoices nobody has to pay any more but for the first `owed`."""
    make_due(count, price=PriceFactory.create(), due_at=NOW)
    renewals.run(gateway=Withdrawing(), clock=lambda: NOW, limit=count)
    left = list(PaymentAttempt.objects.order_by("pk"))
    assert {attempt.state for attempt in left} == {"requires_action"}
    Invoice.objects.filter(attempts__in=left[owed:]).update(status=Invoice.Status.VOID)
    return left


@pytest.mark.rule("4.15", "4.16")
class TestWhatIsLeftLying:
    def test_is_withdrawn_although_others_before_it_stay_unknown(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(waiting, "WITHDRAWN_AT_ONCE", 2)
        left = leave_lying(5)
        gateway = Withdrawing(*(attempt.gateway_id for attempt in left[:2]))
        reports = [payments.sweep(gateway=gateway, now=NOW + each * MINUTE).abandoned for each in (2, 3, 4)]
        assert reports == [2, 2, 2]
        assert len(gateway.asked) == 6
        assert set(gateway.asked[:5]) == {attempt.gateway_id for attempt in left}
        states = dict(PaymentAttempt.objects.values_list("pk", "state"))
        assert [states[attempt.pk] for attempt in left] == ["requires_action"] * 2 + ["canceled"] * 3

    @pytest.mark.parametrize("state", ["requires_action", "sent"])
    def test_is_shown_to_staff_where_the_gateway_knows_nothing_of_it(self, state: str) -> None:
        """With the key of another account it would be asked for without end, and nobody would hear of it."""
        (attempt,) = leave_lying(1)
        PaymentAttempt.objects.update(state=state)
        gateway = Refusing()
        payments.sweep(gateway=gateway, now=NOW + timedelta(hours=13))
        setback = Setback.objects.get(sweep="payments", row=attempt.pk)
        assert (setback.failures, "resource_missing" in setback.error) == (1, True)
        assert (PaymentAttempt.objects.get().state, gateway.charges) == (state, {})
        payments.sweep(gateway=Withdrawing(), now=NOW + timedelta(hours=14))
        assert (PaymentAttempt.objects.get().state, Setback.objects.count()) == (
            "canceled" if state == "requires_action" else "failed",
            0,
        )

    def test_is_found_behind_any_number_that_are_still_owed(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(waiting, "LOOKED_AT_ONCE", 2)
        left = leave_lying(5, owed=4)
        gateway = Withdrawing()
        reports = [payments.sweep(gateway=gateway, now=NOW + each * MINUTE).abandoned for each in (2, 3, 4)]
        assert reports == [0, 0, 1]
        assert gateway.asked == [left[4].gateway_id]

    @pytest.mark.parametrize("ahead", [timedelta(days=1), timedelta(days=31)])
    def test_has_its_turn_although_a_clock_that_was_ahead_looked_last(
        self, monkeypatch: pytest.MonkeyPatch, ahead: timedelta
    ) -> None:
        monkeypatch.setattr(waiting, "LOOKED_AT_ONCE", 2)
        left = leave_lying(5)
        PaymentAttempt.objects.filter(pk=left[4].pk).update(claimed_until=NOW + ahead)
        gateway = Withdrawing()
        payments.sweep(gateway=gateway, now=NOW + 2 * MINUTE)
        assert left[4].gateway_id in gateway.asked

    def test_is_asked_for_by_one_of_two_sweeps_at_once(self) -> None:
        leave_lying(2)
        now: datetime = NOW + 2 * MINUTE
        taken = waiting.take_abandoned(now=now)
        assert len(taken) == 2
        assert waiting.take_abandoned(now=now) == []

    def test_is_found_by_an_index_in_a_bounded_number_of_statements(
        self, django_assert_num_queries: DjangoAssertNumQueries
    ) -> None:
        leave_lying(3)
        assert read_as_a_whole(lambda: waiting.take_abandoned(now=NOW + 2 * MINUTE)) == set()
        with django_assert_num_queries(6):
            assert len(waiting.take_abandoned(now=NOW + 4 * MINUTE)) == 3
        with connection.cursor() as cursor:
            cursor.execute("SELECT indexdef FROM pg_indexes WHERE indexname = 'payment_attempt_left_lying'")
            assert "(claimed_until) WHERE ((state)::text = 'requires_action'::text)" in cursor.fetchone()[0]
