"""PaymentIntents: the ways from a request to money, and back to the customer."""

from __future__ import annotations

from typing import Any

import pytest
import stripe

from tests.local.standin.kit import ALWAYS_AUTHENTICATES, FAILS_LATER, Direct, Shop, error_of


class TestOffSessionAuthentication:
    def test_is_a_402_with_the_intent_that_the_customer_then_confirms(self, shop: Shop) -> None:
        customer = shop.customer()
        method = str(shop.set_up(customer, ALWAYS_AUTHENTICATES).payment_method)
        with pytest.raises(stripe.CardError) as refusal:
            shop.renew(customer, method, metadata={"invoice": "i1"})
        error = error_of(refusal.value)
        assert (refusal.value.http_status, error["code"]) == (402, "authentication_required")
        intent = error["payment_intent"]
        assert (intent["status"], intent["payment_method"]) == ("requires_payment_method", None)
        assert intent["last_payment_error"]["payment_method"]["id"] == method

        confirmed = shop.v1.payment_intents.confirm(intent["id"], {"payment_method": method})
        assert confirmed.status == "requires_action"
        assert confirmed.next_action is not None
        assert confirmed.next_action.redirect_to_url is not None
        assert confirmed.next_action.redirect_to_url.url == (
            f"{shop.standin.url}/_control/authenticate?payment_intent={intent['id']}"
        )
        shop.control.authenticate("payment_intent", intent["id"])
        (charge,) = shop.control.charges()
        assert (charge["payment_intent"], charge["metadata"]) == (intent["id"], {"invoice": "i1"})

    def test_is_asked_for_on_session_even_when_set_up(self, shop: Shop) -> None:
        customer = shop.customer()
        method = str(shop.set_up(customer, "4000002500003155").payment_method)
        assert shop.renew(customer, method).status == "succeeded"
        assert shop.charge(method, customer=customer).status == "requires_action"

    def test_is_settled_for_later_by_a_payment_that_says_so(self, shop: Shop) -> None:
        customer = shop.customer()
        method = shop.attach(customer, "4000002500003155")
        paid = shop.charge(method, customer=customer, setup_future_usage="off_session")
        shop.control.authenticate("payment_intent", paid.id)
        assert shop.renew(customer, method).status == "succeeded"


class TestADeclinedIntent:
    def test_is_paid_with_another_card(self, shop: Shop) -> None:
        customer = shop.customer()
        with pytest.raises(stripe.CardError) as refusal:
            shop.renew(customer, shop.attach(customer, FAILS_LATER))
        failed = shop.v1.payment_intents.retrieve(error_of(refusal.value)["payment_intent"]["id"])
        assert (failed.status, failed.payment_method) == ("requires_payment_method", None)
        assert failed.last_payment_error is not None
        assert failed.last_payment_error.charge == failed.latest_charge

        answer = shop.standin.confirm_payment(failed.client_secret or "")
        assert (answer.status_code, answer.json()["status"]) == (200, "succeeded")
        paid = shop.v1.payment_intents.retrieve(failed.id)
        assert (paid.status, paid.amount_received, paid.last_payment_error) == ("succeeded", 1549, None)
        assert paid.latest_charge != failed.latest_charge
        assert [charge["id"] for charge in shop.control.charges()] == [paid.latest_charge]

    def test_can_be_canceled_and_then_not_paid(self, shop: Shop) -> None:
        with pytest.raises(stripe.CardError) as refusal:
            shop.charge("pm_card_chargeDeclined")
        intent = error_of(refusal.value)["payment_intent"]["id"]
        canceled = shop.v1.payment_intents.cancel(intent, {"cancellation_reason": "abandoned"})
        assert (canceled.status, canceled.cancellation_reason) == ("canceled", "abandoned")
        with pytest.raises(stripe.InvalidRequestError) as late:
            shop.v1.payment_intents.confirm(intent, {"payment_method": "pm_card_visa"})
        assert late.value.code == "payment_intent_unexpected_state"
        assert error_of(late.value)["payment_intent"]["status"] == "canceled"
        assert shop.control.charges() == []


class TestAnIntent:
    def test_is_made_first_and_confirmed_later(self, shop: Shop) -> None:
        made = shop.charge(amount=500, confirm=False)
        assert (made.status, shop.control.charges()) == ("requires_confirmation", [])
        assert shop.v1.payment_intents.update(made.id, {"amount": 700}).amount == 700
        assert shop.v1.payment_intents.confirm(made.id).amount_received == 700

    def test_needs_a_card_to_be_confirmed(self, direct: Direct) -> None:
        made = direct.post("payment_intents", amount=500, currency="usd", automatic_payment_methods=NO_REDIRECTS_TEXT)
        assert made["status"] == "requires_payment_method"
        refused = direct.post(f"payment_intents/{made['id']}/confirm")
        assert refused["error"]["code"] == "payment_intent_unexpected_state"

    def test_needs_a_return_address_unless_nothing_redirects(self, direct: Direct) -> None:
        for allowed in ({}, {"automatic_payment_methods": {"enabled": "true"}}):
            refused = direct.post("payment_intents", **(PLAIN | allowed))
            assert "return_url" in refused["error"]["message"]
        assert direct.get("payment_intents")["data"] == []
        assert direct.post("payment_intents", **PLAIN, return_url="http://shop")["status"] == "succeeded"

    @pytest.mark.parametrize(
        ("amount", "currency", "code"),
        [
            ("0", "usd", "parameter_invalid_integer"),
            ("-5", "usd", "parameter_invalid_integer"),
            ("49", "usd", "amount_too_small"),
            ("49", "jpy", "amount_too_small"),
            ("100000000", "usd", "amount_too_large"),
            ("1.5", "usd", "parameter_invalid_integer"),
            ("1000", "xyz", None),
            ("2755", "kwd", None),
            ("1990", "isk", None),
        ],
    )
    def test_has_an_amount_that_can_be_charged(
        self, direct: Direct, amount: str, currency: str, code: str | None
    ) -> None:
        error = direct.charge(amount=amount, currency=currency)["error"]
        assert (error["type"], error.get("code")) == ("invalid_request_error", code)
        assert direct.get("payment_intents")["data"] == []

    @pytest.mark.parametrize(("amount", "currency"), [(50, "usd"), (50, "JPY"), (99_999_999, "usd"), (2750, "kwd")])
    def test_takes_amounts_up_to_the_bounds(self, direct: Direct, amount: int, currency: str) -> None:
        assert direct.charge(amount=amount, currency=currency)["amount_received"] == amount

    def test_charges_a_card_of_this_customer_alone(self, shop: Shop) -> None:
        owner, other = shop.customer(), shop.customer()
        method = shop.attach(owner)
        nobody: dict[str, Any] = {}
        for customer in (nobody, {"customer": other}):
            with pytest.raises(stripe.InvalidRequestError) as refusal:
                shop.charge(method, **customer)
            assert refusal.value.param == "payment_method"
        assert shop.control.charges() == []

    def test_uses_a_card_without_customer_once(self, shop: Shop) -> None:
        method = shop.enter_card("4242424242424242")
        assert shop.charge(method).status == "succeeded"
        with pytest.raises(stripe.InvalidRequestError, match="may not be used again"):
            shop.charge(method)
        assert len(shop.control.charges()) == 1

    def test_keeps_a_card_that_is_meant_for_later(self, shop: Shop) -> None:
        customer = shop.customer()
        paid = shop.charge("pm_card_visa", customer=customer, setup_future_usage="off_session")
        assert shop.renew(customer, str(paid.payment_method)).status == "succeeded"

    def test_tells_what_happened(self, shop: Shop) -> None:
        shop.charge()
        assert shop.types() == ["payment_intent.created", "charge.succeeded", "payment_intent.succeeded"]


class TestCustomers:
    def test_are_gone_once_deleted_with_their_cards(self, shop: Shop) -> None:
        customer = shop.customer(email="a@example.com")
        method = shop.attach(customer)
        paid = shop.renew(customer, method)
        assert shop.v1.customers.delete(customer).deleted
        assert shop.v1.customers.retrieve(customer).deleted
        assert shop.v1.customers.list().data == []
        with pytest.raises(stripe.InvalidRequestError) as refusal:
            shop.v1.customers.update(customer, {"name": "x"})
        assert (refusal.value.http_status, refusal.value.code) == (404, "resource_missing")
        with pytest.raises(stripe.InvalidRequestError) as refusal:
            shop.renew(customer, method)
        assert (refusal.value.http_status, refusal.value.code, refusal.value.param) == (
            400,
            "resource_missing",
            "customer",
        )
        with pytest.raises(stripe.InvalidRequestError, match="may not be used again"):
            shop.charge(method)
        found = shop.v1.payment_intents.retrieve(paid.id, {"expand": ["customer"]})
        assert isinstance(found.customer, stripe.Customer)
        assert found.customer.deleted

    def test_keep_metadata_within_its_limits(self, direct: Direct) -> None:
        customer = direct.post("customers", metadata={f"k{n}": "v" for n in range(50)})["id"]
        for wrong in ({"k50": "v"}, {"k" * 41: "v"}, {"k1": "v" * 501}):
            assert direct.post(f"customers/{customer}", metadata=wrong)["error"]["param"] == "metadata"
        kept = direct.post(f"customers/{customer}", metadata={"k0": "", "k50": "w" * 500, "k1": "x"})["metadata"]
        assert (len(kept), kept["k1"], "k0" in kept) == (50, "x", False)
        assert direct.ask("POST", f"/v1/customers/{customer}", {"metadata": ""})["metadata"] == {}

    def test_lose_a_card_for_good_when_it_is_detached(self, shop: Shop) -> None:
        customer = shop.customer()
        method = shop.attach(customer)
        assert shop.v1.payment_methods.detach(method).customer is None
        with pytest.raises(stripe.InvalidRequestError, match="may not be used again"):
            shop.v1.payment_methods.attach(method, {"customer": customer})


class TestExpand:
    def test_answers_objects_for_ids_at_any_depth(self, shop: Shop) -> None:
        customer = shop.customer()
        paid = shop.renew(customer, shop.attach(customer), expand=["customer", "latest_charge.balance_transaction"])
        assert isinstance(paid.customer, stripe.Customer)
        assert isinstance(paid.latest_charge, stripe.Charge)
        assert isinstance(paid.latest_charge.balance_transaction, stripe.BalanceTransaction)
        # 2.9 % of 15.49 and 30 cents
        assert paid.latest_charge.balance_transaction.fee == 75

    def test_goes_through_lists(self, shop: Shop) -> None:
        shop.charge()
        (listed,) = shop.v1.payment_intents.list({"expand": ["data.payment_method"]}).data
        assert isinstance(listed.payment_method, stripe.PaymentMethod)

    def test_refuses_what_holds_no_id(self, direct: Direct) -> None:
        for path in ("amount", "nothing", "data"):
            assert direct.charge(expand=[path])["error"]["param"] == "expand"
        assert direct.get("payment_intents")["data"] == []


NO_REDIRECTS_TEXT = {"enabled": "true", "allow_redirects": "never"}
PLAIN: dict[str, Any] = {"amount": "1549", "currency": "usd", "payment_method": "pm_card_visa", "confirm": "true"}
