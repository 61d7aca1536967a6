"""Payments that wait for their customer: how they stand, and the withdrawal of what was left lying."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction
from django.db.models import Exists, OuterRef, Q

from billing.gateway import ChargeOutcome, Gateway
from billing.models import Invoice, PaymentAttempt, PaymentMethod, Period
from billing.rules import Status
from billing.services import _rows, setbacks, settlement
from billing.services.invoicing import CALL_LEASE
from billing.services.payments.sending import TRUST_IN_CLOCKS
from billing.services.setbacks import Sweep

ABANDONED_AFTER = timedelta(hours=23)
"""How long a customer may take to authenticate a first payment."""

LOOKED_AT_ONCE, WITHDRAWN_AT_ONCE = 2000, 100
"""How many of those that wait a sweep looks at, and how many of them it withdraws: each is a call."""

State = PaymentAttempt.State


@transaction.atomic
def take_abandoned(*, now: datetime) -> list[PaymentAttempt]:
    """Answer what its customer left lying, for the caller to withdraw; another sweep gets none of it for as long.

    Those that were looked at longest ago have their turn: neither those that stay unknown nor those that are owed still
    keep it from the others, however many there are.
    """
    looked_at = _longest_unseen(now=now)
    found = _abandoned({attempt.pk for attempt in looked_at}, now=now)
    taken = found[:WITHDRAWN_AT_ONCE]
    for attempt in taken:
        attempt.claimed_until = now + CALL_LEASE
    # Where all of them were looked at there is no turn to keep.
    seen = _without(looked_at, found) if len(looked_at) == LOOKED_AT_ONCE else []
    for attempt in seen:
        attempt.claimed_until = now
    _rows.update([*taken, *seen], ["claimed_until"])
    return taken


def _longest_unseen(*, now: datetime) -> list[PaymentAttempt]:
    """Lock those that nobody asks for, those first that a clock which was wrong has put off."""
    waiting = PaymentAttempt.objects.filter(state=State.REQUIRES_ACTION).order_by("claimed_until")
    free = waiting.select_for_update(of=("self",), skip_locked=True)
    put_off = list(free.filter(claimed_until__gt=now + TRUST_IN_CLOCKS)[:LOOKED_AT_ONCE])
    return put_off + list(free.filter(claimed_until__lte=now)[: LOOKED_AT_ONCE - len(put_off)])


def _without(attempts: Sequence[PaymentAttempt], others: Sequence[PaymentAttempt]) -> list[PaymentAttempt]:
    left_out = {attempt.pk for attempt in others}
    return [attempt for attempt in attempts if attempt.pk not in left_out]


def _abandoned(attempt_ids: set[UUID], *, now: datetime) -> list[PaymentAttempt]:
    waiting = PaymentAttempt.objects.filter(pk__any=attempt_ids, state=State.REQUIRES_ACTION)
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
        .order_by("claimed_until", "pk")
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
