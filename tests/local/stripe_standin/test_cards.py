"""Each test card of Stripe's documentation, in a table: what it does when saved, and when charged later."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import stripe

from local.stripe_standin.cards import BY_ID, BY_NUMBER
from tests.local.stripe_standin.shop import NO_REDIRECTS, Shop, details, refused


@dataclass(frozen=True)
class Decline:
    number: str
    id: str
    code: str
    decline_code: str
    advice: str | None
    network: str
    param: str | None = None


DECLINES = [
    Decline("4000000000000002", "pm_card_visa_chargeDeclined", "card_declined", "generic_decline", "try_again_later", "05"),
    Decline("4000000000009995", "pm_card_visa_chargeDeclinedInsufficientFunds", "card_declined", "insufficient_funds", "try_again_later", "51"),
    Decline("4000000000009987", "pm_card_visa_chargeDeclinedLostCard", "card_declined", "lost_card", "do_not_try_again", "41"),
    Decline("4000000000009979", "pm_card_visa_chargeDeclinedStolenCard", "card_declined", "stolen_card", "do_not_try_again", "43"),
    Decline("4000000000000069", "pm_card_chargeDeclinedExpiredCard", "expired_card", "expired_card", "confirm_card_data", "54", "exp_month"),
    Decline("4000000000000127", "pm_card_chargeDeclinedIncorrectCvc", "incorrect_cvc", "incorrect_cvc", "confirm_card_data", "N7", "cvc"),
    Decline("4000000000000119", "pm_card_chargeDeclinedProcessingError", "processing_error", "processing_error", "try_again_later", "96"),
    Decline("4000000000006975", "pm_card_visa_chargeDeclinedVelocityLimitExceeded", "card_declined", "card_velocity_exceeded", "try_again_later", "65"),
]  # fmt: skip

declines = pytest.mark.parametrize("card", DECLINES, ids=lambda card: card.decline_code)


class TestDeclinedCards:
    @declines
    def test_cannot_be_attached(self, shop: Shop, card: Decline) -> None:
        customer = shop.stripe.customers.create().id
        error = refused(lambda: shop.stripe.payment_methods.attach(card.id, {"customer": customer}))
        assert isinstance(error, stripe.CardError)
        found = details(error)
        assert (error.http_status, found["type"], found["code"]) == (402, "card_error", card.code)
        assert (found["decline_code"], found.get("param")) == (card.decline_code, card.param)
        assert shop.stripe.customers.payment_methods.list(customer).data == []

    @declines
    def test_cannot_be_set_up(self, shop: Shop, card: Decline) -> None:
        customer = shop.stripe.customers.create().id
        intent = shop.stripe.setup_intents.create({"customer": customer, "automatic_payment_methods": NO_REDIRECTS})
        answer = shop.as_customer(f"/v1/setup_intents/{intent.id}/confirm", intent.client_secret, card.number)
        error = answer.json()["error"]
        assert (answer.status_code, error["code"], error["decline_code"]) == (402, card.code, card.decline_code)
        kept = shop.ask("GET", f"/v1/setup_intents/{intent.id}").json()
        assert kept["status"] == error["setup_intent"]["status"] == "requires_payment_method"
        assert (kept["payment_method"], kept["last_setup_error"]["code"]) == (None, card.code)
        assert shop.stripe.customers.payment_methods.list(customer).data == []

    @declines
    def test_cannot_be_charged(self, shop: Shop, card: Decline) -> None:
        error = refused(
            lambda: shop.stripe.payment_intents.create(
                {"amount": 1549, "currency": "usd", "payment_method": card.id, "confirm": True,
                 "automatic_payment_methods": NO_REDIRECTS}
            )
        )  # fmt: skip
        assert error.http_status == 402
        found = details(error)
        assert (found["code"], found["decline_code"]) == (card.code, card.decline_code)
        assert (found.get("advice_code"), found["network_decline_code"]) == (card.advice, card.network)
        intent = found["payment_intent"]
        assert (intent["status"], intent["payment_method"]) == ("requires_payment_method", None)
        assert intent["last_payment_error"]["decline_code"] == card.decline_code
        charge = shop.ask("GET", f"/v1/charges/{found['charge']}").json()
        assert intent["latest_charge"] == charge["id"]
        assert (charge["status"], charge["paid"], charge["failure_code"]) == ("failed", False, card.code)
        assert charge["outcome"]["network_decline_code"] == card.network
        assert shop.control.charges() == []

    def test_may_be_saved_and_fail_later(self, shop: Shop) -> None:
        customer, card = shop.customer_with("4000000000000341")
        error = refused(lambda: shop.charge(customer, card))
        assert (error.http_status, details(error)["decline_code"]) == (402, "generic_decline")

    def test_of_mastercard_carry_its_advice(self, shop: Shop) -> None:
        customer, card = shop.customer_with("5555555555554444")
        shop.control.behave_as(card, "4000000000009979")
        found = details(refused(lambda: shop.charge(customer, card)))
        assert (found["advice_code"], found["network_advice_code"]) == ("do_not_try_again", "03")
        assert found["payment_intent"]["last_payment_error"]["network_advice_code"] == "03"


class TestCardDetails:
    @pytest.mark.parametrize(
        ("change", "code", "param"),
        [
            ({"number": "4242424242424241"}, "incorrect_number", "number"),
            ({"number": "not a number"}, "incorrect_number", "number"),
            ({"number": "4111111111111111"}, "card_declined", None),
            ({"exp_month": "13"}, "invalid_expiry_month", "exp_month"),
            ({"exp_year": "2019"}, "invalid_expiry_year", "exp_year"),
            ({"cvc": "12"}, "invalid_cvc", "cvc"),
        ],
    )
    def test_are_checked(self, shop: Shop, change: dict[str, str], code: str, param: str | None) -> None:
        card = {"number": "4242424242424242", "exp_month": "12", "exp_year": "2034", "cvc": "123", **change}
        data = {"type": "card", **{f"card[{name}]": value for name, value in card.items()}}
        answer = shop.ask("POST", "/v1/payment_methods", data)
        error = answer.json()["error"]
        assert (answer.status_code, error["type"], error["code"]) == (402, "card_error", code)
        assert error.get("param") == param

    def test_are_shown(self, shop: Shop) -> None:
        _, card = shop.customer_with("5555555555554444")
        shown = shop.ask("GET", f"/v1/payment_methods/{card}").json()["card"]
        assert (shown["brand"], shown["last4"], shown["exp_month"], shown["exp_year"]) == (
            "mastercard",
            "4444",
            12,
            2034,
        )
        assert (shown["checks"]["cvc_check"], shown["country"]) == ("pass", "US")

    def test_have_one_fingerprint_for_one_number(self, shop: Shop) -> None:
        prints = [
            shop.ask("GET", f"/v1/payment_methods/{shop.customer_with(number)[1]}").json()["card"]["fingerprint"]
            for number in ("4242424242424242", "4242424242424242", "5555555555554444")
        ]
        assert prints[0] == prints[1] != prints[2]

    def test_are_kept_nowhere_in_the_answers(self, shop: Shop) -> None:
        shop.charge(*shop.customer_with())
        for path in ("/v1/events", "/v1/charges", "/v1/payment_methods"):
            assert "4242424242424242" not in shop.ask("GET", path).text


class TestTestCards:
    @pytest.mark.parametrize("name", [card.id for card in BY_ID.values() if not card.on_attach])
    def test_are_new_payment_methods_at_each_use(self, shop: Shop, name: str) -> None:
        customer = shop.stripe.customers.create().id
        made = [shop.stripe.payment_methods.attach(name, {"customer": customer}) for _ in range(2)]
        assert made[0].id != made[1].id
        assert {entry.customer for entry in made} == {customer}
        assert made[0].card is not None
        assert made[0].card.last4 == BY_ID[name].number[-4:]

    def test_have_their_numbers_and_names_once(self) -> None:
        assert len(BY_ID) == len(BY_NUMBER)


@dataclass(frozen=True)
class Authenticated:
    """What a card asks for: when it is saved, when its customer pays, and away from them before and after saving."""

    number: str
    asks_at_setup: bool
    asks_on_session: bool
    away_unsaved: str
    away_saved: str


CARDS_THAT_ASK = [
    Authenticated("4000002500003155", True, True, "authentication_required", "succeeded"),
    Authenticated("4000002760003184", True, True, "authentication_required", "authentication_required"),
    Authenticated("4000003800000446", False, True, "succeeded", "succeeded"),
    Authenticated("4000000000003220", True, True, "authentication_required", "authentication_required"),
    Authenticated("4000008260003178", True, True, "authentication_required", "insufficient_funds"),
]

asking = pytest.mark.parametrize("card", CARDS_THAT_ASK, ids=lambda card: card.number)


def outcome(shop: Shop, customer: str, card: str) -> str:
    """Answer what becomes of a charge while the customer is away."""
    try:
        return shop.charge(customer, card).status
    except stripe.CardError as error:
        found = details(error)
    assert found["payment_intent"]["status"] == "requires_payment_method"
    return str(found["decline_code"])


class TestCardsThatAsk:
    @asking
    def test_ask_when_they_are_saved(self, shop: Shop, card: Authenticated) -> None:
        customer = shop.stripe.customers.create().id
        intent = shop.stripe.setup_intents.create({"customer": customer, "automatic_payment_methods": NO_REDIRECTS})
        answer = shop.as_customer(f"/v1/setup_intents/{intent.id}/confirm", intent.client_secret, card.number).json()
        assert answer["status"] == ("requires_action" if card.asks_at_setup else "succeeded")
        assert len(shop.stripe.customers.payment_methods.list(customer).data) == (0 if card.asks_at_setup else 1)

    @asking
    def test_ask_while_the_customer_pays(self, shop: Shop, card: Authenticated) -> None:
        intent = shop.stripe.payment_intents.create({"amount": 1549, "currency": "usd"})
        answer = shop.as_customer(f"/v1/payment_intents/{intent.id}/confirm", intent.client_secret, card.number).json()
        assert answer["status"] == ("requires_action" if card.asks_on_session else "succeeded")
        assert shop.control.charges() == []

    @asking
    def test_ask_off_session_unless_they_were_set_up(self, shop: Shop, card: Authenticated) -> None:
        customer = shop.stripe.customers.create().id
        attached = shop.stripe.payment_methods.attach(BY_NUMBER[card.number].id, {"customer": customer}).id
        assert outcome(shop, customer, attached) == card.away_unsaved
        assert outcome(shop, customer, shop.save_card(customer, card.number)) == card.away_saved

    def test_leave_the_intent_to_the_customer_when_they_ask_off_session(self, shop: Shop) -> None:
        customer, card = shop.customer_with("4000002760003184")
        error = refused(lambda: shop.charge(customer, card))
        found = details(error)
        assert (error.http_status, error.code) == (402, "authentication_required")
        assert found["payment_method"]["id"] == card
        intent = found["payment_intent"]
        assert intent["last_payment_error"]["payment_method"]["id"] == card
        # The customer completes the same intent.
        answer = shop.as_customer(
            f"/v1/payment_intents/{intent['id']}/confirm", intent["client_secret"], payment_method=card
        )
        assert answer.json()["status"] == "requires_action"
        shop.control.authenticate("payment_intent", intent["id"])
        (charge,) = shop.control.charges()
        assert (charge["payment_intent"], charge["amount"]) == (intent["id"], 1549)

    def test_may_decline_after_they_were_answered(self, shop: Shop) -> None:
        intent = shop.stripe.payment_intents.create({"amount": 1549, "currency": "usd"})
        path = f"/v1/payment_intents/{intent.id}/confirm"
        assert shop.as_customer(path, intent.client_secret, "4000008400001629").json()["status"] == "requires_action"
        after = shop.control.authenticate("payment_intent", intent.id)
        assert after["status"] == "requires_payment_method"
        assert after["last_payment_error"]["decline_code"] == "generic_decline"
        assert shop.control.charges() == []

    def test_may_fail_to_ask(self, shop: Shop) -> None:
        intent = shop.stripe.payment_intents.create({"amount": 1549, "currency": "usd"})
        answer = shop.as_customer(f"/v1/payment_intents/{intent.id}/confirm", intent.client_secret, "4000008400001280")
        assert (answer.status_code, answer.json()["error"]["code"]) == (402, "card_declined")

    def test_are_declined_at_once_where_nobody_can_be_asked(self, shop: Shop) -> None:
        error = refused(
            lambda: shop.stripe.payment_intents.create(
                {"amount": 1549, "currency": "usd", "payment_method": "pm_card_authenticationRequired", "confirm": True,
                 "error_on_requires_action": True, "automatic_payment_methods": NO_REDIRECTS}
            )
        )  # fmt: skip
        assert error.code == "authentication_required"
