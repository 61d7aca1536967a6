"""PaymentIntents (docs.stripe.com/api/payment_intents)."""

from __future__ import annotations

from typing import Any

import pycountry

from local.standin.call import Call
from local.standin.cards import AUTHENTICATION, Card, Decline
from local.standin.resources import charges, intents, payment_methods
from local.standin.store import Object
from local.standin.wire import (
    Kind,
    Params,
    StripeError,
    anything,
    boolean,
    integer,
    merge_metadata,
    metadata,
    one_of,
    require,
    text,
)
from local.standin.world import World

# docs.stripe.com/currencies#minimum-and-maximum-charge-amounts
MINIMUM = {"usd": 50, "aed": 200, "aud": 50, "brl": 50, "cad": 50, "chf": 50, "czk": 1500, "dkk": 250, "eur": 50,
           "gbp": 30, "hkd": 400, "huf": 17500, "inr": 50, "jpy": 50, "mxn": 1000, "myr": 200, "nok": 300, "nzd": 50,
           "pln": 200, "ron": 200, "sek": 300, "sgd": 50, "thb": 1000}  # fmt: skip
LARGEST = 99_999_999

# docs.stripe.com/currencies#special-cases: written with decimals that cannot be charged.
MULTIPLE = {"isk": 100, "ugx": 100, "bhd": 10, "jod": 10, "kwd": 10, "omr": 10, "tnd": 10}


def off_session(value: Any, where: str) -> bool:
    """Whether the customer is absent: a truth value, or the older words for it."""
    return True if value in ("one_off", "recurring") else bool(boolean(value, where))


CONFIRM: dict[str, Kind] = intents.METHOD | {
    # Money is taken at once here: what would wait for a later capture is refused.
    "capture_method": one_of("automatic", "automatic_async"),
    "error_on_requires_action": boolean,
    "off_session": off_session,
    "receipt_email": text,
    "setup_future_usage": one_of("off_session", "on_session"),
    "shipping": anything,
}
CHANGES: dict[str, Kind] = {
    "amount": integer,
    "description": text,
    "metadata": metadata,
    "payment_method": text,
    "receipt_email": text,
    "setup_future_usage": CONFIRM["setup_future_usage"],
    "shipping": anything,
    "statement_descriptor": text,
    "statement_descriptor_suffix": text,
}
KINDS: dict[str, Kind] = (
    CHANGES
    | CONFIRM
    | {
        "automatic_payment_methods": intents.AUTOMATIC,
        "confirm": boolean,
        "confirmation_method": one_of("automatic"),
        "currency": text,
        "customer": text,
    }
)
KEPT = ("description", "receipt_email", "setup_future_usage", "shipping", "statement_descriptor",
        "statement_descriptor_suffix")  # fmt: skip
"""Parameters that become the member of the same name."""


def create(call: Call) -> Object:
    """Make a PaymentIntent, and confirm it if asked: one call is one charge."""
    params = call.params
    require(params, "amount", "currency")
    currency = _currency(params["currency"])
    _check_amount(params["amount"], currency)
    if params.get("off_session") and not params.get("confirm"):
        raise StripeError("You cannot set `off_session` when `confirm` is not true.", param="off_session")
    if "customer" in params:
        call.world.get("customer", params["customer"], param="customer")
    intent = _new(call.world, params, currency)
    if "payment_method" in params:
        intent["payment_method"] = payment_methods.resolve(call.world, params["payment_method"])["id"]
        intent["status"] = "requires_confirmation"
    call.world.store.add(intent)
    call.tell("payment_intent.created", intent)
    return _confirm(call, intent) if params.get("confirm") else intent


def _currency(given: str) -> str:
    currency = given.lower()
    if pycountry.currencies.get(alpha_3=currency.upper()) is None:
        raise StripeError(f"Invalid currency: {currency}.", param="currency")
    return currency


def _check_amount(amount: int, currency: str) -> None:
    if amount < 1:
        raise StripeError("Invalid positive integer", code="parameter_invalid_integer", param="amount")
    if amount < MINIMUM.get(currency, 1):
        raise StripeError("Amount must convert to at least 50 cents.", code="amount_too_small", param="amount")
    if amount > LARGEST:
        raise StripeError("Amount must be no more than 999,999.99.", code="amount_too_large", param="amount")
    if amount % (multiple := MULTIPLE.get(currency, 1)):
        raise StripeError(f"Amounts in {currency} must be divisible by {multiple}.", param="amount")


def _new(world: World, params: Params, currency: str) -> Object:
    intent_id = world.new_id("pi")
    return {
        "id": intent_id,
        "object": "payment_intent",
        "amount": params["amount"],
        "amount_capturable": 0,
        "amount_details": {"tip": {}},
        "amount_received": 0,
        "application": None,
        "application_fee_amount": None,
        "automatic_payment_methods": intents.automatic_payment_methods(params),
        "canceled_at": None,
        "cancellation_reason": None,
        "capture_method": params.get("capture_method", "automatic_async"),
        "client_secret": world.new_id(f"{intent_id}_secret"),
        "confirmation_method": "automatic",
        "created": world.now(),
        "currency": currency,
        "customer": params.get("customer"),
        "last_payment_error": None,
        "latest_charge": None,
        "livemode": False,
        "metadata": merge_metadata({}, params.get("metadata")),
        "next_action": None,
        "on_behalf_of": None,
        "payment_method": None,
        "payment_method_options": {},
        "payment_method_types": ["card"],
        "processing": None,
        "review": None,
        "source": None,
        "status": "requires_payment_method",
        "transfer_data": None,
        "transfer_group": None,
    } | {name: params.get(name) for name in KEPT}


def retrieve(call: Call) -> Object:
    """Answer a PaymentIntent."""
    intent = call.world.get("payment_intent", call.id)
    call.check_client_secret(intent)
    return intent


def update(call: Call) -> Object:
    """Change what is to be charged, while it is not, and what is known of it."""
    intent = call.world.get("payment_intent", call.id)
    if {"amount", "payment_method"} & call.params.keys() and intent["status"] not in intents.OPEN:
        raise intents.unexpected(intent, "update")
    if "amount" in call.params:
        _check_amount(call.params["amount"], intent["currency"])
        intent["amount"] = call.params["amount"]
    if "payment_method" in call.params:
        method = payment_methods.resolve(call.world, call.params["payment_method"])
        intent |= {"payment_method": method["id"], "status": "requires_confirmation", "next_action": None}
    _keep(call, intent)
    return call.world.store.save(intent)


def _keep(call: Call, intent: Object) -> None:
    intent["metadata"] = merge_metadata(intent["metadata"], call.params.get("metadata"))
    intent |= {name: call.params[name] or None for name in KEPT if name in call.params}


def confirm(call: Call) -> Object:
    """Confirm, on session by a client or off session by us."""
    intent = retrieve(call)
    if intent["status"] not in intents.OPEN:
        raise intents.unexpected(intent, "confirm")
    _keep(call, intent)
    return _confirm(call, intent)


def cancel(call: Call) -> Object:
    """Give it up; a paid one cannot be."""
    intent = call.world.get("payment_intent", call.id)
    if intent["status"] not in intents.OPEN:
        raise intents.unexpected(intent, "cancel")
    intent |= {
        "status": "canceled",
        "canceled_at": call.world.now(),
        "cancellation_reason": call.params.get("cancellation_reason"),
        "next_action": None,
    }
    call.world.store.save(intent)
    call.tell("payment_intent.canceled", intent)
    return intent


def listing(call: Call) -> Object:
    """Answer PaymentIntents, newest first, a customer's where one is named."""
    customer = call.params.get("customer")
    if customer and call.world.store.find("deleted_customer", customer) is None:
        call.world.get("customer", customer, param="customer")
    return call.listing("payment_intent", "/v1/payment_intents", customer=customer)


def finish_authentication(call: Call, intent: Object, *, passed: bool) -> Object:
    """End the bank's question to the customer: charge, or fail."""
    if intent["status"] != "requires_action":
        raise intents.unexpected(intent, "authenticate")
    method = call.world.get("payment_method", intent["payment_method"])
    if not passed:
        return _fail(call, intent, payment_methods.authentication_failure("payment_intent", method))
    card = payment_methods.behaviour(call.world, method)
    if (decline := card.after_authentication or card.at_charge) is not None:
        return _decline(call, intent, method, decline)
    if intent["setup_future_usage"] == "off_session":
        call.world.store.hide(method["id"], "set_up")
    return _succeed(call, intent, method, card)


def _confirm(call: Call, intent: Object) -> Object:
    intents.check_return_address(call, intent)
    method = intents.choose_method(call, intent)
    _check_owner(call.world, intent, method)
    card = payment_methods.behaviour(call.world, method)
    absent = call.params.get("off_session", False)
    intent["payment_method"] = method["id"]
    if _must_authenticate(call.world, card, method, absent=absent):
        if absent or call.params.get("error_on_requires_action"):
            return _refuse(call, intent, method, AUTHENTICATION)
        intent |= {
            "status": "requires_action",
            "next_action": intents.ask_bank(call, intent),
            "last_payment_error": None,
        }
        call.world.store.save(intent)
        call.tell("payment_intent.requires_action", intent)
        return intent
    if card.at_charge is not None:
        return _refuse(call, intent, method, card.at_charge)
    return _succeed(call, intent, method, card)


def _check_owner(world: World, intent: Object, method: Object) -> None:
    if method["customer"] is not None and method["customer"] != intent["customer"]:
        raise StripeError(
            f"The provided PaymentMethod belongs to Customer {method['customer']}; supply this customer.",
            param="payment_method",
        )
    if payment_methods.is_used_up(world, method):
        raise StripeError(
            "This PaymentMethod was previously used without being attached to a Customer or was detached from a Customer, "
            "and may not be used again.",
            param="payment_method",
        )


def _must_authenticate(world: World, card: Card, method: Object, *, absent: bool) -> bool:
    match card.authentication:
        case "always":
            return True
        case "on_session":
            return not absent
        case "unless_set_up":
            return not (absent and payment_methods.is_set_up(world, method))
    return False


def _succeed(call: Call, intent: Object, method: Object, card: Card) -> Object:
    world = call.world
    charge = charges.paid(world, intent, method)
    intent |= {
        "status": "succeeded",
        "amount_received": intent["amount"],
        "latest_charge": charge["id"],
        "last_payment_error": None,
        "next_action": None,
    }
    if method["customer"] is None:
        if intent["customer"] and intent["setup_future_usage"]:
            payment_methods.give(call, method, intent["customer"])
        else:
            world.store.hide(method["id"], "used")
    world.store.save(intent)
    call.tell("charge.succeeded", charge)
    call.tell("payment_intent.succeeded", intent)
    if card.dispute is not None:
        world.later(f"dispute:{card.dispute}", charge["id"])
    return intent


def _refuse(call: Call, intent: Object, method: Object, decline: Decline) -> Object:
    failed = _decline(call, intent, method, decline)
    raise payment_methods.declined(decline, method, charge=failed["latest_charge"], payment_intent=failed)


def _decline(call: Call, intent: Object, method: Object, decline: Decline) -> Object:
    charge = charges.declined(call.world, intent, method, decline)
    intent["latest_charge"] = charge["id"]
    call.tell("charge.failed", charge)
    return _fail(call, intent, payment_methods.declined(decline, method, charge=charge["id"]).body)


def _fail(call: Call, intent: Object, error: Object) -> Object:
    intent |= {
        "status": "requires_payment_method",
        "payment_method": None,
        "last_payment_error": error,
        "next_action": None,
    }
    call.world.store.save(intent)
    call.tell("payment_intent.payment_failed", intent)
    return intent
