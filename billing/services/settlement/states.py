"""The steps of a locked subscription that move no money: on hold, paused, parked, cancelled."""

from __future__ import annotations

import logging
from datetime import datetime
from zoneinfo import ZoneInfo

from billing import events, rules
from billing.models import Invoice, PaymentAttempt, Plan, Subscription, SubscriptionTransition
from billing.rules import Status
from billing.services import dunning
from billing.services.settlement.changes import SYSTEM, Changes

logger = logging.getLogger(__name__)


def change_status(
    subscription: Subscription, to: Status, *, by: str, reason: str, now: datetime
) -> SubscriptionTransition:
    """Move a locked subscription in memory; answers the unsaved record of it.

    Raises ValueError for a step that the state machine does not have: a bug.
    """
    current = Status(subscription.status)
    if not rules.may_become(current, to):
        raise ValueError(f"A subscription cannot go from {current} to {to}.")
    subscription.status = to
    if to not in rules.BILLABLE:
        subscription.next_bill_at = None
        subscription.claimed_until = None
    if to not in {Status.PAST_DUE, Status.ON_HOLD}:
        subscription.first_failed_at = None
    if to not in rules.LIVE:
        subscription.ended_at = now
    return SubscriptionTransition(
        subscription=subscription, from_status=current, to_status=to, at=now, by=by, reason=reason
    )


def park(subscription: Subscription, reason: str, changes: Changes, *, now: datetime) -> None:
    """Take a locked subscription out of the schedule until staff have looked at it.

    One that is parked stays so for its first reason: a later one must not lead past an open dispute.
    """
    if subscription.parked_at is None:
        subscription.parked_at = now
        subscription.parked_reason = reason[:100]
        # Whatever parked it, nothing is billed until somebody has looked.
        logger.error("A subscription was parked.", extra={"subscription": str(subscription.pk), "reason": reason})
    subscription.claimed_until = None
    changes.subscriptions[subscription.pk] = subscription


def cancel_unpaid(
    invoice: Invoice | None,
    subscription: Subscription,
    changes: Changes,
    *,
    close_as: Invoice.Status,
    by: str,
    reason: str,
    now: datetime,
) -> None:
    """End a locked subscription now, and close its locked open invoice as `close_as`."""
    if invoice is not None and invoice.status == Invoice.Status.OPEN:
        invoice.status = close_as
        changes.invoices[invoice.pk] = invoice
        if close_as == Invoice.Status.UNCOLLECTIBLE:
            changes.notices.append(dunning.Notice(dunning.Step.ENDED, subscription, invoice))
    cancel(subscription, changes, by=by, reason=reason, now=now)


def put_on_hold(subscription: Subscription, invoice: Invoice | None, changes: Changes, *, now: datetime) -> None:
    """End the grace of a locked subscription whose invoice nobody paid."""
    started = subscription.first_failed_at or now
    changes.subscriptions[subscription.pk] = subscription
    if subscription.status == Status.ON_HOLD:
        # It was tried without access, after a trial or a pause.
        subscription.next_step, subscription.next_bill_at = rules.after_hold(first_failed_at=started)
        return
    changes.transitions.append(change_status(subscription, Status.ON_HOLD, by=SYSTEM, reason="grace_over", now=now))
    subscription.next_step, subscription.next_bill_at = rules.after_hold(first_failed_at=started)
    changes.events.append((subscription, lambda: lapsed(subscription, "on_hold")))
    changes.notices.append(dunning.Notice(dunning.Step.ON_HOLD, subscription, invoice))


def waiting_changes(subscription: Subscription) -> list[PaymentAttempt]:
    """Answer the payments of changes of plan that wait for the customer."""
    waiting = PaymentAttempt.objects.filter(
        state=PaymentAttempt.State.REQUIRES_ACTION,
        invoice__subscription=subscription,
        invoice__kind=Invoice.Kind.CHANGE,
        invoice__status=Invoice.Status.OPEN,
    )
    return list(waiting.order_by("pk"))


def void_waiting_changes(subscription: Subscription, changes: Changes) -> list[PaymentAttempt]:
    """Close the invoices of changes that wait for the customer of a locked subscription, who wants something else.

    Answers their attempts, for the gateway to withdraw; what is still confirmed becomes credit.
    """
    attempts = waiting_changes(subscription)
    for invoice in Invoice.objects.locked().filter(pk__in=[attempt.invoice_id for attempt in attempts]):
        invoice.status = Invoice.Status.VOID
        changes.invoices[invoice.pk] = invoice
    return attempts


def pause(subscription: Subscription, changes: Changes, *, now: datetime) -> None:
    """Begin the pause of a locked subscription that was planned; it ends by itself."""
    changes.subscriptions[subscription.pk] = subscription
    changes.transitions.append(change_status(subscription, Status.PAUSED, by=SYSTEM, reason="paused", now=now))
    subscription.next_step, subscription.next_bill_at = rules.Step.RESUME, subscription.resume_at
    subscription.pause_at = subscription.claimed_until = None
    changes.events.append((subscription, lambda: lapsed(subscription, "paused")))


def end_trial_unpaid(subscription: Subscription, plan: Plan, changes: Changes, *, now: datetime) -> None:
    """End a locked trial without a card as its plan says: cancelled, or paused until there is one."""
    reason = "trial_ended_without_card"
    changes.notices.append(dunning.Notice(dunning.Step.TRIAL_ENDED, subscription))
    if plan.trial_without_card == Plan.WithoutCard.CANCEL:
        cancel(subscription, changes, by=SYSTEM, reason=reason, now=now)
        return
    changes.subscriptions[subscription.pk] = subscription
    changes.transitions.append(change_status(subscription, Status.PAUSED, by=SYSTEM, reason=reason, now=now))
    subscription.next_step = rules.Step.CANCEL
    subscription.next_bill_at = rules.pause_end(
        now, months=rules.TRIAL_PAUSE_MONTHS, zone=ZoneInfo(subscription.billing_tz)
    )
    subscription.claimed_until = None
    changes.events.append((subscription, lambda: lapsed(subscription, "paused")))


def cancel(subscription: Subscription, changes: Changes, *, by: str, reason: str, now: datetime) -> None:
    """End a locked subscription that owes nothing."""
    changes.subscriptions[subscription.pk] = subscription
    # What was planned for the next period has no period to begin with.
    subscription.pending_price = subscription.pause_at = None
    changes.transitions.append(change_status(subscription, Status.CANCELED, by=by, reason=reason, now=now))
    changes.events.append((subscription, lambda: lapsed(subscription, "canceled")))


def lapsed(subscription: Subscription, reason: str) -> events.SubscriptionLapsed:
    """Answer the event of a subscription that gives no access any more."""
    return events.SubscriptionLapsed(str(subscription.account_id), str(subscription.pk), reason)
