"""Webhooks: signed, retried, and disturbed on demand (docs.stripe.com/webhooks)."""

from __future__ import annotations

import signal
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
import stripe

from tests.local.standin.kit import Shop, eventually
from tests.local.standin.receiver import Receiver, receiving
from tests.standin import WEBHOOK_SECRET, Standin


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver


@pytest.fixture
def endpoint(shop: Shop, receiver: Receiver) -> stripe.WebhookEndpoint:
    """Register the receiver over the API."""
    return shop.v1.webhook_endpoints.create({"url": receiver.url, "enabled_events": ["*"]})


@pytest.fixture
def secret(endpoint: stripe.WebhookEndpoint) -> str:
    assert endpoint.secret is not None
    return endpoint.secret


class TestAWebhook:
    def test_carries_the_event_signed_with_the_endpoints_secret(
        self, shop: Shop, receiver: Receiver, secret: str
    ) -> None:
        shop.charge()
        shop.control.wait_for_webhooks()
        assert Counter(receiver.types()) == Counter(shop.types())
        for arrival in receiver.arrivals:
            assert arrival.is_signed_with(secret)
            assert not arrival.is_signed_with("whsec_other")
            found = shop.v1.events.retrieve(arrival.event["id"])
            assert found.to_dict()["data"] == arrival.event["data"]

    def test_names_the_request_that_caused_it(self, shop: Shop, receiver: Receiver, secret: str) -> None:
        shop.charge(key="k")
        shop.control.wait_for_webhooks()
        assert {arrival.event["request"]["idempotency_key"] for arrival in receiver.arrivals} == {"k"}

    def test_is_sent_for_the_types_that_were_asked_for(self, shop: Shop, receiver: Receiver) -> None:
        shop.v1.webhook_endpoints.create({"url": receiver.url, "enabled_events": ["payment_intent.succeeded"]})
        shop.charge()
        shop.control.wait_for_webhooks()
        assert receiver.types() == ["payment_intent.succeeded"]

    def test_is_not_sent_to_an_endpoint_that_was_deleted(
        self, shop: Shop, receiver: Receiver, endpoint: stripe.WebhookEndpoint
    ) -> None:
        shop.v1.webhook_endpoints.delete(endpoint.id)
        shop.charge()
        shop.control.wait_for_webhooks()
        assert receiver.arrivals == []

    def test_is_retried_until_it_is_taken(self, shop: Shop, receiver: Receiver, secret: str) -> None:
        receiver.statuses = [500, 302]
        shop.customer()
        eventually(lambda: len(receiver.arrivals), 1)
        pending = shop.v1.events.list({"delivery_success": False}).data
        assert [(event.id, event.pending_webhooks) for event in pending] == [(receiver.ids()[0], 1)]
        shop.control.wait_for_webhooks()
        assert len(receiver.arrivals) == 3
        assert len(set(receiver.ids())) == 1
        assert all(arrival.is_signed_with(secret) for arrival in receiver.arrivals)
        assert shop.v1.events.list({"delivery_success": False}).data == []
        (event,) = shop.v1.events.list({"delivery_success": True}).data
        assert event.pending_webhooks == 0

    def test_is_retried_when_nobody_listens(self, shop: Shop) -> None:
        shop.v1.webhook_endpoints.create({"url": "http://127.0.0.1:9/nobody", "enabled_events": ["*"]})
        shop.customer()
        time.sleep(0.3)
        assert [event.pending_webhooks for event in shop.v1.events.list().data] == [1]

    def test_needs_an_address_that_can_be_one(self, shop: Shop) -> None:
        for url in ("shop.example", "ftp://shop.example"):
            with pytest.raises(stripe.InvalidRequestError) as refusal:
                shop.v1.webhook_endpoints.create({"url": url, "enabled_events": ["*"]})
            assert refusal.value.param == "url"

    def test_shows_its_secret_once(self, shop: Shop, endpoint: stripe.WebhookEndpoint, secret: str) -> None:
        assert secret.startswith("whsec_")
        assert "secret" not in shop.v1.webhook_endpoints.retrieve(endpoint.id).to_dict()
        assert ["secret" in found.to_dict() for found in shop.v1.webhook_endpoints.list().data] == [False]


class TestDisturbed:
    def test_it_is_duplicated(self, shop: Shop, receiver: Receiver, secret: str) -> None:
        shop.control.webhooks(copies=3)
        shop.charge()
        shop.control.wait_for_webhooks()
        assert set(Counter(receiver.ids()).values()) == {3}
        assert len(set(receiver.ids())) == 3

    def test_it_is_delayed(self, shop: Shop, receiver: Receiver, secret: str) -> None:
        shop.control.webhooks(delay=0.5)
        began = time.monotonic()
        shop.customer()
        shop.control.wait_for_webhooks()
        assert len(receiver.arrivals) == 1
        assert time.monotonic() - began >= 0.5

    def test_it_is_shuffled(self, shop: Shop, receiver: Receiver, secret: str) -> None:
        shop.control.webhooks(drop=True)
        for _ in range(30):
            shop.customer()
        shop.control.webhooks(shuffle=True)
        shop.control.wait_for_webhooks()
        made = [event.id for event in shop.v1.events.list({"limit": 100}).data][::-1]
        assert sorted(receiver.ids()) == sorted(made)
        assert receiver.ids() != made

    def test_it_is_dropped_and_arrives_once_that_ends(self, shop: Shop, receiver: Receiver, secret: str) -> None:
        shop.control.webhooks(drop=True)
        shop.charge()
        time.sleep(0.3)
        assert receiver.arrivals == []
        assert len(shop.types()) == 3
        shop.control.webhooks(drop=False)
        shop.control.wait_for_webhooks()
        assert len(receiver.arrivals) == 3

    def test_it_is_forged(self, shop: Shop, receiver: Receiver, secret: str) -> None:
        shop.control.webhooks(forge=True)
        shop.customer()
        shop.control.wait_for_webhooks()
        assert [arrival.is_signed_with(secret) for arrival in receiver.arrivals] == [False]


class TestTime:
    def test_of_a_signature_is_the_systems_while_the_clock_is_driven(
        self, shop: Shop, receiver: Receiver, secret: str
    ) -> None:
        shop.control.set_clock(1_500_000_000)
        shop.customer()
        shop.control.wait_for_webhooks()
        (arrival,) = receiver.arrivals
        assert arrival.event["created"] == 1_500_000_000
        assert arrival.is_signed_with(secret)

    def test_of_a_signature_is_the_clocks_when_that_is_wanted(
        self, shop: Shop, receiver: Receiver, secret: str
    ) -> None:
        shop.control.set_clock(1_500_000_000, sign=True)
        shop.customer()
        shop.control.wait_for_webhooks()
        (arrival,) = receiver.arrivals
        assert arrival.signature.startswith("t=1500000000,")
        assert not arrival.is_signed_with(secret)
        shop.control.set_clock(None)
        shop.customer()
        shop.control.wait_for_webhooks()
        assert receiver.arrivals[-1].is_signed_with(secret)


class TestASlowReceiver:
    def test_holds_up_neither_the_api_nor_another_receiver(self, shop: Shop, receiver: Receiver, secret: str) -> None:
        with receiving() as quick:
            shop.v1.webhook_endpoints.create({"url": quick.url, "enabled_events": ["customer.created"]})
            receiver.seconds = 1.0
            shop.customer()
            eventually(lambda: len(quick.arrivals), 1)
            assert receiver.arrivals == []
            shop.control.wait_for_webhooks()
        assert len(receiver.arrivals) == 1


class TestARestart:
    def test_keeps_what_waits_and_signs_with_every_secret(self, tmp_path: Path, receiver: Receiver) -> None:
        standin = Standin(
            state=str(tmp_path / "stripe.sqlite3"),
            webhook_url=receiver.url,
            webhook_secret="whsec_new,whsec_old",
            record=False,
        )
        standin.start()
        shop = Shop(standin)
        try:
            shop.control.webhooks(drop=True)
            made = shop.customer()
            standin.stop(signal.SIGKILL)
            assert receiver.arrivals == []
            standin.start()
            shop.control.wait_for_webhooks()
            (arrival,) = receiver.arrivals
            assert arrival.event["data"]["object"]["id"] == made
            assert [arrival.is_signed_with(each) for each in ("whsec_new", "whsec_old", WEBHOOK_SECRET)] == [
                True,
                True,
                False,
            ]
        finally:
            standin.close()
