"""Webhooks: proved, stored once, applied once, in any order and at any time."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
import stripe
from django.test import Client
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer

from billing import stripe_gateway, tasks
from billing.models import Invoice, PaymentAttempt, Subscription, WebhookEvent
from billing.services import payments, settlement, webhooks
from tests import standin as standins
from tests.billing.customers import Customer
from tests.factories.billing import PriceFactory
from tests.standin import Standin

pytestmark = pytest.mark.django_db


def deliver(event: dict[str, Any], *, secret: str = standins.WEBHOOK_SECRET, age: int = 0) -> Any:
    payload = json.dumps(event)
    signature = stripe.WebhookSignature.generate_signature_header(payload, secret, int(time.time()) - age)
    return Client().post(
        "/webhooks/stripe", payload, content_type="application/json", headers={"Stripe-Signature": signature}
    )


def events_of(standin: Standin, kind: str) -> list[dict[str, Any]]:
    """Answer the stand-in's events of one type, oldest first, as they would be delivered."""
    answer = httpx.get(
        f"{standin.url}/v1/events",
        params={"type": kind, "limit": 100},
        headers={"Authorization": f"Bearer {standins.SECRET_KEY}"},
        trust_env=False,
    )
    found: list[dict[str, Any]] = answer.json()["data"]
    return found[::-1]


def process(event_id: str, *, after: timedelta = timedelta(0)) -> str:
    webhooks.process(event_id=event_id, gateway=stripe_gateway.connect(), now=datetime.now(UTC) + after)
    return WebhookEvent.objects.get(event_id=event_id).status


@pytest.fixture
def unknown_outcome(standin: Standin) -> Customer:
    """Answer a customer who was charged, and whose reply was lost."""
    customer = Customer(standin)
    customer.save_card()
    standin.control.fault("lost_reply", path="/v1/payment_intents")
    assert customer.subscribe(PriceFactory.create()).json()["payment"]["status"] == "unknown"
    return customer


class TestPurge:
    def test_deletes_what_was_applied_long_ago_and_nothing_else(self, monkeypatch: pytest.MonkeyPatch) -> None:
        moment = datetime(2026, 6, 1, tzinfo=UTC)
        before, after = moment - timedelta(days=90, seconds=1), moment - timedelta(days=90)
        for name, status, at in (
            ("a", "processed", before), ("b", "ignored", before), ("c", "processed", before), ("d", "processed", after),
            ("e", "failed", None), ("f", "parked", None),
        ):  # fmt: skip
            WebhookEvent.objects.create(
                event_id=name, status=status, processed_at=at, next_try_at=before if status == "parked" else None,
                type="x", payload={}, livemode=False, received_at=before,
            )  # fmt: skip
        monkeypatch.setattr(webhooks, "PURGED_AT_ONCE", 2)
        assert webhooks.purge(now=moment) == 3
        assert set(WebhookEvent.objects.values_list("event_id", flat=True)) == {"d", "e", "f"}


@pytest.mark.rule("4.17")
class TestReceive:
    EVENT: dict[str, Any] = {"id": "evt_1", "object": "event", "type": "customer.created", "livemode": False}

    def test_stores_and_answers_at_once(self, standin: Standin) -> None:
        assert deliver(self.EVENT).status_code == 204
        stored = WebhookEvent.objects.get()
        assert (stored.event_id, stored.type, stored.status, stored.payload) == (
            "evt_1",
            "customer.created",
            "received",
            self.EVENT,
        )

    def test_stores_no_secret(self, standin: Standin) -> None:
        intent = {"id": "pi_1", "client_secret": "pi_1_secret_x", "card": {"secret": None}}
        deliver(self.EVENT | {"data": {"object": intent, "all": [{"client_secret": "y"}]}})
        assert WebhookEvent.objects.get().payload["data"] == {
            "object": {"id": "pi_1", "client_secret": "removed", "card": {"secret": None}},
            "all": [{"client_secret": "removed"}],
        }

    @pytest.mark.story("duplicate event crashes the handler")
    def test_stores_a_duplicate_once(self, standin: Standin) -> None:
        assert [deliver(self.EVENT).status_code for _ in range(3)] == [204, 204, 204]
        assert WebhookEvent.objects.count() == 1

    def test_refuses_a_forged_one(self, standin: Standin) -> None:
        answer = deliver(self.EVENT, secret="whsec_forged")
        assert (answer.status_code, answer.json()["code"]) == (400, "invalid_signature")
        assert WebhookEvent.objects.count() == 0

    def test_refuses_an_old_one(self, standin: Standin) -> None:
        assert deliver(self.EVENT, age=310).status_code == 400
        assert WebhookEvent.objects.count() == 0

    def test_refuses_live_events_in_a_test_deployment(self, standin: Standin) -> None:
        answer = deliver(self.EVENT | {"livemode": True})
        assert (answer.status_code, answer.json()["code"]) == (400, "livemode_mismatch")
        assert WebhookEvent.objects.count() == 0


@pytest.mark.rule("4.17")
class TestProcess:
    def test_settles_a_charge_whose_reply_was_lost(self, standin: Standin, unknown_outcome: Customer) -> None:
        (event,) = events_of(standin, "payment_intent.succeeded")
        deliver(event)
        assert process(event["id"]) == "processed"
        assert unknown_outcome.get("subscription").json()["status"] == "active"
        assert (
            payments.sweep(gateway=stripe_gateway.connect(), now=datetime.now(UTC) + timedelta(minutes=2)).replayed == 0
        )
        assert len(standin.control.charges()) == 1

    @pytest.mark.story("duplicate event crashes the handler")
    def test_changes_nothing_the_second_time(self, standin: Standin, unknown_outcome: Customer) -> None:
        (event,) = events_of(standin, "payment_intent.succeeded")
        deliver(event)
        process(event["id"])
        before = Subscription.objects.values().get(), Invoice.objects.values().get()
        WebhookEvent.objects.update(status="received", next_try_at=datetime.now(UTC), processed_at=None)
        assert process(event["id"]) == "processed"
        assert (Subscription.objects.values().get(), Invoice.objects.values().get()) == before

    def test_asks_nothing_about_what_is_paid(self, standin: Standin) -> None:
        customer = Customer(standin)
        customer.save_card()
        assert customer.subscribe(PriceFactory.create()).json()["payment"]["status"] == "succeeded"
        standin.control.fault("refused", method="GET", path="/v1/payment_intents/.*", times=0)
        for event in [*events_of(standin, "payment_intent.created"), *events_of(standin, "payment_intent.succeeded")]:
            deliver(event)
            assert process(event["id"]) == "processed"
        assert standin.control.struck() == 0

    @pytest.mark.story("events out of order bring back an old state")
    def test_makes_nothing_of_the_order(self, standin: Standin, unknown_outcome: Customer) -> None:
        events = [
            *events_of(standin, "payment_intent.succeeded"),
            *events_of(standin, "payment_intent.created"),
        ]
        assert len(events) == 2
        for event in events:
            deliver(event)
            process(event["id"])
        assert unknown_outcome.get("subscription").json()["status"] == "active"
        assert PaymentAttempt.objects.get().state == "succeeded"

    @pytest.mark.story("webhook races the request")
    @pytest.mark.story("webhook and scheduler both extend")
    def test_comes_before_the_reply_without_harm(self, standin: Standin, monkeypatch: pytest.MonkeyPatch) -> None:
        customer = Customer(standin)
        customer.save_card()
        settle = settlement.settle

        def settle_late(*args: Any, **kwargs: Any) -> None:
            # Between Stripe's answer and our own record of it, the webhook is received and applied.
            monkeypatch.setattr(settlement, "settle", settle)
            (event,) = events_of(standin, "payment_intent.succeeded")
            webhooks.receive(event=event, livemode=False, now=datetime.now(UTC))
            assert process(event["id"]) == "processed"
            assert Subscription.objects.get().status == "active"
            settle(*args, **kwargs)

        monkeypatch.setattr(settlement, "settle", settle_late)
        answer = customer.subscribe(PriceFactory.create())
        assert (answer.status_code, answer.json()["payment"]["status"]) == (201, "succeeded")
        subscription = Subscription.objects.get()
        assert (subscription.status, subscription.period_index) == ("active", 1)
        assert subscription.transitions.filter(to_status="active").count() == 1

    def test_parks_what_it_does_not_know_and_tries_again(self, standin: Standin, unknown_outcome: Customer) -> None:
        (event,) = events_of(standin, "payment_intent.succeeded")
        event["data"]["object"]["id"] = "pi_unknown"
        event["data"]["object"]["metadata"] = {}
        deliver(event)
        assert process(event["id"]) == "parked"
        stored = WebhookEvent.objects.get()
        assert (stored.tries, stored.note) == (1, "its payment attempt is not known")
        assert process(event["id"]) == "parked"
        assert WebhookEvent.objects.get().tries == 1
        for day in range(1, 12):
            process(event["id"], after=timedelta(days=3 * day))
        stored.refresh_from_db()
        assert (stored.status, stored.tries, stored.next_try_at) == ("failed", 12, None)

    def test_waits_while_stripe_cannot_be_asked(self, standin: Standin, unknown_outcome: Customer) -> None:
        (event,) = events_of(standin, "payment_intent.succeeded")
        deliver(event)
        standin.control.fault("error_before", method="GET")
        assert process(event["id"]) == "parked"
        assert unknown_outcome.get("subscription").json()["status"] == "incomplete"
        assert webhooks.process_due(gateway=stripe_gateway.connect(), now=datetime.now(UTC) + timedelta(minutes=2)) == 1
        assert unknown_outcome.get("subscription").json()["status"] == "active"

    @pytest.mark.rule("4.15")
    def test_lets_the_customer_try_again_after_a_failed_authentication(self, standin: Standin) -> None:
        customer = Customer(standin)
        customer.save_card("4000002760003184")
        secret = customer.subscribe(PriceFactory.create()).json()["payment"]["client_secret"]
        standin.control.authenticate("payment_intent", secret.split("_secret_")[0], passed=False)
        (failed,) = events_of(standin, "payment_intent.payment_failed")
        deliver(failed)
        assert process(failed["id"]) == "processed"
        assert customer.get("subscription").json()["status"] == "incomplete"
        assert Invoice.objects.get().status == "open"
        # The client still holds the secret, and pays with another card.
        assert standin.confirm_payment(secret).json()["status"] == "succeeded"
        (paid,) = events_of(standin, "payment_intent.succeeded")
        deliver(paid)
        assert process(paid["id"]) == "processed"
        subscription = Subscription.objects.get()
        assert (subscription.status, subscription.parked_reason) == ("active", "")
        assert PaymentAttempt.objects.get().state == "succeeded"
        assert len(standin.control.charges()) == 1

    @pytest.mark.story("unknown payment succeeds after a second one")
    def test_parks_the_subscription_when_a_void_invoice_is_paid_after_all(self, standin: Standin) -> None:
        customer = Customer(standin)
        customer.save_card("4000002760003184")
        secret = customer.subscribe(PriceFactory.create()).json()["payment"]["client_secret"]
        # Staff gave it up, and the withdrawal at Stripe was lost.
        Invoice.objects.update(status="void")
        Subscription.objects.update(status="ended", ended_at=datetime.now(UTC))
        assert standin.confirm_payment(secret).json()["status"] == "succeeded"
        (paid,) = events_of(standin, "payment_intent.succeeded")
        deliver(paid)
        assert process(paid["id"]) == "processed"
        subscription = Subscription.objects.get()
        assert (subscription.status, subscription.parked_reason) == ("ended", "charged_for_void_invoice")
        assert PaymentAttempt.objects.get().state == "succeeded"

    def test_ignores_what_is_no_concern_of_ours(self, standin: Standin) -> None:
        deliver(TestReceive.EVENT)
        tasks.process_webhook(event_id="evt_1", unknown_keyword=1)
        assert WebhookEvent.objects.get().status == "ignored"


@pytest.mark.rule("4.17")
@pytest.mark.django_db(transaction=True)
class TestDelivery:
    @pytest.fixture
    def delivering(self, live_server: LiveServer, settings: Settings) -> Iterator[Standin]:
        with standins.running(webhook_url=f"{live_server.url}/webhooks/stripe") as running:
            settings.STRIPE_API_BASE = running.url
            settings.STRIPE_WEBHOOK_SECRETS = [standins.WEBHOOK_SECRET]
            yield running

    def test_survives_copies_disorder_and_delay(self, delivering: Standin) -> None:
        delivering.control.webhooks(copies=3, shuffle=True, delay=0.2)
        customer = Customer(delivering)
        customer.save_card()
        customer.subscribe(PriceFactory.create())
        delivering.control.wait_for_webhooks()
        gateway = stripe_gateway.connect()
        while webhooks.process_due(gateway=gateway, now=datetime.now(UTC)):
            pass
        kinds = list(WebhookEvent.objects.filter(type__startswith="payment_intent.").values_list("type", flat=True))
        assert sorted(kinds) == ["payment_intent.created", "payment_intent.succeeded"]
        assert set(WebhookEvent.objects.values_list("status", flat=True)) == {"processed", "ignored"}
        assert Subscription.objects.get().period_index == 1
        assert len(delivering.control.charges()) == 1
