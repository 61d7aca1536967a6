"""Stripe's answers in billing's own words."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, cast

import stripe

from billing import rules
from billing.gateway import (
    BalanceMovement,
    ChargeOutcome,
    DisputeState,
    OutcomeKind,
    RefundKind,
    RefundOutcome,
    SetupIntent,
)
from billing.stripe_gateway.parameters import AMOUNT_FACTOR


def read_refund(refund: Mapping[str, Any]) -> RefundOutcome:
    """Read a Refund."""
    match refund.get("status"):
        case "succeeded":
            return RefundOutcome(RefundKind.SUCCEEDED, refund["id"])
        case "failed" | "canceled":
            return RefundOutcome(RefundKind.FAILED, refund["id"], str(refund.get("failure_reason") or "failed"))
        case _:
            return RefundOutcome(RefundKind.PENDING, refund["id"])


def read_movement(entry: Mapping[str, Any]) -> BalanceMovement:
    """Read a BalanceTransaction, its source expanded."""
    source = entry.get("source") or {}
    if isinstance(source, Mapping):
        # A charge is known to us by its PaymentIntent; refunds and disputes have one too, but are themselves.
        source = source["payment_intent"] if source.get("object") == "charge" else source.get("id")
    currency = str(entry["currency"]).upper()
    factor = AMOUNT_FACTOR.get(currency, 1)
    return BalanceMovement(
        id=entry["id"],
        kind=entry["type"],
        currency=currency,
        amount=entry["amount"] // factor,
        fee=entry["fee"] // factor,
        reference=str(source or ""),
        made_at=datetime.fromtimestamp(entry["created"], UTC),
    )


def read_dispute(found: Mapping[str, Any]) -> DisputeState:
    """Read a Dispute."""
    currency = found["currency"].upper()
    due_by = (found.get("evidence_details") or {}).get("due_by")
    return DisputeState(
        id=found["id"],
        payment_intent=str(found.get("payment_intent") or ""),
        amount=found["amount"] // AMOUNT_FACTOR.get(currency, 1),
        currency=currency,
        reason=found["reason"],
        status=found["status"],
        due_by=datetime.fromtimestamp(due_by, UTC) if due_by else None,
    )


def read_setup_intent(intent: Mapping[str, Any]) -> SetupIntent:
    """Read a SetupIntent."""
    return SetupIntent(
        id=intent["id"],
        status=intent["status"],
        customer=intent.get("customer") or "",
        payment_method=intent.get("payment_method") or "",
        client_secret=intent.get("client_secret") or "",
    )


def read_charge(intent: Mapping[str, Any]) -> ChargeOutcome:
    """Read a PaymentIntent as the outcome of its charge."""
    payment_intent, secret = str(intent["id"]), str(intent.get("client_secret") or "")
    match intent.get("status"):
        case "succeeded":
            return ChargeOutcome(OutcomeKind.SUCCEEDED, payment_intent)
        case "canceled":
            return ChargeOutcome(OutcomeKind.CANCELED, payment_intent, "canceled")
        case "requires_action":
            return ChargeOutcome(OutcomeKind.REQUIRES_ACTION, payment_intent, "authentication_required", secret)
        case "requires_payment_method" if intent.get("last_payment_error"):
            return _decline(intent["last_payment_error"], payment_intent, secret)
        case status:
            return ChargeOutcome(OutcomeKind.UNKNOWN, payment_intent, str(status))


def _decline(error: Mapping[str, Any], payment_intent: str, secret: str) -> ChargeOutcome:
    code = str(error.get("decline_code") or error.get("code") or "generic_decline")
    if "authentication_required" in {code, error.get("code")}:
        # The customer completes the same PaymentIntent; a new one would be a second charge.
        return ChargeOutcome(OutcomeKind.REQUIRES_ACTION, payment_intent, "authentication_required", secret)
    final = rules.never_again(
        advice=str(error.get("advice_code") or ""),
        network_advice=str(error.get("network_advice_code") or ""),
        network_decline=str(error.get("network_decline_code") or ""),
    )
    return ChargeOutcome(OutcomeKind.DECLINED, payment_intent, code, final=final)


def read_refusal(error: stripe.CardError | stripe.InvalidRequestError) -> ChargeOutcome:
    """Read an error that Stripe answered with as the outcome of a charge."""
    body = cast("Mapping[str, Any]", error.json_body or {}).get("error") or {}
    intent = body.get("payment_intent") or {}
    payment_intent, secret = str(intent.get("id") or ""), str(intent.get("client_secret") or "")
    if isinstance(error, stripe.CardError):
        return _decline(body, payment_intent, secret)
    if intent:
        # Refused for the state the PaymentIntent is in: that state is the answer.
        return read_charge(intent)
    return ChargeOutcome(OutcomeKind.REJECTED, code=error.code or "invalid_request")


def is_kept(error: stripe.StripeError) -> bool:
    """Answer whether an error is what Stripe answered an earlier call with the same key.

    https://docs.stripe.com/api/idempotent_requests
    """
    return (error.headers or {}).get("Idempotent-Replayed") == "true"
