"""PaymentIntents: one amount to be collected, however many tries and customers' steps that takes."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Any

from local.stripe_standin import cards
from local.stripe_standin.cards import Decline, RefundFate
from local.stripe_standin.errors import InvalidParameter, InvalidRequest
from local.stripe_standin.money import check_amount, currency, processing_fee
from local.stripe_standin.operations import listing, operation
from local.stripe_standin.params import (
    ADDRESS,
    PAGE,
    RANGE,
    Required,
    Schema,
    anything,
    array_of,
    boolean,
    choice,
    hash_of,
    integer,
    merge_metadata,
    metadata,
    one_of,
    text,
    unsettable,
)
from local.stripe_standin.resources import balance, charges, payment_methods
from local.stripe_standin.work import Thing, Work, public

KIND = "payment_intent"
CONFIRMABLE = ("requires_payment_method", "requires_confirmation", "requires_action")
CANCELABLE = ("requires_payment_method", "requires_capture", "requires_confirmation", "requires_action", "processing")


def no_longer_taken(raw: Any, path: str) -> Any:
    """Refuse what API version endive took away."""
    raise InvalidParameter(
        "The payment_method_types parameter is no longer supported. Use dynamic payment methods instead.",
        code="payment_method_types_no_longer_supported",
        param=path,
    )


_AUTOMATIC: Schema = {"enabled": Required(boolean), "allow_redirects": choice("always", "never")}
AUTOMATIC = hash_of(_AUTOMATIC)
FLAG = one_of(choice("true", "false", "one_off", "recurring"), anything)
METHOD = {
    "allowed_payment_method_types": array_of(text()),
    "excluded_payment_method_types": array_of(text()),
    "mandate_data": anything,
    "payment_method": text(),
    "payment_method_data": hash_of(payment_methods.DATA),
    "payment_method_options": anything,
    "payment_method_types": no_longer_taken,
    "radar_options": anything,
}
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
    "off_session": FLAG,
    "return_url": text(),
    "use_stripe_sdk": boolean,
}


@dataclass(frozen=True)
class Circumstances:
    """How a PaymentIntent is being confirmed."""

    off_session: bool = False
    """The customer is not there, so cannot authenticate."""
    fails_on_action: bool = False
    """An answer is wanted now: a payment that asks for authentication counts as declined."""
    return_url: str | None = None
    authenticated: bool = False
    """The customer has just proved to the bank who they are."""


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
    _settle(work, found, charge, amount)
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


# ------------------------------------------------ what intents have in common


def new_secret(intent: Thing) -> str:
    """Answer what a client shows to act on this intent."""
    return f"{intent['id']}_secret_{secrets.token_hex(12)}"


def given_method(work: Work, params: dict[str, Any]) -> Thing | None:
    """Answer the PaymentMethod that the parameters name or describe."""
    if data := params.get("payment_method_data"):
        return payment_methods.make(work, data)
    if method := params.get("payment_method"):
        return payment_methods.resolve(work, method)
    return None


def unexpected(intent: Thing, message: str) -> InvalidRequest:
    """Answer the error for what an intent's state does not allow; it carries the intent."""
    error = InvalidRequest(message, code=f"{intent['object']}_unexpected_state")
    error.fields[intent["object"]] = public(intent)
    return error


def require_return_url(intent: Thing, params: dict[str, Any]) -> None:
    """Refuse to confirm without a way back, unless redirects are ruled out or a client takes care of them."""
    automatic = intent["automatic_payment_methods"] or {}
    redirects = automatic.get("enabled") and automatic.get("allow_redirects") == "always"
    if (
        redirects
        and not params.get("return_url")
        and "client_secret" not in params
        and not params.get("use_stripe_sdk")
    ):
        raise InvalidRequest(
            "A `return_url` must be specified because this intent is configured to automatically accept the payment "
            "methods enabled in the Dashboard, some of which may require a full page redirect to succeed. If you do not "
            "want to accept redirect-based payment methods, set `automatic_payment_methods[enabled]` to `true` and "
            "`automatic_payment_methods[allow_redirects]` to `never` when creating Setup Intents and Payment Intents.",
            param="return_url",
        )


def next_action(intent: Thing, return_url: str | None) -> Thing:
    """Answer where the customer proves to the bank who they are: a page of the stand-in (see pages.py)."""
    page = f"/_pages/authenticate/{intent['id']}?client_secret={intent['client_secret']}"
    if return_url is None:
        return {"type": "use_stripe_sdk", "use_stripe_sdk": {"type": "three_d_secure_redirect", "stripe_js": page}}
    return {"type": "redirect_to_url", "redirect_to_url": {"return_url": return_url, "url": page}}


# ------------------------------------------------ from a card to money


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
    pay(
        work,
        intent,
        method,
        Circumstances(
            off_session=params.get("off_session", "false") != "false",
            fails_on_action=params.get("error_on_requires_action", False),
            return_url=params.get("return_url"),
        ),
    )


def pay(work: Work, intent: Thing, method: Thing, circumstances: Circumstances) -> None:
    """Try to collect the amount from a card; raises CardError, with the failed charge kept, if it is declined."""
    card = payment_methods.behaviour(method)
    intent.update(payment_method=method["id"], last_payment_error=None, next_action=None)
    work.save(intent)
    if card.authentication_fails:
        _decline(work, intent, method, cards.GENERIC)
    if not circumstances.authenticated and payment_methods.needs_authentication(
        method, off_session=circumstances.off_session
    ):
        if circumstances.off_session or circumstances.fails_on_action:
            _decline(work, intent, method, cards.AUTHENTICATION_REQUIRED)
        intent.update(status="requires_action", next_action=next_action(intent, circumstances.return_url))
        work.emit("payment_intent.requires_action", intent)
        return
    if decline := card.on_attach or card.on_charge:
        _decline(work, intent, method, decline)
    _succeed(work, intent, method, authenticated=circumstances.authenticated)


def _decline(work: Work, intent: Thing, method: Thing, decline: Decline) -> None:
    charge = charges.make(work, intent, method, authenticated=False)
    charge.update(
        failure_code=decline.code,
        failure_message=decline.message,
        outcome=charges.declined(decline, method),
        status="failed",
    )
    intent.update(
        last_payment_error=payment_methods.last_error(decline, method, charge=charge["id"]),
        latest_charge=charge["id"],
        payment_method=None,
        status="requires_payment_method",
    )
    work.emit("charge.failed", charge)
    work.emit("payment_intent.payment_failed", intent)
    raise decline.error(
        charge=charge["id"],
        payment_intent=public(intent),
        payment_method=public(method),
        **payment_methods.network_advice(decline, method),
    )


def _succeed(work: Work, intent: Thing, method: Thing, *, authenticated: bool) -> None:
    charge = charges.make(work, intent, method, authenticated=authenticated)
    captured = intent["capture_method"] != "manual"
    charge.update(captured=captured, paid=True, outcome=charges.approved())
    intent["latest_charge"] = charge["id"]
    if intent["setup_future_usage"] and intent["customer"]:
        payment_methods.attach(work, method, intent["customer"])
        method["_set_up"] = True
        work.save(method)
    elif method["customer"] is None:
        method["_spent"] = True
        work.save(method)
    if captured:
        _settle(work, intent, charge, intent["amount"])
        work.emit("payment_intent.succeeded", intent)
    else:
        intent.update(status="requires_capture", amount_capturable=intent["amount"])
        work.emit("charge.succeeded", charge)
        work.emit("payment_intent.amount_capturable_updated", intent)
    card = payment_methods.behaviour(method)
    if card.refund is not RefundFate.SUCCEEDS:
        charge["_refund"] = card.refund.value
    if card.dispute_reason:
        work.later(0, "open_dispute", charge)
    if card.fraud_warning:
        work.later(0, "warn_of_fraud", charge)


def _settle(work: Work, intent: Thing, charge: Thing, amount: int) -> None:
    charge["amount_captured"] = amount
    entry = balance.book(
        work, charge, kind="charge", amount=amount, fee=processing_fee(amount, charge["currency"]),
        description=charge["description"],
    )  # fmt: skip
    intent.update(status="succeeded", amount_received=amount, amount_capturable=0)
    if intent["capture_method"] == "automatic_async":
        # As with Stripe, the answer and this event come before the balance transaction is known.
        work.emit("charge.succeeded", charge)
        charge["balance_transaction"] = entry["id"]
        work.unsettled.add(charge["id"])
        work.emit("charge.updated", charge, previous={"balance_transaction": None})
    else:
        charge["balance_transaction"] = entry["id"]
        if intent["capture_method"] == "automatic":
            work.emit("charge.succeeded", charge)
    work.save(charge)
    work.save(intent)


def authenticate(work: Work, intent: Thing, *, succeed: bool) -> None:
    """End the bank's question to the customer; raises CardError if the payment is then declined."""
    if intent["status"] != "requires_action":
        raise unexpected(
            intent, f"This PaymentIntent has a status of {intent['status']}: nothing waits for the customer."
        )
    method = payment_methods.get(work, intent["payment_method"])
    if succeed:
        return_url = (intent["next_action"].get("redirect_to_url") or {}).get("return_url")
        pay(work, intent, method, Circumstances(authenticated=True, return_url=return_url))
        return
    error = unexpected(
        intent,
        "We are unable to authenticate your payment method. Please choose a different payment method and try again.",
    )
    intent.update(
        last_payment_error={
            "code": "payment_intent_authentication_failure",
            "doc_url": "https://stripe.com/docs/error-codes/payment-intent-authentication-failure",
            "message": error.message,
            "payment_method": public(method),
            "type": "invalid_request_error",
        },
        next_action=None,
        payment_method=None,
        status="requires_payment_method",
    )
    work.save(intent)
    work.emit("payment_intent.payment_failed", intent)
