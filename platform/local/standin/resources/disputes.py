"""Disputes and early fraud warnings (docs.stripe.com/disputes)."""

from __future__ import annotations

from local.standin.call import Call
from local.standin.resources import charges
from local.standin.store import Object
from local.standin.wire import StripeError, merge_metadata
from local.standin.world import World

FEE = 1500
ANSWER_WITHIN = 7 * 86_400
"""Seconds the evidence may take."""

CLOSED = {"won", "lost", "warning_closed"}

# docs.stripe.com/testing#disputes: these words in uncategorized_text decide it.
DECIDING = {"winning_evidence": True, "losing_evidence": False}

# docs.stripe.com/api/disputes/object, without those of other kinds of payment than cards.
REASONS = {"credit_not_processed", "duplicate", "fraudulent", "general", "product_not_received", "product_unacceptable",
           "subscription_canceled", "unrecognized"}  # fmt: skip


def open_on(world: World, charge_id: str, *, reason: str = "fraudulent") -> Object:
    """Dispute what is left of a charge; the reason `inquiry` asks only, and moves no money."""
    charge = world.get("charge", charge_id)
    inquiry = reason == "inquiry"
    amount = charge["amount"] - charge["amount_refunded"]
    if reason not in {*REASONS, "inquiry"}:
        raise StripeError(f"Invalid reason: must be inquiry or one of {', '.join(sorted(REASONS))}", param="reason")
    if not charge["paid"] or amount == 0:
        raise StripeError(f"Charge {charge_id} holds nothing that could be disputed.")
    if charge["disputed"]:
        raise StripeError(f"Charge {charge_id} is disputed already.")
    dispute = _new(world, charge, amount, reason="general" if inquiry else reason, inquiry=inquiry)
    if not inquiry:
        charge = world.store.save(charge | {"disputed": True})
        _move(world, dispute, -amount, fee=FEE)
    world.store.add(dispute, parent=charge_id)
    world.tell("charge.dispute.created", dispute)
    if not inquiry:
        world.tell("charge.dispute.funds_withdrawn", dispute)
    return dispute


def _new(world: World, charge: Object, amount: int, *, reason: str, inquiry: bool) -> Object:
    return {
        "id": world.new_id("dp"),
        "object": "dispute",
        "amount": amount,
        "balance_transactions": [],
        "charge": charge["id"],
        "created": world.now(),
        "currency": charge["currency"],
        "enhanced_eligibility_types": [],
        "evidence": dict.fromkeys((*EVIDENCE, *FILES)),
        "evidence_details": {
            "due_by": world.now() + ANSWER_WITHIN,
            "has_evidence": False,
            "past_due": False,
            "submission_count": 0,
        },
        "is_charge_refundable": inquiry,
        "livemode": False,
        "metadata": {},
        "payment_intent": charge["payment_intent"],
        "payment_method_details": {
            "card": {
                "brand": charge["payment_method_details"]["card"]["brand"],
                "case_type": "inquiry" if inquiry else "chargeback",
                "network_reason_code": "10.4",
            },
            "type": "card",
        },
        "reason": reason,
        "status": "warning_needs_response" if inquiry else "needs_response",
    }


def holds(world: World, charge: Object) -> bool:
    """Answer whether a dispute keeps a charge's money from being refunded: one that is open or lost."""
    found, _ = world.store.page("dispute", limit=100, parents=[charge["id"]])
    return any(dispute["status"] in {"needs_response", "under_review", "lost"} for dispute in found)


def warn(world: World, charge_id: str) -> Object:
    """Make an early fraud warning: the bank says that its customer complains."""
    charge = world.get("charge", charge_id)
    warning = world.store.add(
        {
            "id": world.new_id("issfr"),
            "object": "radar.early_fraud_warning",
            "actionable": not charge["disputed"] and charge["amount_refunded"] < charge["amount"],
            "charge": charge_id,
            "created": world.now(),
            "fraud_type": "misc",
            "livemode": False,
            "payment_intent": charge["payment_intent"],
        },
        parent=charge_id,
    )
    world.tell("radar.early_fraud_warning.created", warning)
    return warning


def decide(world: World, dispute_id: str, *, won: bool) -> Object:
    """Close a dispute; a won one returns the amount, not the fee."""
    dispute = world.get("dispute", dispute_id)
    if dispute["status"] in CLOSED:
        raise StripeError(f"This dispute is already {dispute['status']}.", stored=True)
    if dispute["status"].startswith("warning"):
        dispute["status"] = "warning_closed"
    else:
        dispute["status"] = "won" if won else "lost"
        if won:
            _move(world, dispute, dispute["amount"], fee=0)
    world.store.save(dispute)
    world.tell("charge.dispute.closed", dispute)
    if dispute["status"] == "won":
        world.tell("charge.dispute.funds_reinstated", dispute)
    return dispute


def retrieve(call: Call) -> Object:
    """Answer a dispute."""
    return call.world.get("dispute", call.id)


def listing(call: Call) -> Object:
    """Answer disputes, newest first."""
    return call.listing("dispute", "/v1/disputes", parents=[charges.named(call)])


def update(call: Call) -> Object:
    """Add evidence, and submit it unless told not to."""
    dispute = call.world.get("dispute", call.id)
    evidence = call.params.get("evidence", {})
    if evidence and dispute["status"] in CLOSED:
        raise StripeError(f"This dispute is already {dispute['status']}.", stored=True)
    for name in FILES:
        if evidence.get(name):
            call.world.get("file", evidence[name], param=f"evidence[{name}]")
    dispute["evidence"] |= evidence
    dispute["metadata"] = merge_metadata(dispute["metadata"], call.params.get("metadata"))
    dispute["evidence_details"]["has_evidence"] = any(dispute["evidence"].values())
    if evidence and call.params.get("submit", True):
        dispute["evidence_details"]["submission_count"] += 1
        dispute["status"] = "warning_under_review" if dispute["status"].startswith("warning") else "under_review"
        if (won := DECIDING.get(evidence.get("uncategorized_text", ""))) is not None:
            call.world.later("decide:won" if won else "decide:lost", dispute["id"])
    call.world.store.save(dispute)
    call.tell("charge.dispute.updated", dispute)
    return dispute


def close(call: Call) -> Object:
    """Accept that it is lost."""
    return decide(call.world, call.id, won=False)


def _move(world: World, dispute: Object, amount: int, *, fee: int) -> None:
    entry = world.book(
        kind="adjustment",
        amount=amount,
        fee=fee,
        currency=dispute["currency"],
        source=dispute["id"],
        category="dispute" if amount < 0 else "dispute_reversal",
    )
    dispute["balance_transactions"].append(entry)


# The texts of docs.stripe.com/api/disputes/evidence_object, and the files among them.
EVIDENCE = ("access_activity_log", "billing_address", "cancellation_policy_disclosure", "cancellation_rebuttal",
            "customer_email_address", "customer_name", "customer_purchase_ip", "duplicate_charge_explanation",
            "duplicate_charge_id", "product_description", "refund_policy_disclosure", "refund_refusal_explanation",
            "service_date", "shipping_address", "shipping_carrier", "shipping_date", "shipping_tracking_number",
            "uncategorized_text")  # fmt: skip

FILES = ("cancellation_policy", "customer_communication", "customer_signature", "duplicate_charge_documentation", "receipt",
         "refund_policy", "service_documentation", "shipping_documentation", "uncategorized_file")  # fmt: skip
