"""What may go wrong while renewals run. Afterwards everybody is charged exactly once, by the stand-in's own books.

A run ends with the table (tests/tally.py); `make faults ROUNDS=10` makes it a long one.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from uuid import uuid4

import pytest
from django.conf import settings as configured
from django.db import DatabaseError, connection, connections
from django.db.models import Sum
from redis import Redis

from billing import stripe_gateway
from billing.gateway import ChargeOutcome
from billing.models import Invoice, JournalEntry, NumberSeries, PaymentAttempt, Subscription
from billing.services import payments, renewals, webhooks
from billing.stripe_gateway import StripeGateway
from tests.billing.customers import Customer
from tests.billing.threads import at_once
from tests.factories.billing import PriceFactory
from tests.standin import Standin

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.rule("4.16", "4.23")]

DUE = 3
Record = Callable[[str, object], None]


def world(standin: Standin) -> datetime:
    """Make customers who have paid their first period; answers when the second is due."""
    price = PriceFactory.create()
    for _ in range(DUE):
        customer = Customer(standin)
        customer.save_card()
        assert customer.subscribe(price, key=str(uuid4())).status_code == 201
    due = max(moment for moment in Subscription.objects.values_list("next_bill_at", flat=True) if moment)
    standin.control.set_clock(int(due.timestamp()))
    return due


def renew(now: datetime) -> int:
    return len(renewals.run(gateway=stripe_gateway.connect(), clock=lambda: now, limit=100))


def recover(now: datetime) -> None:
    """Do what beat does in the hours after."""
    for minutes in (2, 4, 6):
        payments.sweep(gateway=stripe_gateway.connect(), now=now + timedelta(minutes=minutes))
    renew(now + timedelta(hours=2))
    payments.sweep(gateway=stripe_gateway.connect(), now=now + timedelta(hours=2, minutes=2))


def prove(standin: Standin, fault: str, record: Record, *, periods: int = 2) -> None:
    """Hold the stand-in's books and ours to what must be true whatever happened."""
    charged = Counter(charge["metadata"]["invoice"] for charge in standin.control.charges())
    record("fault", (fault, DUE * periods, charged.total()))
    assert charged == Counter({str(key): 1 for key in Invoice.objects.values_list("pk", flat=True)})
    assert charged.total() == DUE * periods
    assert set(Subscription.objects.values_list("status", "period_index")) == {("active", periods)}
    for series in NumberSeries.objects.all():
        numbers = Invoice.objects.filter(series=series).order_by("sequence").values_list("sequence", flat=True)
        assert list(numbers) == list(range(1, series.last + 1))
    assert not JournalEntry.objects.annotate(sum=Sum("lines__amount")).exclude(sum=0).exists()
    assert not PaymentAttempt.objects.filter(state__in=PaymentAttempt.OPEN).exists()


class TestGateway:
    @pytest.mark.parametrize("times", [1, 2])
    @pytest.mark.parametrize("kind", ["lost_reply", "refused", "error_before", "error_after", "rate_limited"])
    def test_that_fails(self, standin: Standin, record_property: Record, kind: str, times: int) -> None:
        due = world(standin)
        standin.control.fault(kind, path="/v1/payment_intents", times=times)
        renew(due)
        recover(due)
        prove(standin, f"gateway: {kind}", record_property)

    def test_that_takes_minutes(
        self, standin: Standin, record_property: Record, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        due = world(standin)
        monkeypatch.setattr(stripe_gateway, "READ_TIMEOUT", 0.2)
        impatient = StripeGateway(configured.STRIPE_SECRET_KEY, standin.url, 100, 25)
        standin.control.fault("latency", seconds=0.6, path="/v1/payment_intents", times=DUE)
        renewals.run(gateway=impatient, clock=lambda: due, limit=100)
        assert PaymentAttempt.objects.filter(state="sent").count() == DUE
        until = time.monotonic() + 10
        while len(standin.control.charges()) < 2 * DUE and time.monotonic() < until:
            time.sleep(0.05)
        recover(due)
        prove(standin, "gateway: slower than our patience", record_property)


class TestServers:
    def test_a_broker_that_forgets_everything(self, standin: Standin, record_property: Record) -> None:
        due = world(standin)
        Redis.from_url(configured.REDIS_URL).flushdb()
        renew(due)
        prove(standin, "broker flushed", record_property)

    @pytest.mark.parametrize("call", [1, 2, 3])
    def test_a_database_that_restarts_in_mid_run(
        self, standin: Standin, record_property: Record, monkeypatch: pytest.MonkeyPatch, call: int
    ) -> None:
        due = world(standin)
        charge, calls = StripeGateway.charge, iter(range(1, 100))
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_backend_pid()")
            (backend,) = cursor.fetchone()

        def restart() -> None:
            with connections["default"].cursor() as cursor:
                cursor.execute("SELECT pg_terminate_backend(%s)", [backend])
            connections.close_all()

        def charged(self: StripeGateway, **params: object) -> ChargeOutcome:
            outcome = charge(self, **params)  # type: ignore[arg-type] # passed on as they are
            if next(calls) == call:
                restart()
            return outcome

        monkeypatch.setattr(StripeGateway, "charge", charged)
        with pytest.raises(DatabaseError):
            renew(due)
        connection.close()
        recover(due)
        prove(standin, "PostgreSQL restarted in mid-run", record_property)


class TestSchedule:
    @pytest.mark.story("broker delivers a task again")
    def test_that_runs_twice(self, standin: Standin, record_property: Record) -> None:
        due = world(standin)
        at_once(lambda: renew(due), lambda: renew(due))
        prove(standin, "beat running twice", record_property)

    @pytest.mark.story("job enqueued twice")
    def test_that_delivers_a_task_three_times(self, standin: Standin, record_property: Record) -> None:
        due = world(standin)
        assert [renew(due) for _ in range(3)] == [DUE, 0, 0]
        prove(standin, "task delivered three times", record_property)

    @pytest.mark.story("a lost day is never billed")
    @pytest.mark.parametrize(("days", "runs", "periods"), [(1, 1, 2), (31, 2, 3)])
    def test_whose_clock_jumps(
        self, standin: Standin, record_property: Record, days: int, runs: int, periods: int
    ) -> None:
        due = world(standin)
        jumped = due + timedelta(days=days)
        for day in range(4):
            renew(jumped + timedelta(days=day))
        prove(standin, f"clock jumps by {days} days", record_property, periods=periods)


class TestWebhooks:
    @pytest.mark.story("webhook and scheduler both extend")
    def test_twice_in_any_order_and_before_the_reply(
        self, standin: Standin, record_property: Record, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        due = world(standin)
        charge, lock = StripeGateway.charge, threading.Lock()

        def told_first(self: StripeGateway, **params: object) -> ChargeOutcome:
            outcome = charge(self, **params)  # type: ignore[arg-type] # passed on as they are
            with lock:
                deliver(due)
            connections.close_all()
            return outcome

        monkeypatch.setattr(StripeGateway, "charge", told_first)
        renew(due)
        deliver(due + timedelta(days=1))
        prove(standin, "webhooks: twice, reordered, before the reply, a day late", record_property)


def deliver(now: datetime) -> None:
    """Receive and apply all events there are, newest first, each twice."""
    gateway = stripe_gateway.connect()
    found = list(gateway.events(since=now - timedelta(days=400)))
    for event in [*found, *found]:
        webhooks.process(
            event_id=webhooks.receive(event=dict(event), livemode=False, now=now), gateway=gateway, now=now
        )
