"""Payouts to the bank (docs.stripe.com/api/payouts): by hand, or by itself through the control."""

from __future__ import annotations

from local.standin.call import Call
from local.standin.store import Object
from local.standin.wire import Kind, StripeError, integer, merge_metadata, metadata, one_of, text
from local.standin.world import World

KINDS: dict[str, Kind] = {
    "amount": integer,
    "currency": text,
    "description": text,
    "metadata": metadata,
    "method": one_of("standard"),
    "statement_descriptor": text,
}
LISTED: dict[str, Kind] = {"status": one_of("paid", "pending", "in_transit", "canceled", "failed")}

ARRIVES_AFTER = 2 * 86_400
"""Seconds until the money is at the bank."""


def create(call: Call) -> Object:
    """Pay out a part of the balance."""
    amount, currency = call.params.get("amount"), call.params.get("currency")
    if amount is None or currency is None:
        missing = "amount" if amount is None else "currency"
        raise StripeError(f"Missing required param: {missing}.", code="parameter_missing", param=missing)
    return pay_out(
        call.world,
        currency=currency,
        amount=amount,
        automatic=False,
        metadata=merge_metadata({}, call.params.get("metadata")),
        description=call.params.get("description"),
    )


def pay_out(
    world: World,
    *,
    currency: str,
    amount: int | None = None,
    automatic: bool = True,
    metadata: dict[str, str] | None = None,
    description: str | None = None,
) -> Object:
    """Move an amount, or all there is, from the balance to the bank."""
    held = world.store.balances().get(currency, 0)
    amount = held if amount is None else amount
    if amount < 1:
        raise StripeError("Invalid positive integer", code="parameter_invalid_integer", param="amount")
    if amount > held:
        raise StripeError(
            "You have insufficient funds in your Stripe account for this transfer.",
            code="balance_insufficient",
            stored=True,
        )
    payout_id = world.new_id("po")
    entry = world.book(kind="payout", amount=-amount, fee=0, currency=currency, source=payout_id, category="payout")
    payout = world.store.add(
        {
            "id": payout_id,
            "object": "payout",
            "amount": amount,
            "application_fee": None,
            "application_fee_amount": None,
            "arrival_date": world.now() + ARRIVES_AFTER,
            "automatic": automatic,
            "balance_transaction": entry["id"],
            "created": world.now(),
            "currency": currency,
            "description": description or ("STRIPE PAYOUT" if automatic else None),
            "destination": None,
            "failure_balance_transaction": None,
            "failure_code": None,
            "failure_message": None,
            "livemode": False,
            "metadata": metadata or {},
            "method": "standard",
            "original_payout": None,
            "payout_method": None,
            "reconciliation_status": "in_progress" if automatic else "not_applicable",
            "reversed_by": None,
            "source_type": "card",
            "statement_descriptor": None,
            "status": "pending",
            "trace_id": None,
            "type": "bank_account",
        }
    )
    world.tell("payout.created", payout)
    return payout


def settle(world: World, payout_id: str, *, paid: bool) -> Object:
    """Let a payout arrive, or come back: then its amount is in the balance again."""
    payout = world.get("payout", payout_id)
    if payout["status"] not in {"pending", "in_transit"}:
        raise StripeError(f"This payout is already {payout['status']}.", stored=True)
    payout["status"] = "paid" if paid else "failed"
    if not paid:
        entry = world.book(
            kind="payout_failure",
            amount=payout["amount"],
            fee=0,
            currency=payout["currency"],
            source=payout_id,
            category="payout_reversal",
        )
        payout["failure_balance_transaction"] = entry["id"]
        payout["failure_code"] = "account_closed"
        payout["failure_message"] = "The bank account has been closed."
    world.store.save(payout)
    world.tell("payout.paid" if paid else "payout.failed", payout)
    return payout


def retrieve(call: Call) -> Object:
    """Answer a payout."""
    return call.world.get("payout", call.id)


def listing(call: Call) -> Object:
    """Answer payouts, newest first."""
    return call.listing("payout", "/v1/payouts", members=("status",))
