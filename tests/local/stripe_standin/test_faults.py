"""Faults on demand: each does what it says to the requests it is for, and nothing to others."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import stripe

from tests.local.stripe_standin.shop import Shop, refused


@pytest.fixture
def saved(shop: Shop) -> tuple[str, str]:
    return shop.customer_with()


class TestOneFault:
    @pytest.mark.parametrize(
        ("kind", "error", "status", "charges", "replayed"),
        [
            ("refused", stripe.APIConnectionError, None, 0, 200),
            ("lost_reply", stripe.APIConnectionError, None, 1, 200),
            ("rate_limited", stripe.RateLimitError, 429, 0, 200),
            ("error_before", stripe.APIError, 500, 0, 500),
            ("error_after", stripe.APIError, 500, 1, 500),
        ],
    )
    def test_does_what_it_says(
        self,
        shop: Shop,
        saved: tuple[str, str],
        kind: str,
        error: type[stripe.StripeError],
        status: int | None,
        charges: int,
        replayed: int,
    ) -> None:
        shop.control.fault(kind)
        failed = refused(lambda: shop.charge(*saved, key="renewal"))
        assert isinstance(failed, error)
        assert failed.http_status == status
        assert len(shop.control.charges()) == charges
        # The same key again: a 500 is remembered, whatever was done; a lost reply is found.
        if replayed == 200:
            assert shop.charge(*saved, key="renewal").status == "succeeded"
        else:
            assert refused(lambda: shop.charge(*saved, key="renewal")).http_status == replayed
        assert len(shop.control.charges()) == (charges if replayed == 500 else 1)

    def test_that_hides_a_charge_leaves_it_to_be_found(self, shop: Shop, saved: tuple[str, str]) -> None:
        shop.control.fault("error_after")
        refused(lambda: shop.charge(*saved, metadata={"attempt": "att_1"}))
        (intent,) = shop.stripe.payment_intents.list({"customer": saved[0]}).data
        assert intent.metadata is not None
        assert (intent.status, intent.metadata.to_dict()) == ("succeeded", {"attempt": "att_1"})

    def test_makes_a_request_wait(self, shop: Shop, saved: tuple[str, str]) -> None:
        shop.control.fault("latency", seconds=0.4)
        began = time.monotonic()
        shop.charge(*saved)
        assert time.monotonic() - began >= 0.4

    def test_of_latency_lets_hundreds_wait_at_once(self, shop: Shop) -> None:
        shop.control.fault("latency", seconds=1.0, times=0)
        began = time.monotonic()
        with ThreadPoolExecutor(100) as pool:
            answers = list(pool.map(lambda _: shop.ask("POST", "/v1/customers"), range(100)))
        assert [answer.status_code for answer in answers] == [200] * 100
        assert time.monotonic() - began < 20
        assert len(list(shop.stripe.customers.list({"limit": 100}).data)) == 100


class TestRules:
    def test_strike_the_nth_request_so_often(self, shop: Shop) -> None:
        shop.control.fault("rate_limited", skip=1, times=2)
        answers = [shop.ask("POST", "/v1/customers").status_code for _ in range(5)]
        assert answers == [200, 429, 429, 200, 200]
        assert shop.control.faults()["requests"][0]["struck"] == 2

    def test_strike_only_their_path_and_method(self, shop: Shop) -> None:
        shop.control.fault("rate_limited", path="/v1/payment_intents/[^/]+/cancel", times=0)
        intent = shop.stripe.payment_intents.create({"amount": 1549, "currency": "usd"})
        assert shop.ask("GET", f"/v1/payment_intents/{intent.id}").status_code == 200
        assert shop.ask("POST", f"/v1/payment_intents/{intent.id}/cancel").status_code == 429

    def test_strike_by_chance_that_a_seed_repeats(self, shop: Shop) -> None:
        def struck() -> list[int]:
            shop.control.reset(seed=7)
            shop.control.fault("rate_limited", times=0, probability=0.5)
            return [shop.ask("POST", "/v1/customers").status_code for _ in range(20)]

        first = struck()
        assert first == struck()
        assert set(first) == {200, 429}

    def test_are_forgotten(self, shop: Shop) -> None:
        shop.control.fault("rate_limited", times=0)
        shop.control.limit_rate(1)
        shop.control.clear()
        assert [shop.ask("POST", "/v1/customers").status_code for _ in range(3)] == [200] * 3

    @pytest.mark.parametrize(
        "rule", [{"kind": "earthquake"}, {"kind": "latency", "colour": "red"}, {"kind": "latency", "path": "["}]
    )
    def test_that_make_no_sense_are_refused(self, shop: Shop, rule: dict[str, str]) -> None:
        with pytest.raises(ValueError, match=r"kind is|unknown|regular expression"):
            shop.control.fault(**rule)
        assert shop.control.faults()["requests"] == []

    def test_say_what_is_missing(self, shop: Shop) -> None:
        with pytest.raises(ValueError, match="charge is missing"):
            shop.control._post("dispute")
        with pytest.raises(ValueError, match="No such control"):
            shop.control._post("nonsense")


class TestRateLimit:
    def test_answers_429_beyond_it(self, shop: Shop) -> None:
        shop.control.limit_rate(5)
        answers = [shop.ask("POST", "/v1/customers") for _ in range(40)]
        refusals = [answer for answer in answers if answer.status_code == 429]
        assert refusals
        assert refusals[0].json()["error"]["code"] == "rate_limit"
        shop.control.limit_rate(0)
        assert len(shop.stripe.customers.list({"limit": 100}).data) == len(answers) - len(refusals)

    def test_is_for_each_endpoint(self, shop: Shop) -> None:
        shop.control.limit_rate(per_endpoint=1)
        # Two full seconds hold at least one pair of different endpoints in one second.
        pairs = [
            (shop.ask("POST", "/v1/customers").status_code, shop.ask("GET", "/v1/customers").status_code)
            for _ in range(30)
        ]
        assert (200, 200) in pairs
        assert (429, 429) in pairs


class TestCounters:
    def test_count_answers_by_endpoint_and_status(self, shop: Shop) -> None:
        customer = shop.stripe.customers.create().id
        shop.ask("GET", f"/v1/customers/{customer}")
        shop.ask("GET", "/v1/customers/cus_none")
        shop.control.fault("refused")
        refused(lambda: shop.stripe.customers.create())
        assert shop.control.counters() == {
            "POST /v1/customers 200": 1,
            "GET /v1/customers/{customer} 200": 1,
            "GET /v1/customers/{customer} 404": 1,
            "hung up": 1,
        }


class TestClock:
    def test_drives_dates(self, shop: Shop) -> None:
        shop.control.set_clock(1_800_000_000)
        assert shop.stripe.customers.create().created == 1_800_000_000
        shop.control.advance(31 * 86_400)
        assert shop.stripe.customers.create().created == 1_802_678_400
        shop.control.set_clock(None)
        assert abs(shop.stripe.customers.create().created - time.time()) < 30

    def test_does_what_became_due_at_its_time(self, shop: Shop) -> None:
        shop.control.set_clock(1_800_000_000)
        shop.stripe.refunds.create({"charge": shop.paid("4000000000007726")})
        shop.control.advance(365 * 86_400)
        assert shop.ask("GET", "/v1/refunds").json()["data"][0]["status"] == "succeeded"
        assert shop.control.run_jobs() == 0
