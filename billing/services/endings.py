"""Ending a subscription at once, whatever it still owes."""

from __future__ import annotations

from datetime import datetime

from django.db.models import Q

from billing.models import Dispute, Invoice, PaymentAttempt, Refund, Subscription
from billing.rules import Status
from billing.services import crediting, debts, gift_sales, settlement
from billing.services.settlement import SYSTEM, Changes


def lock(attempt: PaymentAttempt, subscription: Subscription | None) -> Invoice:
    """Lock what giving a charge back and ending its locked subscription change, all of it before anything is changed.

    Answers the charge's invoice.
    """
    unpaid = Q(subscription=subscription, status=Invoice.Status.OPEN, kind=Invoice.Kind.PERIOD)
    wanted = Q(pk=attempt.invoice_id)
    invoices = {each.pk: each for each in Invoice.objects.locked().filter(wanted | unpaid if subscription else wanted)}
    invoice = invoices[attempt.invoice_id]
    list(PaymentAttempt.objects.locked().filter(Q(pk=attempt.pk) | Q(invoice__in=debts.collected(invoice))))
    list(Refund.objects.locked().filter(Q(invoice=invoice) | Q(attempt=attempt), state=Refund.State.REQUESTED))
    list(Dispute.objects.locked().filter(attempt=attempt))
    gift_sales.lock(invoices.keys())
    crediting.lock(invoices.keys())
    return invoice


def end_at_once(subscription: Subscription, changes: Changes, *, reason: str, now: datetime, by: str = SYSTEM) -> None:
    """End a locked live subscription now; what it was to pay for its next period, nobody owes any more.

    That was locked with `lock`. One that waits for its first payment ends with it, and stays as it is.
    """
    if subscription.status == Status.INCOMPLETE:
        return
    unpaid = Invoice.objects.locked().filter(
        subscription=subscription, status=Invoice.Status.OPEN, kind=Invoice.Kind.PERIOD
    )
    settlement.cancel_unpaid(
        unpaid.first(), subscription, changes, close_as=Invoice.Status.VOID, by=by, reason=reason, now=now
    )
