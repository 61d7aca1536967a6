"""What may go wrong while renewals run. Afterwards everybody is charged exactly once, by the stand-in's own books.

A run ends with the table (tests/tally.py); `make faults ROUNDS=10` makes it a long one.
"""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar
from uuid import uuid4

import pytest
import stripe
import time_machine
from django.conf import settings as configured
from django.db import DatabaseError, connection, connections
from django.db.backends.postgresql.base import DatabaseWrapper
from django.db.models import Sum
from django.test import Client
from redis import Redis

from billing import stripe_gateway, tasks
from billing.gateway import ChargeOutcome
from billing.models import Invoice, JournalEntry, NumberSeries, PaymentAttempt, Subscription, WebhookEvent
from billing.services import payments, renewals, webhooks
from billing.stripe_gateway import StripeGateway, client
from tests.billing.customers import Customer
from tests.billing.threads import apart, at_once
from tests.factories.billing import PriceFactory
from tests.own_postgres import own_postgres
from tests.standin import Standin

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.rule("4.16", "4.23")]

DUE = 3
IDLE = 4
T = TypeVar("T")
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

    def test_that_takes_longer_than_we_wait(
        self, standin: Standin, record_property: Record, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The next test in little."""
        due = world(standin)
        monkeypatch.setattr(client, "READ_TIMEOUT", 0.2)
        impatient = StripeGateway(configured.STRIPE_SECRET_KEY, standin.url, 100, 25)
        standin.control.fault("latency", seconds=0.6, path="/v1/payment_intents", times=DUE)
        renewals.run(gateway=impatient, clock=lambda: due, limit=100)
        assert PaymentAttempt.objects.filter(state="sent").count() == DUE
        await_charges(standin, 2 * DUE, seconds=10)
        recover(due)
        prove(standin, "gateway: latency of 0.6 s, time-out of 0.2 s", record_property)

    @pytest.mark.minutes
    def test_that_takes_minutes(self, standin: Standin, record_property: Record) -> None:
        """With the real time-out: we are gone long before the charges are made, and come back while they are."""
        due = world(standin)
        latency = 4 * client.READ_TIMEOUT
        standin.control.fault("latency", seconds=latency, path="/v1/payment_intents", times=DUE)
        began = time.monotonic()
        renew(due)
        assert client.READ_TIMEOUT <= time.monotonic() - began < latency
        # The key is in use at Stripe: nothing is known yet, and nothing is charged a second time for it.
        payments.sweep(gateway=stripe_gateway.connect(), now=due + timedelta(minutes=2))
        assert PaymentAttempt.objects.filter(state="sent").count() == DUE
        assert len(standin.control.charges()) == DUE
        await_charges(standin, 2 * DUE, seconds=latency)
        recover(due + timedelta(minutes=2))
        prove(standin, f"gateway: latency of {latency:.0f} s, the real time-out", record_property)


class TestServers:
    def test_a_broker_that_forgets_everything_in_mid_run(
        self, standin: Standin, record_property: Record, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        due = world(standin)
        after_each_charge(monkeypatch, lambda _: Redis.from_url(configured.REDIS_URL).flushdb())
        renew(due)
        prove(standin, "broker flushed in mid-run", record_property)

    @pytest.mark.parametrize("call", [1, 2, 3])
    def test_a_database_that_drops_connections_in_mid_run(
        self, standin: Standin, record_property: Record, monkeypatch: pytest.MonkeyPatch, call: int
    ) -> None:
        due = world(standin)
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_backend_pid()")
            (backend,) = cursor.fetchone()

        def drop(calls: int) -> None:
            if calls == call:
                with connections["default"].cursor() as cursor:
                    cursor.execute("SELECT pg_terminate_backend(%s)", [backend])
                connections.close_all()

        after_each_charge(monkeypatch, drop)
        # What was to be written is written through another connection.
        renew(due)
        connection.close()
        recover(due)
        prove(standin, "connections to PostgreSQL dropped in mid-run", record_property)

    def test_a_database_that_restarts_in_mid_run(
        self, standin: Standin, record_property: Record, tmp_path: Path
    ) -> None:
        due = world(standin)
        with own_postgres(tmp_path) as postgres:
            standin.control.fault("latency", seconds=0.5, path="/v1/payment_intents", times=0)
            with ThreadPoolExecutor(1) as pool:
                run = pool.submit(apart, lambda: renew(due))
                await_calls(standin)
                # As it is stopped for an upgrade: what is under way is broken off.
                postgres.stop()
                postgres.start()
                # It goes on if the server is back before anybody has waited for it too long.
                with suppress(DatabaseError):
                    run.result()
            standin.control.clear()
            connection.close()
            recover(due)
            prove(standin, "PostgreSQL restarted in mid-run", record_property)

    def test_a_database_that_restarts_between_requests_fails_none(self, tmp_path: Path) -> None:
        PriceFactory.create()
        held = threading.Barrier(IDLE)

        def hold() -> None:
            connection.ensure_connection()
            held.wait()

        with own_postgres(tmp_path) as postgres:
            at_once(*[hold] * IDLE)
            wrapper = connections["default"]
            assert isinstance(wrapper, DatabaseWrapper)
            assert wrapper.pool.get_stats()["pool_available"] == IDLE
            postgres.stop()
            postgres.start()
            asked = [lambda: Client().get("/api/v1/plans").status_code] * IDLE
            assert at_once(*asked) == [200] * IDLE


def await_charges(standin: Standin, count: int, *, seconds: float) -> None:
    until = time.monotonic() + seconds
    while len(standin.control.charges()) < count and time.monotonic() < until:
        time.sleep(0.05)


def await_calls(standin: Standin) -> None:
    until = time.monotonic() + 20
    while standin.control.struck() < DUE and time.monotonic() < until:
        time.sleep(0.02)


def after_each_charge(monkeypatch: pytest.MonkeyPatch, act: Callable[[int], object]) -> None:
    """Do something after each charge, before anybody knows of it; `act` is told how many there were."""
    charge, calls = StripeGateway.charge, iter(range(1, 100))

    def charged(self: StripeGateway, **params: object) -> ChargeOutcome:
        outcome = charge(self, **params)  # type: ignore[arg-type] # passed on as they are
        act(next(calls))
        return outcome

    monkeypatch.setattr(StripeGateway, "charge", charged)


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

    @pytest.mark.story("broker delivers a task again")
    def test_that_delivers_a_task_three_times_at_once(self, standin: Standin, record_property: Record) -> None:
        due = world(standin)
        with time_machine.travel(due, tick=True):
            at_once(*[tasks.renew_due] * 3)
        prove(standin, "task delivered three times at once", record_property)

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
    @pytest.mark.parametrize("times", [1, 2])
    @pytest.mark.parametrize("late", [timedelta(), timedelta(days=1)])
    @pytest.mark.parametrize("newest_first", [False, True])
    def test_of_charges_whose_replies_are_lost(
        self, standin: Standin, record_property: Record, times: int, late: timedelta, *, newest_first: bool
    ) -> None:
        due = world(standin)
        standin.control.fault("lost_reply", path="/v1/payment_intents", times=DUE)
        renew(due)
        assert PaymentAttempt.objects.filter(state="sent").count() == DUE
        deliver(due + late, times=times, newest_first=newest_first)
        how = ["duplicated"] * (times > 1) + ["reordered"] * newest_first + ["a day late"] * bool(late)
        prove(standin, f"webhooks {', '.join(how) or 'instead of the reply'}", record_property)

    @pytest.mark.story("webhook and scheduler both extend")
    def test_before_the_reply(self, standin: Standin, record_property: Record, monkeypatch: pytest.MonkeyPatch) -> None:
        due = world(standin)
        lock = threading.Lock()

        def tell(_: int) -> None:
            with lock:
                deliver(due, times=2, newest_first=True)
            connections.close_all()

        after_each_charge(monkeypatch, tell)
        renew(due)
        deliver(due + timedelta(days=1), times=2, newest_first=True)
        prove(standin, "webhooks before the reply", record_property)

    def test_that_are_forged(self, standin: Standin, record_property: Record) -> None:
        """A success that somebody made up, signed with another secret, for charges that were never made."""
        due = world(standin)
        standin.control.fault("refused", path="/v1/payment_intents", times=DUE)
        renew(due)
        for attempt in PaymentAttempt.objects.filter(state="sent"):
            assert forge(attempt).status_code == 400
        assert PaymentAttempt.objects.filter(state="sent").count() == DUE
        assert not WebhookEvent.objects.exists()
        recover(due)
        prove(standin, "webhooks forged", record_property)


def forge(attempt: PaymentAttempt) -> Any:
    """Deliver an event that says that an attempt was paid, by whoever does not know the secret."""
    intent: dict[str, object] = {"id": "pi_made_up", "object": "payment_intent", "status": "succeeded"}
    intent |= {"metadata": {"attempt": str(attempt.pk)}}
    event = {"id": f"evt_{attempt.pk}", "object": "event", "type": "payment_intent.succeeded", "livemode": False}
    payload = json.dumps(event | {"data": {"object": intent}})
    signature = stripe.WebhookSignature.generate_signature_header(payload, "whsec_guessed", int(time.time()))
    return Client().post(
        "/webhooks/stripe", payload, content_type="application/json", headers={"Stripe-Signature": signature}
    )


def deliver(now: datetime, *, times: int, newest_first: bool) -> None:
    """Receive and apply all events there are, each so many times."""
    gateway = stripe_gateway.connect()
    found = list(gateway.events(since=now - timedelta(days=400)))
    for event in (found if newest_first else found[::-1]) * times:
        webhooks.process(
            event_id=webhooks.receive(event=dict(event), livemode=False, now=now), gateway=gateway, now=now
        )
