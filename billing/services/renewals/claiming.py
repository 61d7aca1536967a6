"""Claiming a batch: it is locked, decided, invoiced, numbered and given its attempts in one transaction.

A killed worker leaves either nothing or claimed subscriptions with attempts that the sweeper settles.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from uuid import UUID

from django.db import IntegrityError, transaction

from billing import rules
from billing.gateway import ChargeOutcome, OutcomeKind
from billing.models import Invoice, Subscription
from billing.services import _rows, cycles, invoicing, moving, records, setbacks, settlement
from billing.services.invoicing import Charge
from billing.services.renewals.deciding import Decision, decide
from billing.services.renewals.facts import Facts
from billing.services.renewals.reports import Handled, charged, entry
from billing.services.setbacks import Sweep
from billing.services.settlement import SYSTEM, Changes
from core import sweeping

CLAIM = timedelta(hours=1)
"""How long a claimed subscription stays out of the scan; settling ends it, the sweeper outlasts it."""
NO_CARD = ChargeOutcome(OutcomeKind.DECLINED, code="no_payment_method")
COVERED = ChargeOutcome(OutcomeKind.SUCCEEDED, code="paid_by_credit")


@dataclass(frozen=True)
class Claimed:
    """What a claim committed: attempts to send with their charges, and what needed no charge."""

    attempts: dict[UUID, Charge]
    handled: list[Handled]
    set_aside: int = 0
    """How many could not be handled."""


def claim_or_park(*, now: datetime, size: int) -> Claimed:
    """Claim a batch; if that fails, park what the database refuses and set aside what fails otherwise: the others go on."""
    return sweeping.together_or_apart(
        Sweep.RENEWALS, partial(claim, now=now, size=size), partial(_claim_apart, now=now, size=size)
    )


def _claim_apart(*, now: datetime, size: int) -> Claimed:
    # Those that not even wait, since they take no change, are known here alone.
    left = setbacks.without(Sweep.RENEWALS, Subscription.objects.due(now), now=now)
    due = list(left.values_list("pk", flat=True)[:size])

    def claim_one(subscription_id: UUID) -> Claimed:
        try:
            return claim(now=now, size=1, only=subscription_id)
        except IntegrityError as error:
            # No other try would mend what was refused by a constraint.
            sweeping.report(Sweep.RENEWALS, subscription_id, error)
            return Claimed({}, _park(subscription_id, _constraint(error), now=now))

    @transaction.atomic
    def hold(subscription_id: UUID, until: datetime) -> None:
        still_due = Subscription.objects.due(now).filter(pk=subscription_id).values_list("pk", flat=True)
        records.claim(list(still_due), until=until)

    claimed = setbacks.each(Sweep.RENEWALS, due, claim_one, now=now, held=hold)
    return Claimed(
        {attempt: charge for each in claimed for attempt, charge in each.attempts.items()},
        [handled for each in claimed for handled in each.handled],
        set_aside=len(due) - len(claimed),
    )


def _constraint(error: IntegrityError) -> str:
    diagnostics = getattr(error.__cause__, "diag", None)
    return str(getattr(diagnostics, "constraint_name", None) or "integrity_error")


@transaction.atomic
def _park(subscription_id: UUID, reason: str, *, now: datetime) -> list[Handled]:
    due = list(Subscription.objects.due(now).filter(pk=subscription_id).select_for_update(of=("self",)))
    facts, changes = Facts(due, now=now), Changes()
    decision = Decision("parked", reason=reason)
    for subscription in due:
        _carry_out(subscription, decision, facts, changes, now=now)
    changes.write(now=now)
    return [entry(subscription, facts, decision, "parked") for subscription in due]


@transaction.atomic
def claim(*, now: datetime, size: int, only: UUID | None = None) -> Claimed:
    """Claim at most `size` due subscriptions, or `only` one, and carry out what needs no charge. Raises IntegrityError."""
    scan = Subscription.objects.due(now)
    if only is not None:
        scan = scan.filter(pk=only)
    # Locked before it is looked at: what another worker has just done is seen or its row is skipped.
    due = list(scan.select_for_update(of=("self",), skip_locked=True)[:size])
    if not due:
        return Claimed({}, [])
    facts = Facts(due, now=now)
    changes, handled = Changes(), []
    to_bill: list[Charge] = []
    to_retry: list[Charge] = []
    for subscription in due:
        decision = decide(subscription, facts, now=now)
        if decision.action in {"bill", "retry"} and decision.start and decision.end:
            if decision.restart is not None:
                cycles.restart(subscription, decision.restart)
            if decision.forgiven is not None:
                reason = f"forgiven: {decision.forgiven.start:%Y-%m-%d} to {decision.forgiven.end:%Y-%m-%d}"
                changes.transitions.append(cycles.note(subscription, reason, by=SYSTEM, now=now))
            charge = Charge(
                subscription=subscription,
                price=decision.price or facts.prices[subscription.price_id],
                start=decision.start,
                end=decision.end,
                card=facts.cards.get(subscription.account_id),
                customer=facts.customers.get(subscription.account_id, ""),
                off_session=True,
            )
            (to_bill if decision.action == "bill" else to_retry).append(charge)
            continue
        handled.append(entry(subscription, facts, decision, decision.action))
        _carry_out(subscription, decision, facts, changes, now=now)
    records.claim([charge.subscription.pk for charge in to_bill + to_retry], until=now + CLAIM)
    for charge in to_bill:
        if move := facts.moves.at(charge.subscription, charge.start):
            changes.transitions.append(moving.move(charge.subscription, move, now=now))
        if charge.price.pk != charge.subscription.price_id:
            charge.subscription.price, charge.subscription.pending_price = charge.price, None
            records.save(charge.subscription, ["price", "pending_price"])
            reason = f"price: {charge.price.plan.code}, version {charge.price.version}"
            changes.transitions.append(cycles.note(charge.subscription, reason, by=SYSTEM, now=now))
    attempts = _retry(to_retry, facts, changes, handled, now=now)
    for billed in invoicing.bill(to_bill, now=now) if to_bill else []:
        if billed.attempt is None and not billed.invoice.due:
            settlement.mark_paid(billed.invoice, None, billed.charge.subscription, changes, now=now)
            handled.append(charged(billed.charge, COVERED))
        elif billed.attempt is None:
            settlement.record_failure(billed.invoice, None, billed.charge.subscription, changes, now=now)
            handled.append(charged(billed.charge, NO_CARD))
        else:
            attempts[billed.attempt.pk] = billed.charge
    changes.write(now=now)
    return Claimed(attempts, handled)


def _carry_out(
    subscription: Subscription, decision: Decision, facts: Facts, changes: Changes, *, now: datetime
) -> None:
    match decision.action:
        case "wait":
            subscription.claimed_until = now + CLAIM
            changes.subscriptions[subscription.pk] = subscription
        case "skip":
            subscription.next_step, subscription.next_bill_at = rules.after_skip(
                first_failed_at=subscription.first_failed_at or now, now=now
            )
            changes.subscriptions[subscription.pk] = subscription
        case "pause":
            settlement.pause(subscription, changes, now=now)
        case "end_trial":
            settlement.end_trial_unpaid(subscription, facts.prices[subscription.price_id].plan, changes, now=now)
        case "hold":
            settlement.put_on_hold(subscription, facts.open_invoices.get(subscription.pk), changes, now=now)
        case "parked":
            settlement.park(subscription, decision.reason, changes, now=now)
        case _:
            open_invoice = facts.open_invoices.get(subscription.pk)
            settlement.cancel_unpaid(
                Invoice.objects.locked().get(pk=open_invoice.pk) if open_invoice else None,
                subscription,
                changes,
                close_as=Invoice.Status.VOID if decision.action == "canceled" else Invoice.Status.UNCOLLECTIBLE,
                by=SYSTEM,
                reason=decision.reason,
                now=now,
            )


def _retry(
    charges: Iterable[Charge], facts: Facts, changes: Changes, handled: list[Handled], *, now: datetime
) -> dict[UUID, Charge]:
    """Make the next attempt of each open invoice; answers the charges by attempt."""
    made: dict[UUID, Charge] = {}
    rows = []
    for charge in charges:
        invoice = facts.open_invoices[charge.subscription.pk]
        if charge.card is None:
            settlement.record_failure(invoice, None, charge.subscription, changes, now=now)
            handled.append(charged(charge, NO_CARD))
            continue
        attempt = invoicing.new_attempt(
            invoice,
            n=facts.tries.get(invoice.pk, 0) + 1,
            card=charge.card,
            customer=charge.customer,
            off_session=True,
            now=now,
        )
        rows.append(attempt)
        made[attempt.pk] = charge
    _rows.insert(rows)
    return made
