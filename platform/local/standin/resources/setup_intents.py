"""SetupIntents: saving a card for later charges (docs.stripe.com/api/setup_intents)."""

from __future__ import annotations

from local.standin.call import Call
from local.standin.resources import intents, payment_methods
from local.standin.store import Object
from local.standin.wire import Kind, boolean, merge_metadata, metadata, one_of, text

KINDS: dict[str, Kind] = intents.METHOD | {
    "automatic_payment_methods": intents.AUTOMATIC,
    "confirm": boolean,
    "customer": text,
    "description": text,
    "metadata": metadata,
    "usage": one_of("off_session", "on_session"),
}


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
        "automatic_payment_methods": intents.automatic_payment_methods(params),
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
        "payment_method_types": ["card"],
        "single_use_mandate": None,
        "status": "requires_payment_method",
        "usage": params.get("usage", "off_session"),
    }
    if "payment_method" in params:
        intent["payment_method"] = payment_methods.resolve(call.world, params["payment_method"])["id"]
        intent["status"] = "requires_confirmation"
    call.world.store.add(intent)
    call.tell("setup_intent.created", intent)
    return _confirm(call, intent) if params.get("confirm") else intent


def retrieve(call: Call) -> Object:
    """Answer a SetupIntent."""
    intent = call.world.get("setup_intent", call.id)
    call.check_client_secret(intent)
    return intent


def confirm(call: Call) -> Object:
    """Confirm with a card, as the client's Stripe.js does."""
    return _confirm(call, retrieve(call))


def cancel(call: Call) -> Object:
    """Give it up."""
    intent = call.world.get("setup_intent", call.id)
    if intent["status"] not in intents.OPEN:
        raise intents.unexpected(intent, "cancel")
    intent |= {"status": "canceled", "cancellation_reason": call.params.get("cancellation_reason"), "next_action": None}
    call.world.store.save(intent)
    call.tell("setup_intent.canceled", intent)
    return intent


def listing(call: Call) -> Object:
    """Answer SetupIntents, newest first."""
    return call.listing(
        "setup_intent", "/v1/setup_intents", customer=call.params.get("customer"), members=("payment_method",)
    )


def finish_authentication(call: Call, intent: Object, *, passed: bool) -> Object:
    """End the bank's question to the customer."""
    if intent["status"] != "requires_action":
        raise intents.unexpected(intent, "authenticate")
    method = call.world.get("payment_method", intent["payment_method"])
    if not passed:
        return _fail(call, intent, payment_methods.authentication_failure("setup_intent", method))
    call.world.store.hide(method["id"], "set_up")
    return _succeed(call, intent, method)


def _confirm(call: Call, intent: Object) -> Object:
    if intent["status"] not in intents.OPEN:
        raise intents.unexpected(intent, "confirm")
    intents.check_return_address(call, intent)
    method = intents.choose_method(call, intent)
    card = payment_methods.behaviour(call.world, method)
    intent["payment_method"] = method["id"]
    if card.at_attach is not None:
        error = payment_methods.declined(card.at_attach, method)
        failed = _fail(call, intent, error.body)
        raise payment_methods.declined(card.at_attach, method, setup_intent=failed)
    if card.authentication in {"unless_set_up", "always"} and not payment_methods.is_set_up(call.world, method):
        intent |= {"status": "requires_action", "next_action": intents.ask_bank(call, intent), "last_setup_error": None}
        call.world.store.save(intent)
        call.tell("setup_intent.requires_action", intent)
        return intent
    return _succeed(call, intent, method)


def _succeed(call: Call, intent: Object, method: Object) -> Object:
    if intent["customer"]:
        payment_methods.give(call, method, intent["customer"])
    intent |= {"status": "succeeded", "last_setup_error": None, "next_action": None}
    call.world.store.save(intent)
    call.tell("setup_intent.succeeded", intent)
    return intent


def _fail(call: Call, intent: Object, error: Object) -> Object:
    intent |= {
        "status": "requires_payment_method",
        "payment_method": None,
        "last_setup_error": error,
        "next_action": None,
    }
    call.world.store.save(intent)
    call.tell("setup_intent.setup_failed", intent)
    return intent
