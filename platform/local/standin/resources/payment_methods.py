"""Payment methods: cards, attached to customers or not (docs.stripe.com/api/payment_methods)."""

from __future__ import annotations

from typing import Any

from local.standin.call import Call
from local.standin.cards import BY_NAME, CARDS, TestCard, card_of_number, decline_error
from local.standin.store import Object
from local.standin.wire import Params, StripeError, merge_metadata, missing, require
from local.standin.world import World

BY_FINGERPRINT = {card.fingerprint: card for card in CARDS}


def create(call: Call) -> Object:
    """Make a payment method from a card's number, as a client does."""
    require(call.params, "type")
    return make(call.world, call.params)


def make(world: World, data: Params) -> Object:
    """Make a payment method from `payment_method_data`."""
    if data.get("type") != "card":
        raise StripeError("Only cards are known here.", param="type")
    entered: dict[str, Any] = data.get("card") or {}
    if "token" in entered:
        card = BY_NAME.get("pm_card_" + str(entered["token"]).removeprefix("tok_"))
        if card is None:
            raise missing("token", entered["token"], "card[token]")
    else:
        require(entered, "number")
        card = card_of_number(entered["number"])
    return _add(
        world,
        card,
        exp_month=int(entered.get("exp_month", 12)),
        exp_year=int(entered.get("exp_year", 2034)),
        billing=data.get("billing_details") or {},
        metadata=merge_metadata({}, data.get("metadata")),
    )


def resolve(world: World, method_id: str, *, param: str = "payment_method") -> Object:
    """Answer a payment method; the name of a test card makes a new one each time."""
    if method_id in BY_NAME:
        return _add(world, BY_NAME[method_id], exp_month=12, exp_year=2034, billing={}, metadata={})
    return world.get("payment_method", method_id, param=param, name="PaymentMethod")


def behaviour(method: Object) -> TestCard:
    """Answer how the card behind a payment method behaves."""
    return BY_FINGERPRINT.get(method["card"]["fingerprint"]) or TestCard(method["card"]["last4"])


def retrieve(call: Call) -> Object:
    """Answer a payment method."""
    return shown(call.world.get("payment_method", call.id, name="PaymentMethod"))


def update(call: Call) -> Object:
    """Change metadata, expiry or billing details, as a bank's card updater would."""
    method = call.world.get("payment_method", call.id, name="PaymentMethod")
    method["metadata"] = merge_metadata(method["metadata"], call.params.get("metadata"))
    for name in ("exp_month", "exp_year"):
        if name in (call.params.get("card") or {}):
            method["card"][name] = int(call.params["card"][name])
    method["billing_details"] |= call.params.get("billing_details") or {}
    call.world.store.save(method)
    call.tell("payment_method.updated", shown(method))
    return shown(method)


def attach(call: Call) -> Object:
    """Attach to a customer; some cards are declined by then."""
    require(call.params, "customer")
    customer = call.world.get("customer", call.params["customer"], param="customer")
    method = resolve(call.world, call.id)
    if (decline := behaviour(method).at_attach) is not None:
        raise decline_error(decline)
    return shown(give(call, method, customer["id"]))


def give(call: Call, method: Object, customer: str) -> Object:
    """Attach a payment method, if it is free."""
    if method["customer"] == customer:
        return method
    if method["customer"] is not None:
        raise StripeError(
            "The payment method you provided has already been attached to a customer.",
            code="payment_method_unexpected_state",
        )
    if method.get("used"):
        raise StripeError(
            "This PaymentMethod was previously used without being attached to a Customer or was detached from a Customer, "
            "and may not be used again.",
            code="payment_method_unexpected_state",
        )
    method["customer"] = customer
    call.world.store.save(method)
    call.tell("payment_method.attached", shown(method))
    return method


def detach(call: Call) -> Object:
    """Take a payment method from its customer, for good."""
    method = call.world.get("payment_method", call.id, name="PaymentMethod")
    if method["customer"] is None:
        raise StripeError(
            "The payment method you provided is not attached to a customer so detachment is impossible.",
            code="payment_method_unexpected_state",
        )
    method |= {"customer": None, "used": True}
    call.world.store.save(method)
    call.tell("payment_method.detached", shown(method))
    return shown(method)


def listing(call: Call) -> Object:
    """Answer a customer's payment methods."""
    page = call.listing("payment_method", "/v1/payment_methods", customer=call.params.get("customer"))
    return page | {"data": [shown(method) for method in page["data"]]}


def shown(method: Object) -> Object:
    """Answer a payment method without what only we know of it."""
    return {name: value for name, value in method.items() if name not in {"used", "authenticated"}}


def _add(
    world: World, card: TestCard, *, exp_month: int, exp_year: int, billing: Params, metadata: dict[str, str]
) -> Object:
    return world.store.add(
        {
            "id": world.new_id("pm"),
            "object": "payment_method",
            "allow_redisplay": "unspecified",
            "billing_details": {
                "address": _address(billing.get("address")),
                "email": None,
                "name": None,
                "phone": None,
                "tax_id": None,
            }
            | {name: billing[name] for name in ("email", "name", "phone") if name in billing},
            "card": {
                "brand": card.brand,
                "checks": {"address_line1_check": None, "address_postal_code_check": None, "cvc_check": "pass"},
                "country": card.country,
                "display_brand": card.brand,
                "exp_month": exp_month,
                "exp_year": exp_year,
                "fingerprint": card.fingerprint,
                "funding": "credit",
                "generated_from": None,
                "last4": card.last4,
                "networks": {"available": [card.brand], "preferred": None},
                "three_d_secure_usage": {"supported": True},
                "wallet": None,
            },
            "created": world.now(),
            "customer": None,
            "livemode": False,
            "metadata": metadata,
            "type": "card",
        }
    )


def _address(given: Params | None) -> Params:
    empty = dict.fromkeys(("city", "country", "line1", "line2", "postal_code", "state"))
    return empty | (given or {})
