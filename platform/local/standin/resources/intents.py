"""What PaymentIntents and SetupIntents share."""

from __future__ import annotations

from local.standin.call import Call
from local.standin.resources import payment_methods
from local.standin.store import Object
from local.standin.wire import Kind, Params, StripeError, anything, boolean, members, one_of, text

OPEN = {"requires_payment_method", "requires_confirmation", "requires_action"}

# docs.stripe.com/api/payment_intents/create; what nothing here depends on is taken and not looked at.
METHOD: dict[str, Kind] = {
    "payment_method": text,
    "payment_method_data": members(**payment_methods.KINDS),
    "payment_method_options": anything,
    "mandate_data": anything,
    "return_url": text,
    "use_stripe_sdk": boolean,
}
AUTOMATIC = members(enabled=boolean, allow_redirects=one_of("always", "never"))
CANCEL: dict[str, Kind] = {
    "cancellation_reason": one_of("abandoned", "duplicate", "fraudulent", "requested_by_customer")
}


def automatic_payment_methods(params: Params) -> Object:
    """Answer how the kinds of payment are chosen: since version 2023-08-16, by the account's settings unless told."""
    given: Object = params.get("automatic_payment_methods", {})
    return {"allow_redirects": "always", "enabled": True} | given


def check_return_address(call: Call, intent: Object) -> None:
    """Refuse a confirmation that might send the customer away without saying where they return to."""
    settings = intent["automatic_payment_methods"]
    if settings["enabled"] and settings["allow_redirects"] == "always" and not call.params.get("return_url"):
        raise StripeError(
            "This intent is configured to accept payment methods enabled in your Dashboard. Because some of these payment "
            "methods might redirect your customer off of your page, you must provide a `return_url`. If you don't want to "
            "accept redirect-based payment methods, set `automatic_payment_methods[enabled]` to `true` and "
            "`automatic_payment_methods[allow_redirects]` to `never`."
        )


def choose_method(call: Call, intent: Object) -> Object:
    """Answer the payment method to confirm with: entered now, named now, or named before."""
    if "payment_method_data" in call.params:
        return payment_methods.make(call.world, call.params["payment_method_data"], within="payment_method_data")
    # Upon creation the name of a test card has been resolved to a method already.
    named = None if intent["status"] == "requires_confirmation" and not call.ids else call.params.get("payment_method")
    if method_id := named or intent["payment_method"]:
        return payment_methods.resolve(call.world, method_id)
    raise _error(intent, f"You cannot confirm this {_title(intent)} because it's missing a payment method.")


def ask_bank(call: Call, intent: Object) -> Object:
    """Answer where the customer authenticates."""
    url = f"{call.base}/_control/authenticate?{intent['object']}={intent['id']}"
    return_url = call.params.get("return_url")
    return {"type": "redirect_to_url", "redirect_to_url": {"return_url": return_url, "url": url}}


def unexpected(intent: Object, act: str) -> StripeError:
    """Answer the error for what the intent's state does not allow."""
    why = f"You cannot {act} this {_title(intent)} because it has a status of {intent['status']}."
    return _error(intent, why, stored=True)


def _error(intent: Object, message: str, *, stored: bool = False) -> StripeError:
    kind: str = intent["object"]
    subject: Params = {kind: intent}
    return StripeError(message, stored=stored, code=f"{kind}_unexpected_state", **subject)


def _title(intent: Object) -> str:
    return "PaymentIntent" if intent["object"] == "payment_intent" else "SetupIntent"
