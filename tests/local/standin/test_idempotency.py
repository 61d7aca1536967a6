"""Idempotency keys: one effect for one key (docs.stripe.com/api/idempotent_requests)."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
import stripe

from tests.local.standin.kit import Direct, Shop, error_of
from tests.standin import PUBLISHABLE_KEY, SECRET_KEY, Standin

DAY = 24 * 3600


def post(standin: Standin, path: str, data: dict[str, str], key: str) -> httpx.Response:
    headers = {"Authorization": f"Bearer {SECRET_KEY}", "Idempotency-Key": key}
    return httpx.post(f"{standin.url}/v1/{path}", data=data, headers=headers, trust_env=False)


class TestAKey:
    def test_lets_one_of_two_simultaneous_requests_through(self, shop: Shop) -> None:
        shop.control.fault("latency", seconds=0.5, times=0)

        def attempt(_: int) -> str:
            try:
                return shop.charge(key="k").status
            except stripe.APIError as refusal:
                return str(error_of(refusal)["code"])

        with ThreadPoolExecutor(2) as pool:
            assert sorted(pool.map(attempt, range(2))) == ["idempotency_key_in_use", "succeeded"]
        assert len(shop.control.charges()) == 1
        assert shop.charge(key="k").status == "succeeded"
        assert len(shop.control.charges()) == 1

    def test_is_answered_again_and_says_so(self, standin: Standin) -> None:
        first, second = (post(standin, "customers", {"email": "a@example.com"}, "k") for _ in range(2))
        assert first.content == second.content
        assert "Idempotent-Replayed" not in first.headers
        assert second.headers["Idempotent-Replayed"] == "true"
        assert second.headers["Idempotency-Key"] == "k"

    def test_is_refused_with_other_parameters(self, shop: Shop) -> None:
        shop.charge(key="k")
        with pytest.raises(stripe.IdempotencyError, match="same parameters") as refusal:
            shop.charge(key="k", amount=1)
        assert refusal.value.http_status == 400
        assert [charge["amount"] for charge in shop.control.charges()] == [1549]

    def test_is_refused_at_another_endpoint(self, shop: Shop) -> None:
        shop.charge(key="k")
        with pytest.raises(stripe.IdempotencyError, match="same endpoint"):
            shop.v1.customers.create({}, {"idempotency_key": "k"})

    def test_is_the_accounts_whichever_of_its_keys_is_used(self, direct: Direct) -> None:
        card = {"type": "card", "card": {"number": "4242424242424242", "exp_month": "12", "exp_year": "2034"}}
        made = [direct.ask("POST", "/v1/payment_methods", card, key="k", by=by) for by in (SECRET_KEY, PUBLISHABLE_KEY)]
        assert made[0]["id"] == made[1]["id"]

    def test_is_a_new_charge_after_a_day(self, shop: Shop) -> None:
        shop.control.set_clock(1_800_000_000)
        first = shop.charge(key="k").id
        shop.control.advance(DAY - 1)
        assert shop.charge(key="k").id == first
        shop.control.advance(1)
        assert shop.charge(key="k").id != first
        assert len(shop.control.charges()) == 2

    def test_remembers_a_500_after_the_charge(self, shop: Shop) -> None:
        shop.control.fault("error_after")
        for _ in range(2):
            with pytest.raises(stripe.APIError) as failure:
                shop.charge(key="k")
            assert failure.value.http_status == 500
        assert failure.value.headers is not None
        assert failure.value.headers["Idempotent-Replayed"] == "true"
        assert len(shop.control.charges()) == 1

    def test_remembers_a_decline(self, shop: Shop) -> None:
        customer = shop.customer()
        card = shop.attach(customer, "4000000000000341")
        failures = []
        for _ in range(2):
            with pytest.raises(stripe.CardError) as failure:
                shop.renew(customer, card, key="k")
            failures.append(failure.value.http_body)
        assert failures[0] == failures[1]
        assert shop.types().count("charge.failed") == 1

    def test_remembers_a_refusal_for_the_state_of_things(self, shop: Shop) -> None:
        paid = shop.charge()
        bodies = []
        for _ in range(2):
            with pytest.raises(stripe.InvalidRequestError) as refusal:
                shop.v1.payment_intents.cancel(paid.id, {}, {"idempotency_key": "k"})
            assert refusal.value.code == "payment_intent_unexpected_state"
            bodies.append(refusal.value.http_body)
        assert bodies[0] == bodies[1]

    @pytest.mark.parametrize("fault", ["rate_limited", "error_before", "refused"])
    def test_forgets_what_was_not_executed(self, shop: Shop, fault: str) -> None:
        shop.control.fault(fault)
        with pytest.raises(stripe.StripeError):
            shop.charge(key="k")
        assert shop.control.charges() == []
        assert shop.charge(key="k").status == "succeeded"

    def test_forgets_refused_parameters(self, shop: Shop) -> None:
        with pytest.raises(stripe.InvalidRequestError):
            shop.charge(key="k", amount=1)
        assert shop.charge(key="k").status == "succeeded"

    def test_finds_the_charge_whose_reply_was_lost(self, shop: Shop) -> None:
        shop.control.fault("lost_reply")
        with pytest.raises(stripe.APIConnectionError):
            shop.charge(key="k")
        (charge,) = shop.control.charges()
        assert shop.charge(key="k").latest_charge == charge["id"]
        assert len(shop.control.charges()) == 1

    @pytest.mark.parametrize("key", ["", "k" * 256])
    def test_has_1_to_255_characters(self, direct: Direct, key: str) -> None:
        refused = direct.ask("POST", "/v1/customers", {}, key=key)
        assert refused["error"]["code"] == "idempotency_key_invalid"
        assert direct.get("customers")["data"] == []

    def test_is_nothing_to_a_get(self, standin: Standin, shop: Shop) -> None:
        shop.customer()
        headers = {"Authorization": f"Bearer {SECRET_KEY}", "Idempotency-Key": "k"}
        counts = []
        for _ in range(2):
            listed = httpx.get(f"{standin.url}/v1/customers", headers=headers, trust_env=False)
            counts.append(len(listed.json()["data"]))
            shop.customer()
        assert counts == [1, 2]
