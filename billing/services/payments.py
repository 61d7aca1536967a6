"""Collecting what is owed: commit the attempt, call, settle.

`send` calls with what the attempt's row holds; `sweep` asks again for whatever nobody is waiting for
any more, after a kill, a lost reply or an error of the gateway.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import TypeVar
from uuid import UUID

from django.db import connection, transaction
from django.db.models import Exists, Max, OuterRef, Q

from billing import rules
from billing.gateway import ChargeOutcome, Gateway, OutcomeKind
from billing.models import Invoice, PaymentAttempt, PaymentMethod, Period, Subscription
from billing.rules import Status
from billing.services import _rows, calls, invoicing, setbacks, settlement
from billing.services.calls import Call, Outcomes
from billing.services.invoicing import CALL_LEASE
from billing.services.setbacks import Sweep
from core import sweeping

REPLAY_LIMIT = timedelta(hours=23)
"""Stripe keeps a key for 24 h; after that the same call would be a new charge."""

TRUST_IN_CLOCKS = timedelta(hours=12)
"""What was sent longer ago is looked for before it is sent again: by a clock that is wrong by hours, the gateway may
have forgotten a key that is young."""

ABANDONED_AFTER = timedelta(hours=23)
"""How long a customer may take to authenticate a first payment."""

FIND_MARGIN = timedelta(days=1)
"""How far the gateway's clock may be behind the one that wrote when an attempt was sent."""

SWEEP_SIZE = 100

State = PaymentAttempt.State
Result = TypeVar("Result")


def send(attempt_ids: Collection[UUID], *, gateway: Gateway, now: datetime) -> Outcomes:
    """Charge attempts that are not final yet, and settle the outcomes; answers them by attempt.

    Called again for the same attempt it repeats the same call, which charges nothing twice as long as
    the gateway knows the key. What is final already, or was sent too long ago for that, is left out of the answer.
    """
    marked = mark_sent(attempt_ids, now=now)
    if len(attempt_ids) > 1:
        return calls.make(marked, gateway=gateway, settle=partial(settle_each, now=now))
    return _call(marked, gateway=gateway, now=now)


def _call(marked: list[Call], *, gateway: Gateway, now: datetime) -> Outcomes:
    outcomes = {
        call.attempt_id: gateway.charge(params=call.params, idempotency_key=call.idempotency_key) for call in marked
    }
    settlement.settle(outcomes, now=now)
    return outcomes


def settle_each(outcomes: Outcomes, *, now: datetime) -> None:
    """Settle outcomes; one that cannot be settled is set aside for the sweep, which asks for it again."""
    sweeping.together_or_apart(
        Sweep.PAYMENTS,
        partial(settlement.settle, outcomes, now=now),
        partial(
            setbacks.each,
            Sweep.PAYMENTS,
            outcomes,
            lambda key: settlement.settle({key: outcomes[key]}, now=now),
            now=now,
        ),
    )


# Stripe may have forgotten the key of what was sent long ago: the sweep looks for its charge first.
_MARK_SENT = """
WITH wanted AS (
    SELECT id FROM billing_paymentattempt
    WHERE id = ANY(%(ids)s) AND (state = 'created' OR (state = 'sent' AND sent_at > %(forgotten)s))
    ORDER BY id FOR UPDATE
)
UPDATE billing_paymentattempt attempt
SET state = 'sent', sent_at = coalesce(attempt.sent_at, %(now)s), claimed_until = %(lease)s
FROM wanted WHERE attempt.id = wanted.id
RETURNING attempt.id, attempt.params::text, attempt.idempotency_key
"""


@transaction.atomic
def mark_sent(attempt_ids: Collection[UUID], *, now: datetime, sent_within: timedelta = TRUST_IN_CLOCKS) -> list[Call]:
    """Record that attempts may reach the gateway from now on; answers their calls, to be made after the commit.

    Left out are those that are final, and those that were sent already, but not within `sent_within`.
    """
    if not attempt_ids:
        return []
    times = {"now": now, "forgotten": now - sent_within, "lease": now + CALL_LEASE}
    with connection.cursor() as cursor:
        cursor.execute(_MARK_SENT, {"ids": list(attempt_ids), **times})
        return [Call(key, json.loads(params), idempotency_key) for key, params, idempotency_key in cursor.fetchall()]


@dataclass(frozen=True)
class SweepReport:
    """What one sweep did, in attempts."""

    replayed: int
    looked_up: int
    abandoned: int


def sweep(*, gateway: Gateway, now: datetime) -> SweepReport:
    """Settle attempts whose caller is gone, and withdraw those that the customer left lying.

    Younger than 23 h: the same call again, with the same key, and a look for the charge where that
    does not help. Older: only a look; if there is no charge, and only then, another attempt is made, and
    none while the subscription is parked, for which nothing that was not sent is sent either.
    Safe at any time and any number of times.
    """
    replays, lookups = _claim_unsettled(now=now)
    outcomes = _replay(replays, gateway=gateway, now=now)
    unknown = [each for each in replays if each.pk in outcomes and outcomes[each.pk].kind is OutcomeKind.UNKNOWN]
    # A key whose first reply was a 500 answers that 500 for a day; the charge itself can be seen.
    _each(unknown, partial(_adopt, gateway=gateway, now=now), now=now)
    _each(lookups, partial(_look_up, gateway=gateway, now=now), now=now)
    abandoned = _abandoned(now=now)
    _each(abandoned, partial(withdraw, gateway=gateway, now=now), now=now)
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
    withheld = _of_parked([attempt.pk for attempt in attempts if attempt.sent_at is None])
    lookups = [
        attempt
        for attempt in attempts
        if attempt.pk in withheld or (attempt.sent_at is not None and abs(now - attempt.sent_at) >= TRUST_IN_CLOCKS)
    ]
    return [attempt for attempt in attempts if attempt not in lookups], lookups


def _of_parked(attempt_ids: Collection[UUID]) -> set[UUID]:
    """Answer those whose subscription is parked by now: what surely reached nobody is not sent for them."""
    if not attempt_ids:
        return set()
    found = PaymentAttempt.objects.filter(pk__in=attempt_ids, invoice__subscription__parked_at__isnull=False)
    return set(found.values_list("pk", flat=True))


def _adopt(attempt: PaymentAttempt, *, gateway: Gateway, now: datetime) -> OutcomeKind:
    """Settle an attempt by its charge at the gateway, if there is one; answers what was found."""
    found = gateway.find_charge(
        customer=attempt.params["customer"],
        attempt_id=str(attempt.pk),
        since=min(attempt.sent_at or attempt.created_at, now) - FIND_MARGIN,
    )
    if found.kind is not OutcomeKind.NOT_FOUND:
        settlement.settle({attempt.pk: found}, now=now)
    return found.kind


def _look_up(attempt: PaymentAttempt, *, gateway: Gateway, now: datetime) -> None:
    if _adopt(attempt, gateway=gateway, now=now) is not OutcomeKind.NOT_FOUND:
        return
    parked = _of_parked([attempt.pk])
    again = [] if parked else mark_sent([attempt.pk], now=now, sent_within=REPLAY_LIMIT)
    if again:
        _call(again, gateway=gateway, now=now)
        return
    replacement = _replace(attempt, now=now)
    if replacement:
        send([replacement], gateway=gateway, now=now)


@transaction.atomic
def _replace(attempt: PaymentAttempt, *, now: datetime) -> UUID | None:
    """Close an attempt that never reached the gateway and make the next one; answers its id.

    Where the subscription was parked meanwhile nothing more is charged: a change comes to nothing, and a period is tried
    again once staff have put the subscription back.
    """
    subscription = Subscription.objects.locked().filter(invoices=attempt.invoice_id).first()
    invoice = Invoice.objects.locked().get(pk=attempt.invoice_id)
    lost = PaymentAttempt.objects.locked().select_related("payment_method").get(pk=attempt.pk)
    if lost.state not in {State.CREATED, State.SENT} or lost.sent_at != attempt.sent_at:
        # Settled meanwhile, or sent after it was looked for.
        return None
    final = State.FAILED if lost.sent_at else State.CANCELED
    lost.state, lost.decline_code, lost.settled_at = final, "never_arrived", now
    lost.save(update_fields=["state", "decline_code", "settled_at"])
    if invoice.status != Invoice.Status.OPEN:
        return None
    if subscription is not None and subscription.parked_at is not None:
        _leave_to_staff(invoice, subscription, now=now)
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


def _leave_to_staff(invoice: Invoice, subscription: Subscription, *, now: datetime) -> None:
    """Let nothing of a locked open invoice be charged while its subscription is parked."""
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


def _abandoned(*, now: datetime) -> list[PaymentAttempt]:
    waiting = PaymentAttempt.objects.filter(state=State.REQUIRES_ACTION)
    return list(
        setbacks.without(Sweep.PAYMENTS, waiting, now=now)
        .filter(
            Q(invoice__status__in=[Invoice.Status.VOID, Invoice.Status.UNCOLLECTIBLE])
            | Q(invoice__subscription__status=Status.INCOMPLETE, created_at__lte=now - ABANDONED_AFTER)
            | Q(invoice__kind__in=[Invoice.Kind.CHANGE, Invoice.Kind.ONE_OFF], created_at__lte=now - ABANDONED_AFTER)
            # What it was to change is over.
            | Q(
                Exists(
                    Period.objects.filter(
                        subscription=OuterRef("invoice__subscription"), start__gt=OuterRef("created_at")
                    )
                ),
                invoice__kind=Invoice.Kind.CHANGE,
            )
            # Another card waits for its turn, and the withdrawal at its saving was not answered or came too early.
            | Q(
                _with_another_card(),
                payment_method__is_backup=False,
                invoice__subscription__status__in=[Status.PAST_DUE, Status.ON_HOLD],
            )
        )
        .order_by("pk")[:SWEEP_SIZE]
    )


@dataclass(frozen=True)
class Standing:
    """An attempt as it is now, with the secret to confirm it while it waits for the customer."""

    attempt: PaymentAttempt
    client_secret: str


def stand(*, attempt_id: UUID, gateway: Gateway, now: datetime) -> Standing:
    """Answer how an attempt stands; what has become of it at the gateway meanwhile is settled first."""
    found = PaymentAttempt.objects.select_related("invoice", "payment_method")
    attempt = found.get(pk=attempt_id)
    if attempt.state != State.REQUIRES_ACTION or attempt.invoice.status != Invoice.Status.OPEN:
        return Standing(attempt, "")
    outcome = gateway.charge_status(attempt.gateway_id)
    settlement.settle({attempt.pk: outcome}, now=now)
    attempt = found.get(pk=attempt_id)
    return Standing(attempt, outcome.client_secret if attempt.state == State.REQUIRES_ACTION else "")


def first_that_waits(account_id: UUID) -> PaymentAttempt | None:
    """Answer the first payment of a purchase that waits for its customer; one who buys anew gives it up."""
    return PaymentAttempt.objects.filter(
        state=State.REQUIRES_ACTION,
        invoice__account=account_id,
        invoice__subscription__status=Status.INCOMPLETE,
    ).first()


def _with_another_card() -> Exists:
    return Exists(
        PaymentMethod.objects.filter(account=OuterRef("invoice__account"), is_default=True).exclude(
            pk=OuterRef("payment_method")
        )
    )


def withdraw(attempt: PaymentAttempt, *, gateway: Gateway, now: datetime) -> ChargeOutcome:
    """Cancel at the gateway what waits for the customer, so that it can never be charged; settles the answer.

    If the customer was quicker, the answer is their success; if it is unknown, the sweep withdraws again.
    """
    outcome = gateway.cancel_charge(attempt.gateway_id, idempotency_key=f"cancel_{attempt.pk}")
    settlement.settle({attempt.pk: outcome}, now=now)
    return outcome
