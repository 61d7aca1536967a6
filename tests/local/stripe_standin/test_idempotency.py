"""Idempotency keys: one effect and one answer for a day, whatever happens to the connection."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import stripe

from tests.local.stripe_standin.shop import NO_REDIRECTS, Shop, refused

INTENT = {"amount": "1549", "currency": "usd"}


class TestReplay:
    def test_answers_the_first_status_and_body_again(self, shop: Shop) -> None:
        first, second = (shop.ask("POST", "/v1/payment_intents", INTENT, key="k") for _ in range(2))
        assert first.status_code == second.status_code == 200
        assert first.content == second.content
        assert "Idempotent-Replayed" not in first.headers
        assert second.headers["Idempotent-Replayed"] == "true"
        assert second.headers["Original-Request"] == first.headers["Request-Id"] != second.headers["Request-Id"]
        assert len(shop.stripe.payment_intents.list().data) == 1

    def test_charges_once(self, shop: Shop) -> None:
        customer, card = shop.customer_with()
        intents = {shop.charge(customer, card, key="renewal").id for _ in range(5)}
        assert len(intents) == 1
        assert len(shop.control.charges()) == 1

    def test_answers_what_was_even_after_it_changed(self, shop: Shop) -> None:
        made = shop.ask("POST", "/v1/payment_intents", INTENT, key="k").json()
        shop.stripe.payment_intents.cancel(made["id"])
        assert shop.ask("POST", "/v1/payment_intents", INTENT, key="k").json() == made

    def test_repeats_a_decline_without_another_try(self, shop: Shop) -> None:
        customer, card = shop.customer_with("4000000000000341")
        errors = [refused(lambda: shop.charge(customer, card, key="k")) for _ in range(2)]
        assert [error.http_status for error in errors] == [402, 402]
        assert errors[0].json_body == errors[1].json_body
        assert len(shop.stripe.charges.list().data) == 1

    def test_does_not_mind_the_order_of_parameters(self, shop: Shop) -> None:
        shop.ask("POST", "/v1/payment_intents", INTENT, key="k")
        again = shop.ask("POST", "/v1/payment_intents", dict(reversed(INTENT.items())), key="k")
        assert again.headers["Idempotent-Replayed"] == "true"

    def test_is_of_posts_alone(self, shop: Shop) -> None:
        customer = shop.stripe.customers.create()
        for _ in range(2):
            answer = shop.ask("GET", f"/v1/customers/{customer.id}", key="k")
            assert "Idempotent-Replayed" not in answer.headers
        assert shop.ask("DELETE", f"/v1/customers/{customer.id}", key="k").status_code == 200
        assert shop.ask("DELETE", f"/v1/customers/{customer.id}", key="k").status_code == 404


class TestReuse:
    def test_with_other_parameters_is_refused(self, shop: Shop) -> None:
        shop.stripe.payment_intents.create({"amount": 1000, "currency": "usd"}, {"idempotency_key": "k"})
        error = refused(
            lambda: shop.stripe.payment_intents.create({"amount": 1001, "currency": "usd"}, {"idempotency_key": "k"})
        )
        assert isinstance(error, stripe.IdempotencyError)
        assert error.http_status == 400
        assert len(shop.stripe.payment_intents.list().data) == 1

    def test_at_another_endpoint_is_refused(self, shop: Shop) -> None:
        shop.ask("POST", "/v1/payment_intents", INTENT, key="k")
        answer = shop.ask("POST", "/v1/customers", {}, key="k")
        assert (answer.status_code, answer.json()["error"]["type"]) == (400, "idempotency_error")
        assert shop.stripe.customers.list().data == []

    def test_after_a_day_is_a_new_charge(self, shop: Shop) -> None:
        shop.control.set_clock(1_800_000_000)
        customer, card = shop.customer_with()
        shop.charge(customer, card, key="renewal")
        shop.control.advance(24 * 3600 - 1)
        shop.charge(customer, card, key="renewal")
        assert len(shop.control.charges()) == 1
        shop.control.advance(1)
        shop.charge(customer, card, key="renewal")
        assert len(shop.control.charges()) == 2

    def test_of_a_key_of_255_characters_is_possible_and_not_of_256(self, shop: Shop) -> None:
        assert shop.ask("POST", "/v1/payment_intents", INTENT, key="k" * 255).status_code == 200
        assert shop.ask("POST", "/v1/payment_intents", INTENT, key="k" * 256).status_code == 400
        assert len(shop.stripe.payment_intents.list().data) == 1


class TestNotStored:
    @pytest.mark.parametrize(
        "wrong", [{"amount": "1549"}, {**INTENT, "nonsense": "1"}, {**INTENT, "amount": "x"}], ids=str
    )
    def test_are_refused_parameters(self, shop: Shop, wrong: dict[str, str]) -> None:
        assert shop.ask("POST", "/v1/payment_intents", wrong, key="k").status_code == 400
        mended = shop.ask("POST", "/v1/payment_intents", INTENT, key="k")
        assert mended.status_code == 200
        assert "Idempotent-Replayed" not in mended.headers

    def test_are_rate_limits(self, shop: Shop) -> None:
        shop.control.fault("rate_limited")
        answers = [shop.ask("POST", "/v1/payment_intents", INTENT, key="k") for _ in range(2)]
        assert [answer.status_code for answer in answers] == [429, 200]
        assert "Idempotent-Replayed" not in answers[1].headers


class TestConcurrency:
    def test_lets_one_of_many_requests_with_one_key_through(self, shop: Shop) -> None:
        customer, card = shop.customer_with()
        shop.control.fault("latency", seconds=0.5, times=0)
        params: dict[str, Any] = {
            "amount": "1549",
            "currency": "usd",
            "customer": customer,
            "payment_method": card,
            "confirm": "true",
            "off_session": "true",
            "automatic_payment_methods[enabled]": "true",
            "automatic_payment_methods[allow_redirects]": "never",
        }
        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(lambda _: shop.ask("POST", "/v1/payment_intents", params, key="renewal"), range(8)))
        assert sorted(answer.status_code for answer in answers) == [200] + [409] * 7
        busy = next(answer for answer in answers if answer.status_code == 409)
        assert busy.json()["error"]["code"] == "idempotency_key_in_use"
        assert busy.headers["Stripe-Should-Retry"] == "true"
        assert len(shop.control.charges()) == 1
        after = shop.ask("POST", "/v1/payment_intents", params, key="renewal")
        assert (after.status_code, after.headers["Idempotent-Replayed"]) == (200, "true")

    def test_does_not_hold_up_other_keys(self, shop: Shop) -> None:
        customer, card = shop.customer_with()
        shop.control.fault("latency", seconds=0.3, times=0)
        with ThreadPoolExecutor(8) as pool:
            intents = list(pool.map(lambda number: shop.charge(customer, card, key=f"renewal {number}"), range(8)))
        assert len({intent.id for intent in intents}) == len(shop.control.charges()) == 8


class TestOfTheLibrary:
    def test_retries_a_lost_reply_into_one_charge(self, shop: Shop) -> None:
        customer, card = shop.customer_with()
        shop.control.fault("lost_reply")
        http = stripe.RequestsClient()
        impatient = stripe.StripeClient(
            "sk_test_of_tests", base_addresses={"api": shop.url}, max_network_retries=2, http_client=http
        )
        intent = impatient.v1.payment_intents.create(
            {
                "amount": 1549,
                "currency": "usd",
                "customer": customer,
                "payment_method": card,
                "confirm": True,
                "off_session": True,
                "automatic_payment_methods": NO_REDIRECTS,
            }
        )
        http.close()  # type: ignore[no-untyped-call]  # not typed by the library
        assert intent.status == "succeeded"
        assert len(shop.control.charges()) == 1
