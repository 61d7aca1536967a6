"""Changing plans: up at once for a quoted price, down at the end of what is paid for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import ClassVar
from uuid import UUID
from zoneinfo import ZoneInfo

from django.db import transaction
from django.db.models import Q

from billing import rules, selectors
from billing.amounts import Tender
from billing.gateway import Gateway, OutcomeKind
from billing.models import (
    Invoice,
    InvoiceLine,
    PaymentAttempt,
    PaymentCustomer,
    PaymentMethod,
    Period,
    PlanFamily,
    Price,
    Quote,
    Subscription,
)
from billing.rules import Status
from billing.services import (
    crediting,
    cycles,
    forecasts,
    invoicing,
    letters,
    payments,
    records,
    settlement,
    trial_changes,
)
from billing.services.crediting import Owed
from billing.services.letters import Letter
from billing.services.settlement import Changes
from billing.services.subscriptions import (
    NoSubscription,
    PaymentMethodRequired,
    PaymentUnderWay,
    PriceNotOffered,
    Subscribed,
    UnderReview,
    collect,
)
from core import idempotency
from core.errors import DomainError
from core.idempotency import RequestKey

QUOTE_LIVES = timedelta(minutes=30)


class ChangeNotPossible(DomainError):
    """The subscription is neither active nor a trial, is cancelled, or has that price already."""

    code: ClassVar[str] = "change_not_possible"
    title: ClassVar[str] = (
        "An active subscription or a trial can be changed, to another plan of its family in the same currency."
    )
    status: ClassVar[int] = 409


class QuoteNotFound(DomainError):
    """No such quote of this account."""

    code: ClassVar[str] = "quote_not_found"
    title: ClassVar[str] = "There is no such quote. Ask for one with POST /api/v1/subscription/quotes."
    status: ClassVar[int] = 404


class QuoteExpired(DomainError):
    """Too old, or the subscription has changed since, or what credit and debts leave to be charged."""

    code: ClassVar[str] = "quote_expired"
    title: ClassVar[str] = "This quote does not hold any more. Ask for another."
    status: ClassVar[int] = 409


@transaction.atomic
def quote(*, account_id: UUID, price_id: UUID, now: datetime) -> Quote:
    """Say what a change costs that takes effect today; binding for half an hour.

    A higher plan costs the rest of the period, or nothing now where its family has upgrades billed with the next
    period. Another interval, with the same plan or a higher one, begins a new period today. What comes to less than
    nothing becomes credit, never a refund. Within a trial any plan and interval can be chosen and costs nothing now.
    Raises NoSubscription, PriceNotOffered, ChangeNotPossible, UnderReview.
    """
    subscription, price = _changeable(account_id, price_id, now=now, same_too=True)
    present = subscription.price
    if subscription.status == Status.TRIALING:
        return _quote_within_trial(subscription, price, now=now)
    higher = price.plan.tier - present.plan.tier
    restarts = price.interval != present.interval
    if price.pk == present.pk or higher < 0 or (higher == 0 and not restarts) or subscription.status != Status.ACTIVE:
        raise ChangeNotPossible
    if subscription.parked_at is not None:
        raise UnderReview
    period = _current_period(subscription, now=now)
    zone = ZoneInfo(subscription.billing_tz)
    on = now.astimezone(zone).date()
    lines, covered = [], period
    if restarts:
        covered = _restarted(subscription, rules.Anchor.at(now, zone, rules.Interval(price.interval)), period)
    if restarts or price.plan.family.upgrades_by == PlanFamily.UpgradeChoices.CHARGE_NOW:
        paid = _lines_to_credit(subscription, period)
        lines = invoicing.quote_lines(subscription, paid=paid, price=price, period=covered, on=on)
    total = sum(line["amount"] for line in lines)
    tender = _tender(subscription, total, currency=price.currency, now=now) if lines else Tender((), 0)
    return Quote.objects.create(
        restarts_at=covered.start if restarts else None,
        ends_at=covered.end if restarts else None,
        account_id=account_id,
        subscription=subscription,
        from_price=subscription.price,
        price=price,
        on_date=on,
        currency=price.currency,
        total=total,
        credit=tender.credit,
        debts=tender.debts,
        due=tender.due,
        lines=lines,
        created_at=now,
        expires_at=now + QUOTE_LIVES,
    )


def _quote_within_trial(subscription: Subscription, price: Price, *, now: datetime) -> Quote:
    begins_at = trial_changes.begins_at(subscription, price, now=now)
    is_billed = price.pk == (subscription.pending_price_id or subscription.price_id)
    if is_billed and (begins_at is not None or price.pk == subscription.price_id):
        # It is what is billed already, and cannot begin before.
        raise ChangeNotPossible
    if subscription.parked_at is not None:
        raise UnderReview
    trial = _current_period(subscription, now=now)
    return Quote.objects.create(
        account_id=subscription.account_id,
        subscription=subscription,
        from_price=subscription.price,
        price=price,
        on_date=now.astimezone(ZoneInfo(subscription.billing_tz)).date(),
        currency=price.currency,
        total=0,
        lines=[],
        trial_ends_at=trial.end,
        begins_at=begins_at,
        created_at=now,
        expires_at=min(now + QUOTE_LIVES, trial.end),
    )


def _tender(subscription: Subscription, total: int, *, currency: str, now: datetime) -> Tender:
    """Answer how a change of a locked subscription is paid; one that waits for the customer gives way to it."""
    if total < 0:
        # All of it becomes credit.
        return Tender((), 0)
    waiting = [attempt.invoice_id for attempt in settlement.waiting_changes(subscription)]
    (tender,) = crediting.foresee([Owed(subscription.account_id, currency, total)], now=now, without=waiting)
    return tender


def _restarted(subscription: Subscription, anchor: rules.Anchor, running: Period) -> Period:
    """Answer the unsaved period that begins where the running one is cut short."""
    started = Period(subscription=subscription, start=anchor.boundary(0), end=anchor.boundary(1))
    if started.start <= running.start:
        # What began this very second cannot be cut short.
        raise ChangeNotPossible
    return started


def accept(*, account_id: UUID, quote_id: UUID, request_key: RequestKey, gateway: Gateway, now: datetime) -> Subscribed:
    """Charge a quote and change the plan once it is paid; the same again answers the same charge.

    A declined charge leaves everything as it was. Another change that waits for the customer is withdrawn. Raises
    QuoteNotFound, QuoteExpired, UnderReview, PaymentMethodRequired, PaymentUnderWay, PaymentFailed, and TrialUsed.
    """
    begun = _begin(account_id=account_id, quote_id=quote_id, request_key=request_key, now=now)
    for waiting in begun.replaced:
        payments.withdraw(waiting, gateway=gateway, now=now)
    if begun.invoice_id is None:
        changed = Subscription.objects.select_related("price__plan__family").live().get(account=account_id)
        return Subscribed(changed, OutcomeKind.SUCCEEDED)
    return collect(invoice_id=begun.invoice_id, gateway=gateway, now=now)


@dataclass(frozen=True)
class _Begun:
    """The invoice of a change, None where nothing is billed now, and the payments of others that it takes the place of."""

    invoice_id: UUID | None
    replaced: Sequence[PaymentAttempt] = ()


@transaction.atomic
def _begin(*, account_id: UUID, quote_id: UUID, request_key: RequestKey, now: datetime) -> _Begun:
    """Commit the quote's invoice and attempt, or find them."""
    idempotency.claim(request_key, now=now)
    subscription = Subscription.objects.locked().live().filter(account=account_id).first()
    accepted = Quote.objects.locked().filter(pk=quote_id, account=account_id).first()
    if accepted is None:
        raise QuoteNotFound
    if accepted.invoice_id is not None:
        return _Begun(accepted.invoice_id)
    if not accepted.lines and subscription is not None and _is_done(subscription, accepted):
        # Accepted before.
        return _Begun(None)
    if (
        subscription is None
        or subscription.pk != accepted.subscription_id
        or subscription.price_id != accepted.from_price_id
        or not _is_of_now(subscription, accepted)
        or subscription.cancel_at is not None
        or now >= accepted.expires_at
        or (subscription.paid_through is not None and now >= subscription.paid_through)
    ):
        raise QuoteExpired
    if subscription.parked_at is not None:
        raise UnderReview
    given_up = Changes()
    replaced = settlement.void_waiting_changes(subscription, given_up)
    given_up.write(now=now)
    underway = PaymentAttempt.objects.filter(invoice__subscription=subscription, state__in=PaymentAttempt.OPEN)
    if underway.exclude(pk__in=[attempt.pk for attempt in replaced]).exists():
        raise PaymentUnderWay
    if accepted.trial_ends_at is not None:
        trial_changes.change(subscription, accepted, by=f"account:{account_id}", now=now)
        return _Begun(None, replaced)
    if not accepted.lines:
        _change_at_once(subscription, accepted.price, by=f"account:{account_id}", now=now)
        _confirm(subscription, changed=True, now=now)
        return _Begun(None, replaced)
    card = PaymentMethod.objects.usable().filter(account=account_id, is_default=True).first()
    customer = PaymentCustomer.objects.filter(account=account_id).first()
    gateway_id = customer.gateway_id if customer else ""
    invoice = invoicing.bill_change(accepted, card=card if customer else None, customer=gateway_id, now=now)
    if invoice.due != accepted.due:
        raise QuoteExpired
    if not invoice.due:
        settlement.settle_covered(invoice, subscription, now=now)
    elif card is None or customer is None:
        raise PaymentMethodRequired
    return _Begun(invoice.pk, replaced)


def _is_done(subscription: Subscription, accepted: Quote) -> bool:
    """Answer whether a locked subscription has what a quote without a charge is for."""
    has_it = subscription.price_id == accepted.price_id
    if accepted.trial_ends_at is None:
        return has_it
    is_billed = (subscription.pending_price_id or subscription.price_id) == accepted.price_id
    return is_billed and (has_it or accepted.begins_at is not None)


def _is_of_now(subscription: Subscription, accepted: Quote) -> bool:
    """Answer whether a quote was made for what a locked subscription is now: active, or the same trial."""
    if accepted.trial_ends_at is not None:
        return subscription.status == Status.TRIALING and subscription.paid_through == accepted.trial_ends_at
    return subscription.status == Status.ACTIVE


def _change_at_once(subscription: Subscription, price: Price, *, by: str, now: datetime) -> None:
    """Give a locked subscription another plan's features; its price is billed from the next period on."""
    subscription.price, subscription.pending_price = price, None
    records.save(subscription, ["price", "pending_price"])
    cycles.note(subscription, "plan_changed", by=by, now=now).save(force_insert=True)


@transaction.atomic
def downgrade(*, account_id: UUID, price_id: UUID, now: datetime, by: str) -> Subscription:
    """Bill another price from the next period on; until then everything stays. A later change replaces it.

    The present price takes a downgrade back. What was changed up and not paid for ends at once: until the next
    period the features are those that are paid for. A change that waits for the customer is given up. A mail confirms
    what has changed. Raises NoSubscription, PriceNotOffered, ChangeNotPossible.
    """
    subscription, price = _changeable(account_id, price_id, now=now, same_too=True)
    if price.plan.tier > subscription.price.plan.tier:
        raise ChangeNotPossible
    given_up = Changes()
    settlement.void_waiting_changes(subscription, given_up)
    given_up.write(now=now)
    before = (subscription.price_id, subscription.pending_price_id)
    paid = _paid_price(subscription, now=now)
    if paid is not None and price.plan.tier <= paid.plan.tier < subscription.price.plan.tier:
        _change_at_once(subscription, paid, by=by, now=now)
    subscription.pending_price = None if price.pk == subscription.price_id else price
    records.save(subscription, ["pending_price"])
    cycles.note(subscription, f"next_period: {price.plan.code}", by=by, now=now).save(force_insert=True)
    if before != (subscription.price_id, subscription.pending_price_id):
        _confirm(subscription, changed=before[0] != subscription.price_id, now=now)
    return subscription


def _confirm(subscription: Subscription, *, changed: bool, now: datetime) -> None:
    """Tell by mail what a locked subscription has, whether that has `changed`, and what the next period brings."""
    following = subscription.pending_price or subscription.price
    values = {
        "present": subscription.price.plan.name,
        "plan": following.plan.name,
        "interval": following.interval,
    } | forecasts.told_of(subscription, now=now)
    unplanned = "plan_changed" if changed else "plan_stays"
    template = unplanned if subscription.pending_price is None else "plan_changes"
    letters.write([Letter(template, subscription, values)], now=now)


def _paid_price(subscription: Subscription, *, now: datetime) -> Price | None:
    """Answer the highest price that was paid for what is left of the running period."""
    period = Period.objects.filter(subscription=subscription, start__lte=now, end__gt=now).first()
    lines = _lines_to_credit(subscription, period) if period else []
    return max((line.price for line in lines if line.price), key=lambda price: price.plan.tier, default=None)


def _changeable(
    account_id: UUID, price_id: UUID, *, now: datetime, same_too: bool = False
) -> tuple[Subscription, Price]:
    """Answer the account's locked subscription and a price that it can be changed to."""
    subscription = Subscription.objects.locked().select_related("price__plan").live().filter(account=account_id).first()
    if subscription is None:
        raise NoSubscription
    present = subscription.price
    price = Price.objects.select_related("plan__family").filter(pk=price_id).first()
    offered = [price.pk for offer in selectors.offers(country=subscription.country) for price in offer.prices]
    if price is None or (price.pk not in offered and price.pk != present.pk):
        raise PriceNotOffered
    if (
        subscription.cancel_at is not None
        or (price.pk == present.pk and not same_too)
        or price.plan.family_id != present.plan.family_id
        or price.currency != present.currency
    ):
        raise ChangeNotPossible
    return subscription, price


def _current_period(subscription: Subscription, *, now: datetime) -> Period:
    period = Period.objects.filter(subscription=subscription, start__lte=now, end__gt=now).first()
    if period is None:
        raise ChangeNotPossible
    return period


def _lines_to_credit(subscription: Subscription, period: Period) -> list[InvoiceLine]:
    """Answer the paid lines that still pay for the rest of a period: those that no change has credited."""
    zone = ZoneInfo(subscription.billing_tz)
    start, end = period.start.astimezone(zone).date(), period.end.astimezone(zone).date()
    paid = InvoiceLine.objects.select_related("invoice", "price__plan").filter(
        Q(invoice__period=period) | Q(invoice__kind=Invoice.Kind.CHANGE),
        invoice__subscription=subscription,
        invoice__status=Invoice.Status.PAID,
        service_start__gte=start,
        # What began on the last day paid for none.
        service_start__lt=end,
        service_end=end,
    )
    credited = {line.derivation["line"] for line in paid if line.kind == InvoiceLine.Kind.UNUSED}
    return [line for line in paid if line.kind == InvoiceLine.Kind.PLAN and line.pk not in credited]
