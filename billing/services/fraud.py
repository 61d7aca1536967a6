"""Early fraud warnings: most of them become disputes, and a payment that is given back before cannot be disputed.

A payment up to FRAUD_WARNING_REFUND_LIMIT is given back in full at once and its subscription ends: what a dispute costs in
fees, and counts for with the card networks, is more. A larger one, or one that cannot be given back, parks the
subscription, and holds a gift back: nothing more is charged or redeemed until staff have looked.
"""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar

from django.conf import settings
from django.db import transaction

from billing import rules
from billing.gateway import FraudWarning as Found
from billing.models import FraudWarning, PaymentAttempt, Refund, Subscription
from billing.services import endings, refunds, settlement
from billing.services.settlement import SYSTEM, Changes
from core.errors import DomainError

PARKED = "early_fraud_warning"
Action = FraudWarning.Action


class WarningNotWaiting(DomainError):
    """What was warned of was given back, or had been already."""

    code: ClassVar[str] = "warning_not_waiting"
    title: ClassVar[str] = "This warning does not wait for staff."
    status: ClassVar[int] = 409


@transaction.atomic
def record(*, found: Found, now: datetime) -> bool:
    """Act on a warning, once however often it is told; answers False if its payment is unknown."""
    attempt = PaymentAttempt.objects.filter(gateway_id=found.payment_intent).first()
    if attempt is None or not found.payment_intent:
        return False
    # A gift is bought without one.
    subscription = Subscription.objects.locked().filter(invoices=attempt.invoice_id).first()
    attempt.invoice = endings.lock(attempt, subscription)
    if FraudWarning.objects.filter(gateway_id=found.id).exists():
        return True
    refund = _give_back(attempt, now=now) if found.actionable else None
    changes = Changes()
    if refund is not None:
        action = Action.REFUNDED
        if subscription and subscription.status in rules.LIVE:
            endings.end_at_once(subscription, changes, reason=PARKED, now=now)
    elif found.actionable and refunds.unreturned(attempt) > 0:
        action = Action.PARKED
        if subscription and subscription.status in rules.LIVE and subscription.parked_at is None:
            settlement.park(subscription, PARKED, changes, now=now)
    else:
        action = Action.NONE
    FraudWarning.objects.create(
        gateway_id=found.id,
        attempt=attempt,
        fraud_type=found.fraud_type[:50],
        action=action,
        refund=refund,
        received_at=now,
    )
    changes.write(now=now)
    return True


@transaction.atomic
def dismiss(*, warning_id: int) -> FraudWarning:
    """Let a payment stand that was warned of, for staff know that it was the customer: its gift can be redeemed.

    A subscription that it parked is put back where parked ones are. Raises WarningNotWaiting.
    """
    warning = FraudWarning.objects.select_for_update().get(pk=warning_id)
    if warning.action != Action.PARKED:
        raise WarningNotWaiting
    warning.action = Action.NONE
    warning.save(update_fields=["action"])
    return warning


def _give_back(attempt: PaymentAttempt, *, now: datetime) -> Refund | None:
    """Ask for what the card paid, if that is little enough; a worker sends it within minutes."""
    try:
        with transaction.atomic():
            # The limit is the second person's word.
            return refunds.return_charge(
                invoice_id=attempt.invoice_id,
                at_most=settings.FRAUD_WARNING_REFUND_LIMIT,
                reason=PARKED,
                by=SYSTEM,
                now=now,
            )
    except refunds.NotRefundable:
        return None
