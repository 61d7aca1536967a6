"""What follows when an invoice is paid."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

from django.db import transaction

from billing import events, rules
from billing.models import Invoice, PaymentAttempt, Period, Plan, Quote, Subscription
from billing.rules import Status
from billing.services import cycles
from billing.services.settlement.changes import SYSTEM, Changes
from billing.services.settlement.states import change_status, park


@transaction.atomic
def settle_covered(invoice: Invoice, subscription: Subscription, *, now: datetime) -> None:
    """Record that credit pays an open invoice in full, in the transaction that makes it; nothing is charged."""
    changes = Changes()
    mark_paid(invoice, None, subscription, changes, now=now)
    changes.write(now=now)


def mark_paid(
    invoice: Invoice, attempt: PaymentAttempt | None, subscription: Subscription, changes: Changes, *, now: datetime
) -> None:
    """Let a locked invoice be paid, by a charge or without one, with all that follows for its subscription."""
    changes.paid[invoice.pk] = attempt
    if invoice.status == Invoice.Status.UNCOLLECTIBLE:
        changes.reopened.add(invoice.pk)
    invoice.status = Invoice.Status.PAID
    invoice.paid_at = now
    changes.invoices[invoice.pk] = invoice
    changes.subscriptions[subscription.pk] = subscription
    if invoice.kind == Invoice.Kind.PERIOD and attempt is not None:
        # An upgrade that the customer makes on the spot is no second charge of a period.
        subscription.last_charged_at = now
    before = Status(subscription.status)
    if invoice.kind == Invoice.Kind.CHANGE and before in rules.LIVE:
        # Access comes after the payment, and nothing else of the subscription moves.
        quote = Quote.objects.select_related("price").get(invoice=invoice)
        subscription.price, subscription.pending_price = quote.price, None
        if quote.restarts_at is not None and quote.ends_at is not None:
            _restart(subscription, quote.restarts_at, quote.ends_at, changes, now=now)
        changes.transitions.append(cycles.note(subscription, "plan_changed", by=SYSTEM, now=now))
    if before not in rules.LIVE or invoice.period is None:
        return
    subscription.paid_through = invoice.period.end
    subscription.period_index = invoice.period.index + 1
    subscription.claimed_until = None
    subscription.next_step, subscription.next_bill_at = rules.after_payment(paid_through=invoice.period.end, now=now)
    if subscription.cancel_at is not None:
        # What is paid for is delivered.
        subscription.cancel_at = subscription.next_bill_at = subscription.paid_through
    if before is not Status.ACTIVE:
        subscription.resume_at = None
        changes.transitions.append(
            change_status(subscription, Status.ACTIVE, by=SYSTEM, reason="invoice_paid", now=now)
        )
    if before in {Status.INCOMPLETE, Status.ON_HOLD, Status.PAUSED}:
        changes.events.append((subscription, lambda: _activated(subscription)))


def _restart(subscription: Subscription, start: datetime, end: datetime, changes: Changes, *, now: datetime) -> None:
    """Cut the running period of a locked subscription short and begin another, which is paid for."""
    running = Period.objects.filter(subscription=subscription, start__lt=start, end__gt=start).first()
    if running is None or Period.objects.filter(subscription=subscription, start__gte=start).exists():
        # The customer took so long to confirm that the next period has begun: it is billed twice, for staff to undo.
        park(subscription, "restarted_after_its_period", changes, now=now)
        return
    running.end = start
    running.save(update_fields=["end"])
    zone = ZoneInfo(subscription.billing_tz)
    cycles.restart(subscription, rules.Anchor.at(start, zone, rules.Interval(subscription.price.interval)))
    Period.objects.create(subscription=subscription, cycle=subscription.cycle, index=0, start=start, end=end)
    subscription.period_index = 1
    subscription.paid_through = subscription.next_bill_at = end
    if subscription.cancel_at is not None:
        # What is paid for is delivered.
        subscription.cancel_at = end
    subscription.pause_at = subscription.resume_at = None
    subscription.next_step = rules.Step.RENEW


def _activated(subscription: Subscription) -> events.SubscriptionActivated:
    plan = Plan.objects.get(prices=subscription.price_id)
    return events.SubscriptionActivated(str(subscription.account_id), str(subscription.pk), plan.code)
