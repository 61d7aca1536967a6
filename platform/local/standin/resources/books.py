"""What is only read: the balance and its transactions, early fraud warnings, events."""

from __future__ import annotations

from local.standin.call import Call
from local.standin.resources import charges
from local.standin.store import Object


def balance_transaction(call: Call) -> Object:
    """Answer a balance transaction."""
    return call.world.get("balance_transaction", call.id)


def balance_transactions(call: Call) -> Object:
    """Answer balance transactions, newest first."""
    return call.listing(
        "balance_transaction",
        "/v1/balance_transactions",
        parents=[call.params.get("source")],
        members=("currency", "type"),
    )


def balance(call: Call) -> Object:
    """Answer what the account holds, by currency."""
    pending = [
        {"amount": amount, "currency": currency, "source_types": {"card": amount}}
        for currency, amount in call.world.store.balances().items()
    ]
    return {"object": "balance", "available": [], "livemode": False, "pending": pending}


def early_fraud_warning(call: Call) -> Object:
    """Answer an early fraud warning."""
    return call.world.get("radar.early_fraud_warning", call.id)


def early_fraud_warnings(call: Call) -> Object:
    """Answer early fraud warnings, newest first."""
    return call.listing("radar.early_fraud_warning", "/v1/radar/early_fraud_warnings", parents=[charges.named(call)])


def event(call: Call) -> Object:
    """Answer an event."""
    return _present(call, call.world.get("event", call.id))


def events(call: Call) -> Object:
    """Answer events, newest first; by types, by time."""
    page = call.listing("event", "/v1/events", parents=call.params.get("types") or [call.params.get("type")])
    return page | {"data": [_present(call, entry) for entry in page["data"]]}


def _present(call: Call, found: Object) -> Object:
    return found | {"pending_webhooks": call.world.store.undelivered(found["id"])}
