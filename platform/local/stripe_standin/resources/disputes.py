"""Disputes: a customer's bank takes the money back, and perhaps returns it.

An inquiry (`warning_*`) moves no money and leaves the charge refundable.
"""

from __future__ import annotations

from typing import Any

from local.stripe_standin import shapes
from local.stripe_standin.errors import InvalidRequest
from local.stripe_standin.jobs import job
from local.stripe_standin.money import DISPUTE_FEE
from local.stripe_standin.operations import listing, operation
from local.stripe_standin.params import (
    PAGE,
    RANGE,
    anything,
    boolean,
    hash_of,
    merge_metadata,
    metadata,
    text,
    unsettable,
)
from local.stripe_standin.resources import balance, early_fraud_warnings, payment_methods
from local.stripe_standin.work import Thing, Work, public

ANSWER_WITHIN = 9 * 86_400
"""Seconds to submit evidence; silence loses."""

DECIDED_AFTER = 300
"""Seconds from the submission of Stripe's magic evidence to the bank's decision."""

REASONS = [
    "bank_cannot_process",
    "check_returned",
    "credit_not_processed",
    "customer_initiated",
    "debit_not_authorized",
    "duplicate",
    "fraudulent",
    "general",
    "incorrect_account_details",
    "insufficient_funds",
    "noncompliant",
    "product_not_received",
    "product_unacceptable",
    "subscription_canceled",
    "unrecognized",
]
_NETWORK_REASON = {"fraudulent": "10.4", "product_not_received": "13.1", "subscription_canceled": "13.2"}
_OPEN = ("needs_response", "warning_needs_response")


@operation("GET", "/v1/disputes", {**PAGE, "charge": text(), "created": RANGE, "payment_intent": text()})
def list_(work: Work, params: dict[str, Any]) -> Thing:
    return listing(
        work,
        "dispute",
        params,
        "/v1/disputes",
        charge=params.get("charge"),
        payment_intent=params.get("payment_intent"),
    )


@operation("GET", "/v1/disputes/{dispute}")
def retrieve(work: Work, params: dict[str, Any], dispute: str) -> Thing:
    return public(work.get("dispute", dispute))


_EVIDENCE = hash_of(
    {**dict.fromkeys(shapes.EVIDENCE, unsettable(text(20_000))), "enhanced_evidence": anything},
)


@operation("POST", "/v1/disputes/{dispute}", {"evidence": _EVIDENCE, "metadata": metadata, "submit": boolean})
def update(work: Work, params: dict[str, Any], dispute: str) -> Thing:
    found = work.get("dispute", dispute)
    if "evidence" in params and found["status"] not in _OPEN:
        raise InvalidRequest(f"This dispute is already {found['status']}; evidence can no longer be given.")
    previous = {"metadata": found["metadata"], "evidence": found["evidence"], "status": found["status"]}
    found["metadata"] = merge_metadata(found["metadata"], params.get("metadata", {}))
    if "evidence" in params:
        found["evidence"] = {**found["evidence"], **params["evidence"]}
        details = {**found["evidence_details"], "has_evidence": any(found["evidence"].values())}
        if params.get("submit", True):
            details["submission_count"] += 1
            found["status"] = "warning_under_review" if _is_inquiry(found) else "under_review"
            match found["evidence"]["uncategorized_text"]:
                case "winning_evidence":
                    work.later(DECIDED_AFTER, "win_dispute", found)
                case "losing_evidence":
                    work.later(DECIDED_AFTER, "lose_dispute", found)
        found["evidence_details"] = details
    work.save(found)
    work.emit("charge.dispute.updated", found, previous=previous)
    return public(found)


@operation("POST", "/v1/disputes/{dispute}/close")
def close(work: Work, params: dict[str, Any], dispute: str) -> Thing:
    found = work.get("dispute", dispute)
    if found["status"] not in _OPEN:
        raise InvalidRequest(f"This dispute is already {found['status']}; it cannot be closed.")
    lose(work, found)
    return public(found)


# ------------------------------------------------ what banks do


@job("open_dispute")
def open_by_card(work: Work, charge: Thing) -> None:
    """Dispute a charge in the way its test card asks for."""
    card = payment_methods.behaviour(payment_methods.get(work, charge["payment_method"]))
    dispute(work, charge, reason=card.dispute_reason or "general", inquiry=card.is_inquiry)


def dispute(
    work: Work, charge: Thing, *, reason: str = "fraudulent", amount: int | None = None, inquiry: bool = False
) -> Thing:
    """Open a dispute over what was not refunded, or less; raises InvalidRequest if there is nothing to dispute."""
    left = charge["amount_captured"] - charge["amount_refunded"]
    amount = left if amount is None else amount
    if not 0 < amount <= left or charge.get("_held"):
        raise InvalidRequest(f"Charge {charge['id']} has {left} left to dispute, and at most one dispute at a time.")
    if reason not in REASONS:
        raise InvalidRequest(f"A dispute's reason is one of {', '.join(REASONS)}.", param="reason")
    brand = charge["payment_method_details"]["card"]["brand"]
    made = work.new(
        "dispute",
        amount=amount,
        charge=charge["id"],
        currency=charge["currency"],
        evidence_details={
            "due_by": work.now + ANSWER_WITHIN,
            "enhanced_eligibility": {},
            "has_evidence": False,
            "past_due": False,
            "submission_count": 0,
        },
        is_charge_refundable=inquiry,
        payment_intent=charge["payment_intent"],
        payment_method_details={
            "card": {
                "brand": brand,
                "case_type": "inquiry" if inquiry else "chargeback",
                "network": brand,
                "network_reason_code": _NETWORK_REASON.get(reason, "10.4"),
            },
            "type": "card",
        },
        reason=reason,
        status="warning_needs_response" if inquiry else "needs_response",
    )
    charge["disputed"] = True
    if not inquiry:
        charge["_held"] = True
        _move(work, made, sign=-1)
    work.save(charge)
    work.emit("charge.dispute.created", made)
    if not inquiry:
        work.emit("charge.dispute.funds_withdrawn", made)
    early_fraud_warnings.answer(work, charge)
    work.later(ANSWER_WITHIN, "expire_dispute", made)
    return made


@job("win_dispute")
def win(work: Work, found: Thing) -> None:
    """The bank believes us: amount and fee come back. An inquiry closes without a dispute."""
    _close(work, found, "warning_closed" if _is_inquiry(found) else "won")


@job("lose_dispute")
def lose(work: Work, found: Thing) -> None:
    """The bank believes its customer. A lost inquiry becomes a dispute."""
    if not _is_inquiry(found):
        _close(work, found, "lost")
        return
    if found["status"] == "warning_closed":
        return
    previous = {"status": found["status"]}
    found.update(status="needs_response", is_charge_refundable=False)
    found["payment_method_details"]["card"]["case_type"] = "chargeback"
    charge = work.get("charge", found["charge"])
    charge["_held"] = True
    _move(work, found, sign=-1)
    work.save(charge)
    work.save(found)
    work.emit("charge.dispute.updated", found, previous=previous)
    work.emit("charge.dispute.funds_withdrawn", found)


@job("expire_dispute")
def expire(work: Work, found: Thing) -> None:
    """The time for evidence is over."""
    if found["status"] == "warning_needs_response":
        win(work, found)
    elif found["status"] == "needs_response":
        found["evidence_details"] = {**found["evidence_details"], "past_due": True}
        lose(work, found)


def _close(work: Work, found: Thing, status: str) -> None:
    if found["status"] in {"won", "lost", "warning_closed"}:
        return
    previous = {"status": found["status"]}
    found["status"] = status
    work.save(found)
    if status == "won":
        charge = work.get("charge", found["charge"])
        del charge["_held"]
        work.save(charge)
        _move(work, found, sign=1)
        work.emit("charge.dispute.funds_reinstated", found)
    work.emit("charge.dispute.closed", found, previous=previous)


def _move(work: Work, found: Thing, *, sign: int) -> None:
    entry = balance.book(
        work,
        found,
        kind="adjustment",
        amount=sign * found["amount"],
        fee=-sign * DISPUTE_FEE,
        category="dispute" if sign < 0 else "dispute_reversal",
        description=f"Chargeback {'withdrawal' if sign < 0 else 'reversal'} for {found['charge']}",
    )
    found["balance_transactions"] = [*found["balance_transactions"], work.show(entry)]
    work.save(found)


def _is_inquiry(found: Thing) -> bool:
    return bool(found["status"].startswith("warning_"))
