"""PaymentIntents and the charges they make (docs.stripe.com/api/payment_intents)."""

from __future__ import annotations

from local.standin.call import Call
from local.standin.cards import AUTHENTICATION, Decline, TestCard, decline_error
from local.standin.resources import payment_methods
from local.standin.resources.setup_intents import next_action
from local.standin.store import Object
from local.standin.wire import StripeError, boolean, integer, merge_metadata, require
from local.standin.world import World

OPEN = {"requires_payment_method", "requires_confirmation", "requires_action"}

# docs.stripe.com/currencies#minimum-and-maximum-charge-amounts
MINIMUM = {"usd": 50, "eur": 50, "gbp": 30, "jpy": 50, "chf": 50, "aud": 50, "cad": 50, "brl": 50, "inr": 50,
           "dkk": 250, "nok": 300, "sek": 300, "pln": 200, "czk": 1500, "huf": 17500, "mxn": 1000}  # fmt: skip
LARGEST = 99_999_999


def create(call: Call) -> Object:
    """Make a PaymentIntent, and confirm it if asked: one call is one charge."""
    params = call.params
    require(params, "amount", "currency")
    amount, currency = integer(params, "amount"), str(params["currency"]).lower()
    if len(currency) != 3 or not currency.isalpha():
        raise StripeError(f"Invalid currency: {currency}.", param="currency")
    if amount < MINIMUM.get(currency, 1):
        raise StripeError("Amount must convert to at least 50 cents.", code="amount_too_small", param="amount")
    if amount > LARGEST:
        raise StripeError("Amount must be no more than 999,999.99.", code="amount_too_large", param="amount")
    if boolean(params, "off_session") and not boolean(params, "confirm"):
        raise StripeError("You cannot set `off_session` when `confirm` is not true.", param="off_session")
    if "customer" in params:
        call.world.get("customer", params["customer"], param="customer")
    intent_id = call.world.new_id("pi")
    intent = {
        "id": intent_id,
        "object": "payment_intent",
        "amount": amount,
        "amount_capturable": 0,
        "amount_details": {"tip": {}},
        "amount_received": 0,
        "application": None,
        "application_fee_amount": None,
        "automatic_payment_methods": None,
        "canceled_at": None,
        "cancellation_reason": None,
        "capture_method": "automatic",
        "client_secret": call.world.new_id(f"{intent_id}_secret"),
        "confirmation_method": "automatic",
        "created": call.world.now(),
        "currency": currency,
        "customer": params.get("customer"),
        "description": params.get("description"),
        "last_payment_error": None,
        "latest_charge": None,
        "livemode": False,
        "metadata": merge_metadata({}, params.get("metadata")),
        "next_action": None,
        "on_behalf_of": None,
        "payment_method": None,
        "payment_method_options": {},
        "payment_method_types": params.get("payment_method_types") or ["card"],
        "processing": None,
        "receipt_email": params.get("receipt_email"),
        "review": None,
        "setup_future_usage": params.get("setup_future_usage"),
        "shipping": None,
        "source": None,
        "statement_descriptor": params.get("statement_descriptor"),
        "statement_descriptor_suffix": params.get("statement_descriptor_suffix"),
        "status": "requires_payment_method",
        "transfer_data": None,
        "transfer_group": None,
    }
    if "payment_method" in params:
        intent["payment_method"] = payment_methods.resolve(call.world, params["payment_method"])["id"]
        intent["status"] = "requires_confirmation"
    call.world.store.add(intent)
    call.tell("payment_intent.created", intent)
    return _confirm(call, intent) if boolean(params, "confirm") else intent


def retrieve(call: Call) -> Object:
    """Answer a PaymentIntent."""
    intent = call.world.get("payment_intent", call.id)
    call.check_client_secret(intent)
    return intent


def update(call: Call) -> Object:
    """Change metadata or texts."""
    intent = call.world.get("payment_intent", call.id)
    intent["metadata"] = merge_metadata(intent["metadata"], call.params.get("metadata"))
    for name in ("description", "receipt_email", "setup_future_usage"):
        if name in call.params:
            intent[name] = call.params[name] or None
    return call.world.store.save(intent)


def confirm(call: Call) -> Object:
    """Confirm, on session by a client or off session by us."""
    intent = call.world.get("payment_intent", call.id)
    call.check_client_secret(intent)
    return _confirm(call, intent)


def cancel(call: Call) -> Object:
    """Give it up; a paid one cannot be."""
    intent = call.world.get("payment_intent", call.id)
    if intent["status"] not in OPEN:
        raise _unexpected(intent, "cancel")
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
    """Answer PaymentIntents, newest first."""
    return call.listing("payment_intent", "/v1/payment_intents", customer=call.params.get("customer"))


def finish_authentication(call: Call, intent: Object, *, passed: bool) -> Object:
    """End the bank's question to the customer: charge, or fail."""
    if intent["status"] != "requires_action":
        raise _unexpected(intent, "authenticate")
    method = call.world.get("payment_method", intent["payment_method"])
    intent["next_action"] = None
    if not passed:
        failure = Decline(
            "payment_intent_authentication_failure", message="The provided PaymentMethod has failed authentication."
        )
        return _fail(call, intent, method, failure)
    card = payment_methods.behaviour(method)
    if (decline := card.after_authentication or card.at_charge) is not None:
        return _fail(call, intent, method, decline)
    return _succeed(call, intent, method, card)


def _confirm(call: Call, intent: Object) -> Object:
    if intent["status"] not in OPEN:
        raise _unexpected(intent, "confirm")
    off_session = boolean(call.params, "off_session")
    method = _method(call, intent)
    card = payment_methods.behaviour(method)
    intent["payment_method"] = method["id"]
    if _must_authenticate(card, method, off_session=off_session):
        if off_session or boolean(call.params, "error_on_requires_action"):
            failed = _fail(call, intent, method, AUTHENTICATION)
            raise _refusal(AUTHENTICATION, failed, method)
        intent |= {"status": "requires_action", "next_action": next_action(intent), "last_payment_error": None}
        call.world.store.save(intent)
        call.tell("payment_intent.requires_action", intent)
        return intent
    if card.at_charge is not None:
        failed = _fail(call, intent, method, card.at_charge)
        raise _refusal(card.at_charge, failed, method)
    return _succeed(call, intent, method, card)


def _method(call: Call, intent: Object) -> Object:
    if "payment_method_data" in call.params:
        method = payment_methods.make(call.world, call.params["payment_method_data"])
    elif method_id := call.params.get("payment_method") or intent["payment_method"]:
        # The name of a test card was resolved to a method when the intent was made.
        known = intent["payment_method"] if intent["status"] == "requires_confirmation" else method_id
        method = payment_methods.resolve(call.world, known or method_id)
    else:
        raise StripeError(
            "You cannot confirm this PaymentIntent because it's missing a payment method.",
            code="payment_intent_unexpected_state",
            payment_intent=intent,
        )
    if method["customer"] is not None and method["customer"] != intent["customer"]:
        raise StripeError(
            f"The provided PaymentMethod belongs to Customer {method['customer']}; supply this customer.",
            param="payment_method",
        )
    if method["customer"] is None and method.get("used"):
        raise StripeError(
            "This PaymentMethod was detached from a Customer and may not be used again.", param="payment_method"
        )
    return method


def _must_authenticate(card: TestCard, method: Object, *, off_session: bool) -> bool:
    match card.authentication:
        case "always":
            return True
        case "on_session":
            return not off_session
        case "unless_set_up":
            return not method.get("authenticated")
    return False


def _succeed(call: Call, intent: Object, method: Object, card: TestCard) -> Object:
    world = call.world
    charge = _charge(world, intent, method, decline=None)
    entry = world.book(
        kind="charge",
        amount=intent["amount"],
        # 2.9 % and 30 of the smallest unit, rounded half up.
        fee=(intent["amount"] * 29 + 500) // 1000 + 30,
        currency=intent["currency"],
        source=charge["id"],
        category="charge",
    )
    charge["balance_transaction"] = entry["id"]
    world.store.add(charge, parent=intent["id"])
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
            world.store.save(method | {"used": True})
    world.store.save(intent)
    call.tell("charge.succeeded", charge)
    call.tell("payment_intent.succeeded", intent)
    if card.dispute is not None:
        world.later(f"dispute:{card.dispute}", charge["id"], seconds=0)
    return intent


def _fail(call: Call, intent: Object, method: Object, decline: Decline) -> Object:
    charge = call.world.store.add(_charge(call.world, intent, method, decline=decline), parent=intent["id"])
    error = decline_error(decline, charge=charge["id"], payment_method=payment_methods.shown(method)).body
    intent |= {
        "status": "requires_payment_method",
        "payment_method": None,
        "latest_charge": charge["id"],
        "last_payment_error": error,
        "next_action": None,
    }
    call.world.store.save(intent)
    call.tell("charge.failed", charge)
    call.tell("payment_intent.payment_failed", intent)
    return intent


def _refusal(decline: Decline, intent: Object, method: Object) -> StripeError:
    return decline_error(
        decline, charge=intent["latest_charge"], payment_intent=intent, payment_method=payment_methods.shown(method)
    )


def _charge(world: World, intent: Object, method: Object, *, decline: Decline | None) -> Object:
    return {
        "id": world.new_id("ch"),
        "object": "charge",
        "amount": intent["amount"],
        "amount_captured": 0 if decline else intent["amount"],
        "amount_refunded": 0,
        "application": None,
        "application_fee": None,
        "application_fee_amount": None,
        "balance_transaction": None,
        "billing_details": method["billing_details"],
        "calculated_statement_descriptor": "STREAMING",
        "captured": decline is None,
        "created": world.now(),
        "currency": intent["currency"],
        "customer": intent["customer"],
        "description": intent["description"],
        "disputed": False,
        "failure_balance_transaction": None,
        "failure_code": decline.code if decline else None,
        "failure_message": decline.message if decline else None,
        "fraud_details": {},
        "livemode": False,
        "metadata": intent["metadata"],
        "on_behalf_of": None,
        "outcome": _outcome(decline),
        "paid": decline is None,
        "payment_intent": intent["id"],
        "payment_method": method["id"],
        "payment_method_details": {"card": {**method["card"], "amount_authorized": intent["amount"]}, "type": "card"},
        "receipt_email": intent["receipt_email"],
        "receipt_number": None,
        "receipt_url": None,
        "refunded": False,
        "review": None,
        "shipping": None,
        "source": None,
        "source_transfer": None,
        "statement_descriptor": None,
        "statement_descriptor_suffix": None,
        "status": "failed" if decline else "succeeded",
        "transfer_data": None,
        "transfer_group": None,
    }


def _outcome(decline: Decline | None) -> Object:
    if decline is None:
        return {
            "advice_code": None, "network_advice_code": None, "network_decline_code": None,
            "network_status": "approved_by_network", "reason": None, "risk_level": "normal", "risk_score": 12,
            "seller_message": "Payment complete.", "type": "authorized",
        }  # fmt: skip
    return {
        "advice_code": decline.advice_code, "network_advice_code": None,
        "network_decline_code": decline.network_decline_code, "network_status": "declined_by_network",
        "reason": decline.decline_code, "risk_level": "normal", "risk_score": 12,
        "seller_message": "The bank did not return any further details with this decline.", "type": "issuer_declined",
    }  # fmt: skip


def _unexpected(intent: Object, act: str) -> StripeError:
    return StripeError(
        f"You cannot {act} this PaymentIntent because it has a status of {intent['status']}.",
        code="payment_intent_unexpected_state",
        payment_intent=intent,
    )
