"""Renewing what is due, row by row of the schedule and in batches.

A batch is claimed, invoiced, numbered and given its attempts in one transaction; then charged with
many calls in flight; then settled in one transaction, while the next batch is under way. A worker killed anywhere in between leaves
attempts that the sweeper settles, and nothing that another worker would bill again.
"""

from __future__ import annotations

import logging
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from django.db import IntegrityError, transaction
from django.db.models import Count, F, Max, Q

from billing import rules
from billing.gateway import ChargeOutcome, Gateway, OutcomeKind
from billing.models import (
    Invoice,
    Outage,
    PaymentAttempt,
    PaymentCustomer,
    PaymentMethod,
    Price,
    Subscription,
    SubscriptionTransition,
)
from billing.rules import Status
from billing.selectors import whereabouts
from billing.selectors.whereabouts import Move
from billing.services import _rows, crediting, cycles, invoicing, payments, plans, records, settlement
from billing.services.calls import Calls, calling
from billing.services.crediting import Owed
from billing.services.invoicing import Charge
from billing.services.settlement import SYSTEM, Changes

logger = logging.getLogger(__name__)

BATCH = 400
FIRST_BATCH = 100
SMALLEST_BATCH = 20
CLAIM_SECONDS = 8
"""A batch is what the gateway takes in so many seconds, between the smallest and the largest."""
LOW_WATER = 32
"""The next batch is claimed when fewer calls than these have not begun."""
MOST_UNDER_WAY = 2 * BATCH
"""How many may be claimed and not settled."""
SETTLE_SECONDS = 0.5
"""How long an outcome may wait for others to be settled with."""
CLAIM = timedelta(hours=1)
"""How long a claimed subscription stays out of the scan; settling ends it, the sweeper outlasts it."""

SHORTEST_PERIOD = timedelta(days=28)

NO_CARD = ChargeOutcome(OutcomeKind.DECLINED, code="no_payment_method")
COVERED = ChargeOutcome(OutcomeKind.SUCCEEDED, code="paid_by_credit")


@dataclass(frozen=True)
class Handled:
    """What was done, or would be done, about one due subscription.

    `outcome` is the charge's (`succeeded`, `declined` and so on), or what was done without a charge
    (`hold`, `canceled`, `uncollectible`, `wait`, `skip`, `parked`), or `due` in a preview; `reason` says more.
    """

    subscription_id: UUID
    account_id: UUID
    period_start: datetime | None
    period_end: datetime | None
    amount: int
    currency: str
    outcome: str
    reason: str = ""


def run(*, gateway: Gateway, clock: Callable[[], datetime], limit: int) -> list[Handled]:
    """Handle due subscriptions, oldest first, until none is left or `limit` were handled.

    The next batch is claimed while the calls of the last one are under way, so that the gateway never waits for
    the database. The clock is read for each batch: a run lasts long enough for leases and settlement times to
    depend on it. A gateway that mostly gives no answer ends the run; what is still due is due in a minute too.
    """
    with calling(gateway) as under_way:
        return _Run(under_way, clock=clock, limit=limit).through()


class _Run:
    """One run's state."""

    def __init__(self, under_way: Calls, *, clock: Callable[[], datetime], limit: int) -> None:
        self._calls = under_way
        self._clock = clock
        self._limit = limit
        self._charges: dict[UUID, Charge] = {}
        self._handled: list[Handled] = []
        self._is_dry = False
        self._is_stopped = False
        self._size = FIRST_BATCH
        self._answered = 0
        self._began = time.monotonic()

    def through(self) -> list[Handled]:
        while not self._is_dry or self._charges:
            while self._may_claim and self._calls.waiting < LOW_WATER:
                self._claim()
            if self._charges:
                self._collect()
        return self._handled

    @property
    def _may_claim(self) -> bool:
        return not self._is_dry and len(self._charges) < MOST_UNDER_WAY

    def _claim(self) -> None:
        size = min(self._size, self._limit - len(self._handled) - len(self._charges))
        now = self._clock()
        claimed = _claim_or_park(now=now, size=size) if size > 0 else _Claimed({}, [])
        found = len(claimed.attempts) + len(claimed.handled)
        self._handled += claimed.handled
        self._charges |= claimed.attempts
        # Asked for more than there were, it is asked again when these are settled.
        self._is_dry = not found or (found < size and bool(self._charges))
        self._calls.start(payments.mark_sent(list(claimed.attempts), now=now))

    def _collect(self) -> None:
        outcomes = self._calls.collect(
            count=BATCH, when_waiting=LOW_WATER if self._may_claim else 0, seconds=SETTLE_SECONDS
        )
        settlement.settle(outcomes, now=self._clock())
        self._handled += [_charged(self._charges.pop(attempt), outcome) for attempt, outcome in outcomes.items()]
        if not self._calls.under_way:
            # What was final before it could be sent needs no call.
            self._handled += [_charged(charge, ChargeOutcome(OutcomeKind.UNKNOWN)) for charge in self._charges.values()]
            self._charges.clear()
        self._answered += len(outcomes)
        # As many as get through while a call may wait, so that none waits in vain.
        rate = self._answered / (time.monotonic() - self._began)
        self._size = max(SMALLEST_BATCH, min(BATCH, round(rate * CLAIM_SECONDS)))
        unknown = sum(outcome.kind is OutcomeKind.UNKNOWN for outcome in outcomes.values())
        self._is_stopped = self._is_stopped or unknown > len(outcomes) / 2
        # What was settled may be due for its next step at once.
        self._is_dry = self._is_stopped or (self._is_dry and bool(self._charges))


def preview(*, now: datetime, limit: int) -> list[Handled]:
    """Answer what a run at `now` would begin with, changing nothing."""
    facts = _Facts(list(Subscription.objects.due(now)[:limit]), now=now)
    handled = []
    for subscription in facts.subscriptions:
        decision = _decide(subscription, facts, now=now)
        outcome = {"bill": "due", "retry": "due"}.get(decision.action, decision.action)
        handled.append(_entry(subscription, facts, decision, outcome))
    return handled


@dataclass(frozen=True)
class CatchUp:
    """What a catch-up does about one stretch of one subscription's time; a period to bill has its day and amount."""

    subscription_id: UUID
    action: rules.CatchUp
    start: datetime
    end: datetime
    charged_at: datetime | None
    amount: int
    currency: str


def catch_up_report(*, now: datetime, limit: int) -> list[CatchUp]:
    """Answer what billing would do about all that it is late for, oldest subscriptions first, changing nothing.

    At present prices, and if all is paid: one period a day.
    """
    report = []
    facts = _Facts(list(Subscription.objects.due(now)[:limit]), now=now)
    for subscription in facts.subscriptions:
        decision = _decide(subscription, facts, now=now)
        if decision.action != "bill" or decision.price is None or subscription.paid_through is None:
            continue
        price, days = decision.price, 0
        anchor, index = subscription.anchor(rules.Interval(price.interval)), subscription.period_index
        start = subscription.paid_through
        if decision.restart is not None and decision.forgiven is None:
            # A pause that is over, or another interval: counted anew from there.
            anchor, index, start = decision.restart, 0, decision.start or start
        for step in rules.catch_up(
            anchor=anchor, index=index, start=start, without_service=facts.without_service(subscription), now=now
        ):
            is_billed = step.action is rules.CatchUp.BILL
            report.append(
                CatchUp(
                    subscription.pk,
                    step.action,
                    step.start,
                    step.end,
                    now + timedelta(days=days) if is_billed else None,
                    price.amount_of(subscription.ordinal + days) if is_billed else 0,
                    price.currency,
                )
            )
            days += is_billed
    return report


# ---------------------------------------------------------------- deciding


class _Facts:
    """What decisions about a batch need to know, read set-wise."""

    def __init__(self, subscriptions: list[Subscription], *, now: datetime) -> None:
        self.subscriptions = subscriptions
        ids = [subscription.pk for subscription in subscriptions]
        accounts = [subscription.account_id for subscription in subscriptions]
        self.prices = Price.objects.select_related("plan").in_bulk(
            {each.pending_price_id or each.price_id for each in subscriptions}
            | {each.price_id for each in subscriptions}
        )
        self.cards = {
            card.account_id: card for card in PaymentMethod.objects.filter(account__any=accounts, is_default=True)
        }
        self.customers = dict(
            PaymentCustomer.objects.filter(account__any=accounts).values_list("account_id", "gateway_id")
        )
        self.invoices_today = dict(
            Invoice.objects.filter(
                subscription__any=ids, kind=Invoice.Kind.PERIOD, finalised_at__gt=now - timedelta(days=1), total__gt=0
            )
            .values_list("subscription")
            .annotate(Count("pk"))
            .order_by()
        )
        # Only these can have something open; looking for the others would cost a query a batch for nothing.
        unpaid = [each.pk for each in subscriptions if each.next_step != rules.Step.RENEW or each.claimed_until]
        self.new_prices = plans.noticed_prices(
            [each for each in subscriptions if self.prices[each.price_id].superseded_at is not None]
        )
        self.moves = whereabouts.moves(subscriptions)
        self.open_invoices: dict[UUID, Invoice] = {}
        self.open_attempts: dict[UUID, PaymentAttempt] = {}
        self.tries: dict[UUID, int] = {}
        self.exhausted: set[UUID] = set()
        self.outages: list[Outage] = []
        self.holds: dict[UUID, list[rules.Stretch]] = {}
        self._read_without_service(now=now)
        if unpaid:
            self._read_unpaid(unpaid)
            self._choose_cards(now=now)

    def _read_unpaid(self, unpaid: Sequence[UUID]) -> None:
        self.open_invoices = {
            invoice.subscription_id: invoice
            for invoice in Invoice.objects.select_related("period").filter(
                subscription__in=unpaid, status=Invoice.Status.OPEN, kind=Invoice.Kind.PERIOD
            )
            if invoice.subscription_id is not None
        }
        self.open_attempts = {
            attempt.invoice.subscription_id: attempt
            for attempt in PaymentAttempt.objects.select_related("invoice").filter(
                invoice__in=[invoice.pk for invoice in self.open_invoices.values()],
                state__in=PaymentAttempt.OPEN,
            )
            if attempt.invoice.subscription_id is not None
        }
        self.tries = dict(
            PaymentAttempt.objects.filter(invoice__in=[invoice.pk for invoice in self.open_invoices.values()])
            .values_list("invoice")
            .annotate(Max("n"))
            .order_by()
        )

    def is_down(self, subscription: Subscription, *, now: datetime) -> bool:
        """Answer whether the service is away from a subscriber at this moment."""
        return any(outage.starts_at <= now and outage.ends_at is None for outage in self._outages_of(subscription))

    def without_service(self, subscription: Subscription) -> list[rules.Stretch]:
        """Answer when a subscriber could not watch since the last paid period: outages, and being on hold."""
        outages = [
            rules.Stretch(outage.starts_at, outage.ends_at)
            for outage in self._outages_of(subscription)
            if outage.ends_at is not None
        ]
        return outages + self.holds.get(subscription.pk, [])

    def _outages_of(self, subscription: Subscription) -> list[Outage]:
        return [outage for outage in self.outages if outage.country in {"", subscription.country}]

    def _read_without_service(self, *, now: datetime) -> None:
        paid_through = {each.pk: each.paid_through for each in self.subscriptions if each.paid_through}
        self.outages = list(
            Outage.objects.reaching_into(min(paid_through.values(), default=now), now) if paid_through else []
        )
        # A period that is over has lasted a month; for the others nothing is forgiven.
        late = [key for key, until in paid_through.items() if until <= now - SHORTEST_PERIOD]
        began: dict[UUID, datetime] = {}
        for subscription_id, to_status, at in (
            SubscriptionTransition.objects.filter(
                Q(from_status=Status.ON_HOLD) | Q(to_status=Status.ON_HOLD), subscription__in=late
            )
            .exclude(from_status=F("to_status"))
            .order_by("at", "pk")
            .values_list("subscription_id", "to_status", "at")
            if late
            else []
        ):
            if to_status == Status.ON_HOLD:
                began[subscription_id] = at
            elif subscription_id in began:
                self.holds.setdefault(subscription_id, []).append(rules.Stretch(began.pop(subscription_id), at))

    def _choose_cards(self, *, now: datetime) -> None:
        """Let backup cards take turns with defaults that were declined, and leave out what a network forbids."""
        backups = {
            card.account_id: card
            for card in PaymentMethod.objects.filter(
                account__in=[invoice.account_id for invoice in self.open_invoices.values()], is_backup=True
            )
        }
        exhausted = self._read_exhausted([*self.cards.values(), *backups.values()], now=now)
        for invoice in self.open_invoices.values():
            default, backup = self.cards.get(invoice.account_id), backups.get(invoice.account_id)
            if default is None or backup is None:
                continue
            first, second = (
                (backup, default) if rules.turn_of_backup(tries=self.tries.get(invoice.pk, 0)) else (default, backup)
            )
            self.cards[invoice.account_id] = second if first.pk in exhausted else first
        self.exhausted = {account_id for account_id, card in self.cards.items() if card.pk in exhausted}

    def _read_exhausted(self, cards: Sequence[PaymentMethod], *, now: datetime) -> set[UUID]:
        """Find the cards that were declined as often as their network allows, under whatever account."""
        # Looked up apart: together they would read all attempts there are.
        names = {card.pk: card.gateway_id for card in cards if not card.fingerprint}
        names |= dict(
            PaymentMethod.objects.filter(
                fingerprint__in=[card.fingerprint for card in cards if card.fingerprint]
            ).exclude(fingerprint="").values_list("pk", "fingerprint")
        )  # fmt: skip
        declined: dict[str, list[datetime]] = defaultdict(list)
        for card_id, at in PaymentAttempt.objects.filter(
            payment_method__in=names, state=PaymentAttempt.State.FAILED, settled_at__gt=now - rules.LIMITS_LOOK_BACK
        ).values_list("payment_method", "settled_at"):
            if at is not None:
                declined[names[card_id]].append(at)
        return {
            card.pk
            for card in cards
            if rules.card_exhausted(
                brand=card.brand, declined_at=declined[card.fingerprint or card.gateway_id], now=now
            )
        }


@dataclass(frozen=True)
class _Decision:
    """`action` is bill, retry, hold, pause, end_trial, canceled, uncollectible, wait, skip or parked.

    `price` is what a period is billed by; `restart` the anchor of the new cycle that it begins, if it does;
    `forgiven` what is given away before it.
    """

    action: str
    start: datetime | None = None
    end: datetime | None = None
    reason: str = ""
    price: Price | None = None
    restart: rules.Anchor | None = None
    forgiven: rules.Stretch | None = None


def _decide(subscription: Subscription, facts: _Facts, *, now: datetime) -> _Decision:
    attempt = facts.open_attempts.get(subscription.pk)
    if attempt is not None and attempt.state != PaymentAttempt.State.REQUIRES_ACTION:
        return _Decision("wait", reason="payment_in_flight")
    if subscription.cancel_at is not None and subscription.cancel_at <= now:
        return _Decision("canceled", reason="canceled_by_request")
    match rules.Step(subscription.next_step):
        case rules.Step.HOLD:
            return _Decision("hold", reason="grace_over")
        case rules.Step.CANCEL:
            return _Decision("uncollectible", reason="unpaid")
        case rules.Step.RETRY:
            return _decide_retry(subscription, attempt, facts, now=now)
        case rules.Step.RENEW if subscription.pause_at is not None and subscription.pause_at <= now:
            return _Decision("pause", reason="paused")
        case rules.Step.RENEW if subscription.status == Status.TRIALING and subscription.account_id not in facts.cards:
            return _decide_trial_without_card(subscription, facts, now=now)
        case rules.Step.RENEW:
            return _decide_renewal(subscription, facts, now=now)
        case rules.Step.RESUME:
            return _decide_resumption(subscription, facts, now=now)


def _decide_retry(
    subscription: Subscription, attempt: PaymentAttempt | None, facts: _Facts, *, now: datetime
) -> _Decision:
    invoice = facts.open_invoices.get(subscription.pk)
    if invoice is None or invoice.period is None:
        return _Decision("parked", reason="retry_without_open_invoice")
    if attempt is not None:
        return _Decision("wait", reason="authentication_pending")
    if subscription.account_id in facts.exhausted:
        return _Decision("skip", reason="card_network_limit")
    reason = rules.bound_broken(
        amount=invoice.total,
        list_price=facts.prices[subscription.price_id].amount,
        period_start=invoice.period.start,
        period_end=invoice.period.end,
        last_charged_at=subscription.last_charged_at,
        invoices_today=0,
        now=now,
    )
    if reason:
        return _Decision("parked", invoice.period.start, invoice.period.end, reason)
    return _Decision("retry", invoice.period.start, invoice.period.end)


def _decide_renewal(subscription: Subscription, facts: _Facts, *, now: datetime) -> _Decision:
    start = subscription.paid_through
    if start is None or start > now:
        return _Decision("parked", reason="due_before_its_boundary")
    price = _next_price(subscription, facts, start=start)
    if price.interval != facts.prices[subscription.price_id].interval:
        return _decide_restart(subscription, price, facts, start=start, now=now)
    if facts.is_down(subscription, now=now):
        return _Decision("wait", reason="service_unavailable")
    anchor = subscription.anchor(rules.Interval(price.interval))
    end = anchor.boundary(subscription.period_index + 1)
    without_service = facts.without_service(subscription) if end <= now else []
    if without_service:
        return _decide_catch_up(subscription, price, facts, without_service, start=start, now=now)
    return _billed_or_parked(subscription, price, facts, start=start, end=end, now=now)


def _decide_trial_without_card(subscription: Subscription, facts: _Facts, *, now: datetime) -> _Decision:
    """Go on where gifts, credit or a coupon pay all of the first period: nobody is asked for a card then."""
    decision = _decide_renewal(subscription, facts, now=now)
    if decision.action == "bill" and decision.start and decision.end and decision.price:
        charge = Charge(
            subscription, decision.price, decision.start, decision.end, card=None, customer="", off_session=True
        )
        (forecast,) = invoicing.forecast([charge])
        owed = Owed(subscription.account_id, decision.price.currency, forecast.total)
        if crediting.covers(owed, now=now):
            return decision
    return _Decision("end_trial", reason="trial_ended_without_card")


def _decide_catch_up(
    subscription: Subscription,
    price: Price,
    facts: _Facts,
    without_service: Sequence[rules.Stretch],
    *,
    start: datetime,
    now: datetime,
) -> _Decision:
    """Forgive the periods in which nobody could watch, and bill the first one in which somebody could."""
    for step in rules.catch_up(
        anchor=subscription.anchor(rules.Interval(price.interval)),
        index=subscription.period_index,
        start=start,
        without_service=without_service,
        now=now,
    ):
        if step.action is rules.CatchUp.BILL:
            decision = _billed_or_parked(subscription, price, facts, start=step.start, end=step.end, now=now)
            if step.start == start:
                return decision
            return replace(decision, restart=step.anchor, forgiven=rules.Stretch(start, step.start))
    return _Decision("wait", reason="service_unavailable")


def _next_price(subscription: Subscription, facts: _Facts, *, start: datetime) -> Price:
    price = plans.next_price(
        subscription,
        price=facts.prices[subscription.price_id],
        pending=facts.prices[subscription.pending_price_id] if subscription.pending_price_id else None,
        noticed=facts.new_prices,
        start=start,
    )
    move = facts.moves.at(subscription, start)
    return move.price_of(price) if move else price


def _decide_resumption(subscription: Subscription, facts: _Facts, *, now: datetime) -> _Decision:
    """Begin a new cycle on the day of resuming; on the present one where we come later, since nobody could watch."""
    planned, zone = subscription.resume_at or now, ZoneInfo(subscription.billing_tz)
    late = now.replace(microsecond=0)  # as exact as an anchor is
    start = planned if planned.astimezone(zone).date() == now.astimezone(zone).date() else late
    price = _next_price(subscription, facts, start=start)
    return _decide_restart(subscription, price, facts, start=start, now=now)


def _decide_restart(
    subscription: Subscription, price: Price, facts: _Facts, *, start: datetime, now: datetime
) -> _Decision:
    anchor = rules.Anchor.at(start, ZoneInfo(subscription.billing_tz), rules.Interval(price.interval))
    decision = _billed_or_parked(subscription, price, facts, start=start, end=anchor.boundary(1), now=now)
    return replace(decision, restart=anchor)


def _billed_or_parked(
    subscription: Subscription, price: Price, facts: _Facts, *, start: datetime, end: datetime, now: datetime
) -> _Decision:
    reason = rules.bound_broken(
        amount=price.amount_of(subscription.ordinal),
        list_price=price.amount,
        period_start=start,
        period_end=end,
        last_charged_at=subscription.last_charged_at,
        invoices_today=facts.invoices_today.get(subscription.pk, 0),
        now=now,
    )
    return _Decision("parked" if reason else "bill", start, end, reason, price)


# ---------------------------------------------------------------- claiming


@dataclass(frozen=True)
class _Claimed:
    """What a claim committed: attempts to send with their charges, and what needed no charge."""

    attempts: dict[UUID, Charge]
    handled: list[Handled]


def _claim_or_park(*, now: datetime, size: int) -> _Claimed:
    """Claim a batch; if the database refuses it, park the one that it refuses so that the others go on."""
    try:
        return _claim(now=now, size=size)
    except IntegrityError:
        logger.exception("A batch of renewals was refused; its subscriptions are claimed one by one.")
    attempts: dict[UUID, Charge] = {}
    handled: list[Handled] = []
    for subscription_id in list(Subscription.objects.due(now).values_list("pk", flat=True)[:size]):
        try:
            claimed = _claim(now=now, size=1, only=subscription_id)
        except IntegrityError as error:
            handled += _park(subscription_id, _constraint(error), now=now)
        else:
            attempts |= claimed.attempts
            handled += claimed.handled
    return _Claimed(attempts, handled)


def _constraint(error: IntegrityError) -> str:
    diagnostics = getattr(error.__cause__, "diag", None)
    return str(getattr(diagnostics, "constraint_name", None) or "integrity_error")


@transaction.atomic
def _park(subscription_id: UUID, reason: str, *, now: datetime) -> list[Handled]:
    due = list(Subscription.objects.due(now).filter(pk=subscription_id).select_for_update(of=("self",)))
    facts, changes = _Facts(due, now=now), Changes()
    decision = _Decision("parked", reason=reason)
    for subscription in due:
        _carry_out(subscription, decision, facts, changes, now=now)
    changes.write(now=now)
    return [_entry(subscription, facts, decision, "parked") for subscription in due]


@transaction.atomic
def _claim(*, now: datetime, size: int, only: UUID | None = None) -> _Claimed:
    scan = Subscription.objects.due(now)
    if only is not None:
        scan = scan.filter(pk=only)
    # Locked before it is looked at: what another worker has just done is seen or its row is skipped.
    due = list(scan.select_for_update(of=("self",), skip_locked=True)[:size])
    if not due:
        return _Claimed({}, [])
    facts = _Facts(due, now=now)
    changes, handled = Changes(), []
    to_bill: list[Charge] = []
    to_retry: list[Charge] = []
    for subscription in due:
        decision = _decide(subscription, facts, now=now)
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
        handled.append(_entry(subscription, facts, decision, decision.action))
        _carry_out(subscription, decision, facts, changes, now=now)
    records.claim([charge.subscription.pk for charge in to_bill + to_retry], until=now + CLAIM)
    for charge in to_bill:
        if move := facts.moves.at(charge.subscription, charge.start):
            changes.transitions.append(_move(charge.subscription, move, now=now))
        if charge.price.pk != charge.subscription.price_id:
            charge.subscription.price, charge.subscription.pending_price = charge.price, None
            records.save(charge.subscription, ["price", "pending_price"])
            reason = f"price: {charge.price.plan.code}, version {charge.price.version}"
            changes.transitions.append(cycles.note(charge.subscription, reason, by=SYSTEM, now=now))
    attempts = _retry(to_retry, facts, changes, handled, now=now)
    for billed in invoicing.bill(to_bill, now=now) if to_bill else []:
        if billed.attempt is None and not billed.invoice.due:
            settlement.mark_paid(billed.invoice, None, billed.charge.subscription, changes, now=now)
            handled.append(_charged(billed.charge, COVERED))
        elif billed.attempt is None:
            settlement.record_failure(billed.invoice, None, billed.charge.subscription, changes, now=now)
            handled.append(_charged(billed.charge, NO_CARD))
        else:
            attempts[billed.attempt.pk] = billed.charge
    changes.write(now=now)
    return _Claimed(attempts, handled)


def _move(subscription: Subscription, move: Move, *, now: datetime) -> SubscriptionTransition:
    """Let a claimed subscription be billed in another place from now on, as its customer was told."""
    subscription.country, subscription.territory = move.place.country, move.place.territory
    subscription.moves_at = None
    records.save(subscription, ["country", "territory", "moves_at"])
    return cycles.note(subscription, f"country: {move.place.taxed_as}", by=SYSTEM, now=now)


def _carry_out(
    subscription: Subscription, decision: _Decision, facts: _Facts, changes: Changes, *, now: datetime
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
            settlement.put_on_hold(subscription, changes, now=now)
        case "parked":
            settlement.park(subscription, decision.reason, changes, now=now)
            logger.error(
                "A subscription was parked.",
                extra={"subscription": str(subscription.pk), "reason": decision.reason},
            )
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
    charges: Iterable[Charge], facts: _Facts, changes: Changes, handled: list[Handled], *, now: datetime
) -> dict[UUID, Charge]:
    """Make the next attempt of each open invoice; answers the charges by attempt."""
    made: dict[UUID, Charge] = {}
    rows = []
    for charge in charges:
        invoice = facts.open_invoices[charge.subscription.pk]
        if charge.card is None:
            settlement.record_failure(invoice, None, charge.subscription, changes, now=now)
            handled.append(_charged(charge, NO_CARD))
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


# ---------------------------------------------------------------- telling


def _charged(charge: Charge, outcome: ChargeOutcome) -> Handled:
    return Handled(
        subscription_id=charge.subscription.pk,
        account_id=charge.subscription.account_id,
        period_start=charge.start,
        period_end=charge.end,
        amount=charge.price.amount,
        currency=charge.price.currency,
        outcome=outcome.kind,
        reason=outcome.code,
    )


def _entry(subscription: Subscription, facts: _Facts, decision: _Decision, outcome: str) -> Handled:
    price = facts.prices[subscription.price_id]
    charged = decision.action in {"bill", "retry"}
    return Handled(
        subscription_id=subscription.pk,
        account_id=subscription.account_id,
        period_start=decision.start,
        period_end=decision.end,
        amount=price.amount if charged else 0,
        currency=price.currency,
        outcome=outcome,
        reason=decision.reason,
    )
