"""Refunds at the gateway: sent, asked after, and settled once."""

from __future__ import annotations

import logging
from datetime import datetime
from uuid import UUID

from django.db import transaction

from billing.gateway import Gateway, RefundKind, RefundOutcome
from billing.models import Invoice, Refund
from billing.services import setbacks
from billing.services.ledger import Account
from billing.services.refunds.issuing import issue, put_back_overpaid, return_to_credit, take_back
from billing.services.setbacks import Sweep

logger = logging.getLogger(__name__)
SWEEP_SIZE = 100

State = Refund.State


def send(*, refund_id: UUID, gateway: Gateway, now: datetime) -> Refund:
    """Send an approved refund, or ask again how it stands; does nothing with one that is settled."""
    refund = Refund.objects.select_related("attempt").get(pk=refund_id)
    if refund.attempt is None:
        return _send_to_credit(refund_id, now=now)
    if refund.state == State.PENDING:
        return settle(refund_id=refund_id, outcome=gateway.refund_status(refund.gateway_id), now=now)
    if refund.state != State.APPROVED:
        return refund
    # The key may be forgotten by now, so a refund that the gateway has is found first.
    found = gateway.find_refund(payment_intent=refund.attempt.gateway_id, refund_id=str(refund.pk))
    outcome = found or gateway.refund(
        payment_intent=refund.attempt.gateway_id,
        amount=refund.amount,
        currency=refund.currency,
        refund_id=str(refund.pk),
        idempotency_key=f"ref_{refund.pk}",
    )
    return settle(refund_id=refund_id, outcome=outcome, now=now)


@transaction.atomic
def _send_to_credit(refund_id: UUID, *, now: datetime) -> Refund:
    Invoice.objects.locked().get(refunds=refund_id)
    refund = Refund.objects.select_related("invoice").locked().get(pk=refund_id)
    return return_to_credit(refund, now=now) if refund.state == State.APPROVED else refund


def sweep(*, gateway: Gateway, now: datetime) -> int:
    """Send and ask after what is under way; answers how many.

    Each in its turn by chance: a bank takes days for some, and the oldest alone would keep all others from theirs.
    """
    waiting = [
        refund_id
        for state in (State.APPROVED, State.PENDING)
        for refund_id in setbacks.without(Sweep.REFUNDS, Refund.objects.filter(state=state), now=now)
        .order_by("?")
        .values_list("pk", flat=True)[:SWEEP_SIZE]
    ]
    return len(
        setbacks.each(
            Sweep.REFUNDS, waiting, lambda refund_id: send(refund_id=refund_id, gateway=gateway, now=now), now=now
        )
    )


@transaction.atomic
def settle(*, refund_id: UUID, outcome: RefundOutcome, now: datetime) -> Refund:
    """Record what became of a refund, once, with its credit note and its entry; unknown changes nothing.

    What had succeeded may fail later, when the customer's bank sends it back.
    """
    # Two of one invoice at once would give the same unearned revenue up.
    Invoice.objects.locked().get(refunds=refund_id)
    refund = Refund.objects.select_related("invoice").locked().get(pk=refund_id)
    comes_back = refund.state == State.SUCCEEDED and outcome.kind is RefundKind.FAILED and refund.attempt_id is not None
    if outcome.kind is RefundKind.UNKNOWN or not (refund.state in {State.APPROVED, State.PENDING} or comes_back):
        return refund
    before = refund.state
    refund.gateway_id = outcome.id or refund.gateway_id
    refund.failure = outcome.code
    refund.state = {
        RefundKind.SUCCEEDED: State.SUCCEEDED,
        RefundKind.PENDING: State.PENDING,
        RefundKind.FAILED: State.FAILED,
    }[outcome.kind]
    if refund.state != State.PENDING:
        refund.settled_at = now
    refund.save(update_fields=["state", "gateway_id", "failure", "settled_at"])
    accepted = refund.state in {State.PENDING, State.SUCCEEDED}
    if accepted and before == State.APPROVED:
        # Stripe takes it from the balance when it accepts it.
        issue(refund, {(Account.CLEARING, ""): -refund.amount}, now=now)
    elif refund.state == State.FAILED:
        if before != State.APPROVED:
            take_back(refund, now=now)
        # Its money is owed to the customer again, and no sweep asks for it: staff find it on the dashboard.
        logger.error("A refund failed.", extra={"refund": str(refund.pk), "failure": refund.failure})
        put_back_overpaid(refund)
    return refund
