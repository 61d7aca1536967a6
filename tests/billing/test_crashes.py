"""Killed at every step of the charge protocol: afterwards everybody is charged exactly once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from urllib.parse import urlparse
from uuid import uuid4

import pytest
import time_machine
from django.db import connection
from pytest_django import Settings

from billing import stripe_gateway
from billing.models import Invoice, PaymentAttempt, Subscription
from billing.services import payments, renewals
from local import paths
from tests.billing.customers import Customer
from tests.billing.killed import OF_RENEWALS, POINTS
from tests.factories.billing import PriceFactory
from tests.standin import Standin

pytestmark = pytest.mark.django_db(transaction=True)


def run(standin: Standin, point: str, *arguments: str) -> int:
    """Run tests.billing.killed on this test's database; answers its exit status."""
    database = urlparse(os.environ["DATABASE_URL"])._replace(path=f"/{connection.settings_dict['NAME']}")
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "tests.billing.killed", point, *arguments],
        cwd=paths.ROOT,
        env=os.environ
        | {
            "DATABASE_URL": database.geturl(),
            "STRIPE_API_BASE": standin.url,
            "DJANGO_SETTINGS_MODULE": "config.settings",
            "PYTHONPATH": "platform",
        },
        check=False,
        timeout=120,
        capture_output=True,
        text=True,
    )
    assert done.returncode in {0, -signal.SIGKILL}, done.stderr
    return done.returncode


def sweep(now: datetime) -> None:
    payments.sweep(gateway=stripe_gateway.connect(), now=now + timedelta(seconds=61))


@pytest.mark.rule("4.16")
@pytest.mark.parametrize("point", POINTS)
class TestSubscribeKilled:
    def test_is_finished_by_the_sweeper(self, standin: Standin, point: str) -> None:
        customer, price = Customer(standin), PriceFactory.create()
        customer.save_card()
        assert run(standin, point, "subscribe", str(customer.account.pk), str(price.pk), "k1") == -signal.SIGKILL
        assert len(standin.control.charges()) == (1 if point in {"after_charge", "while_settling"} else 0)
        assert customer.get("entitlement").json()["entitled"] is False
        sweep(datetime.now(UTC))
        if point == "before_commit":
            # Nothing was committed, so nothing is owed.
            assert (Subscription.objects.count(), standin.control.charges()) == (0, [])
            return
        assert customer.get("subscription").json()["status"] == "active"
        assert len(standin.control.charges()) == 1
        assert PaymentAttempt.objects.get().state == "succeeded"
        assert list(Invoice.objects.values_list("status", "sequence")) == [("paid", 1)]

    def test_is_finished_by_the_same_request_again(self, standin: Standin, settings: Settings, point: str) -> None:
        customer, price = Customer(standin), PriceFactory.create()
        customer.save_card()
        run(standin, point, "subscribe", str(customer.account.pk), str(price.pk), "k1")
        order = {"price": str(price.pk), "quoted_amount": price.amount}
        if point != "before_commit":
            refused = customer.post("subscriptions", order, key="k1")
            assert (refused.status_code, refused.json()["code"]) == (409, "idempotency_in_progress")
        with time_machine.travel(datetime.now(UTC) + timedelta(seconds=settings.IDEMPOTENCY_LEASE_SECONDS)):
            answer = customer.post("subscriptions", order, key="k1")
        assert (answer.status_code, answer.json()["payment"]["status"]) == (201, "succeeded")
        assert customer.get("subscription").json()["status"] == "active"
        assert len(standin.control.charges()) == 1
        assert Subscription.objects.count() == 1


@pytest.mark.rule("4.16", "4.23")
@pytest.mark.story("invoice stuck part-way")
@pytest.mark.parametrize("point", OF_RENEWALS)
class TestRenewKilled:
    def test_is_finished_by_others(
        self, standin: Standin, point: str, record_property: Callable[[str, object], None]
    ) -> None:
        price = PriceFactory.create()
        for _ in range(3):
            customer = Customer(standin)
            customer.save_card()
            customer.subscribe(price, key=str(uuid4()))
        due = max(moment for moment in Subscription.objects.values_list("next_bill_at", flat=True) if moment)
        assert run(standin, point, "renew", due.isoformat()) == -signal.SIGKILL
        sweep(due)
        renewals.run(gateway=stripe_gateway.connect(), clock=lambda: due + timedelta(minutes=2), limit=100)
        renewals.run(gateway=stripe_gateway.connect(), clock=lambda: due + timedelta(hours=2), limit=100)
        record_property("fault", (f"worker killed {point.replace('_', ' ')}", 6, len(standin.control.charges())))
        assert len(standin.control.charges()) == 6
        assert {charge["metadata"]["invoice"] for charge in standin.control.charges()} == {
            str(invoice) for invoice in Invoice.objects.values_list("pk", flat=True)
        }
        assert set(Subscription.objects.values_list("status", "period_index")) == {("active", 2)}
        assert list(Invoice.objects.order_by("sequence").values_list("sequence", flat=True)) == [1, 2, 3, 4, 5, 6]


@pytest.mark.rule("4.16")
@pytest.mark.parametrize("point", ["after_sent", "after_charge", "while_settling"])
class TestSweepKilled:
    def test_is_finished_by_the_next_sweep(self, standin: Standin, point: str) -> None:
        customer, price = Customer(standin), PriceFactory.create()
        customer.save_card()
        standin.control.fault("refused", path="/v1/payment_intents")
        customer.subscribe(price)
        at = datetime.now(UTC) + timedelta(seconds=61)
        assert run(standin, point, "sweep", at.isoformat()) == -signal.SIGKILL
        sweep(at)
        assert customer.get("subscription").json()["status"] == "active"
        assert len(standin.control.charges()) == 1
