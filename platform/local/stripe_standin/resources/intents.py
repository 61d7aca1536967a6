"""What PaymentIntents and SetupIntents have in common."""

from __future__ import annotations

import secrets
from typing import Any

from local.stripe_standin.errors import InvalidParameter, InvalidRequest
from local.stripe_standin.params import Required, Schema, anything, array_of, boolean, choice, hash_of, text
from local.stripe_standin.resources import payment_methods
from local.stripe_standin.work import Thing, Work, public

CONFIRMABLE = ("requires_payment_method", "requires_confirmation", "requires_action")
"""States in which an intent still waits for a card or for its customer."""


def no_longer_taken(raw: Any, path: str) -> Any:
    """Refuse what API version endive took away."""
    raise InvalidParameter(
        "The payment_method_types parameter is no longer supported. Use dynamic payment methods instead.",
        code="payment_method_types_no_longer_supported",
        param=path,
    )


_AUTOMATIC: Schema = {"enabled": Required(boolean), "allow_redirects": choice("always", "never")}
AUTOMATIC = hash_of(_AUTOMATIC)
METHOD: Schema = {
    "allowed_payment_method_types": array_of(text()),
    "excluded_payment_method_types": array_of(text()),
    "mandate_data": anything,
    "payment_method": text(),
    "payment_method_data": hash_of(payment_methods.DATA),
    "payment_method_options": anything,
    "payment_method_types": no_longer_taken,
    "radar_options": anything,
}


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
