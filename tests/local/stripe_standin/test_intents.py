"""PaymentIntents and SetupIntents: their states, and what clients may do with their secrets."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import stripe

from tests.local.stripe_standin.shop import NO_REDIRECTS, Shop, details, refused


def intent(shop: Shop, amount: int = 1549) -> stripe.PaymentIntent:
    return shop.stripe.payment_intents.create(
        {
            "amount": amount,
            "currency": "usd",
            "automatic_payment_methods": NO_REDIRECTS,
            "metadata": {"invoice": "in_1"},
        }
    )


class TestCreate:
    def test_and_confirm_make_a_charge_in_one_call(self, shop: Shop) -> None:
        customer, card = shop.customer_with()
        made = shop.charge(customer, card, metadata={"invoice": "in_1", "attempt": "att_1"})
        assert (made.status, made.amount_received) == ("succeeded", 1549)
        (charge,) = shop.control.charges(customer)
        assert charge["id"] == made.latest_charge
        assert charge["metadata"] == {"invoice": "in_1", "attempt": "att_1"}
        assert (charge["amount"], charge["currency"], charge["payment_method"]) == (1549, "usd", card)

    def test_waits_for_a_card(self, shop: Shop) -> None:
        assert intent(shop).status == "requires_payment_method"

    def test_with_a_card_waits_for_confirmation(self, shop: Shop) -> None:
        made = shop.stripe.payment_intents.create({"amount": 1549, "currency": "usd", "payment_method": "pm_card_visa"})
        assert made.status == "requires_confirmation"
        assert shop.control.charges() == []

    def test_needs_a_way_back_if_redirects_are_possible(self, shop: Shop) -> None:
        error = refused(
            lambda: shop.stripe.payment_intents.create(
                {"amount": 1549, "currency": "usd", "payment_method": "pm_card_visa", "confirm": True}
            )
        )
        assert (error.http_status, details(error)["param"]) == (400, "return_url")
        assert shop.stripe.payment_intents.list().data == []
        assert shop.stripe.events.list().data == []

    def test_refuses_a_card_of_another_customer(self, shop: Shop) -> None:
        _, card = shop.customer_with()
        other = shop.stripe.customers.create().id
        error = refused(lambda: shop.charge(other, card))
        assert (error.http_status, details(error)["param"]) == (400, "payment_method")
        assert shop.control.charges() == []

    @pytest.mark.parametrize("missing", ["customer", "card"])
    def test_refuses_what_is_not_there(self, shop: Shop, missing: str) -> None:
        customer, card = shop.customer_with()
        ids: dict[str, Any] = {"customer": customer, "card": card, missing: "none"}
        error = refused(lambda: shop.charge(**ids))
        param = {"card": "payment_method"}.get(missing, missing)
        assert (error.http_status, error.code, details(error)["param"]) == (400, "resource_missing", param)
        assert shop.stripe.payment_intents.list().data == []

    def test_knows_the_balance_transaction_only_later(self, shop: Shop) -> None:
        """Money is captured asynchronously by default, so the first answer cannot name it."""
        customer, card = shop.customer_with()
        made = shop.charge(customer, card, expand=["latest_charge"])
        assert isinstance(made.latest_charge, stripe.Charge)
        assert made.latest_charge.balance_transaction is None
        assert shop.stripe.charges.retrieve(made.latest_charge.id).balance_transaction is not None
        at_once = shop.charge(customer, card, expand=["latest_charge"], capture_method="automatic")
        assert isinstance(at_once.latest_charge, stripe.Charge)
        assert at_once.latest_charge.balance_transaction is not None


class TestConfirm:
    def test_of_a_paid_intent_is_refused_and_charges_nothing(self, shop: Shop) -> None:
        customer, card = shop.customer_with()
        paid = shop.charge(customer, card)
        error = refused(lambda: shop.stripe.payment_intents.confirm(paid.id, {"payment_method": card}))
        assert (error.http_status, error.code) == (400, "payment_intent_unexpected_state")
        assert details(error)["payment_intent"]["status"] == "succeeded"
        assert len(shop.control.charges()) == 1

    def test_of_a_declined_intent_tries_another_card(self, shop: Shop) -> None:
        customer, bad = shop.customer_with("4000000000000341")
        found = details(refused(lambda: shop.charge(customer, bad)))
        good = shop.save_card(customer, "4242424242424242")
        paid = shop.stripe.payment_intents.confirm(found["payment_intent"]["id"], {"payment_method": good})
        assert (paid.status, paid.last_payment_error) == ("succeeded", None)
        charges = shop.stripe.charges.list({"payment_intent": paid.id}).data
        assert [charge.status for charge in charges] == ["succeeded", "failed"]

    def test_without_a_card_is_refused(self, shop: Shop) -> None:
        made = intent(shop)
        error = refused(lambda: shop.stripe.payment_intents.confirm(made.id))
        assert error.code == "payment_intent_unexpected_state"

    def test_uses_a_card_that_nobody_saved_once(self, shop: Shop) -> None:
        method = shop.ask(
            "POST",
            "/v1/payment_methods",
            {"type": "card", "card[number]": "4242424242424242", "card[exp_month]": "12", "card[exp_year]": "2034"},
        ).json()["id"]
        shop.stripe.payment_intents.confirm(intent(shop).id, {"payment_method": method})
        again = intent(shop).id
        assert (
            refused(lambda: shop.stripe.payment_intents.confirm(again, {"payment_method": method})).http_status == 400
        )
        assert len(shop.control.charges()) == 1

    def test_can_save_the_card_on_the_way(self, shop: Shop) -> None:
        customer = shop.stripe.customers.create().id
        made = shop.stripe.payment_intents.create(
            {"amount": 1549, "currency": "usd", "customer": customer, "setup_future_usage": "off_session"}
        )
        shop.as_customer(f"/v1/payment_intents/{made.id}/confirm", made.client_secret, "4000002500003155")
        assert shop.stripe.customers.payment_methods.list(customer).data == []
        shop.control.authenticate("payment_intent", made.id)
        (card,) = shop.stripe.customers.payment_methods.list(customer).data
        assert shop.charge(customer, card.id).status == "succeeded"


class TestClients:
    @pytest.mark.parametrize("secret", [None, "pi_secret_guessed"])
    def test_need_the_secret(self, shop: Shop, secret: str | None) -> None:
        made = intent(shop)
        answer = shop.as_customer(f"/v1/payment_intents/{made.id}/confirm", secret, "4242424242424242")
        assert answer.status_code == 400
        assert shop.stripe.payment_intents.retrieve(made.id).status == "requires_payment_method"
        assert shop.control.charges() == []

    def test_do_not_open_one_intent_with_the_secret_of_another(self, shop: Shop) -> None:
        mine, other = intent(shop), intent(shop)
        answer = shop.as_customer(f"/v1/payment_intents/{other.id}/confirm", mine.client_secret, "4242424242424242")
        assert answer.status_code == 400
        assert shop.control.charges() == []

    def test_pay_with_a_card_that_they_type(self, shop: Shop) -> None:
        made = intent(shop)
        answer = shop.as_customer(f"/v1/payment_intents/{made.id}/confirm", made.client_secret, "4242424242424242")
        assert (answer.status_code, answer.json()["status"]) == (200, "succeeded")
        assert shop.control.charges()[0]["metadata"] == {"invoice": "in_1"}

    def test_may_make_the_payment_method_first(self, shop: Shop) -> None:
        made = intent(shop)
        card = {"card[number]": "4242424242424242", "card[exp_month]": "12", "card[exp_year]": "34", "card[cvc]": "123"}
        method = shop.as_customer("/v1/payment_methods", None, type="card", **card).json()
        assert method["card"]["exp_year"] == 2034
        answer = shop.as_customer(
            f"/v1/payment_intents/{made.id}/confirm", made.client_secret, payment_method=method["id"]
        )
        assert answer.json()["status"] == "succeeded"


class TestAuthentication:
    def begin(self, shop: Shop, number: str = "4000002760003184", **more: str) -> tuple[str, dict[str, object]]:
        made = intent(shop)
        answer = shop.as_customer(f"/v1/payment_intents/{made.id}/confirm", made.client_secret, number, **more)
        return made.id, answer.json()["next_action"]

    def test_is_a_page_that_leads_back(self, shop: Shop) -> None:
        made, action = self.begin(shop, return_url="http://localhost/paid?order=7")
        assert action["type"] == "redirect_to_url"
        url = action["redirect_to_url"]["url"]  # type: ignore[index]
        assert "<button" in shop.http.get(url).text
        answer = shop.http.post(url, data={"succeed": "true"})
        assert answer.status_code == 303
        back = urlsplit(answer.headers["Location"])
        assert (back.netloc, back.path) == ("localhost", "/paid")
        told = parse_qs(back.query)
        assert (told["order"], told["payment_intent"], told["redirect_status"]) == (["7"], [made], ["succeeded"])
        assert shop.stripe.payment_intents.retrieve(made).status == "succeeded"
        assert "Nothing to do" in shop.http.post(url, data={"succeed": "true"}).text
        assert len(shop.control.charges()) == 1

    def test_can_fail(self, shop: Shop) -> None:
        made, action = self.begin(shop)
        assert action["type"] == "use_stripe_sdk"
        shop.http.post(action["use_stripe_sdk"]["stripe_js"], data={"succeed": "false"})  # type: ignore[index]
        after = shop.ask("GET", f"/v1/payment_intents/{made}").json()
        assert (after["status"], after["payment_method"]) == ("requires_payment_method", None)
        assert after["last_payment_error"]["code"] == "payment_intent_authentication_failure"
        assert shop.control.charges() == []

    def test_is_nobodys_without_the_secret(self, shop: Shop) -> None:
        made, _ = self.begin(shop)
        assert shop.http.post(f"/_pages/authenticate/{made}", data={"succeed": "true"}).status_code == 404
        assert shop.control.charges() == []

    def test_of_a_setup_can_fail(self, shop: Shop) -> None:
        customer = shop.stripe.customers.create().id
        made = shop.stripe.setup_intents.create({"customer": customer, "automatic_payment_methods": NO_REDIRECTS})
        shop.as_customer(f"/v1/setup_intents/{made.id}/confirm", made.client_secret, "4000002500003155")
        after = shop.control.authenticate("setup_intent", made.id, passed=False)
        assert after["status"] == "requires_payment_method"
        assert after["last_setup_error"]["code"] == "setup_intent_authentication_failure"
        assert shop.stripe.customers.payment_methods.list(customer).data == []

    def test_that_nobody_waits_for_is_refused(self, shop: Shop) -> None:
        made = intent(shop)
        with pytest.raises(ValueError, match="nothing waits"):
            shop.control.authenticate("payment_intent", made.id)


class TestCancel:
    def test_ends_an_intent(self, shop: Shop) -> None:
        made = intent(shop)
        ended = shop.stripe.payment_intents.cancel(made.id, {"cancellation_reason": "abandoned"})
        assert (ended.status, ended.cancellation_reason) == ("canceled", "abandoned")
        error = refused(lambda: shop.stripe.payment_intents.confirm(made.id, {"payment_method": "pm_card_visa"}))
        assert error.code == "payment_intent_unexpected_state"

    def test_of_a_paid_intent_is_refused(self, shop: Shop) -> None:
        paid = shop.charge(*shop.customer_with())
        assert refused(lambda: shop.stripe.payment_intents.cancel(paid.id)).code == "payment_intent_unexpected_state"
        assert shop.stripe.payment_intents.retrieve(paid.id).status == "succeeded"

    def test_ends_a_setup(self, shop: Shop) -> None:
        made = shop.stripe.setup_intents.create()
        assert shop.stripe.setup_intents.cancel(made.id).status == "canceled"
        assert refused(lambda: shop.stripe.setup_intents.cancel(made.id)).code == "setup_intent_unexpected_state"


class TestManualCapture:
    def test_takes_the_money_later_and_perhaps_less(self, shop: Shop) -> None:
        held = shop.charge(*shop.customer_with(), capture_method="manual")
        assert (held.status, held.amount_capturable, held.amount_received) == ("requires_capture", 1549, 0)
        assert shop.control.net() == {}
        taken = shop.stripe.payment_intents.capture(held.id, {"amount_to_capture": 1000})
        assert (taken.status, taken.amount_received) == ("succeeded", 1000)
        assert shop.control.net() == {"usd": 1000 - 59}
        assert (
            refused(lambda: shop.stripe.refunds.create({"payment_intent": held.id, "amount": 1001})).http_status == 400
        )

    def test_takes_no_more_than_was_held(self, shop: Shop) -> None:
        held = shop.charge(*shop.customer_with(), capture_method="manual")
        error = refused(lambda: shop.stripe.payment_intents.capture(held.id, {"amount_to_capture": 1550}))
        assert error.code == "amount_too_large"
        assert shop.control.net() == {}


class TestUpdate:
    def test_changes_an_open_intent(self, shop: Shop) -> None:
        made = intent(shop)
        changed = shop.stripe.payment_intents.update(made.id, {"amount": 999, "metadata": {"attempt": "2"}})
        assert changed.amount == 999
        assert changed.metadata is not None
        assert changed.metadata.to_dict() == {"invoice": "in_1", "attempt": "2"}

    def test_does_not_change_a_paid_one(self, shop: Shop) -> None:
        paid = shop.charge(*shop.customer_with())
        assert refused(lambda: shop.stripe.payment_intents.update(paid.id, {"amount": 1})).http_status == 400
        assert shop.stripe.payment_intents.update(paid.id, {"metadata": {"late": "1"}}).amount == 1549


class TestSavedCards:
    def test_are_listed_by_customer(self, shop: Shop) -> None:
        customer, first = shop.customer_with()
        second = shop.save_card(customer, "5555555555554444")
        shop.customer_with()
        listed = [card.id for card in shop.stripe.customers.payment_methods.list(customer).data]
        assert listed == [second, first]
        assert [card.id for card in shop.stripe.payment_methods.list({"customer": customer}).data] == listed

    def test_cannot_be_used_once_detached(self, shop: Shop) -> None:
        customer, card = shop.customer_with()
        assert shop.stripe.payment_methods.detach(card).customer is None
        assert refused(lambda: shop.charge(customer, card)).http_status == 400
        assert refused(lambda: shop.stripe.payment_methods.attach(card, {"customer": customer})).http_status == 400
        assert shop.control.charges() == []

    def test_belong_to_one_customer(self, shop: Shop) -> None:
        _, card = shop.customer_with()
        other = shop.stripe.customers.create().id
        assert refused(lambda: shop.stripe.payment_methods.attach(card, {"customer": other})).http_status == 400

    def test_are_renewed_under_their_id(self, shop: Shop) -> None:
        customer, card = shop.customer_with()
        shop.control.update_card(card, exp_month=1, exp_year=2040, last4="1111")
        shown = shop.stripe.payment_methods.retrieve(card).card
        assert shown is not None
        assert (shown.exp_month, shown.exp_year, shown.last4) == (1, 2040, "1111")
        (event,) = shop.stripe.events.list({"type": "payment_method.automatically_updated"}).data
        assert event.data.to_dict()["previous_attributes"] == {
            "card": {"exp_month": 12, "exp_year": 2034, "last4": "4242"}
        }
        assert shop.charge(customer, card).status == "succeeded"

    def test_can_be_made_to_fail_and_to_work_again(self, shop: Shop) -> None:
        customer, card = shop.customer_with()
        shop.control.behave_as(card, "4000000000009995")
        assert details(refused(lambda: shop.charge(customer, card)))["decline_code"] == "insufficient_funds"
        shop.control.behave_as(card, "4242424242424242")
        assert shop.charge(customer, card).status == "succeeded"
