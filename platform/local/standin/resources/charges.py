"""Charges: what an attempt to take money left behind (docs.stripe.com/api/charges)."""

from __future__ import annotations

from local.standin.call import Call
from local.standin.cards import Decline
from local.standin.store import Object
from local.standin.world import World


def retrieve(call: Call) -> Object:
    """Answer a charge."""
    return call.world.get("charge", call.id)


def listing(call: Call) -> Object:
    """Answer charges, newest first, of a customer or of a PaymentIntent."""
    return call.listing(
        "charge",
        "/v1/charges",
        customer=call.params.get("customer"),
        parents=[call.params.get("payment_intent")],
    )


def named(call: Call) -> str | None:
    """Answer the charge that a list is asked for, by itself or by its PaymentIntent; None when by neither."""
    if "charge" in call.params:
        return str(call.world.get("charge", call.params["charge"], param="charge")["id"])
    if "payment_intent" in call.params:
        intent = call.world.get("payment_intent", call.params["payment_intent"], param="payment_intent")
        return str(intent["latest_charge"] or "")
    return None


def paid(world: World, intent: Object, method: Object) -> Object:
    """Take the money of a PaymentIntent, less the fee."""
    charge = _make(world, intent, method, decline=None)
    entry = world.book(
        kind="charge",
        amount=intent["amount"],
        # 2.9 % and 30 of the smallest unit, rounded half up.
        fee=(intent["amount"] * 29 + 500) // 1000 + 30,
        currency=intent["currency"],
        source=charge["id"],
        category="charge",
    )
    return world.store.add(charge | {"balance_transaction": entry["id"]}, parent=intent["id"])


def declined(world: World, intent: Object, method: Object, decline: Decline) -> Object:
    """Keep the record that a bank said no."""
    return world.store.add(_make(world, intent, method, decline=decline), parent=intent["id"])


def _make(world: World, intent: Object, method: Object, *, decline: Decline | None) -> Object:
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
        "payment_method_details": {"card": _card_details(method, intent["amount"]), "type": "card"},
        "receipt_email": intent["receipt_email"],
        "receipt_number": None,
        "receipt_url": None,
        "refunded": False,
        "review": None,
        "shipping": intent["shipping"],
        "source": None,
        "source_transfer": None,
        "statement_descriptor": intent["statement_descriptor"],
        "statement_descriptor_suffix": intent["statement_descriptor_suffix"],
        "status": "failed" if decline else "succeeded",
        "transfer_data": None,
        "transfer_group": None,
    }


def _card_details(method: Object, amount: int) -> Object:
    card = method["card"]
    shared = ("brand", "checks", "country", "exp_month", "exp_year", "fingerprint", "funding", "last4", "wallet")
    return {name: card[name] for name in shared} | {
        "amount_authorized": amount,
        "installments": None,
        "mandate": None,
        "network": card["brand"],
        "three_d_secure": None,
    }


def _outcome(decline: Decline | None) -> Object:
    outcome = {"network_advice_code": None, "risk_level": "normal", "risk_score": 12}
    if decline is None:
        return outcome | {
            "advice_code": None,
            "network_decline_code": None,
            "network_status": "approved_by_network",
            "reason": None,
            "seller_message": "Payment complete.",
            "type": "authorized",
        }
    return outcome | {
        "advice_code": decline.advice_code,
        "network_decline_code": decline.network_decline_code,
        "network_status": "declined_by_network",
        "reason": decline.decline_code,
        "seller_message": "The bank did not return any further details with this decline.",
        "type": "issuer_declined",
    }
