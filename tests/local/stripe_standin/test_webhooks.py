"""Events and webhooks: signed so that Stripe's library believes them, delivered until the receiver has them."""

from __future__ import annotations

import json
import time

import pytest
import stripe

from local.stripe_standin.app import build
from local.stripe_standin.server import Background
from local.stripe_standin.webhooks import sign
from tests.local.stripe_standin.shop import KEYS, SIGNING_SECRET, Receiver, Shop

PAID = ["payment_intent.created", "charge.succeeded", "charge.updated", "payment_intent.succeeded"]


def believed(receiver: Receiver, secret: str = SIGNING_SECRET) -> list[str]:
    """Answer the ids of the events that the library takes for Stripe's."""
    ids = []
    for body, signature in receiver.received:
        try:
            ids.append(stripe.Webhook.construct_event(body, signature, secret).id)
        except stripe.SignatureVerificationError:
            continue
    return ids


class TestEvents:
    def test_tell_what_happened_in_its_order(self, shop: Shop) -> None:
        customer, card = shop.customer_with()
        shop.charge(customer, card)
        told = [event.type for event in shop.stripe.events.list({"limit": 100}).data][::-1]
        assert told == [
            "customer.created", "setup_intent.created", "payment_method.attached", "setup_intent.succeeded", *PAID
        ]  # fmt: skip

    def test_carry_the_object_as_it_was(self, shop: Shop) -> None:
        customer = shop.stripe.customers.create({"name": "Before"})
        shop.stripe.customers.update(customer.id, {"name": "After"})
        after, before = (event.data.to_dict() for event in shop.stripe.events.list().data)
        assert (before["object"]["name"], after["object"]["name"]) == ("Before", "After")
        assert after["previous_attributes"] == {"name": "Before"}

    def test_name_the_request_behind_them(self, shop: Shop) -> None:
        answer = shop.ask("POST", "/v1/customers", {}, key="the key")
        (event,) = shop.stripe.events.list().data
        assert event.request is not None
        assert (event.request.id, event.request.idempotency_key) == (answer.headers["Request-Id"], "the key")
        assert event.api_version == "2026-10-28.endive"

    def test_are_filtered_by_type(self, shop: Shop) -> None:
        shop.charge(*shop.customer_with())
        by_star = shop.stripe.events.list({"type": "payment_intent.*"}).data
        assert [event.type for event in by_star] == ["payment_intent.succeeded", "payment_intent.created"]
        by_names = shop.stripe.events.list({"types": ["charge.succeeded", "customer.created"]}).data
        assert [event.type for event in by_names] == ["charge.succeeded", "customer.created"]
        assert shop.ask("GET", "/v1/events", {"type": "a", "types[]": "b"}).status_code == 400

    def test_are_kept_thirty_days(self, shop: Shop) -> None:
        shop.control.set_clock(1_800_000_000)
        shop.stripe.customers.create()
        (event,) = shop.stripe.events.list().data
        shop.control.advance(30 * 86_400 - 1)
        assert shop.stripe.events.retrieve(event.id).id == event.id
        shop.control.advance(1)
        assert shop.stripe.events.list().data == []
        assert shop.ask("GET", f"/v1/events/{event.id}").status_code == 404

    def test_of_a_refused_request_are_none(self, shop: Shop) -> None:
        shop.ask("POST", "/v1/payment_intents", {"amount": "1", "currency": "usd"})
        assert shop.stripe.events.list().data == []


class TestDelivery:
    def test_is_signed(self, told_shop: Shop, receiver: Receiver) -> None:
        told_shop.charge(*told_shop.customer_with())
        told_shop.control.wait_for_webhooks()
        listed = {event.id for event in told_shop.stripe.events.list({"limit": 100}).data}
        assert sorted(believed(receiver)) == sorted(listed)
        assert set(PAID) < set(receiver.types)

    def test_sends_what_the_list_shows(self, told_shop: Shop, receiver: Receiver) -> None:
        told_shop.stripe.customers.create({"metadata": {"account": "7"}})
        told_shop.control.wait_for_webhooks()
        (sent,) = receiver.events
        listed = told_shop.ask("GET", f"/v1/events/{sent['id']}").json()
        assert (sent.pop("pending_webhooks"), listed.pop("pending_webhooks")) == (1, 0)
        assert sent == listed

    def test_is_tried_again_and_signed_anew(self, told_shop: Shop, receiver: Receiver) -> None:
        receiver.statuses = [500, 302, 200]
        told_shop.stripe.customers.create()
        told_shop.control.wait_for_webhooks()
        bodies, signatures = zip(*receiver.received, strict=True)
        assert len(set(bodies)) == 1
        assert len(set(signatures)) == len(signatures) == 3
        assert len(believed(receiver)) == 3

    def test_does_not_hold_up_the_api(self, told_shop: Shop, receiver: Receiver) -> None:
        receiver.statuses = [503]
        customer, card = told_shop.customer_with()
        for number in range(20):
            assert told_shop.charge(customer, card, key=f"{number}").status == "succeeded"
        failed = told_shop.ask("GET", "/v1/events", {"delivery_success": "false", "limit": "100"}).json()["data"]
        assert len(failed) == 4 + 20 * len(PAID)
        receiver.statuses = [200]

    def test_goes_on_after_a_restart(self, receiver: Receiver, tmp_path: object) -> None:
        state = f"{tmp_path}/stripe.sqlite3"
        url = receiver.url
        with Background(build(state, keys=KEYS, webhook_urls=[url], webhook_secrets=[SIGNING_SECRET])) as server:
            shop = Shop(server.url)
            shop.control.webhooks(delay=1.0)
            customer = shop.stripe.customers.create().id
            shop.close()
        assert receiver.received == []
        with Background(build(state, keys=KEYS, webhook_urls=[url], webhook_secrets=[SIGNING_SECRET])) as server:
            shop = Shop(server.url)
            shop.control.wait_for_webhooks()
            assert len(shop.stripe.webhook_endpoints.list().data) == 1
            shop.close()
        assert [event["data"]["object"]["id"] for event in receiver.events] == [customer]

    def test_is_for_the_events_that_were_asked_for(self, shop: Shop, receiver: Receiver) -> None:
        endpoint = shop.stripe.webhook_endpoints.create({"url": receiver.url, "enabled_events": ["customer.deleted"]})
        assert endpoint.secret is not None
        customer = shop.stripe.customers.create()
        shop.stripe.customers.delete(customer.id)
        shop.control.wait_for_webhooks()
        assert receiver.types == ["customer.deleted"]
        assert len(believed(receiver, endpoint.secret)) == 1

    def test_ends_with_its_endpoint(self, shop: Shop, receiver: Receiver) -> None:
        endpoint = shop.stripe.webhook_endpoints.create({"url": receiver.url, "enabled_events": ["*"]})
        assert "secret" not in shop.ask("GET", f"/v1/webhook_endpoints/{endpoint.id}").json()
        shop.stripe.webhook_endpoints.update(endpoint.id, {"disabled": True})
        shop.stripe.customers.create()
        shop.stripe.webhook_endpoints.delete(endpoint.id)
        shop.control.wait_for_webhooks()
        assert shop.stripe.webhook_endpoints.list().data == []
        assert receiver.received == []

    def test_is_stamped_by_the_driven_clock(self, told_shop: Shop, receiver: Receiver) -> None:
        told_shop.control.set_clock(1_900_000_000)
        told_shop.stripe.customers.create()
        told_shop.control.wait_for_webhooks()
        ((_, signature),) = receiver.received
        assert signature.startswith("t=1900000000,v1=")


class TestRotation:
    def test_signs_with_both_secrets_until_the_old_one_ends(self, told_shop: Shop, receiver: Receiver) -> None:
        told_shop.control.set_clock(int(time.time()))
        told_shop.control.rotate_webhook_secret("whsec_new", keep_old_for=60)
        told_shop.stripe.customers.create()
        told_shop.control.wait_for_webhooks()
        assert receiver.received[0][1].count("v1=") == 2
        assert believed(receiver, SIGNING_SECRET) == believed(receiver, "whsec_new") != []
        told_shop.control.advance(60)
        told_shop.stripe.customers.create()
        told_shop.control.wait_for_webhooks()
        assert len(believed(receiver, SIGNING_SECRET)) == 1
        assert len(believed(receiver, "whsec_new")) == 2

    def test_refuses_a_changed_body(self) -> None:
        signature = sign(b'{"id": "evt_1"}', [SIGNING_SECRET], int(time.time()))
        with pytest.raises(stripe.SignatureVerificationError):
            stripe.WebhookSignature.verify_header(b'{"id": "evt_2"}', signature, SIGNING_SECRET, 300)


class TestFaults:
    def test_can_duplicate(self, told_shop: Shop, receiver: Receiver) -> None:
        told_shop.control.webhooks(copies=3)
        told_shop.stripe.customers.create()
        told_shop.control.wait_for_webhooks()
        assert len(receiver.received) == 3
        assert len({event["id"] for event in receiver.events}) == 1

    def test_can_delay(self, told_shop: Shop, receiver: Receiver) -> None:
        told_shop.control.webhooks(delay=0.6)
        told_shop.stripe.customers.create()
        told_shop.control.webhooks(delay=0)
        told_shop.stripe.setup_intents.create()
        time.sleep(0.3)
        assert receiver.types == ["setup_intent.created"]
        told_shop.control.wait_for_webhooks()
        assert receiver.types == ["setup_intent.created", "customer.created"]

    def test_can_reorder(self, told_shop: Shop, receiver: Receiver) -> None:
        told_shop.control.webhooks(hold=True)
        customer = told_shop.stripe.customers.create().id
        for name in "abc":
            told_shop.stripe.customers.update(customer, {"name": name})
        told_shop.control.wait_for_webhooks()
        assert receiver.received == []
        assert told_shop.control.release_webhooks("reversed") == 4
        told_shop.control.wait_for_webhooks()
        assert [event["data"]["object"]["name"] for event in receiver.events] == ["c", "b", "a", None]

    def test_can_shuffle(self, told_shop: Shop, receiver: Receiver) -> None:
        told_shop.control.webhooks(shuffle=0.6)
        for _ in range(12):
            told_shop.stripe.customers.create()
        told_shop.control.wait_for_webhooks()
        created = [event.id for event in told_shop.stripe.events.list({"limit": 100}).data][::-1]
        received = [event["id"] for event in receiver.events]
        assert received != created
        assert sorted(received) == sorted(created)

    def test_can_drop_what_the_list_still_shows(self, told_shop: Shop, receiver: Receiver) -> None:
        told_shop.control.webhooks(drop=True)
        told_shop.stripe.customers.create()
        told_shop.control.wait_for_webhooks()
        assert receiver.received == []
        (missed,) = told_shop.stripe.events.list({"delivery_success": False}).data
        told_shop.control.resend(missed.id)
        told_shop.control.wait_for_webhooks()
        assert [event["id"] for event in receiver.events] == [missed.id]

    @pytest.mark.parametrize(
        ("flaw", "taken"), [("secret", 0), ("body", 0), ("timestamp", 0), ("unsigned", 0), ("none", 1)]
    )
    def test_can_forge(self, told_shop: Shop, receiver: Receiver, flaw: str, taken: int) -> None:
        assert told_shop.control.forge(
            "payment_intent.succeeded", {"id": "pi_1", "object": "payment_intent"}, flaw=flaw
        ) == [200]
        ((body, _),) = receiver.received
        assert json.loads(body)["data"]["object"]["id"] == "pi_1"
        assert len(believed(receiver)) == taken
        assert told_shop.stripe.events.list().data == []

    def test_can_sign_wrongly(self, told_shop: Shop, receiver: Receiver) -> None:
        told_shop.control.webhooks(forge=True)
        told_shop.stripe.customers.create()
        told_shop.control.wait_for_webhooks()
        assert len(receiver.received) == 1
        assert believed(receiver) == []
