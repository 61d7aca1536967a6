"""SetupIntents: saving a card so that it can be charged while the customer is away."""

from __future__ import annotations

from typing import Any

from local.stripe_standin import cards
from local.stripe_standin.cards import Decline
from local.stripe_standin.errors import InvalidParameter
from local.stripe_standin.operations import listing, operation
from local.stripe_standin.params import (
    PAGE,
    RANGE,
    Required,
    anything,
    boolean,
    choice,
    merge_metadata,
    metadata,
    text,
    unsettable,
)
from local.stripe_standin.resources import payment_methods
from local.stripe_standin.resources.intents import (
    AUTOMATIC,
    CONFIRMABLE,
    METHOD,
    given_method,
    new_secret,
    next_action,
    require_return_url,
    unexpected,
)
from local.stripe_standin.work import Thing, Work, public

KIND = "setup_intent"
_ABOUT = {
    **METHOD,
    "attach_to_self": boolean,
    "customer": text(),
    "description": unsettable(text(1000)),
    "flow_directions": anything,
    "metadata": metadata,
}


@operation(
    "POST",
    "/v1/setup_intents",
    {
        **_ABOUT,
        "automatic_payment_methods": AUTOMATIC,
        "confirm": boolean,
        "payment_method_configuration": text(),
        "return_url": text(),
        "usage": choice("off_session", "on_session"),
        "use_stripe_sdk": boolean,
    },
)
def create(work: Work, params: dict[str, Any]) -> Thing:
    confirming = params.get("confirm", False)
    if "return_url" in params and not confirming:
        raise InvalidParameter("`return_url` can only be set when `confirm` is true.", param="return_url")
    if params.get("customer"):
        work.get("customer", params["customer"], param="customer")
    intent = work.new(
        KIND,
        automatic_payment_methods={
            "allow_redirects": "always",
            **params.get("automatic_payment_methods", {"enabled": True}),
        },
        customer=params.get("customer"),
        description=params.get("description"),
        metadata=merge_metadata({}, params.get("metadata", {})),
        usage=params.get("usage"),
    )
    intent["client_secret"] = new_secret(intent)
    method = given_method(work, params)
    if method:
        payment_methods.check_usable(method, intent["customer"])
        intent.update(payment_method=method["id"], status="requires_confirmation")
    work.emit("setup_intent.created", intent)
    if confirming:
        _confirm(work, intent, method, params)
    return public(intent)


@operation(
    "GET",
    "/v1/setup_intents",
    {**PAGE, "created": RANGE, "customer": text(), "payment_method": text(), "attach_to_self": boolean},
)
def list_(work: Work, params: dict[str, Any]) -> Thing:
    return listing(
        work,
        KIND,
        params,
        "/v1/setup_intents",
        customer=params.get("customer"),
        payment_method=params.get("payment_method"),
    )


@operation("GET", "/v1/setup_attempts", {**PAGE, "created": RANGE, "setup_intent": Required(text())})
def list_attempts(work: Work, params: dict[str, Any]) -> Thing:
    return listing(work, "setup_attempt", params, "/v1/setup_attempts", setup_intent=params["setup_intent"])


@operation("GET", "/v1/setup_intents/{intent}", {"client_secret": text()}, for_clients=True)
def retrieve(work: Work, params: dict[str, Any], intent: str) -> Thing:
    return public(work.get(KIND, intent, param="intent"))


@operation("POST", "/v1/setup_intents/{intent}", _ABOUT)
def update(work: Work, params: dict[str, Any], intent: str) -> Thing:
    found = work.get(KIND, intent, param="intent")
    if params.get("customer"):
        work.get("customer", params["customer"], param="customer")
        found["customer"] = params["customer"]
    if "description" in params:
        found["description"] = params["description"]
    found["metadata"] = merge_metadata(found["metadata"], params.get("metadata", {}))
    if method := given_method(work, params):
        _require_open(found, "updated")
        payment_methods.check_usable(method, found["customer"])
        found.update(payment_method=method["id"], status="requires_confirmation")
    work.save(found)
    return public(found)


@operation(
    "POST",
    "/v1/setup_intents/{intent}/confirm",
    {**METHOD, "client_secret": text(), "return_url": text(), "use_stripe_sdk": boolean},
    for_clients=True,
)
def confirm(work: Work, params: dict[str, Any], intent: str) -> Thing:
    found = work.get(KIND, intent, param="intent")
    _require_open(found, "confirmed")
    _confirm(work, found, given_method(work, params), params)
    return public(found)


_REASONS = choice("abandoned", "duplicate", "requested_by_customer")


@operation("POST", "/v1/setup_intents/{intent}/cancel", {"cancellation_reason": _REASONS})
def cancel(work: Work, params: dict[str, Any], intent: str) -> Thing:
    found = work.get(KIND, intent, param="intent")
    _require_open(found, "canceled")
    found.update(status="canceled", cancellation_reason=params.get("cancellation_reason"), next_action=None)
    work.save(found)
    work.emit("setup_intent.canceled", found)
    return public(found)


def _require_open(intent: Thing, what: str) -> None:
    if intent["status"] not in CONFIRMABLE:
        raise unexpected(
            intent,
            f"This SetupIntent could not be {what} because it has a status of {intent['status']}. Only a SetupIntent "
            f"with one of the following statuses may be {what}: {', '.join(CONFIRMABLE)}.",
        )


def _confirm(work: Work, intent: Thing, method: Thing | None, params: dict[str, Any]) -> None:
    if method is None and intent["payment_method"]:
        method = payment_methods.get(work, intent["payment_method"])
    if method is None:
        raise unexpected(
            intent,
            "You cannot confirm this SetupIntent because it's missing a payment method. Update the SetupIntent with a "
            "payment method and then confirm it again.",
        )
    payment_methods.check_usable(method, intent["customer"])
    require_return_url(intent, params)
    card = payment_methods.behaviour(method)
    intent.update(payment_method=method["id"], last_setup_error=None, next_action=None)
    work.save(intent)
    if card.authentication_fails:
        _decline(work, intent, method, cards.GENERIC)
    if payment_methods.setup_needs_authentication(method):
        intent.update(status="requires_action", next_action=next_action(intent, params.get("return_url")))
        work.emit("setup_intent.requires_action", intent)
        return
    _save_card(work, intent, method)


def _save_card(work: Work, intent: Thing, method: Thing) -> None:
    if decline := payment_methods.behaviour(method).on_attach:
        _decline(work, intent, method, decline)
    if intent["customer"]:
        payment_methods.attach(work, method, intent["customer"])
    method["_set_up"] = True
    work.save(method)
    _attempt(work, intent, method)
    intent["status"] = "succeeded"
    work.emit("setup_intent.succeeded", intent)


def _attempt(work: Work, intent: Thing, method: Thing, error: Thing | None = None) -> None:
    attempt = work.new(
        "setup_attempt",
        customer=intent["customer"],
        payment_method=method["id"],
        setup_error=error,
        setup_intent=intent["id"],
        status="failed" if error else "succeeded",
        usage=intent["usage"],
    )
    intent["latest_attempt"] = attempt["id"]


def _decline(work: Work, intent: Thing, method: Thing, decline: Decline) -> None:
    error = payment_methods.last_error(decline, method)
    _attempt(work, intent, method, error)
    intent.update(last_setup_error=error, payment_method=None, status="requires_payment_method")
    work.emit("setup_intent.setup_failed", intent)
    raise decline.error(setup_intent=public(intent), payment_method=public(method))


def authenticate(work: Work, intent: Thing, *, succeed: bool) -> None:
    """End the bank's question to the customer; raises CardError if the card is then declined."""
    if intent["status"] != "requires_action":
        raise unexpected(
            intent, f"This SetupIntent has a status of {intent['status']}: nothing waits for the customer."
        )
    method = payment_methods.get(work, intent["payment_method"])
    intent["next_action"] = None
    work.save(intent)
    if succeed:
        _save_card(work, intent, method)
        return
    error = {
        "code": "setup_intent_authentication_failure",
        "doc_url": "https://stripe.com/docs/error-codes/setup-intent-authentication-failure",
        "message": "We are unable to authenticate your payment method. Please choose a different payment method and try "
        "again.",
        "payment_method": public(method),
        "type": "invalid_request_error",
    }
    _attempt(work, intent, method, error)
    intent.update(last_setup_error=error, payment_method=None, status="requires_payment_method")
    work.emit("setup_intent.setup_failed", intent)
