"""What became of charges, recorded once each with all that follows."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from django.db import transaction

from billing import rules
from billing.gateway import ChargeOutcome, OutcomeKind
from billing.models import Invoice, PaymentAttempt, Period, Quote, Subscription
from billing.rules import Status
from billing.services.settlement import ordinary
from billing.services.settlement.changes import Changes
from billing.services.settlement.failures import end_unpaid, record_failure, retry_if_card_changed
from billing.services.settlement.states import park
from billing.services.settlement.successes import mark_paid

State = PaymentAttempt.State


def settle(outcomes: Mapping[UUID, ChargeOutcome], *, now: datetime) -> None:
    """Record outcomes of attempts with all that follows from them, once each.

    Monotone: a final state gives way only to a success, since money that moved is a fact. An unknown
    outcome changes nothing. What is charged and not owed any more becomes credit; unless it was for a change that its
    customer confirmed late, it parks the subscription too.
    """
    decided = {key: outcome for key, outcome in outcomes.items() if outcome.kind is not OutcomeKind.UNKNOWN}
    if not decided:
        return
    with transaction.atomic():
        settled = ordinary.settle_ordinary(decided, now=now)
        decided = {key: outcome for key, outcome in decided.items() if key not in settled}
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
        is_change = invoice.kind == Invoice.Kind.CHANGE
        if is_change and invoice.status == Invoice.Status.OPEN and nothing_is_left(invoice, subscription, now=now):
            invoice.status = Invoice.Status.VOID
            changes.invoices[invoice.pk] = invoice
        if invoice.status in {Invoice.Status.OPEN, Invoice.Status.UNCOLLECTIBLE}:
            mark_paid(invoice, attempt, subscription, changes, now=now)
            return
        changes.astray.append(attempt.pk)
        if not is_change:
            # A customer may confirm a change late. Whatever else is charged and not owed is a fault.
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
    was_awaited = attempt.state != State.REQUIRES_ACTION
    final = State.CANCELED if outcome.kind is OutcomeKind.CANCELED else State.FAILED
    _close(attempt, final, outcome, changes, now=now)
    if subscription.status == Status.INCOMPLETE:
        end_unpaid(invoice, subscription, changes, reason=outcome.code, now=now)
    elif invoice.kind == Invoice.Kind.CHANGE:
        # Nothing was changed, so nothing is owed.
        if invoice.status == Invoice.Status.OPEN:
            invoice.status = Invoice.Status.VOID
            changes.invoices[invoice.pk] = invoice
    elif outcome.kind is OutcomeKind.CANCELED:
        if subscription.status not in rules.LIVE or invoice.status != Invoice.Status.OPEN:
            return
        if was_awaited:
            # By hand, at the gateway: nobody has declined it, and it is tried again on the next day for it.
            attempt.decline_class = rules.DeclineClass.SOFT
            record_failure(invoice, attempt, subscription, changes, now=now)
        else:
            retry_if_card_changed(attempt, subscription, changes, now=now)
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


def nothing_is_left(invoice: Invoice, subscription: Subscription, *, now: datetime) -> bool:
    """Answer whether what a change's locked invoice was for is over: the subscription, or the period it was quoted for."""
    if subscription.status not in rules.CHANGEABLE:
        return True
    if Period.objects.filter(subscription=subscription, start__gt=invoice.created_at).exists():
        return True
    begins_anew = Quote.objects.filter(invoice=invoice, restarts_at__isnull=False).exists()
    return not begins_anew and subscription.paid_through is not None and subscription.paid_through <= now


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
