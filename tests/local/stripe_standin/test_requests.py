"""How requests are authenticated, checked and answered, whatever they ask for."""

from __future__ import annotations

import base64
from typing import Any

import pytest
import stripe

from tests.local.stripe_standin.shop import KEYS, Shop, details, refused


class TestKeys:
    def test_are_asked_for(self, shop: Shop) -> None:
        answer = shop.http.get("/v1/customers")
        assert answer.status_code == 401
        assert answer.json()["error"]["type"] == "invalid_request_error"

    def test_must_be_right(self, shop: Shop) -> None:
        error = refused(lambda: shop.stripe.customers.list(options={"api_key": "sk_test_wrong"}))
        assert isinstance(error, stripe.AuthenticationError)
        assert error.http_status == 401

    def test_may_come_as_a_user_name(self, shop: Shop) -> None:
        name = base64.b64encode(f"{KEYS.secret}:".encode()).decode()
        assert shop.http.get("/v1/customers", headers={"Authorization": f"Basic {name}"}).status_code == 200

    def test_that_are_publishable_open_only_what_clients_may_do(self, shop: Shop) -> None:
        answer = shop.as_customer("/v1/customers", None)
        assert (answer.status_code, answer.json()["error"]["code"]) == (403, "secret_key_required")
        assert shop.stripe.customers.list().data == []


class TestParameters:
    @pytest.mark.parametrize(
        ("path", "params", "code", "param"),
        [
            ("/v1/customers", {"nonsense": "1"}, "parameter_unknown", "nonsense"),
            ("/v1/customers", {"address[planet]": "Mars"}, "parameter_unknown", "address[planet]"),
            ("/v1/payment_intents", {"currency": "usd"}, "parameter_missing", "amount"),
            ("/v1/payment_intents", {"amount": "1000"}, "parameter_missing", "currency"),
            ("/v1/payment_intents", {"amount": "ten", "currency": "usd"}, "parameter_invalid_integer", "amount"),
            ("/v1/payment_intents", {"amount": "10.5", "currency": "usd"}, "parameter_invalid_integer", "amount"),
            ("/v1/payment_intents", {"amount": "", "currency": "usd"}, "parameter_invalid_integer", "amount"),
            ("/v1/payment_intents", {"amount": "1000", "currency": "xyz"}, None, "currency"),
            ("/v1/payment_intents", {"amount": "1000", "currency": "usd", "customer": ""}, "parameter_invalid_empty", "customer"),
            ("/v1/payment_intents", {"amount": "1000", "currency": "usd", "confirm": "yes"}, None, "confirm"),
            ("/v1/payment_intents", {"amount": "1000", "currency": "usd", "off_session": "true"}, None, "off_session"),
            (
                "/v1/payment_intents",
                {"amount": "1000", "currency": "usd", "payment_method_types[]": "card"},
                "payment_method_types_no_longer_supported",
                "payment_method_types",
            ),
            ("/v1/payment_methods", {"type": "card", "card[number]": "4242424242424242"}, "parameter_missing", "card[exp_month]"),
            ("/v1/refunds", {}, "parameter_missing", None),
        ],
    )  # fmt: skip
    def test_are_refused_with_their_name(
        self, shop: Shop, path: str, params: dict[str, str], code: str | None, param: str | None
    ) -> None:
        answer = shop.ask("POST", path, params)
        error = answer.json()["error"]
        assert (answer.status_code, error["type"]) == (400, "invalid_request_error")
        assert (error.get("code"), error.get("param")) == (code, param)
        assert shop.stripe.payment_intents.list().data == []

    def test_of_one_name_in_two_forms_are_refused(self, shop: Shop) -> None:
        answer = shop.ask("POST", "/v1/customers", {"address": "x", "address[city]": "Kyiv"})
        assert answer.status_code == 400

    @pytest.mark.parametrize(
        ("amount", "currency", "code"),
        [
            (49, "usd", "amount_too_small"),
            (29, "gbp", "amount_too_small"),
            (100_000_000, "usd", "amount_too_large"),
            (2755, "kwd", "parameter_invalid_integer"),
            (10_050, "isk", "parameter_invalid_integer"),
        ],
    )
    def test_of_money_obey_the_currency(self, shop: Shop, amount: int, currency: str, code: str) -> None:
        error = refused(lambda: shop.stripe.payment_intents.create({"amount": amount, "currency": currency}))
        assert (error.http_status, error.code) == (400, code)

    @pytest.mark.parametrize(
        ("amount", "currency"), [(50, "usd"), (30, "gbp"), (50, "jpy"), (2760, "kwd"), (10_000, "isk")]
    )
    def test_of_money_at_the_limit_are_taken(self, shop: Shop, amount: int, currency: str) -> None:
        assert shop.stripe.payment_intents.create({"amount": amount, "currency": currency}).amount == amount


class TestMetadata:
    def test_merges_by_key(self, shop: Shop) -> None:
        customer = shop.stripe.customers.create({"metadata": {"kept": "1", "changed": "1", "gone": "1"}})
        changed = shop.stripe.customers.update(customer.id, {"metadata": {"changed": "2", "gone": "", "new": "1"}})
        assert changed.metadata is not None
        assert changed.metadata.to_dict() == {"kept": "1", "changed": "2", "new": "1"}

    def test_is_emptied_by_an_empty_string(self, shop: Shop) -> None:
        customer = shop.stripe.customers.create({"metadata": {"a": "1"}})
        assert shop.ask("POST", f"/v1/customers/{customer.id}", {"metadata": ""}).json()["metadata"] == {}

    def test_has_limits(self, shop: Shop) -> None:
        assert refused(lambda: shop.stripe.customers.create({"metadata": {"k" * 41: "1"}})).http_status == 400
        assert refused(lambda: shop.stripe.customers.create({"metadata": {"k": "v" * 501}})).http_status == 400
        many = {f"k{number}": "1" for number in range(51)}
        assert refused(lambda: shop.stripe.customers.create({"metadata": many})).http_status == 400


class TestObjects:
    @pytest.mark.parametrize(
        ("path", "param"),
        [
            ("customers/cus_none", "id"),
            ("payment_methods/pm_none", "payment_method"),
            ("payment_intents/pi_none", "intent"),
            ("setup_intents/seti_none", "intent"),
            ("charges/ch_none", "id"),
            ("refunds/re_none", "id"),
            ("disputes/dp_none", "id"),
            ("events/evt_none", "id"),
            ("balance_transactions/txn_none", "id"),
            ("webhook_endpoints/we_none", "id"),
            ("radar/early_fraud_warnings/issfr_none", "id"),
        ],
    )
    def test_that_are_not_there_are_missing(self, shop: Shop, path: str, param: str) -> None:
        answer = shop.ask("GET", f"/v1/{path}")
        error = answer.json()["error"]
        assert (answer.status_code, error["code"], error["param"]) == (404, "resource_missing", param)

    def test_of_another_kind_are_missing(self, shop: Shop) -> None:
        customer = shop.stripe.customers.create()
        assert shop.ask("GET", f"/v1/charges/{customer.id}").status_code == 404

    def test_answer_nothing_where_stripe_has_nothing(self, shop: Shop) -> None:
        answer = shop.ask("GET", "/v1/unicorns")
        assert answer.status_code == 404
        assert "Unrecognized request URL" in answer.json()["error"]["message"]

    def test_are_never_live(self, shop: Shop) -> None:
        intent = shop.charge(*shop.customer_with())
        for kind in ("customers", "payment_intents", "charges", "events"):
            assert {entry["livemode"] for entry in shop.ask("GET", f"/v1/{kind}").json()["data"]} == {False}
        assert intent.livemode is False

    def test_keep_the_stand_ins_own_notes_to_themselves(self, shop: Shop) -> None:
        shop.charge(*shop.customer_with("4000000000007726"))
        for path in ("/v1/charges", "/v1/events", "/v1/setup_intents"):
            assert '"_' not in shop.ask("GET", path, {"limit": "100"}).text

    def test_say_when_a_customer_is_deleted(self, shop: Shop) -> None:
        customer, card = shop.customer_with()
        assert shop.stripe.customers.delete(customer).deleted is True
        gone = shop.ask("GET", f"/v1/customers/{customer}").json()
        assert gone == {"id": customer, "object": "customer", "deleted": True}
        assert shop.stripe.customers.list().data == []
        assert shop.ask("POST", f"/v1/customers/{customer}", {"name": "A"}).status_code == 404
        assert refused(lambda: shop.charge(customer, card)).code == "resource_missing"
        assert shop.stripe.payment_methods.retrieve(card).customer is None


class TestHeaders:
    def test_name_the_request_and_the_version(self, shop: Shop) -> None:
        answer = shop.ask("GET", "/v1/customers")
        assert answer.headers["Request-Id"].startswith("req_")
        assert answer.headers["Stripe-Version"] == "2026-10-28.endive"

    def test_name_the_request_that_an_error_can_be_found_by(self, shop: Shop) -> None:
        answer = shop.ask("GET", "/v1/charges/ch_none")
        assert answer.json()["error"]["request_log_url"].endswith(answer.headers["Request-Id"])

    def test_let_browsers_in(self, shop: Shop) -> None:
        answer = shop.http.options(
            "/v1/payment_methods", headers={"Origin": "http://localhost:8000", "Access-Control-Request-Method": "POST"}
        )
        assert answer.headers["access-control-allow-origin"] == "*"


class TestLists:
    @pytest.fixture
    def customers(self, shop: Shop) -> list[str]:
        """Seven customers, newest first."""
        shop.control.set_clock(1_800_000_000)
        made = []
        for number in range(7):
            made.append(shop.stripe.customers.create({"email": f"{number % 2}@example.com"}).id)
            if number % 3 == 0:
                shop.control.advance(60)
        return made[::-1]

    def test_are_newest_first_and_say_whether_there_is_more(self, shop: Shop, customers: list[str]) -> None:
        page = shop.stripe.customers.list({"limit": 3})
        assert ([entry.id for entry in page.data], page.has_more) == (customers[:3], True)
        rest = shop.stripe.customers.list({"limit": 4, "starting_after": customers[2]})
        assert ([entry.id for entry in rest.data], rest.has_more) == (customers[3:], False)

    def test_go_back(self, shop: Shop, customers: list[str]) -> None:
        page = shop.stripe.customers.list({"limit": 2, "ending_before": customers[4]})
        assert ([entry.id for entry in page.data], page.has_more) == (customers[2:4], True)

    def test_are_walked_by_the_library(self, shop: Shop, customers: list[str]) -> None:
        walked = [entry.id for entry in shop.stripe.customers.list({"limit": 2}).auto_paging_iter()]
        assert walked == customers

    def test_filter_by_time(self, shop: Shop, customers: list[str]) -> None:
        moment = shop.stripe.customers.retrieve(customers[3]).created
        by = {}
        for bound in ("gt", "gte", "lt", "lte"):
            params: Any = {"created": {bound: moment}}
            by[bound] = shop.stripe.customers.list(params).data
        assert [entry.id for entry in by["gt"]] == customers[:3]
        assert [entry.id for entry in by["gte"]] == customers[:6]
        assert [entry.id for entry in by["lt"]] == customers[6:]
        assert [entry.id for entry in by["lte"]] == customers[3:]
        assert [entry.id for entry in shop.stripe.customers.list({"created": moment}).data] == customers[3:6]

    def test_filter_by_field(self, shop: Shop, customers: list[str]) -> None:
        page = shop.stripe.customers.list({"email": "1@example.com"})
        assert [entry.id for entry in page.data] == [customers[1], customers[3], customers[5]]

    @pytest.mark.parametrize(
        "params", [{"limit": "0"}, {"limit": "101"}, {"starting_after": "a", "ending_before": "b"}]
    )
    def test_refuse_a_wrong_page(self, shop: Shop, params: dict[str, str]) -> None:
        assert shop.ask("GET", "/v1/customers", params).status_code == 400

    def test_refuse_a_cursor_that_is_not_there(self, shop: Shop) -> None:
        answer = shop.ask("GET", "/v1/customers", {"starting_after": "cus_none"})
        assert (answer.status_code, answer.json()["error"]["param"]) == (400, "starting_after")


class TestExpand:
    def test_puts_the_object_in_the_place_of_its_id(self, shop: Shop) -> None:
        customer, card = shop.customer_with()
        intent = shop.charge(customer, card)
        found = shop.ask(
            "GET",
            f"/v1/payment_intents/{intent.id}",
            {"expand[]": ["latest_charge.balance_transaction", "customer", "payment_method"]},
        ).json()
        assert (found["customer"]["id"], found["payment_method"]["id"]) == (customer, card)
        assert found["latest_charge"]["balance_transaction"]["source"] == intent.latest_charge

    def test_works_in_lists(self, shop: Shop) -> None:
        customer, card = shop.customer_with()
        intent = shop.charge(customer, card)
        found = shop.ask("GET", "/v1/payment_intents", {"expand[]": "data.latest_charge"}).json()
        assert [entry["latest_charge"]["id"] for entry in found["data"]] == [intent.latest_charge]

    def test_includes_the_refunds_of_a_charge(self, shop: Shop) -> None:
        charge = shop.paid()
        refund = shop.stripe.refunds.create({"charge": charge})
        assert "refunds" not in shop.ask("GET", f"/v1/charges/{charge}").json()
        found = shop.ask("GET", f"/v1/charges/{charge}", {"expand[]": "refunds"}).json()
        assert [entry["id"] for entry in found["refunds"]["data"]] == [refund.id]

    def test_changes_nothing_that_is_stored(self, shop: Shop) -> None:
        customer, card = shop.customer_with()
        shop.stripe.customers.update(customer, {"invoice_settings": {"default_payment_method": card}})
        expanded = shop.ask(
            "POST", f"/v1/customers/{customer}", {"name": "A", "expand[]": "invoice_settings.default_payment_method"}
        ).json()
        assert expanded["invoice_settings"]["default_payment_method"]["id"] == card
        plain = shop.ask("GET", f"/v1/customers/{customer}").json()
        assert plain["invoice_settings"]["default_payment_method"] == card

    @pytest.mark.parametrize("path", ["amount", "nothing", "customer.name.first", "a.b.c.d.e"])
    def test_refuses_what_is_no_object(self, shop: Shop, path: str) -> None:
        intent = shop.charge(*shop.customer_with())
        answer = shop.ask("POST", f"/v1/payment_intents/{intent.id}", {"description": "new", "expand[]": path})
        assert answer.status_code == 400
        assert shop.stripe.payment_intents.retrieve(intent.id).description is None


class TestErrors:
    def test_become_exceptions_of_the_library(self, shop: Shop) -> None:
        error = refused(lambda: shop.stripe.payment_intents.create({"amount": 1, "currency": "usd"}))
        assert isinstance(error, stripe.InvalidRequestError)
        assert error.code == "amount_too_small"
        assert details(error)["doc_url"] == "https://stripe.com/docs/error-codes/amount-too-small"
