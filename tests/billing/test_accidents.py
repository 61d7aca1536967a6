"""Accidents of other billing systems that no single service is to blame for, and how they end here."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
import time_machine
from django.db import OperationalError, connection

from billing import stripe_gateway
from billing.gateway import ChargeOutcome
from billing.models import Coupon, Invoice, PaymentAttempt, Subscription
from billing.services import payments, renewals, settlement
from billing.stripe_gateway import StripeGateway
from tests.billing.customers import Customer
from tests.billing.instant import InstantGateway
from tests.factories.billing import NOW, PlanFactory, PriceFactory, make_due
from tests.standin import Standin

pytestmark = pytest.mark.django_db(transaction=True)

APRIL = datetime(2026, 4, 1, 12, tzinfo=UTC)
MAY = datetime(2026, 5, 1, 12, tzinfo=UTC)


def subscribed(standin: Standin, price: Any, **wanted: Any) -> Customer:
    customer = Customer(standin)
    with time_machine.travel(APRIL, tick=False):
        customer.save_card()
        bought = customer.subscribe(price, **({"time_zone": "UTC"} | wanted))
    assert bought.status_code == 201, bought.content
    return customer


def run(now: datetime) -> list[str]:
    return [each.outcome for each in renewals.run(gateway=stripe_gateway.connect(), clock=lambda: now, limit=9)]


@pytest.mark.rule("4.22")
@pytest.mark.story("free plan raises a false alarm")
class TestWhatCostsNothing:
    def test_parks_nobody_however_often_it_is_billed(self, standin: Standin) -> None:
        Coupon.objects.create(code="FREE", percent=100)
        subscribed(standin, PriceFactory.create(), coupon="FREE", quoted_amount=0)
        late = MAY + timedelta(days=70)
        # Three months are missed: an invoice of nothing on each of three days.
        assert [run(late + timedelta(days=day)) for day in range(4)] == [["succeeded"]] * 3 + [[]]
        assert list(Invoice.objects.values_list("total", "status")) == [(0, "paid")] * 4
        assert Subscription.objects.values_list("status", "parked_at").get() == ("active", None)
        assert standin.control.charges() == []

    def test_leaves_an_upgrade_hours_after_buying_alone(self, standin: Standin) -> None:
        low, high = (PriceFactory.create(plan=PlanFactory.create(), amount=amount) for amount in (1549, 2299))
        customer = subscribed(standin, low)
        with time_machine.travel(APRIL + timedelta(hours=3), tick=False):
            quote = customer.post("subscription/quotes", {"price": str(high.pk)}).json()
            accepted = customer.post(f"subscription/quotes/{quote['id']}/accept", key=str(uuid4()))
        assert accepted.json()["payment"]["status"] == "succeeded"
        assert run(MAY) == ["succeeded"]
        assert [charge["amount"] for charge in standin.control.charges()] == [1549, 750, 2299]
        assert Subscription.objects.get().parked_at is None


@pytest.mark.rule("4.16")
class TestTheCall:
    def recorded(self, monkeypatch: pytest.MonkeyPatch, look: Callable[[str], None]) -> None:
        """Look at each charge while it is made."""
        charge = StripeGateway.charge

        def charged(self: StripeGateway, **params: Any) -> ChargeOutcome:
            look(params["idempotency_key"])
            return charge(self, **params)

        monkeypatch.setattr(StripeGateway, "charge", charged)

    @pytest.mark.story("database retry repeats the charge")
    def test_is_in_no_transaction_that_a_database_may_ask_to_repeat(
        self, standin: Standin, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        seen: list[bool] = []
        self.recorded(monkeypatch, lambda _: seen.append(connection.in_atomic_block))
        low, high = (PriceFactory.create(plan=PlanFactory.create(), amount=amount) for amount in (1549, 2299))
        customer = subscribed(standin, low)
        with time_machine.travel(APRIL + timedelta(days=15), tick=False):
            quote = customer.post("subscription/quotes", {"price": str(high.pk)}).json()
            customer.post(f"subscription/quotes/{quote['id']}/accept", key=str(uuid4()))
        run(MAY)
        assert seen == [False] * 3

    @pytest.mark.story("database retry repeats the charge")
    def test_is_made_once_although_the_database_refuses_its_outcome(
        self, standin: Standin, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        subscribed(standin, PriceFactory.create())
        with monkeypatch.context() as refusing:

            def refuse(*_: object, **__: object) -> None:
                raise OperationalError("could not serialize access due to concurrent update")

            refusing.setattr(settlement, "settle", refuse)
            run(MAY)
        assert PaymentAttempt.objects.latest("pk").state == "sent"
        payments.sweep(gateway=stripe_gateway.connect(), now=MAY + timedelta(minutes=2))
        assert PaymentAttempt.objects.latest("pk").state == "succeeded"
        assert len(standin.control.charges()) == 2

    @pytest.mark.story("key of something that does not last")
    def test_carries_a_key_and_parameters_that_are_committed_before(
        self, standin: Standin, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        sent: list[str] = []
        self.recorded(monkeypatch, sent.append)
        subscribed(standin, PriceFactory.create())
        run(MAY)
        stored = PaymentAttempt.objects.order_by("pk")
        assert sent == list(stored.values_list("idempotency_key", flat=True))
        assert all(key == f"att_{attempt.pk}" and len(key) <= 255 for key, attempt in zip(sent, stored, strict=True))
        assert all(attempt.created_at <= attempt.sent_at for attempt in stored if attempt.sent_at)

    @pytest.mark.story("key of something that does not last")
    def test_again_carries_the_same(self, standin: Standin, monkeypatch: pytest.MonkeyPatch) -> None:
        subscribed(standin, PriceFactory.create())
        sent: list[str] = []
        self.recorded(monkeypatch, sent.append)
        standin.control.fault("lost_reply", path="/v1/payment_intents")
        run(MAY)
        payments.sweep(gateway=stripe_gateway.connect(), now=MAY + timedelta(minutes=2))
        assert sent == [PaymentAttempt.objects.latest("pk").idempotency_key] * 2
        assert len(standin.control.charges()) == 2


@pytest.mark.rule("4.16")
@pytest.mark.parametrize("fault", ["lost_reply", "error_after"])
class TestChargeOfUnknownOutcome:
    @pytest.mark.parametrize(("sender", "sweeper"), [(0, 0), (5, -5), (-5, 5), (5, 5), (-5, -5)])
    def test_is_not_made_again_however_late_and_by_whichever_clock_it_is_asked_for(
        self, standin: Standin, sender: int, sweeper: int, fault: str
    ) -> None:
        for hours in (23.5, 24.5, 30):
            standin.control.reset()
            standin.control.set_clock(int(APRIL.timestamp()))
            customer = subscribed(standin, PriceFactory.create(plan=PlanFactory.create()))
            standin.control.set_clock(int(MAY.timestamp()))
            standin.control.fault(fault, path="/v1/payment_intents")
            run(MAY)
            attempt = PaymentAttempt.objects.filter(invoice__account=customer.account).latest("pk")
            PaymentAttempt.objects.filter(pk=attempt.pk).update(sent_at=MAY + timedelta(hours=sender))
            late = MAY + timedelta(hours=hours)
            standin.control.set_clock(int(late.timestamp()))
            payments.sweep(gateway=stripe_gateway.connect(), now=late + timedelta(hours=sweeper))
            assert len(standin.control.charges()) == 2, hours
            attempt.refresh_from_db()
            assert attempt.state == "succeeded"

    def test_is_looked_for_at_once_when_a_clock_that_was_days_ahead_sent_it(self, standin: Standin, fault: str) -> None:
        subscribed(standin, PriceFactory.create())
        standin.control.set_clock(int(MAY.timestamp()))
        standin.control.fault(fault, path="/v1/payment_intents")
        run(MAY + timedelta(days=20))
        payments.sweep(gateway=stripe_gateway.connect(), now=MAY + timedelta(minutes=2))
        attempt = PaymentAttempt.objects.latest("pk")
        assert (attempt.sent_at, attempt.state) == (MAY + timedelta(days=20), "succeeded")
        assert len(standin.control.charges()) == 2


@pytest.mark.rule("4.14", "4.20")
@pytest.mark.story("queued retry bills the next month")
class TestQueuedRetry:
    def test_bills_nothing_once_another_card_has_paid(self, standin: Standin) -> None:
        customer = subscribed(standin, PriceFactory.create())
        with time_machine.travel(APRIL + timedelta(days=1), tick=False):
            customer.save_card("4000000000000341")
        assert run(MAY) == ["declined"]
        queued = Subscription.objects.get().next_bill_at
        assert queued == MAY + timedelta(days=1)
        with time_machine.travel(MAY + timedelta(hours=2), tick=False):
            customer.save_card()
        assert run(MAY + timedelta(hours=2)) == ["succeeded"]
        assert run(queued) == []
        assert [run(MAY + timedelta(days=day)) for day in (3, 5, 7, 10, 14, 30)] == [[]] * 6
        assert Subscription.objects.values_list("period_index", "next_bill_at").get() == (
            2,
            datetime(2026, 6, 1, 12, tzinfo=UTC),
        )
        assert len(standin.control.charges()) == 2


@pytest.mark.rule("4.20")
@pytest.mark.story("daily job takes all night")
class TestRun:
    def test_is_bounded_and_goes_on_with_the_oldest(self) -> None:
        made = [
            make_due(1, price=PriceFactory.create(), due_at=NOW - timedelta(hours=hours))[0].pk for hours in (1, 3, 2)
        ]
        oldest_first = [made[1], made[2], made[0]]
        gateway = InstantGateway()
        handled = [
            {each.subscription_id for each in renewals.run(gateway=gateway, clock=lambda: NOW, limit=2)}
            for _ in range(3)
        ]
        assert handled == [set(oldest_first[:2]), set(oldest_first[2:]), set()]
        assert len(gateway.charges) == 3
