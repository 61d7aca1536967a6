"""What is done about one due subscription. Reads facts and changes nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from zoneinfo import ZoneInfo

from billing import rules
from billing.models import PaymentAttempt, Price, Subscription
from billing.rules import Status
from billing.services import crediting, invoicing, plans
from billing.services.crediting import Owed
from billing.services.invoicing import Charge
from billing.services.renewals.facts import Facts


@dataclass(frozen=True)
class Decision:
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


def decide(subscription: Subscription, facts: Facts, *, now: datetime) -> Decision:
    """Answer what is done about a due subscription now; it is locked, unless nothing follows from the answer."""
    attempt = facts.open_attempts.get(subscription.pk)
    if attempt is not None and attempt.state != PaymentAttempt.State.REQUIRES_ACTION:
        return Decision("wait", reason="payment_in_flight")
    if subscription.cancel_at is not None and subscription.cancel_at <= now:
        return Decision("canceled", reason="canceled_by_request")
    match rules.Step(subscription.next_step):
        case rules.Step.HOLD:
            return Decision("hold", reason="grace_over")
        case rules.Step.CANCEL:
            return Decision("uncollectible", reason="unpaid")
        case rules.Step.RETRY:
            return _decide_retry(subscription, attempt, facts, now=now)
        case rules.Step.RENEW if subscription.pause_at is not None and subscription.pause_at <= now:
            return Decision("pause", reason="paused")
        case rules.Step.RENEW if subscription.status == Status.TRIALING and subscription.account_id not in facts.cards:
            return _decide_trial_without_card(subscription, facts, now=now)
        case rules.Step.RENEW:
            return _decide_renewal(subscription, facts, now=now)
        case rules.Step.RESUME:
            return _decide_resumption(subscription, facts, now=now)


def _decide_retry(
    subscription: Subscription, attempt: PaymentAttempt | None, facts: Facts, *, now: datetime
) -> Decision:
    invoice = facts.open_invoices.get(subscription.pk)
    if invoice is None or invoice.period is None:
        return Decision("parked", reason="retry_without_open_invoice")
    if attempt is not None:
        return Decision("wait", reason="authentication_pending")
    if subscription.account_id in facts.exhausted:
        return Decision("skip", reason="card_network_limit")
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
        return Decision("parked", invoice.period.start, invoice.period.end, reason)
    return Decision("retry", invoice.period.start, invoice.period.end)


def _decide_renewal(subscription: Subscription, facts: Facts, *, now: datetime) -> Decision:
    start = subscription.paid_through
    if start is None or start > now:
        return Decision("parked", reason="due_before_its_boundary")
    price = _next_price(subscription, facts, start=start)
    if price.interval != facts.prices[subscription.price_id].interval:
        return _decide_restart(subscription, price, facts, start=start, now=now)
    if facts.is_down(subscription, now=now):
        return Decision("wait", reason="service_unavailable")
    anchor = subscription.anchor(rules.Interval(price.interval))
    end = anchor.boundary(subscription.period_index + 1)
    without_service = facts.without_service(subscription) if end <= now else []
    if without_service:
        return _decide_catch_up(subscription, price, facts, without_service, start=start, now=now)
    return _billed_or_parked(subscription, price, facts, start=start, end=end, now=now)


def _decide_trial_without_card(subscription: Subscription, facts: Facts, *, now: datetime) -> Decision:
    """Go on where gifts, credit or a coupon pay all of the first period: nobody is asked for a card then."""
    decision = _decide_renewal(subscription, facts, now=now)
    if decision.action == "bill" and decision.start and decision.end and decision.price:
        charge = Charge(
            subscription, decision.price, decision.start, decision.end, card=None, customer="", off_session=True
        )
        (forecast,) = invoicing.forecast([charge])
        owed = Owed(subscription.account_id, decision.price.currency, forecast.total)
        (tender,) = crediting.foresee([owed], now=now)
        if not tender.due:
            return decision
    return Decision("end_trial", reason="trial_ended_without_card")


def _decide_catch_up(
    subscription: Subscription,
    price: Price,
    facts: Facts,
    without_service: Sequence[rules.Stretch],
    *,
    start: datetime,
    now: datetime,
) -> Decision:
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
    return Decision("wait", reason="service_unavailable")


def _next_price(subscription: Subscription, facts: Facts, *, start: datetime) -> Price:
    price = plans.next_price(
        subscription,
        price=facts.prices[subscription.price_id],
        pending=facts.prices[subscription.pending_price_id] if subscription.pending_price_id else None,
        noticed=facts.new_prices,
        start=start,
    )
    move = facts.moves.at(subscription, start)
    return move.price_of(price) if move else price


def _decide_resumption(subscription: Subscription, facts: Facts, *, now: datetime) -> Decision:
    """Begin a new cycle on the day of resuming; on the present one where we come later, since nobody could watch."""
    planned, zone = subscription.resume_at or now, ZoneInfo(subscription.billing_tz)
    late = now.replace(microsecond=0)  # as exact as an anchor is
    start = planned if planned.astimezone(zone).date() == now.astimezone(zone).date() else late
    price = _next_price(subscription, facts, start=start)
    return _decide_restart(subscription, price, facts, start=start, now=now)


def _decide_restart(
    subscription: Subscription, price: Price, facts: Facts, *, start: datetime, now: datetime
) -> Decision:
    anchor = rules.Anchor.at(start, ZoneInfo(subscription.billing_tz), rules.Interval(price.interval))
    decision = _billed_or_parked(subscription, price, facts, start=start, end=anchor.boundary(1), now=now)
    return replace(decision, restart=anchor)


def _billed_or_parked(
    subscription: Subscription, price: Price, facts: Facts, *, start: datetime, end: datetime, now: datetime
) -> Decision:
    reason = rules.bound_broken(
        amount=price.amount_of(subscription.ordinal),
        list_price=price.amount,
        period_start=start,
        period_end=end,
        last_charged_at=subscription.last_charged_at,
        invoices_today=facts.invoices_today.get(subscription.pk, 0),
        now=now,
    )
    return Decision("parked" if reason else "bill", start, end, reason, price)
