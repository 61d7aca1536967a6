"""Faults on demand, the control addresses, and many requests at once."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
import stripe

from tests.local.standin.kit import Shop
from tests.standin import SECRET_KEY, Standin


class TestAFault:
    @pytest.mark.parametrize(
        ("kind", "error", "status", "charged"),
        [
            ("refused", stripe.APIConnectionError, None, 0),
            ("lost_reply", stripe.APIConnectionError, None, 1),
            ("error_before", stripe.APIError, 500, 0),
            ("error_after", stripe.APIError, 500, 1),
            ("rate_limited", stripe.RateLimitError, 429, 0),
        ],
    )
    def test_strikes_once_and_is_over(
        self, shop: Shop, kind: str, error: type[stripe.StripeError], status: int | None, charged: int
    ) -> None:
        shop.control.fault(kind)
        with pytest.raises(error) as failure:
            shop.charge()
        assert failure.value.http_status == status
        assert len(shop.control.charges()) == charged
        assert shop.charge().status == "succeeded"

    def test_waits(self, shop: Shop) -> None:
        shop.control.fault("latency", seconds=0.3)
        began = time.monotonic()
        shop.charge()
        assert time.monotonic() - began >= 0.3

    def test_lasts_until_the_request_is_answered_though_its_caller_is_gone(self, shop: Shop) -> None:
        shop.control.fault("latency", seconds=0.5, path="/v1/customers")
        with pytest.raises(httpx.ReadTimeout):
            httpx.post(f"{shop.standin.url}/v1/customers", auth=(SECRET_KEY, ""), timeout=0.1, trust_env=False)
        assert list(shop.v1.customers.list().data) == []
        shop.control.wait_for_requests()
        assert len(shop.v1.customers.list().data) == 1

    def test_chooses_by_method_and_path(self, shop: Shop) -> None:
        shop.control.fault("error_before", path="/v1/payment_intents")
        shop.control.fault("error_before", method="GET", path="/v1/customers/.*")
        customer = shop.customer()
        with pytest.raises(stripe.APIError):
            shop.v1.customers.retrieve(customer)
        with pytest.raises(stripe.APIError):
            shop.charge()

    def test_skips_some_and_strikes_some(self, shop: Shop) -> None:
        shop.control.fault("rate_limited", path="/v1/customers", skip=2, times=3)
        outcomes = []
        for _ in range(7):
            try:
                outcomes.append(bool(shop.customer()))
            except stripe.RateLimitError:
                outcomes.append(False)
        assert outcomes == [True, True, False, False, False, True, True]

    def test_strikes_by_chance(self, shop: Shop) -> None:
        shop.control.fault("rate_limited", probability=0.0, times=0)
        assert shop.customer()
        shop.control.fault("rate_limited", probability=1.0, times=0)
        with pytest.raises(stripe.RateLimitError):
            shop.customer()
        shop.control.clear()
        assert shop.customer()

    @pytest.mark.parametrize(
        ("fault", "said"),
        [
            ({"kind": "earthquake"}, "earthquake"),
            ({"kind": "latency", "secnds": 1}, "secnds"),
            ({"kind": "latency", "seconds": "long"}, "seconds"),
            ({"kind": "refused", "path": "("}, "regular expression"),
        ],
    )
    def test_that_is_none_is_explained(self, shop: Shop, fault: dict[str, str], said: str) -> None:
        with pytest.raises(ValueError, match=said):
            shop.control.fault(**fault)
        assert shop.customer()


class TestRate:
    def test_beyond_the_limit_is_a_429(self, shop: Shop) -> None:
        shop.control.limit_rate(5)
        answers = []
        for _ in range(20):
            answer = httpx.get(
                f"{shop.standin.url}/v1/balance", headers={"Authorization": f"Bearer {SECRET_KEY}"}, trust_env=False
            )
            answers.append(answer)
        refused = [answer for answer in answers if answer.status_code == 429]
        assert refused
        assert refused[0].json()["error"]["code"] == "rate_limit"
        assert refused[0].headers["Stripe-Should-Retry"] == "true"
        shop.control.limit_rate(0)
        assert all(shop.customer() for _ in range(10))


class TestControl:
    @pytest.mark.parametrize(
        ("method", "what", "body", "said"),
        [
            ("POST", "nothing", b"{}", "no such control"),
            ("POST", "clock", b"{", "truncated"),
            ("POST", "clock", b'{"at": "soon"}', "at"),
            ("POST", "dispute", b"{}", "charge"),
            ("POST", "dispute", b'{"charge": "ch_1"}', "No such charge"),
            (
                "POST",
                "authenticate",
                b'{"kind": "payment_intent", "id": "pi_1", "passed": true}',
                "No such payment_intent",
            ),
            ("POST", "webhooks", b'{"clear": 1}', "clear"),
        ],
    )
    def test_explains_what_is_wrong(self, standin: Standin, method: str, what: str, body: bytes, said: str) -> None:
        answer = httpx.request(method, f"{standin.url}/_control/{what}", content=body, trust_env=False)
        assert answer.status_code == 400
        assert said in answer.json()["error"]

    def test_authenticates_what_waits_and_nothing_else(self, shop: Shop) -> None:
        paid = shop.charge()
        with pytest.raises(ValueError, match="status of succeeded"):
            shop.control.authenticate("payment_intent", paid.id)
        assert len(shop.control.charges()) == 1

    def test_drives_the_clock(self, shop: Shop) -> None:
        shop.control.set_clock(1_700_000_000)
        assert shop.charge().created == 1_700_000_000
        shop.control.advance(60)
        assert shop.v1.events.retrieve(shop.v1.events.list().data[0].id).created == 1_700_000_000
        assert shop.charge().created == 1_700_000_060
        shop.control.set_clock(None)
        assert abs(shop.control.now() - time.time()) < 5

    def test_forgets_everything(self, shop: Shop) -> None:
        shop.control.set_clock(1_700_000_000)
        shop.control.fault("rate_limited", times=0)
        with pytest.raises(stripe.RateLimitError):
            shop.charge()
        shop.control.reset()
        assert (shop.types(), shop.control.net()) == ([], {})
        assert shop.charge(key="k").created > 1_700_000_000

    def test_shows_the_banks_page_while_it_asks(self, shop: Shop) -> None:
        waiting = shop.charge("pm_card_authenticationRequired", return_url="https://shop.example/done?a=1&b=2")
        assert waiting.next_action is not None
        assert waiting.next_action.redirect_to_url is not None
        url = str(waiting.next_action.redirect_to_url.url)
        page = httpx.get(url, trust_env=False)
        assert page.status_code == 200
        assert waiting.id in page.text
        shop.control.authenticate("payment_intent", waiting.id)
        assert httpx.get(url, trust_env=False).status_code == 404
        assert httpx.get(f"{shop.standin.url}/_control/authenticate", trust_env=False).status_code == 404


class TestManyAtOnce:
    def test_wait_beside_each_other(self, shop: Shop) -> None:
        """200 charges of 300 ms each: a minute one after another."""
        shop.control.fault("latency", seconds=0.3, times=0)
        began = time.monotonic()
        with ThreadPoolExecutor(100) as pool:
            statuses = list(pool.map(lambda n: shop.charge(key=f"k{n}").status, range(200)))
        assert statuses == ["succeeded"] * 200
        assert len(shop.control.charges()) == 200
        assert time.monotonic() - began < 30


class TestTheLog:
    def test_says_nothing_of_faults_that_were_asked_for(self, tmp_path: Path) -> None:
        log = tmp_path / "log"
        standin = Standin(record=False)
        with log.open("w") as file:
            standin.start(output=file)
        shop = Shop(standin)
        try:
            for kind in ("refused", "lost_reply", "error_after", "rate_limited"):
                shop.control.fault(kind)
                with pytest.raises(stripe.StripeError):
                    shop.charge()
            assert shop.charge().status == "succeeded"
        finally:
            standin.close()
        assert log.read_text() == ""
