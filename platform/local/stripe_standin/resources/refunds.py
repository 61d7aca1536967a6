"""Refunds: never above what was captured, and never while a dispute holds the money."""

from __future__ import annotations

from typing import Any

from local.stripe_standin.cards import RefundFate
from local.stripe_standin.errors import InvalidParameter, InvalidRequest
from local.stripe_standin.jobs import job
from local.stripe_standin.money import display
from local.stripe_standin.operations import listing, operation
from local.stripe_standin.params import (
    PAGE,
    RANGE,
    anything,
    boolean,
    choice,
    integer,
    merge_metadata,
    metadata,
    text,
)
from local.stripe_standin.resources import balance, early_fraud_warnings
from local.stripe_standin.work import Thing, Work, public

SETTLES_AFTER = 300
"""Seconds until a refund that does not succeed at once does what it will."""

_CREATE = {
    "amount": integer(1),
    "charge": text(),
    "currency": text(),
    "customer": text(),
    "instructions_email": text(),
    "metadata": metadata,
    "origin": anything,
    "payment_intent": text(),
    "reason": choice("duplicate", "fraudulent", "requested_by_customer"),
    "refund_application_fee": boolean,
    "reverse_transfer": boolean,
}


@operation("POST", "/v1/refunds", _CREATE)
def create(work: Work, params: dict[str, Any]) -> Thing:
    charge = _charge(work, params)
    left = charge["amount_captured"] - charge["amount_refunded"]
    if not charge["paid"] or not charge["captured"]:
        raise InvalidRequest(
            f"Charge {charge['id']} has not been captured; there is nothing to refund.", param="charge"
        )
    if charge.get("_held"):
        raise InvalidRequest(
            f"Charge {charge['id']} has been charged back; cannot issue a refund.", code="charge_disputed"
        )
    if left == 0:
        raise InvalidRequest(f"Charge {charge['id']} has already been refunded.", code="charge_already_refunded")
    amount = params.get("amount", left)
    if amount > left:
        code = charge["currency"]
        limit = "charge amount" if left == charge["amount"] else "unrefunded amount on charge"
        raise InvalidRequest(
            f"Refund amount ({display(amount, code)}) is greater than {limit} ({display(left, code)})",
            code="amount_too_large",
            param="amount",
        )
    fate = RefundFate(charge.get("_refund", RefundFate.SUCCEEDS.value))
    refund = work.new(
        "refund",
        amount=amount,
        charge=charge["id"],
        currency=charge["currency"],
        customer=charge["customer"],
        metadata=merge_metadata({}, params.get("metadata", {})),
        payment_intent=charge["payment_intent"],
        payment_method=charge["payment_method"],
        reason=params.get("reason"),
        status="pending" if fate is RefundFate.PENDING_FIRST else "succeeded",
    )
    if fate is RefundFate.PENDING_FIRST:
        refund["pending_reason"] = "processing"
    refund["balance_transaction"] = balance.book(work, refund, kind="refund", amount=-amount)["id"]
    _count(work, charge, amount)
    early_fraud_warnings.answer(work, charge)
    work.emit("refund.created", refund)
    work.emit("charge.refunded", charge, previous={"amount_refunded": charge["amount_refunded"] - amount})
    if fate is RefundFate.PENDING_FIRST:
        work.later(SETTLES_AFTER, "settle_refund", refund)
    if fate is RefundFate.FAILS_LATER:
        work.later(SETTLES_AFTER, "fail_refund", refund)
    return public(refund)


@operation("GET", "/v1/refunds", {**PAGE, "created": RANGE, "charge": text(), "payment_intent": text()})
def list_(work: Work, params: dict[str, Any]) -> Thing:
    return listing(
        work,
        "refund",
        params,
        "/v1/refunds",
        charge=params.get("charge"),
        payment_intent=params.get("payment_intent"),
    )


@operation("GET", "/v1/charges/{charge}/refunds", PAGE)
def list_of_charge(work: Work, params: dict[str, Any], charge: str) -> Thing:
    work.get("charge", charge)
    return listing(work, "refund", params, f"/v1/charges/{charge}/refunds", charge=charge)


@operation("GET", "/v1/refunds/{refund}")
def retrieve(work: Work, params: dict[str, Any], refund: str) -> Thing:
    return public(work.get("refund", refund))


@operation("POST", "/v1/refunds/{refund}", {"metadata": metadata})
def update(work: Work, params: dict[str, Any], refund: str) -> Thing:
    found = work.get("refund", refund)
    previous = {"metadata": found["metadata"]}
    found["metadata"] = merge_metadata(found["metadata"], params.get("metadata", {}))
    work.save(found)
    _tell_update(work, found, previous)
    return public(found)


@operation("POST", "/v1/refunds/{refund}/cancel")
def cancel(work: Work, params: dict[str, Any], refund: str) -> Thing:
    found = work.get("refund", refund)
    raise InvalidRequest(
        f"You cannot cancel this refund because it has a status of {found['status']}. Only a refund with one of the "
        "following statuses may be canceled: requires_action."
    )


def _charge(work: Work, params: dict[str, Any]) -> Thing:
    if params.get("charge"):
        return work.get("charge", params["charge"], param="charge")
    if not params.get("payment_intent"):
        raise InvalidParameter(
            "One of the following params should be provided for this request: payment_intent or charge.",
            code="parameter_missing",
        )
    intent = work.get("payment_intent", params["payment_intent"], param="payment_intent")
    if intent["status"] != "succeeded":
        raise InvalidRequest(
            f"This PaymentIntent ({intent['id']}) does not have a successful charge to refund.",
            code="payment_intent_unexpected_state",
            param="payment_intent",
        )
    return work.get("charge", intent["latest_charge"])


def _count(work: Work, charge: Thing, amount: int) -> None:
    charge["amount_refunded"] += amount
    charge["refunded"] = charge["amount_refunded"] == charge["amount_captured"]
    work.save(charge)


def _tell_update(work: Work, refund: Thing, previous: Thing) -> None:
    work.emit("refund.updated", refund, previous=previous)
    work.emit("charge.refund.updated", refund, previous=previous)


@job("settle_refund")
def settle(work: Work, refund: Thing) -> None:
    """A pending refund reaches the card."""
    previous = {"status": refund["status"]}
    refund["status"] = "succeeded"
    refund.pop("pending_reason", None)
    work.save(refund)
    _tell_update(work, refund, previous)


@job("fail_refund")
def fail(work: Work, refund: Thing) -> None:
    """The card did not take a refund: the money returns to the balance, and can be refunded again."""
    previous = {"status": refund["status"]}
    entry = balance.book(work, refund, kind="refund_failure", amount=refund["amount"])
    refund.update(status="failed", failure_reason="expired_or_canceled_card", failure_balance_transaction=entry["id"])
    work.save(refund)
    _count(work, work.get("charge", refund["charge"]), -refund["amount"])
    work.emit("refund.failed", refund, previous=previous)
    work.emit("charge.refund.updated", refund, previous=previous)
