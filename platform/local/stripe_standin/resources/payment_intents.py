"""PaymentIntents: one amount to be collected, however many tries and customers' steps that takes."""

from __future__ import annotations

from typing import Any

from local.stripe_standin.errors import InvalidParameter, InvalidRequest
from local.stripe_standin.money import check_amount, currency
from local.stripe_standin.operations import listing, operation
from local.stripe_standin.params import (
    ADDRESS,
    PAGE,
    RANGE,
    Required,
    anything,
    boolean,
    choice,
    hash_of,
    integer,
    merge_metadata,
    metadata,
    text,
    unsettable,
)
from local.stripe_standin.resources import paying, payment_methods
from local.stripe_standin.resources.intents import (
    AUTOMATIC,
    CONFIRMABLE,
    METHOD,
    given_method,
    new_secret,
    require_return_url,
    unexpected,
)
from local.stripe_standin.work import Thing, Work, public

KIND = "payment_intent"
CANCELABLE = ("requires_payment_method", "requires_capture", "requires_confirmation", "requires_action", "processing")
_ABOUT = {
    "amount_details": anything,
    "description": unsettable(text(1000)),
    "metadata": metadata,
    "payment_details": anything,
    "receipt_email": unsettable(text()),
    "setup_future_usage": unsettable(choice("off_session", "on_session")),
    "shipping": unsettable(
        hash_of(
            {"address": ADDRESS, "name": text(), "phone": text(), "carrier": text(), "tracking_number": text()},
        )
    ),
    "statement_descriptor": text(22),
    "statement_descriptor_suffix": text(22),
    "transfer_group": text(),
}
_CAPTURE = choice("automatic", "automatic_async", "manual")
_CONFIRM = {
    **METHOD,
    "error_on_requires_action": boolean,
    "mandate": text(),
    "off_session": choice("true", "false", "one_off", "recurring"),
    "return_url": text(),
    "use_stripe_sdk": boolean,
}


# ------------------------------------------------ endpoints


@operation(
    "POST",
    "/v1/payment_intents",
    {
        **_CONFIRM,
        **_ABOUT,
        "amount": Required(integer()),
        "automatic_payment_methods": AUTOMATIC,
        "capture_method": _CAPTURE,
        "confirm": boolean,
        "confirmation_method": choice("automatic", "manual"),
        "currency": Required(currency),
        "customer": text(),
        "payment_method_configuration": text(),
    },
)
def create(work: Work, params: dict[str, Any]) -> Thing:
    check_amount(params["amount"], params["currency"])
    confirming = params.get("confirm", False)
    if not confirming and (only := {"off_session", "error_on_requires_action", "return_url"} & params.keys()):
        name = min(only)
        raise InvalidParameter(f"`{name}` can only be set when `confirm` is true.", param=name)
    if params.get("customer"):
        work.get("customer", params["customer"], param="customer")
    intent = work.new(
        KIND,
        amount=params["amount"],
        automatic_payment_methods={
            "allow_redirects": "always",
            **params.get("automatic_payment_methods", {"enabled": True}),
        },
        capture_method=params.get("capture_method"),
        confirmation_method=params.get("confirmation_method"),
        currency=params["currency"],
        customer=params.get("customer"),
    )
    intent["client_secret"] = new_secret(intent)
    _describe(intent, params)
    method = given_method(work, params)
    if method:
        payment_methods.check_usable(method, intent["customer"])
        intent.update(payment_method=method["id"], status="requires_confirmation")
    work.emit("payment_intent.created", intent)
    if confirming:
        _confirm(work, intent, method, params)
    return public(intent)


@operation("GET", "/v1/payment_intents", {**PAGE, "created": RANGE, "customer": text(), "customer_account": text()})
def list_(work: Work, params: dict[str, Any]) -> Thing:
    return listing(work, KIND, params, "/v1/payment_intents", customer=params.get("customer"))


@operation("GET", "/v1/payment_intents/{intent}", {"client_secret": text()}, for_clients=True)
def retrieve(work: Work, params: dict[str, Any], intent: str) -> Thing:
    return public(work.get(KIND, intent, param="intent"))


@operation(
    "POST",
    "/v1/payment_intents/{intent}",
    {
        **METHOD,
        **_ABOUT,
        "amount": integer(),
        "capture_method": _CAPTURE,
        "currency": currency,
        "customer": text(),
    },
)
def update(work: Work, params: dict[str, Any], intent: str) -> Thing:
    found = work.get(KIND, intent, param="intent")
    fixed = params.keys() & {"amount", "currency", "customer", "payment_method", "payment_method_data"}
    if fixed and found["status"] not in CONFIRMABLE:
        raise unexpected(
            found, f"This PaymentIntent's {min(fixed)} cannot be changed: its status is {found['status']}."
        )
    check_amount(params.get("amount") or found["amount"], params.get("currency") or found["currency"])
    if params.get("customer"):
        work.get("customer", params["customer"], param="customer")
    found.update(
        {name: params[name] for name in ("amount", "currency", "customer", "capture_method") if name in params}
    )
    _describe(found, params)
    if method := given_method(work, params):
        payment_methods.check_usable(method, found["customer"])
        found.update(payment_method=method["id"], status="requires_confirmation")
    work.save(found)
    return public(found)


@operation(
    "POST",
    "/v1/payment_intents/{intent}/confirm",
    {
        **_CONFIRM,
        "capture_method": _CAPTURE,
        "client_secret": text(),
        "receipt_email": unsettable(text()),
        "setup_future_usage": unsettable(choice("off_session", "on_session")),
        "shipping": anything,
    },
    for_clients=True,
)
def confirm(work: Work, params: dict[str, Any], intent: str) -> Thing:
    found = work.get(KIND, intent, param="intent")
    if found["status"] == "succeeded":
        raise unexpected(
            found,
            "You cannot confirm this PaymentIntent because it has already succeeded after being previously confirmed.",
        )
    if found["status"] not in CONFIRMABLE:
        raise unexpected(found, f"You cannot confirm this PaymentIntent because it has a status of {found['status']}.")
    _describe(found, {name: params[name] for name in ("receipt_email", "setup_future_usage") if name in params})
    if "capture_method" in params:
        found["capture_method"] = params["capture_method"]
    _confirm(work, found, given_method(work, params), params)
    return public(found)


@operation(
    "POST",
    "/v1/payment_intents/{intent}/capture",
    {"amount_to_capture": integer(1), "metadata": metadata, "statement_descriptor": text(22), "final_capture": boolean},
)
def capture(work: Work, params: dict[str, Any], intent: str) -> Thing:
    found = work.get(KIND, intent, param="intent")
    if found["status"] != "requires_capture":
        raise unexpected(
            found,
            "This PaymentIntent could not be captured because it has a status of "
            f"{found['status']}. Only a PaymentIntent with one of the following statuses may be captured: "
            "requires_capture.",
        )
    amount: int = params.get("amount_to_capture") or found["amount_capturable"]
    if amount > found["amount_capturable"]:
        raise InvalidRequest(
            "The amount to capture is greater than the amount that can be captured.",
            code="amount_too_large",
            param="amount_to_capture",
        )
    _describe(found, params)
    charge = work.get("charge", found["latest_charge"])
    charge["captured"] = True
    paying.settle(work, found, charge, amount)
    work.emit("charge.captured", charge)
    work.emit("payment_intent.succeeded", found)
    return public(found)


_REASONS = choice("abandoned", "duplicate", "fraudulent", "requested_by_customer")


@operation("POST", "/v1/payment_intents/{intent}/cancel", {"cancellation_reason": _REASONS})
def cancel(work: Work, params: dict[str, Any], intent: str) -> Thing:
    found = work.get(KIND, intent, param="intent")
    if found["status"] not in CANCELABLE:
        raise unexpected(
            found,
            f"You cannot cancel this PaymentIntent because it has a status of {found['status']}. Only a PaymentIntent "
            f"with one of the following statuses may be canceled: {', '.join(CANCELABLE)}.",
        )
    found.update(
        status="canceled",
        canceled_at=work.now,
        cancellation_reason=params.get("cancellation_reason"),
        amount_capturable=0,
        next_action=None,
    )
    work.save(found)
    work.emit("payment_intent.canceled", found)
    return public(found)


def _describe(intent: Thing, params: dict[str, Any]) -> None:
    if "metadata" in params:
        intent["metadata"] = merge_metadata(intent["metadata"], params["metadata"])
    for name in (
        "description",
        "receipt_email",
        "setup_future_usage",
        "shipping",
        "statement_descriptor",
        "statement_descriptor_suffix",
        "transfer_group",
    ):
        if name in params:
            intent[name] = params[name]


def _confirm(work: Work, intent: Thing, method: Thing | None, params: dict[str, Any]) -> None:
    if method is None and intent["payment_method"]:
        method = payment_methods.get(work, intent["payment_method"])
    if method is None:
        raise unexpected(
            intent,
            "You cannot confirm this PaymentIntent because it's missing a payment method. You can either update the "
            "PaymentIntent with a payment method and then confirm it again, or confirm it again directly with a payment "
            "method.",
        )
    payment_methods.check_usable(method, intent["customer"])
    require_return_url(intent, params)
    paying.pay(
        work,
        intent,
        method,
        paying.Circumstances(
            off_session=params.get("off_session", "false") != "false",
            fails_on_action=params.get("error_on_requires_action", False),
            return_url=params.get("return_url"),
        ),
    )
