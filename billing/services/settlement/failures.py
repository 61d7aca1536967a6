"""What follows when an invoice is not paid: dunning, or the end of what never began."""

from __future__ import annotations

from datetime import datetime, timedelta

from billing import events, rules
from billing.models import Invoice, PaymentAttempt, PaymentMethod, Subscription
from billing.rules import Status
from billing.services import dunning
from billing.services.settlement.changes import SYSTEM, Changes
from billing.services.settlement.states import cancel_unpaid, change_status, lapsed


def end_unpaid(invoice: Invoice, subscription: Subscription, changes: Changes, *, reason: str, now: datetime) -> None:
    """End a locked subscription whose first payment was not made."""
    invoice.status = Invoice.Status.VOID
    changes.invoices[invoice.pk] = invoice
    changes.subscriptions[subscription.pk] = subscription
    changes.transitions.append(change_status(subscription, Status.ENDED, by=SYSTEM, reason=reason, now=now))
    changes.unused.append(subscription)


def record_failure(
    invoice: Invoice,
    attempt: PaymentAttempt | None,
    subscription: Subscription,
    changes: Changes,
    *,
    now: datetime,
) -> None:
    """Start or go on with dunning of a locked subscription; without an attempt there was no card to charge."""
    if subscription.status not in rules.LIVE:
        return
    changes.subscriptions[subscription.pk] = subscription
    subscription.claimed_until = None
    declined = rules.DeclineClass(attempt.decline_class) if attempt else rules.DeclineClass.HARD
    if attempt is not None and declined is rules.DeclineClass.HARD and attempt.payment_method.is_backup:
        # It will not work again, but the default, which was declined for the time being, may.
        PaymentMethod.objects.filter(pk=attempt.payment_method_id).update(is_backup=False)
        declined = rules.DeclineClass.SOFT
    changes.events.append(
        (
            subscription,
            lambda: events.InvoicePaymentFailed(
                str(subscription.account_id),
                str(subscription.pk),
                str(invoice.pk),
                attempt.n if attempt else 0,
                attempt.decline_code if attempt else "no_payment_method",
            ),
        )
    )
    if subscription.cancel_at is not None:
        cancel_unpaid(
            invoice,
            subscription,
            changes,
            close_as=Invoice.Status.VOID,
            by=SYSTEM,
            reason="canceled_unpaid",
            now=now,
        )
        return
    before = Status(subscription.status)
    started = subscription.first_failed_at = subscription.first_failed_at or now
    following = rules.after_failure(
        first_failed_at=started,
        tries=attempt.n if attempt else 1,
        declined=declined,
        now=now,
    )
    if before in {Status.TRIALING, Status.PAUSED}:
        # Nothing was paid yet for what would begin here, so there is no grace: it is tried without access.
        reason = attempt.decline_code if attempt else "no_payment_method"
        changes.transitions.append(change_status(subscription, Status.ON_HOLD, by=SYSTEM, reason=reason, now=now))
        if before is Status.TRIALING:
            changes.events.append((subscription, lambda: lapsed(subscription, "on_hold")))
    if subscription.status == Status.ON_HOLD:
        if following[0] is not rules.Step.RETRY or now >= started + timedelta(days=rules.GRACE_DAYS):
            following = rules.after_hold(first_failed_at=started)
        subscription.next_step, subscription.next_bill_at = following
        if attempt is not None:
            retry_if_card_changed(attempt, subscription, changes, now=now)
        if before is not Status.ON_HOLD:
            changes.notices.append(dunning.notice_of_failure(invoice, attempt, subscription, declined, now=now))
        return
    subscription.next_step, subscription.next_bill_at = following
    if subscription.status != Status.PAST_DUE:
        changes.transitions.append(
            change_status(
                subscription,
                Status.PAST_DUE,
                by=SYSTEM,
                reason=attempt.decline_code if attempt else "no_payment_method",
                now=now,
            )
        )
    if attempt is not None:
        retry_if_card_changed(attempt, subscription, changes, now=now)
    if subscription.next_step == rules.Step.HOLD and following[1] <= now:
        # The grace is over: the hold follows at once, and its mail would contradict one that still gives time.
        return
    changes.notices.append(dunning.notice_of_failure(invoice, attempt, subscription, declined, now=now))


def retry_if_card_changed(
    attempt: PaymentAttempt, subscription: Subscription, changes: Changes, *, now: datetime
) -> None:
    """Try at once the card that was saved while this attempt of a locked subscription was open.

    Saving a card could not do it: until now this attempt might still have charged the old one.
    """
    if subscription.parked_at is not None or subscription.cancel_at is not None:
        return
    if attempt.payment_method.is_backup:
        # The default has its turn on its day.
        return
    defaults = PaymentMethod.objects.filter(account=subscription.account_id, is_default=True)
    if attempt.state not in PaymentAttempt.OPEN and defaults.exclude(pk=attempt.payment_method_id).exists():
        subscription.next_step, subscription.next_bill_at = rules.Step.RETRY, now
        subscription.claimed_until = None
        changes.subscriptions[subscription.pk] = subscription
