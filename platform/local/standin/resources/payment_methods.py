"""Payment methods: cards, attached to customers or not (docs.stripe.com/api/payment_methods)."""

from __future__ import annotations

from datetime import UTC, datetime

from local.standin.call import Call
from local.standin.cards import (
    BAD_CVC,
    BAD_MONTH,
    BAD_YEAR,
    BY_NAME,
    CARDS,
    Card,
    Decline,
    card_of_number,
    decline_error,
)
from local.standin.store import Object
from local.standin.wire import (
    Kind,
    Params,
    StripeError,
    anything,
    integer,
    members,
    merge_metadata,
    metadata,
    missing,
    one_of,
    require,
    text,
)
from local.standin.world import World

BY_FINGERPRINT = {card.fingerprint: card for card in CARDS}

ADDRESS = ("city", "country", "line1", "line2", "postal_code", "state")
BILLING = members(address=members(**dict.fromkeys(ADDRESS, text)), email=text, name=text, phone=text)
KINDS: dict[str, Kind] = {
    "type": one_of("card"),
    "card": members(number=text, exp_month=integer, exp_year=integer, cvc=text, token=text, networks=anything),
    "billing_details": BILLING,
    "metadata": metadata,
    "allow_redisplay": one_of("always", "limited", "unspecified"),
}
CHANGES: dict[str, Kind] = {
    "card": members(exp_month=integer, exp_year=integer),
    "billing_details": BILLING,
    "metadata": metadata,
    "allow_redisplay": KINDS["allow_redisplay"],
}


def create(call: Call) -> Object:
    """Make a payment method from a card's number, as a client does."""
    return make(call.world, call.params)


def make(world: World, data: Params, *, within: str = "") -> Object:
    """Make a payment method from `payment_method_data`."""
    require(data, "type", "card", within=within)
    entered: Params = data["card"]
    if "token" in entered:
        card = BY_NAME.get("pm_card_" + entered["token"].removeprefix("tok_"))
        if card is None:
            raise missing("token", entered["token"], "card[token]")
    else:
        require(entered, "number", "exp_month", "exp_year", within="card")
        card = card_of_number(entered["number"])
    _check_expiry(world, entered)
    if not entered.get("cvc", "000").isdecimal() or len(entered.get("cvc", "000")) not in {3, 4}:
        raise decline_error(BAD_CVC, param="cvc")
    method = _new(world, card, billing=data.get("billing_details", {}))
    method["card"] |= {name: entered[name] for name in ("exp_month", "exp_year") if name in entered}
    method |= {
        "allow_redisplay": data.get("allow_redisplay", "unspecified"),
        "metadata": merge_metadata({}, data.get("metadata")),
    }
    return world.store.add(method)


def resolve(world: World, method_id: str, *, param: str = "payment_method") -> Object:
    """Answer a payment method; the name of a test card makes a new one each time."""
    if method_id in BY_NAME:
        return world.store.add(_new(world, BY_NAME[method_id], billing={}))
    return world.get("payment_method", method_id, param=param, name="PaymentMethod")


def behaviour(world: World, method: Object) -> Card:
    """Answer how the card behind a payment method behaves: as its number says, until its bank changes its mind."""
    if (number := world.store.hidden(method["id"], "behaves_like")) is not None:
        return card_of_number(number)
    return by_number(method["card"])


def by_number(card: Object) -> Card:
    """Answer how the card of a payment method or of a charge behaves by its number."""
    return BY_FINGERPRINT.get(card["fingerprint"]) or Card(card["last4"])


def is_set_up(world: World, method: Object) -> bool:
    """Answer whether its owner has authenticated it for later charges."""
    return world.store.hidden(method["id"], "set_up") is not None


def is_used_up(world: World, method: Object) -> bool:
    """Answer whether it was charged without a customer, or taken from one: neither may be used again."""
    return method["customer"] is None and world.store.hidden(method["id"], "used") is not None


def retrieve(call: Call) -> Object:
    """Answer a payment method."""
    return call.world.get("payment_method", call.id, name="PaymentMethod")


def update(call: Call) -> Object:
    """Change metadata, expiry or billing details, as a bank's card updater would."""
    method = call.world.get("payment_method", call.id, name="PaymentMethod")
    changes = call.params.get("card", {})
    _check_expiry(call.world, method["card"] | changes)
    method["card"] |= changes
    method["metadata"] = merge_metadata(method["metadata"], call.params.get("metadata"))
    method["billing_details"] |= call.params.get("billing_details", {})
    method["allow_redisplay"] = call.params.get("allow_redisplay", method["allow_redisplay"])
    call.world.store.save(method)
    call.tell("payment_method.updated", method)
    return method


def attach(call: Call) -> Object:
    """Attach to a customer; some cards are declined by then."""
    require(call.params, "customer")
    customer = call.world.get("customer", call.params["customer"], param="customer")
    method = resolve(call.world, call.id, param="id")
    if (decline := behaviour(call.world, method).at_attach) is not None:
        raise decline_error(decline)
    return give(call, method, customer["id"])


def give(call: Call, method: Object, customer: str) -> Object:
    """Attach a payment method, if it is free."""
    if method["customer"] == customer:
        return method
    if method["customer"] is not None:
        raise StripeError(
            "The payment method you provided has already been attached to a customer.",
            code="payment_method_unexpected_state",
        )
    if is_used_up(call.world, method):
        raise StripeError(
            "This PaymentMethod was previously used without being attached to a Customer or was detached from a Customer, "
            "and may not be used again.",
            code="payment_method_unexpected_state",
        )
    method["customer"] = customer
    call.world.store.save(method)
    call.tell("payment_method.attached", method)
    return method


def detach(call: Call) -> Object:
    """Take a payment method from its customer, for good."""
    method = call.world.get("payment_method", call.id, name="PaymentMethod")
    if method["customer"] is None:
        raise StripeError(
            "The payment method you provided is not attached to a customer so detachment is impossible.",
            code="payment_method_unexpected_state",
        )
    method["customer"] = None
    call.world.store.save(method)
    call.world.store.hide(method["id"], "used")
    call.tell("payment_method.detached", method)
    return method


def listing(call: Call) -> Object:
    """Answer payment methods, newest first, a customer's where one is named."""
    return call.listing(
        "payment_method", "/v1/payment_methods", customer=call.params.get("customer"), members=("type",)
    )


def _check_expiry(world: World, card: Params) -> None:
    if not 1 <= card.get("exp_month", 12) <= 12:
        raise decline_error(BAD_MONTH, param="exp_month")
    this_year = datetime.fromtimestamp(world.now(), UTC).year
    if not this_year <= card.get("exp_year", this_year) <= this_year + 50:
        raise decline_error(BAD_YEAR, param="exp_year")


def _new(world: World, card: Card, *, billing: Params) -> Object:
    return {
        "id": world.new_id("pm"),
        "object": "payment_method",
        "allow_redisplay": "unspecified",
        "billing_details": {
            "address": dict.fromkeys(ADDRESS) | billing.get("address", {}),
            "email": billing.get("email"),
            "name": billing.get("name"),
            "phone": billing.get("phone"),
            "tax_id": None,
        },
        "card": {
            "brand": card.brand,
            "checks": {"address_line1_check": None, "address_postal_code_check": None, "cvc_check": "pass"},
            "country": card.country,
            "display_brand": card.brand,
            "exp_month": 12,
            "exp_year": datetime.fromtimestamp(world.now(), UTC).year + 8,
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
        "metadata": {},
        "type": "card",
    }


def authentication_failure(kind: str, method: Object) -> Object:
    """Answer the error that an intent keeps when its customer did not pass the bank's question."""
    return StripeError(
        "The provided PaymentMethod has failed authentication. Provide another one to try again.",
        code=f"{kind}_authentication_failure",
        payment_method=method,
    ).body


def declined(decline: Decline, method: Object, **members: object) -> StripeError:
    """Answer the error of a declined card with the payment method that it stands for."""
    return decline_error(decline, payment_method=method, **members)
