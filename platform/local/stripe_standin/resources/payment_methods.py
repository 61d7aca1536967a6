"""PaymentMethods: cards, made from Stripe's test numbers or from its names for them."""

from __future__ import annotations

from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

from local.stripe_standin import cards
from local.stripe_standin.cards import Authentication, Decline, TestCard
from local.stripe_standin.errors import CardError, InvalidRequest, NotFound
from local.stripe_standin.operations import listing, operation
from local.stripe_standin.params import (
    ADDRESS,
    PAGE,
    Required,
    Schema,
    anything,
    choice,
    hash_of,
    integer,
    merge_metadata,
    metadata,
    text,
    unsettable,
)
from local.stripe_standin.work import Thing, Work, public

BILLING = hash_of(
    {
        "address": unsettable(ADDRESS),
        "email": unsettable(text()),
        "name": unsettable(text()),
        "phone": unsettable(text()),
        "tax_id": text(),
    }
)
NEW_CARD = hash_of(
    {
        "number": Required(text()),
        "exp_month": Required(integer()),
        "exp_year": Required(integer()),
        "cvc": text(),
        "networks": anything,
    }
)
DATA: Schema = {
    "type": Required(choice("card")),
    "card": NEW_CARD,
    "billing_details": BILLING,
    "metadata": metadata,
    "allow_redisplay": choice("always", "limited", "unspecified"),
    "radar_options": anything,
}
"""What a card is made from: parameters of its own, or `payment_method_data` of an intent."""


# ------------------------------------------------ endpoints


@operation("POST", "/v1/payment_methods", DATA, for_clients=True)
def create(work: Work, params: dict[str, Any]) -> Thing:
    return public(make(work, params))


@operation(
    "GET", "/v1/payment_methods", {**PAGE, "customer": text(), "type": choice("card"), "allow_redisplay": anything}
)
def list_(work: Work, params: dict[str, Any]) -> Thing:
    return listing(work, "payment_method", params, "/v1/payment_methods", customer=params.get("customer"))


@operation("GET", "/v1/payment_methods/{method}")
def retrieve(work: Work, params: dict[str, Any], method: str) -> Thing:
    return public(get(work, method))


@operation(
    "POST",
    "/v1/payment_methods/{method}",
    {
        "billing_details": BILLING,
        "card": hash_of({"exp_month": integer(1, 12), "exp_year": integer(), "networks": anything}),
        "metadata": metadata,
        "allow_redisplay": choice("always", "limited", "unspecified"),
    },
)
def update(work: Work, params: dict[str, Any], method: str) -> Thing:
    found = get(work, method)
    if found["customer"] is None:
        raise InvalidRequest(
            "You must save this PaymentMethod to a customer before you can update it.", param="payment_method"
        )
    previous: Thing = {}
    for name, value in params.items():
        if name == "expand":
            continue
        previous[name] = found[name]
        match name:
            case "metadata":
                found[name] = merge_metadata(found[name], value)
            case "card" | "billing_details":
                found[name] = {**found[name], **value}
            case _:
                found[name] = value
    work.save(found)
    work.emit("payment_method.updated", found, previous=previous)
    return public(found)


@operation("POST", "/v1/payment_methods/{method}/attach", {"customer": Required(text()), "customer_account": text()})
def attach_(work: Work, params: dict[str, Any], method: str) -> Thing:
    work.get("customer", params["customer"], param="customer")
    found = resolve(work, method)
    attach(work, found, params["customer"])
    return public(found)


@operation("POST", "/v1/payment_methods/{method}/detach")
def detach_(work: Work, params: dict[str, Any], method: str) -> Thing:
    found = get(work, method)
    if found["customer"] is None:
        raise InvalidRequest(
            "The payment method you provided is not attached to a customer so detachment is impossible.",
            param="payment_method",
        )
    detach(work, found)
    return public(found)


# ------------------------------------------------ what intents do with cards


def make(work: Work, data: dict[str, Any]) -> Thing:
    """Make a PaymentMethod from a card's details; raises CardError for details that no bank would take."""
    given = data.get("card")
    if given is None:
        raise InvalidRequest("Missing required param: card.", code="parameter_missing", param="card")
    card = cards.by_number(given["number"])
    year = given["exp_year"] + (2000 if given["exp_year"] < 100 else 0)
    today = datetime.fromtimestamp(work.now, UTC)
    if not 1 <= given["exp_month"] <= 12:
        raise CardError("Your card's expiration month is invalid.", code="invalid_expiry_month", param="exp_month")
    if (year, given["exp_month"]) < (today.year, today.month) or year > today.year + 50:
        raise CardError("Your card's expiration year is invalid.", code="invalid_expiry_year", param="exp_year")
    cvc = given.get("cvc")
    if cvc is not None and not (cvc.isdecimal() and len(cvc) in {3, 4}):
        raise CardError("Your card's security code is invalid.", code="invalid_cvc", param="cvc")
    method = _new(work, card, given["exp_month"], year, "pass" if cvc else None)
    if details := data.get("billing_details"):
        method["billing_details"] = {**method["billing_details"], **details}
    method["metadata"] = merge_metadata({}, data.get("metadata", {}))
    method["allow_redisplay"] = data.get("allow_redisplay", "unspecified")
    return method


def resolve(work: Work, method_id: str) -> Thing:
    """Answer a PaymentMethod; one of Stripe's names for test cards makes a new one."""
    if card := cards.BY_ID.get(method_id):
        return _new(work, card, 12, datetime.fromtimestamp(work.now, UTC).year + 5, None)
    return get(work, method_id)


def get(work: Work, method_id: str) -> Thing:
    """Answer a PaymentMethod; raises NotFound."""
    found = work.find(method_id)
    if found is None or found["object"] != "payment_method":
        raise NotFound.of("PaymentMethod", method_id, param="payment_method")
    return found


def _new(work: Work, card: TestCard, month: int, year: int, cvc_check: str | None) -> Thing:
    return work.new(
        "payment_method",
        card={
            "brand": card.brand,
            "checks": {"address_line1_check": None, "address_postal_code_check": None, "cvc_check": cvc_check},
            "country": card.country,
            "display_brand": card.brand,
            "exp_month": month,
            "exp_year": year,
            "fingerprint": sha256(card.number.encode()).hexdigest()[:16],
            "funding": card.funding,
            "generated_from": None,
            "last4": card.last4,
            "networks": {"available": [card.brand], "preferred": None},
            "regulated_status": "unregulated",
            "three_d_secure_usage": {"supported": True},
            "wallet": None,
        },
        _number=card.number,
    )


def behaviour(method: Thing) -> TestCard:
    """Answer the test card that a PaymentMethod behaves as."""
    return cards.BY_NUMBER[method["_number"]]


def attach(work: Work, method: Thing, customer: str) -> None:
    """Save a card with a customer; raises CardError if its bank declines that."""
    if method["customer"] not in {None, customer}:
        raise InvalidRequest(
            "The payment method you provided has already been attached to a customer.", param="payment_method"
        )
    refuse_spent(method)
    if decline := behaviour(method).on_attach:
        raise decline.error()
    if method["customer"] is None:
        method["customer"] = customer
        work.save(method)
        work.emit("payment_method.attached", method)


def detach(work: Work, method: Thing) -> None:
    """Part a card from its customer, for good."""
    customer = method["customer"]
    method.update(customer=None, _spent=True)
    work.save(method)
    work.emit("payment_method.detached", method, previous={"customer": customer})
    owner = work.find(customer)
    if owner and not owner.get("deleted") and owner["invoice_settings"]["default_payment_method"] == method["id"]:
        owner["invoice_settings"] = {**owner["invoice_settings"], "default_payment_method": None}
        work.save(owner)


def refuse_spent(method: Thing) -> None:
    """Refuse a card that was used without being saved, or was detached: it can be used no more."""
    if method.get("_spent"):
        raise InvalidRequest(
            "The provided PaymentMethod was previously used with a PaymentIntent without Customer attachment, shared "
            "with a connected account without Customer attachment, or was detached from a Customer. It may not be used "
            "again. To use a PaymentMethod multiple times, you must attach it to a Customer first.",
            param="payment_method",
        )


def check_usable(method: Thing, customer: str | None) -> None:
    """Refuse a card that the intent's customer may not use."""
    refuse_spent(method)
    if method["customer"] and method["customer"] != customer:
        raise InvalidRequest(
            f"The payment method supplied ({method['id']}) belongs to a Customer. Please include the Customer in the "
            "`customer` parameter."
            if customer is None
            else f"The provided PaymentMethod cannot be used: the customer does not have a payment method with the ID "
            f"{method['id']}. The payment method must be attached to the customer.",
            param="payment_method",
        )


def needs_authentication(method: Thing, *, off_session: bool) -> bool:
    """Answer whether the bank wants to see the customer before this payment."""
    match behaviour(method).authentication:
        case Authentication.ALWAYS:
            return True
        case Authentication.UNLESS_SET_UP:
            return not off_session or not method.get("_set_up")
        case Authentication.ALREADY_SET_UP:
            return not off_session
    return False


def setup_needs_authentication(method: Thing) -> bool:
    """Answer whether the bank wants to see the customer before the card is saved."""
    return behaviour(method).authentication in {Authentication.ALWAYS, Authentication.UNLESS_SET_UP}


def last_error(decline: Decline, method: Thing, **fields: Any) -> Thing:
    """Answer a decline as intents keep it."""
    error = decline.error(**fields, **network_advice(decline, method)).body("req")["error"]
    del error["request_log_url"]
    return {**error, "payment_method": public(method)}


def network_advice(decline: Decline, method: Thing) -> dict[str, str]:
    """Answer the advice code that Mastercard sends with a decline."""
    code = {"confirm_card_data": "01", "try_again_later": "02", "do_not_try_again": "03"}.get(decline.advice or "")
    return {"network_advice_code": code} if code and method["card"]["brand"] == "mastercard" else {}
