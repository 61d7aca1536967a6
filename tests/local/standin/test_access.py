"""Who may ask what, and what is said to a wrong request."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.local.standin.kit import NO_REDIRECTS, Direct, Shop, client
from tests.standin import PUBLISHABLE_KEY, SECRET_KEY, Standin


def send(standin: Standin, method: str, path: str, key: str | None = None, **options: Any) -> httpx.Response:
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    return httpx.request(method, standin.url + path, headers=headers, trust_env=False, **options)


class TestKeys:
    @pytest.mark.parametrize("key", [None, "sk_test_wrong", "sk_live_1"])
    def test_that_are_missing_or_wrong_open_nothing(self, standin: Standin, key: str | None) -> None:
        answer = send(standin, "POST", "/v1/customers", key)
        assert (answer.status_code, answer.json()["error"]["type"]) == (401, "invalid_request_error")
        assert send(standin, "GET", "/v1/customers", SECRET_KEY).json()["data"] == []

    def test_are_not_repeated_in_the_answer(self, standin: Standin) -> None:
        assert "secret_part" not in send(standin, "GET", "/v1/customers", "sk_live_secret_part").text

    @pytest.mark.parametrize("header", ["Basic !", "Basic", "Bearer", "Basic /w=="])
    def test_that_are_garbled_open_nothing(self, standin: Standin, header: str) -> None:
        answer = httpx.get(f"{standin.url}/v1/customers", headers={"Authorization": header}, trust_env=False)
        assert answer.status_code == 401

    def test_may_come_by_basic_authentication(self, standin: Standin) -> None:
        assert httpx.get(f"{standin.url}/v1/customers", auth=(SECRET_KEY, ""), trust_env=False).status_code == 200


class TestThePublishableKey:
    @pytest.mark.parametrize(
        ("method", "path"),
        [
            ("GET", "/v1/customers"),
            ("POST", "/v1/payment_intents"),
            ("POST", "/v1/refunds"),
            ("GET", "/v1/payment_methods/pm_1"),
            ("POST", "/v1/payment_methods/pm_1/attach"),
        ],
    )
    def test_opens_what_clients_do_and_no_more(self, standin: Standin, method: str, path: str) -> None:
        answer = send(standin, method, path, PUBLISHABLE_KEY)
        assert (answer.status_code, answer.json()["error"]["code"]) == (403, "secret_key_required")

    def test_makes_a_payment_method(self, shop: Shop) -> None:
        made = client(shop.standin, PUBLISHABLE_KEY).v1.payment_methods.create(
            {"type": "card", "card": {"token": "tok_visa"}}
        )
        assert shop.v1.payment_methods.retrieve(made.id).type == "card"

    @pytest.mark.parametrize("secret", [None, "", "pi_wrong_secret_1"])
    def test_needs_the_intents_own_secret(self, shop: Shop, secret: str | None) -> None:
        setup = shop.v1.setup_intents.create({"automatic_payment_methods": NO_REDIRECTS}).id
        payment = shop.charge("pm_card_authenticationRequired").id
        given = {} if secret is None else {"client_secret": secret}
        for path in (f"/v1/setup_intents/{setup}", f"/v1/payment_intents/{payment}"):
            for answer in (
                send(shop.standin, "GET", path, PUBLISHABLE_KEY, params=given),
                send(shop.standin, "POST", f"{path}/confirm", PUBLISHABLE_KEY, data=given),
            ):
                assert (answer.status_code, answer.json()["error"]["param"]) == (400, "client_secret")
        assert shop.v1.payment_intents.retrieve(payment).status == "requires_action"
        assert shop.control.charges() == []

    def test_reads_an_intent_with_its_secret(self, shop: Shop) -> None:
        made = shop.charge()
        params = {"client_secret": made.client_secret}
        found = send(shop.standin, "GET", f"/v1/payment_intents/{made.id}", PUBLISHABLE_KEY, params=params)
        assert found.json()["status"] == "succeeded"


class TestAddresses:
    @pytest.mark.parametrize(
        ("method", "path"),
        [
            ("GET", "/v1/nothing"),
            ("GET", "/v2/customers"),
            ("GET", "/"),
            ("PUT", "/v1/customers"),
            ("PATCH", "/v1/customers/cus_1"),
            ("DELETE", "/v1/refunds/re_1"),
        ],
    )
    def test_that_stripe_has_not_are_refused_in_its_words(self, standin: Standin, method: str, path: str) -> None:
        answer = send(standin, method, path, SECRET_KEY)
        assert answer.status_code == 404
        assert answer.json()["error"]["message"] == f"Unrecognized request URL ({method}: {path})."

    @pytest.mark.parametrize(
        ("path", "name"),
        [
            ("customers/cus_1", "customer"),
            ("payment_methods/pm_1", "PaymentMethod"),
            ("setup_intents/seti_1", "setup_intent"),
            ("payment_intents/pi_1", "payment_intent"),
            ("charges/ch_1", "charge"),
            ("refunds/re_1", "refund"),
            ("disputes/dp_1", "dispute"),
            ("events/evt_1", "event"),
            ("balance_transactions/txn_1", "balance_transaction"),
            ("webhook_endpoints/we_1", "webhook_endpoint"),
        ],
    )
    def test_of_things_that_are_not_there_say_so(self, direct: Direct, path: str, name: str) -> None:
        answer = direct.send("GET", f"/v1/{path}")
        error = direct.get(path)["error"]
        assert (answer.status, error["code"], error["param"]) == (404, "resource_missing", "id")
        assert error["message"] == f"No such {name}: '{path.split('/')[1]}'"

    def test_do_not_take_one_kind_for_another(self, direct: Direct) -> None:
        customer = direct.post("customers")["id"]
        assert direct.get(f"payment_intents/{customer}")["error"]["code"] == "resource_missing"


class TestParameters:
    @pytest.mark.parametrize(
        ("path", "params", "param", "code"),
        [
            ("customers", {"nothing": "x"}, "nothing", "parameter_unknown"),
            ("customers", {"name": {"first": "x"}}, "name", None),
            ("customers", {"metadata": "x"}, "metadata", None),
            ("customers", {"metadata": {"a": {"b": "c"}}}, "metadata[a]", None),
            ("customers", {"tax_exempt": "maybe"}, "tax_exempt", None),
            ("customers", {"expand": "name"}, "expand", None),
            ("payment_methods", {}, "type", "parameter_missing"),
            ("payment_methods", {"type": "card"}, "card", "parameter_missing"),
            ("payment_methods", {"type": "card", "card": "4242"}, "card", None),
            ("payment_methods", {"type": "card", "card": {"numbr": "1"}}, "card[numbr]", "parameter_unknown"),
            ("payment_methods", {"type": "card", "card": {"number": "4242424242424242"}}, "card[exp_month]", "parameter_missing"),
            ("payment_methods", {"type": "card", "card": {"token": "tok_nobody"}}, "card[token]", "resource_missing"),
            ("payment_methods", {"type": "sepa_debit"}, "type", None),
            ("payment_intents", {"currency": "usd"}, "amount", "parameter_missing"),
            ("payment_intents", {"amount": "100"}, "currency", "parameter_missing"),
            ("payment_intents", {"amount": "", "currency": "usd"}, "amount", "parameter_invalid_empty"),
            ("payment_intents", {"amount": "ten", "currency": "usd"}, "amount", "parameter_invalid_integer"),
            ("payment_intents", {"amount": "100", "currency": "usd", "confirm": "yes"}, "confirm", None),
            ("payment_intents", {"amount": "100", "currency": "usd", "off_session": "true"}, "off_session", None),
            ("payment_intents", {"amount": "100", "currency": "usd", "capture_method": "manual"}, "capture_method", None),
            ("payment_intents", {"amount": "100", "currency": "usd", "customer": "cus_1"}, "customer", "resource_missing"),
            ("payment_intents", {"amount": "100", "currency": "usd", "payment_method": "pm_1"}, "payment_method", "resource_missing"),
            # Since the API version that we speak, the account's settings say which kinds there are.
            ("payment_intents", {"amount": "100", "currency": "usd", "payment_method_types": ["card"]}, "payment_method_types", "parameter_unknown"),
            ("setup_intents", {"usage": "sometimes"}, "usage", None),
            ("refunds", {"charge": "ch_1"}, "charge", "resource_missing"),
            ("refunds", {"reason": "boredom"}, "reason", None),
            ("webhook_endpoints", {"url": "http://x"}, "enabled_events", "parameter_missing"),
        ],
    )  # fmt: skip
    def test_that_are_wrong_are_named(
        self, direct: Direct, path: str, params: dict[str, Any], param: str, code: str | None
    ) -> None:
        answer = direct.send("POST", f"/v1/{path}", params)
        error = direct.post(path, **params)["error"]
        assert (answer.status, error["type"]) == (400, "invalid_request_error")
        assert (error["param"], error.get("code")) == (param, code)
        assert direct.world.store.everything("event") == []

    def test_are_refused_when_they_nest_into_a_value(self, standin: Standin) -> None:
        answer = send(standin, "POST", "/v1/customers", SECRET_KEY, content="name=a&name[b]=c")
        assert (answer.status_code, answer.json()["error"]["param"]) == (400, "name[b]")

    def test_are_refused_beyond_a_megabyte(self, standin: Standin) -> None:
        answer = send(standin, "POST", "/v1/customers", SECRET_KEY, content="name=" + "a" * 1_000_000)
        assert answer.status_code == 413
        assert send(standin, "GET", "/v1/customers", SECRET_KEY).json()["data"] == []

    def test_carry_any_letter(self, shop: Shop) -> None:
        customer = shop.customer(name="Łódź & Søn = 東京 [x]", metadata={"ключ": "a&b=c"})
        found = shop.v1.customers.retrieve(customer)
        assert (found.name, found.metadata and found.metadata["ключ"]) == ("Łódź & Søn = 東京 [x]", "a&b=c")
