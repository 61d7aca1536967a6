"""Refunds (docs.stripe.com/api/refunds): never more than was charged."""

from __future__ import annotations

from local.standin.call import Call
from local.standin.resources import charges, disputes, payment_methods
from local.standin.store import Object
from local.standin.wire import StripeError, merge_metadata
from local.standin.world import World

REASONS = ("duplicate", "fraudulent", "requested_by_customer")


def create(call: Call) -> Object:
    """Give back all that is left of a charge, or a part."""
    charge = _charge(call)
    amount = _refundable(call, charge)
    refund_id = call.world.new_id("re")
    outcome = payment_methods.by_number(charge["payment_method_details"]["card"]).refund
    entry = call.world.book(
        kind="refund", amount=-amount, fee=0, currency=charge["currency"], source=refund_id, category="refund"
    )
    refund = call.world.store.add(
        {
            "id": refund_id,
            "object": "refund",
            "amount": amount,
            "balance_transaction": entry["id"],
            "charge": charge["id"],
            "created": call.world.now(),
            "currency": charge["currency"],
            "destination_details": {"card": {"type": "refund"}, "type": "card"},
            "metadata": merge_metadata({}, call.params.get("metadata")),
            "payment_intent": charge["payment_intent"],
            "reason": call.params.get("reason"),
            "receipt_number": None,
            "source_transfer_reversal": None,
            "status": "succeeded" if outcome == "succeeded" else "pending",
            "transfer_reversal": None,
        },
        parent=charge["id"],
    )
    _count(call.world, charge, amount)
    call.tell("refund.created", refund)
    call.tell("charge.refunded", charge)
    if outcome != "succeeded":
        call.world.later("refund:" + outcome.removeprefix("pending_then_"), refund_id)
    return refund


def _refundable(call: Call, charge: Object) -> int:
    """Answer how much to give back, or raise what stands against it."""
    if disputes.holds(call.world, charge):
        raise StripeError(
            f"Charge {charge['id']} has been charged back; cannot issue a refund.", code="charge_disputed", stored=True
        )
    left = charge["amount"] - charge["amount_refunded"]
    if left == 0:
        raise StripeError(
            f"Charge {charge['id']} has already been refunded.", code="charge_already_refunded", stored=True
        )
    amount = int(call.params.get("amount", left))
    if amount < 1:
        raise StripeError("Invalid positive integer", code="parameter_invalid_integer", param="amount")
    if amount > left:
        raise StripeError(
            f"Refund amount ({amount}) is greater than unrefunded amount on charge ({left})",
            param="amount",
            stored=True,
        )
    return amount


def finish(world: World, refund_id: str, *, succeeded: bool) -> None:
    """Settle a pending refund; a failed one returns the money to the balance."""
    refund = world.get("refund", refund_id)
    if refund["status"] != "pending":
        return
    refund["status"] = "succeeded" if succeeded else "failed"
    if not succeeded:
        entry = world.book(
            kind="refund_failure",
            amount=refund["amount"],
            fee=0,
            currency=refund["currency"],
            source=refund_id,
            category="refund_failure",
        )
        refund |= {"failure_reason": "expired_or_canceled_card", "failure_balance_transaction": entry["id"]}
        _count(world, world.get("charge", refund["charge"]), -refund["amount"])
    world.store.save(refund)
    world.tell("refund.updated" if succeeded else "refund.failed", refund)


def retrieve(call: Call) -> Object:
    """Answer a refund."""
    return call.world.get("refund", call.id)


def update(call: Call) -> Object:
    """Change metadata."""
    refund = call.world.get("refund", call.id)
    refund["metadata"] = merge_metadata(refund["metadata"], call.params.get("metadata"))
    call.tell("refund.updated", refund)
    return call.world.store.save(refund)


def listing(call: Call) -> Object:
    """Answer refunds, newest first."""
    return call.listing("refund", "/v1/refunds", parents=[charges.named(call)])


def _charge(call: Call) -> Object:
    if "charge" in call.params:
        charge = call.world.get("charge", call.params["charge"], param="charge")
        if not charge["paid"]:
            raise StripeError("This charge was not paid, so it cannot be refunded.", param="charge", stored=True)
        return charge
    if "payment_intent" not in call.params:
        raise StripeError("One of the following params should be provided for this request: payment_intent or charge.")
    intent = call.world.get("payment_intent", call.params["payment_intent"], param="payment_intent")
    if intent["status"] != "succeeded":
        raise StripeError(
            f"This PaymentIntent ({intent['id']}) does not have a successful charge to refund.",
            param="payment_intent",
            stored=True,
        )
    return call.world.get("charge", intent["latest_charge"])


def _count(world: World, charge: Object, amount: int) -> None:
    charge["amount_refunded"] += amount
    charge["refunded"] = charge["amount_refunded"] == charge["amount"]
    world.store.save(charge)
