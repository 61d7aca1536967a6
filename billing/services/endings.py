"""Ending a subscription at once, whatever it still owes."""

from __future__ import annotations

from datetime import datetime

from billing.models import Invoice, Subscription
from billing.rules import Status
from billing.services import settlement
from billing.services.settlement import SYSTEM, Changes


def end_at_once(subscription: Subscription, changes: Changes, *, reason: str, now: datetime, by: str = SYSTEM) -> None:
    """End a locked live subscription now; what it was to pay for its next period, nobody owes any more.

    One that waits for its first payment ends with it, and stays as it is.
    """
    if subscription.status == Status.INCOMPLETE:
        return
    unpaid = Invoice.objects.locked().filter(
        subscription=subscription, status=Invoice.Status.OPEN, kind=Invoice.Kind.PERIOD
    )
    settlement.cancel_unpaid(
        unpaid.first(), subscription, changes, close_as=Invoice.Status.VOID, by=by, reason=reason, now=now
    )
