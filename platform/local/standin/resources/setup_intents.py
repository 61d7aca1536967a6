"""SetupIntents: saving a card for later charges (docs.stripe.com/api/setup_intents)."""

from __future__ import annotations

from local.standin.call import Call
from local.standin.cards import Decline, decline_error
from local.standin.resources import payment_methods
from local.standin.store import Object
from local.standin.wire import StripeError, boolean, merge_metadata

OPEN = {"requires_payment_method", "requires_confirmation", "requires_action"}


def create(call: Call) -> Object:
    """Make a SetupIntent, and confirm it if asked."""
    params = call.params
    if "customer" in params:
        call.world.get("customer", params["customer"], param="customer")
    intent_id = call.world.new_id("seti")
    intent = {
        "id": intent_id,
        "object": "setup_intent",
        "application": None,
        "automatic_payment_methods": None,
        "cancellation_reason": None,
        "client_secret": call.world.new_id(f"{intent_id}_secret"),
        "created": call.world.now(),
        "customer": params.get("customer"),
        "description": params.get("description"),
        "flow_directions": None,
        "last_setup_error": None,
        "latest_attempt": None,
        "livemode": False,
        "mandate": None,
        "metadata": merge_metadata({}, params.get("metadata")),
        "next_action": None,
        "on_behalf_of": None,
        "payment_method": None,
        "payment_method_options": {
            "card": {"mandate_options": None, "network": None, "request_three_d_secure": "automatic"}
        },
        "payment_method_types": params.get("payment_method_types") or ["card"],
        "single_use_mandate": None,
        "status": "requires_payment_method",
        "usage": params.get("usage", "off_session"),
    }
    if "payment_method" in params:
        intent["payment_method"] = payment_methods.resolve(call.world, params["payment_method"])["id"]
        intent["status"] = "requires_confirmation"
    call.world.store.add(intent)
    call.tell("setup_intent.created", intent)
    return _confirm(call, intent) if boolean(params, "confirm") else intent


def retrieve(call: Call) -> Object:
    """Answer a SetupIntent."""
    intent = call.world.get("setup_intent", call.id)
    call.check_client_secret(intent)
    return intent


def confirm(call: Call) -> Object:
    """Confirm with a card, as the client's Stripe.js does."""
    intent = call.world.get("setup_intent", call.id)
    call.check_client_secret(intent)
    return _confirm(call, intent)


def cancel(call: Call) -> Object:
    """Give it up."""
    intent = call.world.get("setup_intent", call.id)
    if intent["status"] not in OPEN:
        raise _unexpected(intent)
    intent |= {"status": "canceled", "cancellation_reason": call.params.get("cancellation_reason"), "next_action": None}
    call.world.store.save(intent)
    call.tell("setup_intent.canceled", intent)
    return intent


def listing(call: Call) -> Object:
    """Answer SetupIntents, newest first."""
    return call.listing("setup_intent", "/v1/setup_intents", customer=call.params.get("customer"))


def finish_authentication(call: Call, intent: Object, *, passed: bool) -> Object:
    """End the bank's question to the customer."""
    if intent["status"] != "requires_action":
        raise _unexpected(intent)
    intent["next_action"] = None
    if not passed:
        failure = Decline(
            "setup_intent_authentication_failure", message="We are unable to authenticate your payment method."
        )
        return _fail(call, intent, failure)
    method = call.world.get("payment_method", intent["payment_method"])
    call.world.store.save(method | {"authenticated": True})
    return _succeed(call, intent, method | {"authenticated": True})


def _confirm(call: Call, intent: Object) -> Object:
    if intent["status"] not in OPEN:
        raise _unexpected(intent)
    method_id = call.params.get("payment_method") or intent["payment_method"]
    if "payment_method_data" in call.params:
        method = payment_methods.make(call.world, call.params["payment_method_data"])
    elif method_id:
        method = payment_methods.resolve(call.world, method_id)
    else:
        raise StripeError(
            "You cannot confirm this SetupIntent because it's missing a payment method.",
            code="setup_intent_unexpected_state",
        )
    card = payment_methods.behaviour(method)
    intent["payment_method"] = method["id"]
    if card.at_attach is not None:
        failed = _fail(call, intent, card.at_attach)
        raise decline_error(card.at_attach, setup_intent=failed)
    if card.authentication in {"unless_set_up", "always"} and not method.get("authenticated"):
        intent |= {"status": "requires_action", "next_action": next_action(intent), "last_setup_error": None}
        call.world.store.save(intent)
        call.tell("setup_intent.requires_action", intent)
        return intent
    return _succeed(call, intent, method)


def next_action(intent: Object) -> Object:
    """Answer where the customer authenticates."""
    kind = intent["object"]
    return {
        "type": "redirect_to_url",
        "redirect_to_url": {"return_url": None, "url": f"/_control/authenticate?{kind}={intent['id']}"},
    }


def _succeed(call: Call, intent: Object, method: Object) -> Object:
    if intent["customer"]:
        payment_methods.give(call, method, intent["customer"])
    intent |= {"status": "succeeded", "last_setup_error": None, "next_action": None}
    call.world.store.save(intent)
    call.tell("setup_intent.succeeded", intent)
    return intent


def _fail(call: Call, intent: Object, decline: Decline) -> Object:
    error = decline_error(decline).body
    intent |= {"status": "requires_payment_method", "payment_method": None, "last_setup_error": error}
    call.world.store.save(intent)
    call.tell("setup_intent.setup_failed", intent)
    return intent


def _unexpected(intent: Object) -> StripeError:
    return StripeError(
        f"This SetupIntent has a status of {intent['status']}, which does not allow this.",
        code="setup_intent_unexpected_state",
        setup_intent=intent,
    )
