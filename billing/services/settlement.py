"""Recording what became of a charge, with everything that follows from it.

`settle` is the one place for it, whoever brings the outcome (the reply, a webhook, the sweeper), in any
order and any number of times. The changes of one settlement are gathered and written set-wise.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from django.db import connection, transaction

from billing import events, rules
from billing.gateway import ChargeOutcome, OutcomeKind
from billing.models import (
    Invoice,
    PaymentAttempt,
    PaymentMethod,
    Period,
    Plan,
    Quote,
    Subscription,
    SubscriptionTransition,
)
from billing.rules import Status
from billing.services import _rows, crediting, cycles, dunning, gift_sales, ledger, records
from core import outbox

SYSTEM = "system"
CLOSED = (Invoice.Status.VOID, Invoice.Status.UNCOLLECTIBLE)

State = PaymentAttempt.State


@dataclass
class Changes:
    """What one transaction changes in locked rows; whatever must be booked with it belongs here."""

    subscriptions: dict[UUID, Subscription] = field(default_factory=dict)
    invoices: dict[UUID, Invoice] = field(default_factory=dict)
    attempts: dict[UUID, PaymentAttempt] = field(default_factory=dict)
    transitions: list[SubscriptionTransition] = field(default_factory=list)
    paid: dict[UUID, PaymentAttempt | None] = field(default_factory=dict)
    """By invoice, the attempt that paid it; None where credit paid it all."""
    gifts_paid: list[UUID] = field(default_factory=list)
    """Invoices of gifts that were paid."""
    notices: list[dunning.Notice] = field(default_factory=list)
    reopened: set[UUID] = field(default_factory=set)
    """Invoices that were closed and are paid after all."""
    astray: list[UUID] = field(default_factory=list)
    """Attempts that charged for an invoice which was not owed any more."""
    events: list[tuple[Subscription, Callable[[], object]]] = field(default_factory=list)

    def write(self, *, now: datetime) -> None:
        """Write it all, book it, and publish the events."""
        _rows.update(
            list(self.attempts.values()), ["state", "gateway_id", "decline_code", "decline_class", "settled_at"]
        )
        _rows.update(list(self.invoices.values()), ["status", "paid_at"])
        _save_states(self.subscriptions.values())
        self._book(now=now)
        SubscriptionTransition.objects.bulk_create(self.transitions)
        for subscription, event in self.events:
            outbox.publish(event(), aggregate=f"account:{subscription.account_id}", now=now)
        dunning.write_mails(self.notices, now=now)

    def _book(self, *, now: datetime) -> None:
        closed = [key for key, invoice in self.invoices.items() if invoice.status in CLOSED]
        ledger.close_invoices(closed, now=now)
        crediting.release(closed, now=now)
        gift_sales.mark_unsold(closed)
        if self.reopened:
            ledger.reopen_invoices(self.reopened, now=now)
            crediting.take_again(self.reopened, now=now)
        ledger.book_payments([attempt.pk for attempt in self.paid.values() if attempt], now=now)
        if self.astray:
            ledger.book_payments(self.astray, now=now, against=ledger.Account.CREDIT)
            crediting.grant_overpaid(self.astray, now=now)
        ledger.schedule_revenue(self.paid.keys(), day=now.astimezone(UTC).date())
        gift_sales.mark_sold(self.gifts_paid, now=now)


def _save_states(subscriptions: Iterable[Subscription]) -> None:
    records.save_all(
        list(subscriptions),
        [
            "status",
            "price",
            "pending_price",
            "period_index",
            "paid_through",
            "next_step",
            "next_bill_at",
            "claimed_until",
            "last_charged_at",
            "first_failed_at",
            "cancel_at",
            "pause_at",
            "resume_at",
            "parked_at",
            "parked_reason",
            "ended_at",
        ],
    )


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


def settle(outcomes: Mapping[UUID, ChargeOutcome], *, now: datetime) -> None:
    """Record outcomes of attempts with all that follows from them, once each.

    Monotone: a final state gives way only to a success, since money that moved is a fact. An unknown
    outcome changes nothing. A success for an invoice that is not owed any more parks the subscription.
    """
    decided = {key: outcome for key, outcome in outcomes.items() if outcome.kind is not OutcomeKind.UNKNOWN}
    if not decided:
        return
    with transaction.atomic():
        ordinary = _settle_ordinary(decided, now=now)
        decided = {key: outcome for key, outcome in decided.items() if key not in ordinary}
        if not decided:
            return
        parents = Invoice.objects.filter(attempts__in=decided).values_list("pk", "subscription_id")
        owners = {subscription for _, subscription in parents} - {None}
        subscriptions = Subscription.objects.locked().in_bulk(owners)
        invoices = Invoice.objects.select_related("period").locked().in_bulk({invoice for invoice, _ in parents})
        changes = Changes()
        for attempt in PaymentAttempt.objects.locked().filter(pk__in=decided):
            invoice = invoices[attempt.invoice_id]
            if invoice.subscription_id is None:
                _apply_one_off(decided[attempt.pk], attempt, invoice, changes, now=now)
                continue
            subscription = subscriptions[invoice.subscription_id]
            _apply(decided[attempt.pk], attempt, invoice, subscription, changes, now=now)
        changes.write(now=now)


# Looked up by key: joined, it might read every subscription there is. Locked first and by key, as everywhere;
# what has changed meanwhile is seen by the statements that follow.
_LOCK_ACTIVE = """
SELECT subscription.id FROM billing_subscription subscription
WHERE subscription.id = ANY(ARRAY(
    SELECT (SELECT subscription_id FROM billing_invoice invoice WHERE invoice.id = attempt.invoice_id)
    FROM billing_paymentattempt attempt WHERE attempt.id = ANY(%(ids)s)
)) AND subscription.status = 'active'
    AND subscription.cancel_at IS NULL AND subscription.parked_at IS NULL
ORDER BY subscription.id FOR UPDATE OF subscription
"""
_PAY_INVOICES = """
UPDATE billing_invoice invoice SET status = 'paid', paid_at = %(now)s
FROM billing_paymentattempt attempt
WHERE attempt.id = ANY(%(ids)s) AND attempt.invoice_id = invoice.id AND attempt.state = 'sent'
    AND invoice.status = 'open' AND invoice.kind = 'period' AND invoice.subscription_id = ANY(%(subscriptions)s)
RETURNING attempt.id, invoice.id, invoice.subscription_id
"""
_CLOSE_ATTEMPTS = """
UPDATE billing_paymentattempt attempt
SET state = 'succeeded', gateway_id = said.gateway_id, decline_code = '', decline_class = '', settled_at = %(now)s
FROM unnest(%(ids)s::uuid[], %(gateway_ids)s::text[]) AS said (id, gateway_id) WHERE attempt.id = said.id
"""


def _settle_ordinary(decided: Mapping[UUID, ChargeOutcome], *, now: datetime) -> set[UUID]:
    """Settle set-wise what nearly all outcomes are: the first success of an active subscription's renewal.

    Answers the attempts that were settled. Says the same as `_apply` does one by one, and publishes no events,
    since such a success has none.
    """
    succeeded = [
        key for key, outcome in decided.items() if outcome.kind is OutcomeKind.SUCCEEDED and outcome.payment_intent
    ]
    if not succeeded:
        return set()
    with connection.cursor() as cursor:
        cursor.execute(_LOCK_ACTIVE, {"ids": succeeded})
        active = [key for (key,) in cursor.fetchall()]
        if not active:
            return set()
        cursor.execute(_PAY_INVOICES, {"ids": succeeded, "subscriptions": active, "now": now})
        paid: dict[UUID, UUID] = {}
        moved: dict[UUID, UUID] = {}
        for attempt_id, invoice_id, subscription_id in cursor.fetchall():
            paid[attempt_id] = moved[subscription_id] = invoice_id
        if not paid:
            return set()
        gateway_ids = [decided[key].payment_intent for key in paid]
        cursor.execute(_CLOSE_ATTEMPTS, {"ids": list(paid), "gateway_ids": gateway_ids, "now": now})
    records.move_on(moved, now=now)
    ledger.book_payments(paid.keys(), now=now)
    ledger.schedule_revenue(paid.values(), day=now.astimezone(UTC).date())
    return set(paid)


def _apply(
    outcome: ChargeOutcome,
    attempt: PaymentAttempt,
    invoice: Invoice,
    subscription: Subscription,
    changes: Changes,
    *,
    now: datetime,
) -> None:
    if outcome.kind is OutcomeKind.SUCCEEDED:
        if attempt.state == State.SUCCEEDED:
            return
        _close(attempt, State.SUCCEEDED, outcome, changes, now=now)
        if (
            invoice.kind == Invoice.Kind.CHANGE
            and invoice.status == Invoice.Status.OPEN
            and subscription.status not in rules.CHANGEABLE
        ):
            # Confirmed so late that nothing is left to change.
            invoice.status = Invoice.Status.VOID
            changes.invoices[invoice.pk] = invoice
        if invoice.status in {Invoice.Status.OPEN, Invoice.Status.UNCOLLECTIBLE}:
            mark_paid(invoice, attempt, subscription, changes, now=now)
        else:
            changes.astray.append(attempt.pk)
            park(subscription, f"charged_for_{invoice.status}_invoice", changes, now=now)
        return
    if attempt.state not in PaymentAttempt.OPEN:
        return
    if outcome.kind is OutcomeKind.REQUIRES_ACTION:
        if attempt.state == State.REQUIRES_ACTION:
            return
        _wait_for_customer(attempt, outcome, changes)
        if (
            subscription.status != Status.INCOMPLETE
            and invoice.status == Invoice.Status.OPEN
            and invoice.kind == Invoice.Kind.PERIOD
        ):
            record_failure(invoice, attempt, subscription, changes, now=now)
        return
    if (
        outcome.kind is OutcomeKind.DECLINED
        and attempt.state == State.REQUIRES_ACTION
        and (subscription.status == Status.INCOMPLETE or invoice.kind == Invoice.Kind.CHANGE)
    ):
        # The customer may try again with the same PaymentIntent; it is withdrawn when it lies about for a day.
        return
    final = State.CANCELED if outcome.kind is OutcomeKind.CANCELED else State.FAILED
    _close(attempt, final, outcome, changes, now=now)
    if subscription.status == Status.INCOMPLETE:
        _end_unpaid(invoice, subscription, changes, reason=outcome.code, now=now)
    elif invoice.kind == Invoice.Kind.CHANGE:
        # Nothing was changed, so nothing is owed.
        if invoice.status == Invoice.Status.OPEN:
            invoice.status = Invoice.Status.VOID
            changes.invoices[invoice.pk] = invoice
    elif outcome.kind is OutcomeKind.CANCELED:
        if subscription.status in rules.LIVE and invoice.status == Invoice.Status.OPEN:
            _retry_if_card_changed(attempt, subscription, changes, now=now)
    elif invoice.status != Invoice.Status.OPEN:
        # Paid by another attempt meanwhile: nothing failed.
        return
    elif outcome.kind is OutcomeKind.DECLINED:
        record_failure(invoice, attempt, subscription, changes, now=now)
    else:
        # The request itself was wrong. That is ours to mend, not the customer's to hear of. The period is
        # invoiced already, so what goes on afterwards is another try at its invoice.
        subscription.next_step = rules.Step.RETRY
        park(subscription, f"gateway_refused_{outcome.code}", changes, now=now)


def _apply_one_off(
    outcome: ChargeOutcome, attempt: PaymentAttempt, invoice: Invoice, changes: Changes, *, now: datetime
) -> None:
    """Record what became of the charge for what is sold apart from a subscription: it is paid, or nothing is sold."""
    if outcome.kind is OutcomeKind.SUCCEEDED:
        if attempt.state == State.SUCCEEDED:
            return
        _close(attempt, State.SUCCEEDED, outcome, changes, now=now)
        if invoice.status != Invoice.Status.OPEN:
            changes.astray.append(attempt.pk)
            return
        invoice.status, invoice.paid_at = Invoice.Status.PAID, now
        changes.invoices[invoice.pk] = invoice
        changes.paid[invoice.pk] = attempt
        changes.gifts_paid.append(invoice.pk)
    elif outcome.kind is OutcomeKind.REQUIRES_ACTION:
        if attempt.state in {State.CREATED, State.SENT}:
            _wait_for_customer(attempt, outcome, changes)
    elif attempt.state in PaymentAttempt.OPEN and not (
        # The customer may try again with the same PaymentIntent; it is withdrawn when it lies about for a day.
        outcome.kind is OutcomeKind.DECLINED and attempt.state == State.REQUIRES_ACTION
    ):
        final = State.CANCELED if outcome.kind is OutcomeKind.CANCELED else State.FAILED
        _close(attempt, final, outcome, changes, now=now)
        if invoice.status == Invoice.Status.OPEN:
            invoice.status = Invoice.Status.VOID
            changes.invoices[invoice.pk] = invoice


def _wait_for_customer(attempt: PaymentAttempt, outcome: ChargeOutcome, changes: Changes) -> None:
    attempt.state = State.REQUIRES_ACTION
    attempt.gateway_id = outcome.payment_intent
    attempt.decline_code = outcome.code
    attempt.decline_class = rules.DeclineClass.AUTHENTICATION
    changes.attempts[attempt.pk] = attempt


def _close(attempt: PaymentAttempt, state: State, outcome: ChargeOutcome, changes: Changes, *, now: datetime) -> None:
    attempt.state = state
    attempt.gateway_id = outcome.payment_intent or attempt.gateway_id
    attempt.decline_code = outcome.code
    attempt.decline_class = ""
    if outcome.kind is OutcomeKind.DECLINED:
        attempt.decline_class = rules.DeclineClass.HARD if outcome.final else rules.decline_class(outcome.code)
    attempt.settled_at = now
    changes.attempts[attempt.pk] = attempt


def park(subscription: Subscription, reason: str, changes: Changes, *, now: datetime) -> None:
    """Take a locked subscription out of the schedule until staff have looked at it."""
    subscription.parked_at = now
    subscription.parked_reason = reason[:100]
    subscription.claimed_until = None
    changes.subscriptions[subscription.pk] = subscription


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
    subscription.pause_at = subscription.resume_at = None
    subscription.next_step = rules.Step.RENEW


def _activated(subscription: Subscription) -> events.SubscriptionActivated:
    plan = Plan.objects.get(prices=subscription.price_id)
    return events.SubscriptionActivated(str(subscription.account_id), str(subscription.pk), plan.code)


def _end_unpaid(invoice: Invoice, subscription: Subscription, changes: Changes, *, reason: str, now: datetime) -> None:
    invoice.status = Invoice.Status.VOID
    changes.invoices[invoice.pk] = invoice
    changes.subscriptions[subscription.pk] = subscription
    changes.transitions.append(change_status(subscription, Status.ENDED, by=SYSTEM, reason=reason, now=now))


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
            changes.events.append((subscription, lambda: _lapsed(subscription, "on_hold")))
    if subscription.status == Status.ON_HOLD:
        if following[0] is not rules.Step.RETRY or now >= started + timedelta(days=rules.GRACE_DAYS):
            following = rules.after_hold(first_failed_at=started)
        subscription.next_step, subscription.next_bill_at = following
        if attempt is not None:
            _retry_if_card_changed(attempt, subscription, changes, now=now)
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
        _retry_if_card_changed(attempt, subscription, changes, now=now)
    changes.notices.append(dunning.notice_of_failure(invoice, attempt, subscription, declined, now=now))


def _retry_if_card_changed(
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
            changes.notices.append(dunning.Notice(dunning.Step.ENDED, subscription))
    cancel(subscription, changes, by=by, reason=reason, now=now)


def put_on_hold(subscription: Subscription, changes: Changes, *, now: datetime) -> None:
    """End the grace of a locked subscription that nobody paid for."""
    started = subscription.first_failed_at or now
    changes.subscriptions[subscription.pk] = subscription
    if subscription.status == Status.ON_HOLD:
        # It was tried without access, after a trial or a pause.
        subscription.next_step, subscription.next_bill_at = rules.after_hold(first_failed_at=started)
        return
    changes.transitions.append(change_status(subscription, Status.ON_HOLD, by=SYSTEM, reason="grace_over", now=now))
    subscription.next_step, subscription.next_bill_at = rules.after_hold(first_failed_at=started)
    changes.events.append((subscription, lambda: _lapsed(subscription, "on_hold")))
    changes.notices.append(dunning.Notice(dunning.Step.ON_HOLD, subscription))


def pause(subscription: Subscription, changes: Changes, *, now: datetime) -> None:
    """Begin the pause of a locked subscription that was planned; it ends by itself."""
    changes.subscriptions[subscription.pk] = subscription
    changes.transitions.append(change_status(subscription, Status.PAUSED, by=SYSTEM, reason="paused", now=now))
    subscription.next_step, subscription.next_bill_at = rules.Step.RESUME, subscription.resume_at
    subscription.pause_at = subscription.claimed_until = None
    changes.events.append((subscription, lambda: _lapsed(subscription, "paused")))


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
    changes.events.append((subscription, lambda: _lapsed(subscription, "paused")))


def cancel(subscription: Subscription, changes: Changes, *, by: str, reason: str, now: datetime) -> None:
    """End a locked subscription that owes nothing."""
    changes.subscriptions[subscription.pk] = subscription
    # What was planned for the next period has no period to begin with.
    subscription.pending_price = subscription.pause_at = None
    changes.transitions.append(change_status(subscription, Status.CANCELED, by=by, reason=reason, now=now))
    changes.events.append((subscription, lambda: _lapsed(subscription, "canceled")))


def _lapsed(subscription: Subscription, reason: str) -> events.SubscriptionLapsed:
    return events.SubscriptionLapsed(str(subscription.account_id), str(subscription.pk), reason)
