"""Every test card, as docs.stripe.com/testing describes it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
import stripe

from local.standin.cards import CARDS
from tests.local.standin.kit import ALWAYS_AUTHENTICATES, FAILS_LATER, NO_REDIRECTS, VISA, Shop

OK = "succeeded"
ASKS = "requires_action"
AUTH = "authentication_required"


@dataclass(frozen=True)
class Behaviour:
    """Outcomes: a status, or the decline_code (else code) of the refusal; `saved` when a SetupIntent is confirmed.

    `off_session` is after `attach`, `set_up` after a SetupIntent whose authentication, if asked for, passed.
    """

    attach: str = OK
    saved: str = OK
    off_session: str = OK
    set_up: str = OK
    on_session: str = OK
    authenticated: str = ""


def refused(code: str) -> Behaviour:
    return Behaviour(code, code, off_session=code, set_up=code, on_session=code)


def asks(**others: str) -> Behaviour:
    outcomes = {"saved": ASKS, "off_session": AUTH, "set_up": AUTH, "on_session": ASKS, "authenticated": OK}
    return Behaviour(**(outcomes | others))


BEHAVIOURS = {
    VISA: Behaviour(),
    "4000056655665556": Behaviour(),
    "5555555555554444": Behaviour(),
    "378282246310005": Behaviour(),
    "4000002760000016": Behaviour(),
    "4000008260000000": Behaviour(),
    "4000003920000003": Behaviour(),
    "4000000000000002": refused("generic_decline"),
    "4000000000009995": refused("insufficient_funds"),
    "4000000000009987": refused("lost_card"),
    "4000000000009979": refused("stolen_card"),
    "4000000000000069": refused("expired_card"),
    "4000000000000127": refused("incorrect_cvc"),
    "4000000000000119": refused("processing_error"),
    "4000000000006975": refused("card_velocity_exceeded"),
    FAILS_LATER: Behaviour(off_session="generic_decline", set_up="generic_decline", on_session="generic_decline"),
    "4000002500003155": asks(set_up=OK),
    ALWAYS_AUTHENTICATES: asks(),
    "4000003800000446": asks(saved=OK, off_session=OK, set_up=OK),
    "4000000000003220": asks(),
    "4000008400001629": asks(authenticated="generic_decline"),
    "4000008400001280": asks(authenticated="processing_error"),
    "4000008260003178": asks(set_up="insufficient_funds", authenticated="insufficient_funds"),
    "4000000000000259": Behaviour(),
    "4000000000002685": Behaviour(),
    "4000000000001976": Behaviour(),
    "4000000000005423": Behaviour(),
    "4000000000007726": Behaviour(),
    "4000000000005126": Behaviour(),
}
every_card = pytest.mark.parametrize(("number", "behaviour"), BEHAVIOURS.items(), ids=BEHAVIOURS)


def code_of(refusal: stripe.CardError) -> str:
    assert refusal.http_status == 402
    assert refusal.error is not None
    return refusal.error.decline_code or refusal.code or ""


class TestTheTable:
    def test_has_every_card(self) -> None:
        assert {card.number for card in CARDS} == set(BEHAVIOURS)


@every_card
class TestACard:
    def test_is_attached_or_not(self, shop: Shop, number: str, behaviour: Behaviour) -> None:
        customer = shop.customer()
        method = shop.enter_card(number)
        if behaviour.attach == OK:
            assert shop.v1.payment_methods.attach(method, {"customer": customer}).customer == customer
        else:
            with pytest.raises(stripe.CardError) as refusal:
                shop.v1.payment_methods.attach(method, {"customer": customer})
            assert code_of(refusal.value) == behaviour.attach
            assert shop.v1.payment_methods.retrieve(method).customer is None

    def test_is_saved_or_not(self, shop: Shop, number: str, behaviour: Behaviour) -> None:
        made = shop.v1.setup_intents.create({"customer": shop.customer(), "automatic_payment_methods": NO_REDIRECTS})
        answer = shop.standin.confirm_setup(made.client_secret or "", number)
        if behaviour.attach == OK:
            assert (answer.status_code, answer.json()["status"]) == (200, behaviour.saved)
        else:
            error = answer.json()["error"]
            assert (answer.status_code, error["decline_code"]) == (402, behaviour.saved)
            assert error["setup_intent"]["status"] == "requires_payment_method"
            assert error["setup_intent"]["last_setup_error"]["decline_code"] == behaviour.saved

    def test_is_charged_off_session_after_it_was_attached(self, shop: Shop, number: str, behaviour: Behaviour) -> None:
        customer = shop.customer()
        method = shop.attach(customer, number) if behaviour.attach == OK else shop.enter_card(number)
        self.expect(shop, customer, method, behaviour.off_session)

    def test_is_charged_off_session_after_it_was_set_up(self, shop: Shop, number: str, behaviour: Behaviour) -> None:
        customer = shop.customer()
        saved = shop.set_up(customer, number)
        if behaviour.attach == OK:
            assert saved.status == OK
            self.expect(shop, customer, str(saved.payment_method), behaviour.set_up)
        else:
            assert (saved.status, saved.payment_method) == ("requires_payment_method", None)

    def expect(self, shop: Shop, customer: str, method: str, outcome: str) -> None:
        if outcome == OK:
            assert shop.renew(customer, method).status == OK
            assert [charge["amount"] for charge in shop.control.charges()] == [1549]
            return
        with pytest.raises(stripe.CardError) as refusal:
            shop.renew(customer, method)
        assert code_of(refusal.value) == outcome
        assert shop.control.charges() == []

    def test_is_charged_on_session(self, shop: Shop, number: str, behaviour: Behaviour) -> None:
        method = shop.enter_card(number)
        if behaviour.on_session in {OK, ASKS}:
            assert shop.charge(method).status == behaviour.on_session
        else:
            with pytest.raises(stripe.CardError) as refusal:
                shop.charge(method)
            assert code_of(refusal.value) == behaviour.on_session
        assert len(shop.control.charges()) == (behaviour.on_session == OK)


@pytest.mark.parametrize(
    ("number", "behaviour"), [entry for entry in BEHAVIOURS.items() if entry[1].on_session == ASKS]
)
class TestACardThatAsks:
    def test_is_charged_or_not_once_its_owner_has_answered_the_bank(
        self, shop: Shop, number: str, behaviour: Behaviour
    ) -> None:
        for passed in (True, False):
            waiting = shop.charge(shop.enter_card(number))
            shop.control.authenticate("payment_intent", waiting.id, passed=passed)
            found = shop.v1.payment_intents.retrieve(waiting.id)
            error = found.last_payment_error
            if passed and behaviour.authenticated == OK:
                assert (found.status, error) == (OK, None)
                continue
            assert (found.status, found.payment_method) == ("requires_payment_method", None)
            assert error is not None
            if passed:
                assert error.decline_code == behaviour.authenticated
            else:
                assert error.code == "payment_intent_authentication_failure"
        assert len(shop.control.charges()) == (behaviour.authenticated == OK)


class TestNumbers:
    @pytest.mark.parametrize("number", ["4242424242424241", "42", "4242 4242 4242 424x", "0" * 40])
    def test_that_are_none_are_refused(self, shop: Shop, number: str) -> None:
        with pytest.raises(stripe.CardError) as refusal:
            shop.enter_card(number)
        assert (refusal.value.code, refusal.value.http_status) == ("incorrect_number", 402)

    def test_that_are_not_in_the_table_are_charged(self, shop: Shop) -> None:
        assert shop.charge(shop.enter_card("4000000000000077")).status == OK

    def test_are_the_same_card_whoever_enters_them(self, shop: Shop) -> None:
        prints = set()
        for _ in range(2):
            card = shop.v1.payment_methods.retrieve(shop.enter_card(VISA)).card
            assert card is not None
            prints.add(card.fingerprint)
        assert len(prints) == 1

    @pytest.mark.parametrize(
        ("member", "value", "code"),
        [
            ("exp_month", "13", "invalid_expiry_month"),
            ("exp_year", "2019", "invalid_expiry_year"),
            ("cvc", "1x", "invalid_cvc"),
        ],
    )
    def test_come_with_a_possible_expiry_and_cvc(self, shop: Shop, member: str, value: str, code: str) -> None:
        card: Any = {"number": VISA, "exp_month": "12", "exp_year": "2034", "cvc": "123"} | {member: value}
        with pytest.raises(stripe.CardError) as refusal:
            shop.v1.payment_methods.create({"type": "card", "card": card})
        assert refusal.value.code == code


class TestNamesOfTestCards:
    @pytest.mark.parametrize(("name", "status"), [("pm_card_visa", OK), ("pm_card_authenticationRequired", ASKS)])
    def test_are_charged_without_being_made(self, shop: Shop, name: str, status: str) -> None:
        assert shop.charge(name).status == status

    def test_are_attached_as_a_new_card_each(self, shop: Shop) -> None:
        methods = {
            shop.v1.payment_methods.attach("pm_card_mastercard", {"customer": shop.customer()}).id for _ in range(2)
        }
        assert len(methods) == 2

    def test_fail_as_the_number_does(self, shop: Shop) -> None:
        with pytest.raises(stripe.CardError) as refusal:
            shop.charge("pm_card_visa_chargeDeclinedLostCard")
        assert code_of(refusal.value) == "lost_card"
        assert refusal.value.error is not None
        assert refusal.value.error["advice_code"] == "do_not_try_again"
