"""What is only read: charges, the balance and its transactions, events."""

from __future__ import annotations

from collections import Counter

from local.standin.call import Call
from local.standin.store import Object


def charge(call: Call) -> Object:
    """Answer a charge."""
    return call.world.get("charge", call.id)


def charges(call: Call) -> Object:
    """Answer charges, newest first, of a customer or of a PaymentIntent."""
    return call.listing(
        "charge", "/v1/charges", customer=call.params.get("customer"), parent=call.params.get("payment_intent")
    )


def balance_transaction(call: Call) -> Object:
    """Answer a balance transaction."""
    return call.world.get("balance_transaction", call.id)


def balance_transactions(call: Call) -> Object:
    """Answer balance transactions, newest first."""
    return call.listing("balance_transaction", "/v1/balance_transactions", parent=call.params.get("source"))


def balance(call: Call) -> Object:
    """Answer what the account holds, by currency."""
    totals: Counter[str] = Counter()
    for entry in call.world.store.everything("balance_transaction"):
        totals[entry["currency"]] += entry["net"]
    pending = [
        {"amount": amount, "currency": currency, "source_types": {"card": amount}}
        for currency, amount in sorted(totals.items())
    ]
    return {"object": "balance", "available": [], "livemode": False, "pending": pending}


def early_fraud_warnings(call: Call) -> Object:
    """Answer early fraud warnings, newest first."""
    return call.listing("radar.early_fraud_warning", "/v1/radar/early_fraud_warnings", parent=call.params.get("charge"))


def event(call: Call) -> Object:
    """Answer an event."""
    return call.world.get("event", call.id)


def events(call: Call) -> Object:
    """Answer events, newest first; by types, by time."""
    return call.listing("event", "/v1/events")
