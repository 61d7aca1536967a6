"""Asking again for whatever nobody is waiting for any more."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import TypeVar
from uuid import UUID

from django.db import transaction
from django.db.models import Max, Q

from billing import rules
from billing.gateway import ChargeOutcome, Gateway, GatewayRefused, OutcomeKind
from billing.models import Invoice, PaymentAttempt, Subscription
from billing.services import _rows, invoicing, setbacks, settlement
from billing.services.calls import Call, Outcomes
from billing.services.invoicing import CALL_LEASE
from billing.services.payments.sending import TRUST_IN_CLOCKS, call, mark_sent, send
from billing.services.payments.waiting import take_abandoned, withdraw
from billing.services.setbacks import Sweep

FIND_MARGIN = timedelta(days=35)
"""How far ahead of the gateway's the clock may have been that wrote when an attempt was sent: its charge is older by that
much, and one that is not found is made again. A customer has few in so many days."""

SWEEP_SIZE = 100

State = PaymentAttempt.State
Result = TypeVar("Result")


@dataclass(frozen=True)
class SweepReport:
    """What one sweep did, in attempts."""

    replayed: int
    looked_up: int
    abandoned: int


def sweep(*, gateway: Gateway, now: datetime) -> SweepReport:
    """Settle attempts whose caller is gone, and withdraw those that the customer left lying.

    Young ones: the same call again, with the same key, and a look for the charge where that does not help. Old ones, whose
    key may be forgotten: a look first; if there is no charge, and only then, the same call again. Another attempt is made
    once the gateway answers that with an error of before, which it keeps. Old ones of a parked subscription, and what
    nobody has to pay any more, are looked for and not sent. Safe at any time, any number of times, and by any clock.
    """
    replays, lookups = _claim_unsettled(now=now)
    outcomes = _replay(replays, gateway=gateway, now=now)
    unknown = [each for each in replays if each.pk in outcomes and outcomes[each.pk].kind is OutcomeKind.UNKNOWN]
    # A key whose first reply was a 500 answers that 500 for a day; the charge itself can be seen.
    _each(unknown, partial(_adopt, gateway=gateway, now=now), now=now)
    _each(lookups, partial(_look_up, gateway=gateway, now=now), now=now)
    abandoned = take_abandoned(now=now)
    _each(abandoned, lambda attempt: _said(withdraw(attempt, gateway=gateway, now=now)), now=now)
    return SweepReport(len(replays), len(lookups), len(abandoned))


def _replay(attempts: Sequence[PaymentAttempt], *, gateway: Gateway, now: datetime) -> Outcomes:
    """Make calls again; answers the outcomes of those that could be made."""
    if len(attempts) > 1:
        return send([attempt.pk for attempt in attempts], gateway=gateway, now=now)
    found = _each(attempts, lambda attempt: send([attempt.pk], gateway=gateway, now=now), now=now)
    return found[0] if found else {}


def _each(
    attempts: Sequence[PaymentAttempt], handle: Callable[[PaymentAttempt], Result], *, now: datetime
) -> list[Result]:
    """Handle attempts; one that cannot be handled is set aside."""
    found = {attempt.pk: attempt for attempt in attempts}
    return setbacks.each(Sweep.PAYMENTS, found, lambda key: handle(found[key]), now=now) if found else []


@transaction.atomic
def _claim_unsettled(*, now: datetime) -> tuple[list[PaymentAttempt], list[PaymentAttempt]]:
    unsettled = setbacks.without(Sweep.PAYMENTS, PaymentAttempt.objects.unsettled(now, ahead=TRUST_IN_CLOCKS), now=now)
    attempts = list(unsettled.select_for_update(of=("self",), skip_locked=True)[:SWEEP_SIZE])
    for attempt in attempts:
        attempt.claimed_until = now + CALL_LEASE
    _rows.update(attempts, ["claimed_until"])
    withheld = _withheld([attempt.pk for attempt in attempts])
    lookups = [
        attempt
        for attempt in attempts
        if attempt.pk in withheld or (attempt.sent_at is not None and abs(now - attempt.sent_at) >= TRUST_IN_CLOCKS)
    ]
    return [attempt for attempt in attempts if attempt not in lookups], lookups


def _withheld(attempt_ids: Collection[UUID]) -> set[UUID]:
    """Answer those that must not be sent unseen.

    Not at all for what is owed no more, and not for the first time while it is parked, or for a change: there may be
    nothing left to change.
    """
    closed = ~Q(invoice__status=Invoice.Status.OPEN)
    is_risky = Q(invoice__subscription__parked_at__isnull=False) | Q(invoice__kind=Invoice.Kind.CHANGE)
    found = PaymentAttempt.objects.filter(closed | is_risky & Q(sent_at=None), pk__any=attempt_ids)
    return set(found.values_list("pk", flat=True)) if attempt_ids else set()


def _adopt(attempt: PaymentAttempt, *, gateway: Gateway, now: datetime) -> OutcomeKind:
    """Settle an attempt by its charge at the gateway, if there is one; answers what was found."""
    found = gateway.find_charge(
        customer=attempt.params["customer"],
        attempt_id=str(attempt.pk),
        since=min(attempt.sent_at or attempt.created_at, now) - FIND_MARGIN,
    )
    if _said(found).kind is not OutcomeKind.NOT_FOUND:
        settlement.settle({attempt.pk: found}, now=now)
    return found.kind


def _said(outcome: ChargeOutcome) -> ChargeOutcome:
    """Answer what the gateway says of a charge. Raises GatewayRefused where it never will, which sets it aside for staff."""
    if outcome.is_refused:
        raise GatewayRefused(outcome.code)
    return outcome


def _look_up(attempt: PaymentAttempt, *, gateway: Gateway, now: datetime) -> None:
    if _adopt(attempt, gateway=gateway, now=now) is not OutcomeKind.NOT_FOUND:
        return
    again = _mark_again(attempt, now=now)
    if again is not None and not _is_used_up(attempt, again, gateway=gateway, now=now):
        return
    replacement = _replace(attempt, is_used_up=again is not None, now=now)
    if replacement:
        send([replacement], gateway=gateway, now=now)


@transaction.atomic
def _mark_again(attempt: PaymentAttempt, *, now: datetime) -> list[Call] | None:
    """Answer the call of an attempt that has no charge, to be made again; None where it must not be."""
    subscription = Subscription.objects.locked().filter(invoices=attempt.invoice_id).first()
    invoice = Invoice.objects.locked().get(pk=attempt.invoice_id)
    if invoice.status != Invoice.Status.OPEN or _is_over(invoice, subscription, now=now):
        return None
    if subscription is not None and subscription.parked_at is not None:
        return None
    return mark_sent([attempt.pk], now=now, sent_within=None)


def _is_over(invoice: Invoice, subscription: Subscription | None, *, now: datetime) -> bool:
    """Answer whether a locked invoice is of a change that would change nothing any more."""
    if subscription is None or invoice.kind != Invoice.Kind.CHANGE:
        return False
    return settlement.nothing_is_left(invoice, subscription, now=now)


def _is_used_up(attempt: PaymentAttempt, again: Sequence[Call], *, gateway: Gateway, now: datetime) -> bool:
    """Make the call of an attempt again; answers whether its key has charged nothing and never will.

    By a clock that jumped ahead a call looks old that is under way this very moment, and another key would be another
    charge. The gateway tells: it lets one call of a key do its work, and answers all others with what came of it.
    """
    outcome = call(again, gateway=gateway, now=now).get(attempt.pk)
    if outcome is None or outcome.kind is not OutcomeKind.UNKNOWN or not outcome.is_kept:
        return False
    return _adopt(attempt, gateway=gateway, now=now) is OutcomeKind.NOT_FOUND


@transaction.atomic
def _replace(attempt: PaymentAttempt, *, is_used_up: bool, now: datetime) -> UUID | None:
    """Close an attempt that charged nothing and make the next one; answers its id.

    Where the subscription was parked meanwhile nothing more is charged. What was sent stays as it is until staff have put
    the subscription back, unless its key `is_used_up`: it may be under way still, another key would be another charge,
    and a change that is paid takes place. What was not sent, or charges nothing any more, is tried again then if it is of
    a period; a change comes to nothing, as it does once there is nothing left to change.
    """
    subscription = Subscription.objects.locked().filter(invoices=attempt.invoice_id).first()
    invoice = Invoice.objects.locked().get(pk=attempt.invoice_id)
    lost = PaymentAttempt.objects.locked().select_related("payment_method").get(pk=attempt.pk)
    if lost.state not in {State.CREATED, State.SENT} or lost.sent_at != attempt.sent_at:
        # Settled meanwhile, or sent after it was looked for.
        return None
    is_parked = subscription is not None and subscription.parked_at is not None
    is_over = invoice.status != Invoice.Status.OPEN or _is_over(invoice, subscription, now=now)
    if is_parked and not is_over and lost.sent_at and not is_used_up:
        return None
    final = State.FAILED if lost.sent_at else State.CANCELED
    lost.state, lost.decline_code, lost.settled_at = final, "never_arrived", now
    lost.save(update_fields=["state", "decline_code", "settled_at"])
    if invoice.status != Invoice.Status.OPEN:
        return None
    if subscription is not None and (is_parked or is_over):
        _charge_no_more(invoice, subscription, now=now)
        return None
    following = invoicing.new_attempt(
        invoice,
        n=next_number(invoice),
        card=lost.payment_method,
        customer=lost.params["customer"],
        off_session=bool(lost.params.get("off_session")),
        now=now,
    )
    following.save(force_insert=True)
    return following.pk


def _charge_no_more(invoice: Invoice, subscription: Subscription, *, now: datetime) -> None:
    """Let nothing of a locked open invoice be charged: a change's is void, a period's waits until it is put back."""
    changes = settlement.Changes()
    if invoice.kind == Invoice.Kind.CHANGE:
        invoice.status = Invoice.Status.VOID
        changes.invoices[invoice.pk] = invoice
    else:
        subscription.next_step, subscription.next_bill_at = rules.Step.RETRY, now
        subscription.claimed_until = None
        changes.subscriptions[subscription.pk] = subscription
    changes.write(now=now)


def next_number(invoice: Invoice) -> int:
    """Answer the number of a locked invoice's next attempt."""
    last = PaymentAttempt.objects.filter(invoice=invoice).aggregate(last=Max("n"))["last"]
    return (last or 0) + 1
