"""Billing over HTTP, with money moving at the stand-in."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
import time_machine
from pytest_django import DjangoAssertNumQueries
from rest_framework.test import APIClient

from billing import stripe_gateway
from billing.models import CardSetup, Invoice, PaymentAttempt, PaymentMethod, Subscription
from billing.services import payments, renewals, settlement
from core.models import IdempotencyKey
from tests.billing.customers import Customer
from tests.factories.accounts import AccountFactory, sign_in
from tests.factories.billing import PlanFactory, PriceFactory
from tests.standin import Standin

pytestmark = pytest.mark.django_db


class TestPlans:
    def test_show_the_prices_of_the_viewers_country_to_anybody(self) -> None:
        plan = PlanFactory.create(code="standard", tier=2)
        euro = PriceFactory.create(plan=plan, currency="EUR", amount=1299)
        PriceFactory.create(plan=plan, currency="USD", amount=1549)
        PriceFactory.create(plan=plan, currency="EUR", country="FR", amount=1199)
        PriceFactory.create(plan=PlanFactory.create(on_sale=False), currency="EUR")
        client = APIClient()
        client.credentials(HTTP_X_SESSION_TOKEN=sign_in(AccountFactory.create(country="DE")))
        assert client.get("/api/v1/plans").json() == {
            "country": "DE",
            "plans": [
                {
                    "code": "standard",
                    "name": "Standard",
                    "tier": 2,
                    "features": {
                        "max_streams": 2,
                        "max_resolution": "1080p",
                        "max_devices": 5,
                        "download_devices": 0,
                        "with_ads": False,
                    },
                    "prices": [
                        {
                            "id": str(euro.pk),
                            "amount": 1299,
                            "currency": "EUR",
                            "currency_exponent": 2,
                            "interval": "month",
                            "tax_behavior": "inclusive",
                            "trial_days": 0,
                            "intro_amount": None,
                            "intro_periods": None,
                        }
                    ],
                }
            ],
        }
        assert APIClient().get("/api/v1/plans").status_code == 200

    def test_cost_the_same_queries_for_many_as_for_few(self, django_assert_num_queries: DjangoAssertNumQueries) -> None:
        for _ in range(5):
            PriceFactory.create()
        with django_assert_num_queries(3):
            assert len(APIClient().get("/api/v1/plans").json()["plans"]) == 5


class TestSaveCard:
    def test_makes_a_confirmed_card_the_default(self, standin: Standin) -> None:
        customer = Customer(standin)
        saved = customer.save_card()
        assert saved.status_code == 201
        answer = saved.json()
        assert (answer["brand"], answer["last4"], answer["is_default"]) == ("visa", "4242", True)
        second = customer.save_card("5555555555554444").json()
        assert [(card["last4"], card["is_default"]) for card in customer.get("payment-methods").json()] == [
            ("4444", True),
            ("4242", False),
        ]
        assert second["id"] != answer["id"]

    def test_tells_the_client_where_and_with_which_key_to_confirm(self, standin: Standin) -> None:
        setup = Customer(standin).post("payment-methods/setup", key="k1").json()
        assert (setup["publishable_key"], setup["api_base"]) == ("pk_test_throwaway", standin.url)

    def test_registers_one_card_when_asked_twice(self, standin: Standin) -> None:
        customer = Customer(standin)
        first = customer.save_card().json()
        intent = CardSetup.objects.get().gateway_id
        again = customer.post("payment-methods", {"setup_intent": intent})
        assert (again.status_code, again.json()["id"]) == (201, first["id"])
        assert PaymentMethod.objects.count() == 1

    def test_refuses_a_setup_that_nobody_confirmed(self, standin: Standin) -> None:
        customer = Customer(standin)
        setup = customer.post("payment-methods/setup", key="k1").json()
        answer = customer.post("payment-methods", {"setup_intent": setup["setup_intent"]})
        assert (answer.status_code, answer.json()["code"]) == (409, "card_setup_incomplete")
        assert PaymentMethod.objects.count() == 0

    def test_answers_a_foreign_setup_as_an_unknown_one(self, standin: Standin) -> None:
        other = Customer(standin)
        other.save_card()
        customer = Customer(standin)
        customer.post("payment-methods/setup", key="k1")
        for intent in (CardSetup.objects.get(account=other.account).gateway_id, "seti_unknown"):
            answer = customer.post("payment-methods", {"setup_intent": intent})
            assert (answer.status_code, answer.json()["code"]) == (404, "card_setup_not_found")
        assert PaymentMethod.objects.filter(account=customer.account).count() == 0

    def test_says_when_stripe_cannot_be_reached(self, standin: Standin) -> None:
        standin.control.fault("refused", times=0)
        answer = Customer(standin).post("payment-methods/setup", key="k1")
        assert (answer.status_code, answer.json()["code"]) == (503, "payment_service_unavailable")

    def test_goes_on_after_a_lost_reply_without_a_second_setup(self, standin: Standin) -> None:
        customer = Customer(standin)
        standin.control.fault("lost_reply", path="/v1/setup_intents")
        assert customer.post("payment-methods/setup", key="k1").status_code == 503
        assert customer.post("payment-methods/setup", key="k1").status_code == 201
        assert CardSetup.objects.count() == 1


class TestSubscribe:
    def test_charges_the_first_period_and_opens_access(self, standin: Standin) -> None:
        customer, price = Customer(standin), PriceFactory.create()
        customer.save_card()
        with time_machine.travel(datetime(2026, 2, 1, 4, 30, tzinfo=UTC), tick=False):
            assert customer.get("entitlement").json()["entitled"] is False
            answer = customer.subscribe(price)
            assert answer.status_code == 201
            access = customer.get("entitlement").json()
        bought = answer.json()
        assert bought["payment"]["status"] == "succeeded"
        assert bought["payment"]["client_secret"] == ""
        # Bought on 31 January in New York: the end is the last of February, the same time of day.
        assert bought["subscription"]["status"] == "active"
        assert bought["subscription"]["paid_through"] == "2026-03-01T04:30:00Z"
        assert bought["subscription"]["next_bill_at"] == "2026-03-01T04:30:00Z"
        assert access == {
            "entitled": True,
            "access": "subscribed",
            "plan": price.plan.code,
            "features": {
                "max_streams": 2,
                "max_resolution": "1080p",
                "max_devices": 5,
                "download_devices": 0,
                "with_ads": False,
            },
            "valid_until": "2026-03-01T04:30:00Z",
        }
        (charge,) = standin.control.charges()
        attempt = PaymentAttempt.objects.get()
        assert (charge["amount"], charge["currency"]) == (1549, "usd")
        assert charge["metadata"] == {"invoice": str(attempt.invoice_id), "attempt": str(attempt.pk)}
        assert Subscription.objects.get().anchor_date.isoformat() == "2026-01-31"

    def test_lists_the_invoice(self, standin: Standin, django_assert_num_queries: DjangoAssertNumQueries) -> None:
        customer, price = Customer(standin), PriceFactory.create()
        customer.save_card()
        customer.subscribe(price)
        with django_assert_num_queries(3):
            listed = customer.get("invoices").json()
        (invoice,) = listed["results"]
        assert (invoice["status"], invoice["total"], invoice["currency"]) == ("paid", 1549, "USD")
        assert invoice["number"] == f"INV-{datetime.now(UTC).year}-0000001"
        assert [line["amount"] for line in invoice["lines"]] == [1549]
        assert customer.get(f"invoices/{invoice['id']}").json() == invoice
        stranger = Customer(standin)
        assert stranger.get(f"invoices/{invoice['id']}").status_code == 404
        assert stranger.get(f"invoices/{uuid4()}").status_code == 404
        assert stranger.get("invoices").json()["results"] == []

    @pytest.mark.rule("4.16")
    @pytest.mark.story("client retries a slow success")
    def test_replays_the_answer_for_the_same_key_and_charges_once(self, standin: Standin) -> None:
        customer, price = Customer(standin), PriceFactory.create()
        customer.save_card()
        first = customer.subscribe(price, key="k1")
        again = customer.subscribe(price, key="k1")
        assert (first.status_code, again.status_code) == (201, 201)
        assert again["Idempotency-Replayed"] == "true"
        assert first.json()["subscription"]["id"] == again.json()["subscription"]["id"]
        assert len(standin.control.charges()) == 1

    def test_needs_a_key(self, standin: Standin) -> None:
        customer, price = Customer(standin), PriceFactory.create()
        answer = customer.post("subscriptions", {"price": str(price.pk), "quoted_amount": 1549})
        assert (answer.status_code, answer.json()["code"]) == (400, "idempotency_key_missing")
        assert Subscription.objects.count() == 0

    def test_refuses_another_order_under_the_same_key(self, standin: Standin) -> None:
        customer, price = Customer(standin), PriceFactory.create()
        customer.save_card()
        customer.subscribe(price, key="k1")
        answer = customer.subscribe(price, key="k1", time_zone="UTC")
        assert (answer.status_code, answer.json()["code"]) == (422, "idempotency_key_reused")
        assert len(standin.control.charges()) == 1

    def test_keeps_no_secret(self, standin: Standin) -> None:
        customer, price = Customer(standin), PriceFactory.create()
        customer.save_card("4000002760003184")
        first = customer.subscribe(price, key="k1").json()["payment"]
        assert first["status"] == "requires_action"
        assert IdempotencyKey.objects.exclude(body=None).count() == 0
        assert first["client_secret"] not in str(PaymentAttempt.objects.values().get())
        assert customer.subscribe(price, key="k1").json()["payment"] == first

    def test_refuses_a_second_subscription(self, standin: Standin) -> None:
        customer, price = Customer(standin), PriceFactory.create()
        customer.save_card()
        customer.subscribe(price)
        answer = customer.subscribe(price)
        assert (answer.status_code, answer.json()["code"]) == (409, "already_subscribed")
        assert len(standin.control.charges()) == 1
        assert Subscription.objects.count() == 1

    @pytest.mark.parametrize(
        ("fields", "changes", "code"),
        [
            ({}, {"quoted_amount": 1500}, "quote_changed"),
            ({"superseded_at": datetime(2026, 11, 1, tzinfo=UTC)}, {}, "price_not_offered"),
            ({"country": "FR"}, {}, "price_not_offered"),
            ({"currency": "EUR"}, {}, "price_not_offered"),
            ({}, {"price": "00000000-0000-0000-0000-000000000000"}, "price_not_offered"),
        ],
    )
    def test_refuses_what_is_not_offered(
        self, standin: Standin, fields: dict[str, object], changes: dict[str, Any], code: str
    ) -> None:
        customer, price = Customer(standin), PriceFactory.create(**fields)
        customer.save_card()
        answer = customer.subscribe(price, **changes)
        assert (answer.status_code, answer.json()["code"]) == (409, code)
        assert (Subscription.objects.count(), Invoice.objects.count()) == (0, 0)

    def test_asks_for_a_card_first(self, standin: Standin) -> None:
        answer = Customer(standin).subscribe(PriceFactory.create())
        assert (answer.status_code, answer.json()["code"]) == (409, "payment_method_required")
        assert Subscription.objects.count() == 0

    def test_refuses_a_zone_that_does_not_exist(self, standin: Standin) -> None:
        answer = Customer(standin).subscribe(PriceFactory.create(), time_zone="Mars/Olympus")
        assert answer.status_code == 400
        assert Subscription.objects.count() == 0

    def test_gives_nothing_when_the_card_is_declined(self, standin: Standin) -> None:
        customer, price = Customer(standin), PriceFactory.create()
        customer.save_card("4000000000000341")
        answer = customer.subscribe(price)
        assert (answer.status_code, answer.json()["code"]) == (402, "payment_failed")
        assert answer.json()["decline_code"] == "generic_decline"
        assert customer.get("subscription").json()["status"] == "ended"
        assert customer.get("entitlement").json()["entitled"] is False
        assert Invoice.objects.get().status == "void"
        assert standin.control.charges() == []
        customer.save_card()
        assert customer.subscribe(price).status_code == 201

    @pytest.mark.rule("4.15")
    def test_lets_the_customer_authenticate_and_then_opens_access(self, standin: Standin) -> None:
        customer, price = Customer(standin), PriceFactory.create()
        customer.save_card("4000002760003184")
        answer = customer.subscribe(price, key="k1").json()
        assert answer["subscription"]["status"] == "incomplete"
        assert answer["payment"]["status"] == "requires_action"
        assert customer.get("entitlement").json()["entitled"] is False
        intent = answer["payment"]["client_secret"].split("_secret_")[0]
        assert PaymentAttempt.objects.get().gateway_id == intent
        standin.control.authenticate("payment_intent", intent)
        settlement.settle(
            {PaymentAttempt.objects.get().pk: stripe_gateway.connect().charge_status(intent)}, now=datetime.now(UTC)
        )
        assert customer.get("subscription").json()["status"] == "active"
        assert customer.get("entitlement").json()["entitled"] is True
        assert len(standin.control.charges()) == 1

    def test_withdraws_what_the_customer_left_lying(self, standin: Standin) -> None:
        customer, price = Customer(standin), PriceFactory.create()
        customer.save_card("4000002760003184")
        customer.subscribe(price)
        gateway, start = stripe_gateway.connect(), datetime.now(UTC)
        assert payments.sweep(gateway=gateway, now=start + timedelta(hours=22)).abandoned == 0
        assert payments.sweep(gateway=gateway, now=start + timedelta(hours=23, minutes=1)).abandoned == 1
        assert customer.get("subscription").json()["status"] == "ended"
        attempt = PaymentAttempt.objects.get()
        assert attempt.state == "canceled"
        assert gateway.charge_status(attempt.gateway_id).kind == "canceled"

    @pytest.mark.rule("4.16")
    @pytest.mark.story("page says failed, customer buys again")
    @pytest.mark.parametrize("fault", ["lost_reply", "error_after"])
    def test_is_active_once_the_sweeper_learns_of_a_charge_whose_reply_was_lost(
        self, standin: Standin, fault: str
    ) -> None:
        customer, price = Customer(standin), PriceFactory.create()
        customer.save_card()
        standin.control.fault(fault, path="/v1/payment_intents")
        answer = customer.subscribe(price)
        assert (answer.status_code, answer.json()["payment"]["status"]) == (201, "unknown")
        assert answer.json()["subscription"]["status"] == "incomplete"
        assert customer.subscribe(price).json()["code"] == "already_subscribed"
        payments.sweep(gateway=stripe_gateway.connect(), now=datetime.now(UTC) + timedelta(seconds=61))
        assert customer.get("subscription").json()["status"] == "active"
        assert len(standin.control.charges()) == 1

    @pytest.mark.rule("4.16")
    @pytest.mark.story("key life forces a design")
    @pytest.mark.parametrize("hours", [13, 23.5, 25])
    def test_is_charged_by_the_same_call_when_it_never_arrived(self, standin: Standin, hours: float) -> None:
        customer, price = Customer(standin), PriceFactory.create()
        customer.save_card()
        standin.control.fault("refused", path="/v1/payment_intents")
        customer.subscribe(price)
        late = datetime.now(UTC) + timedelta(hours=hours)
        standin.control.set_clock(int(late.timestamp()))
        report = payments.sweep(gateway=stripe_gateway.connect(), now=late)
        assert (report.replayed, report.looked_up) == (0, 1)
        assert PaymentAttempt.objects.values_list("n", "state", "decline_code").get() == (1, "succeeded", "")
        assert customer.get("subscription").json()["status"] == "active"
        assert len(standin.control.charges()) == 1


@pytest.mark.rule("4.5")
class TestCancel:
    def test_ends_at_what_is_paid_for_and_can_be_taken_back(self, standin: Standin) -> None:
        customer, price = Customer(standin), PriceFactory.create()
        customer.save_card()
        paid_through = customer.subscribe(price).json()["subscription"]["paid_through"]
        for _ in range(2):
            canceled = customer.post("subscription/cancel")
            assert (canceled.status_code, canceled.json()["status"]) == (200, "active")
            assert canceled.json()["cancel_at"] == paid_through
        assert customer.get("entitlement").json()["valid_until"] == paid_through
        kept = customer.http.delete("/api/v1/subscription/cancel")
        assert (kept.status_code, kept.json()["cancel_at"]) == (200, None)
        again = customer.http.delete("/api/v1/subscription/cancel")
        assert (again.status_code, again.json()["code"]) == (409, "not_canceled")

    def test_withdraws_a_first_payment_that_waits(self, standin: Standin) -> None:
        customer, price = Customer(standin), PriceFactory.create()
        customer.save_card("4000002760003184")
        customer.subscribe(price)
        assert customer.post("subscription/cancel").json()["status"] == "ended"
        attempt = PaymentAttempt.objects.get()
        assert stripe_gateway.connect().charge_status(attempt.gateway_id).kind == "canceled"
        assert customer.subscribe(price).status_code == 201

    def test_answers_404_without_a_subscription(self, standin: Standin) -> None:
        customer = Customer(standin)
        assert customer.post("subscription/cancel").json()["code"] == "no_subscription"
        assert customer.get("subscription").status_code == 404


@pytest.mark.rule("4.14")
class TestNewCard:
    @pytest.mark.story("second card blocked by the first one's key")
    def test_pays_the_open_invoice_at_once(self, standin: Standin) -> None:
        customer, price = Customer(standin), PriceFactory.create()
        customer.save_card()
        customer.subscribe(price)
        gateway = stripe_gateway.connect()
        due = Subscription.objects.get().next_bill_at
        assert due is not None
        customer.save_card("4000000000000341")
        (failed,) = renewals.run(gateway=gateway, clock=lambda: due, limit=10)
        assert (failed.outcome, failed.reason) == ("declined", "generic_decline")
        assert customer.get("subscription").json()["status"] == "past_due"
        with time_machine.travel(due + timedelta(hours=2), tick=False):
            customer.save_card()
            (paid,) = renewals.run(gateway=gateway, clock=lambda: due + timedelta(hours=2), limit=10)
            assert paid.outcome == "succeeded"
            assert customer.get("subscription").json()["status"] == "active"
        assert len(standin.control.charges()) == 2
        assert renewals.run(gateway=gateway, clock=lambda: due + timedelta(days=3), limit=10) == []

    def test_is_tried_as_soon_as_the_old_attempt_is_known_to_have_failed(self, standin: Standin) -> None:
        customer, due = self._due_with_card(standin, "4000000000000341")
        gateway = stripe_gateway.connect()
        standin.control.fault("lost_reply", path="/v1/payment_intents")
        (lost,) = renewals.run(gateway=gateway, clock=lambda: due, limit=10)
        assert lost.outcome == "unknown"
        later = due + timedelta(minutes=2)
        with time_machine.travel(later, tick=False):
            customer.save_card()
            assert renewals.run(gateway=gateway, clock=lambda: later, limit=10) == []
            payments.sweep(gateway=gateway, now=later)
            assert list(PaymentAttempt.objects.order_by("pk").values_list("state", flat=True)) == [
                "succeeded",
                "failed",
            ]
            (paid,) = renewals.run(gateway=gateway, clock=lambda: later, limit=10)
        assert paid.outcome == "succeeded"
        assert len(standin.control.charges()) == 2

    def test_is_tried_although_withdrawing_the_old_attempt_was_not_answered_at_first(self, standin: Standin) -> None:
        customer, due = self._due_with_card(standin, "4000002760003184")
        gateway = stripe_gateway.connect()
        (waiting,) = renewals.run(gateway=gateway, clock=lambda: due, limit=10)
        assert waiting.outcome == "requires_action"
        standin.control.fault("refused", path="/v1/payment_intents/[^/]+/cancel")
        later = due + timedelta(minutes=2)
        with time_machine.travel(later, tick=False):
            customer.save_card()
            assert renewals.run(gateway=gateway, clock=lambda: later, limit=10) == []
            assert payments.sweep(gateway=gateway, now=later).abandoned == 1
            (paid,) = renewals.run(gateway=gateway, clock=lambda: later, limit=10)
        assert paid.outcome == "succeeded"
        assert customer.get("subscription").json()["status"] == "active"
        assert len(standin.control.charges()) == 2

    def _due_with_card(self, standin: Standin, number: str) -> tuple[Customer, datetime]:
        customer = Customer(standin)
        customer.save_card()
        customer.subscribe(PriceFactory.create())
        customer.save_card(number)
        due = Subscription.objects.get().next_bill_at
        assert due is not None
        return customer, due


class TestSignedOut:
    @pytest.mark.parametrize(
        "path",
        ["payment-methods", "subscription", "invoices", "invoices/00000000-0000-0000-0000-000000000000", "entitlement"],
    )
    def test_sees_nothing(self, path: str) -> None:
        assert APIClient().get(f"/api/v1/{path}").status_code == 401

    @pytest.mark.parametrize(
        "path", ["payment-methods", "payment-methods/setup", "subscriptions", "subscription/cancel"]
    )
    def test_does_nothing(self, path: str) -> None:
        headers = {"Idempotency-Key": "k1"}
        assert APIClient().post(f"/api/v1/{path}", {}, format="json", headers=headers).status_code == 401
