"""What will be charged next, worked out as it will be when it is."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from copy import copy
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID
from zoneinfo import ZoneInfo

from billing import rules
from billing.amounts import Tender
from billing.models import Price, Quote, Subscription
from billing.places import Place
from billing.rules import Status
from billing.selectors import whereabouts
from billing.selectors.whereabouts import Move, Moves
from billing.services import coupons, crediting, debts, invoicing, payments, plans, subscriptions
from billing.services.crediting import Owed
from billing.services.invoicing import Charge, Forecast
from core.money import Money

NO_MOVES = Moves({})


def next_charge(
    subscription: Subscription,
    noticed: plans.NoticedPrices,
    *,
    now: datetime,
    moves: Moves = NO_MOVES,
    resuming: bool = False,
) -> Charge:
    """Answer the next charge of a subscription, or that of `resuming` a paused one now.

    `price__plan` and `pending_price__plan` are at hand.
    """
    paused = subscription.status == Status.PAUSED
    planned = subscription.resume_at if paused else subscription.paid_through
    start = now if resuming or planned is None else planned
    price = plans.next_price(
        subscription, price=subscription.price, pending=subscription.pending_price, noticed=noticed, start=start
    )
    if move := moves.at(subscription, start):
        subscription, price = moved(subscription, move), move.price_of(price)
    interval = rules.Interval(price.interval)
    if paused or price.interval != subscription.price.interval:
        end = rules.Anchor.at(start, ZoneInfo(subscription.billing_tz), interval).boundary(1)
    else:
        end = subscription.anchor(interval).boundary(subscription.period_index + 1)
    return Charge(subscription, price, start, end, card=None, customer="", off_session=True)


@dataclass(frozen=True)
class NextBill:
    """What will be charged next and when, as long as nothing changes: minor units, tax and coupon included.

    `tender` says what credit pays of the amount, what is owed from before and charged with it, and what is due.
    """

    at: datetime
    price: Price
    amount: int
    currency: str
    tender: Tender


def next_bill(subscription: Subscription, *, now: datetime) -> NextBill | None:
    """Answer the next charge of a subscription; None where none comes by itself, or where one is overdue.

    Of a pause without an end, what resuming now would cost.
    """
    status = Status(subscription.status)
    if status not in {Status.ACTIVE, Status.TRIALING, Status.PAUSED} or subscription.cancel_at is not None:
        return None
    bill = _bill(subscription, now=now)
    if subscription.pause_at is not None and subscription.resume_at is not None:
        return replace(bill, at=subscription.resume_at)
    return bill


def told_of(subscription: Subscription, *, now: datetime) -> dict[str, Money | datetime]:
    """Answer what a letter says of the next charge: its day, its amount, and what is due where that differs.

    It is empty where none comes by itself.
    """
    bill = next_bill(subscription, now=now)
    if bill is None or bill.at <= now:
        return {}
    told: dict[str, Money | datetime] = {"on": bill.at, "amount": Money(bill.amount, bill.currency)}
    if bill.tender.due != bill.amount:
        told["due"] = Money(bill.tender.due, bill.currency)
    return told


def resumption(subscription: Subscription, *, now: datetime) -> NextBill:
    """Answer what ending a pause now costs: at the price, and in the country, of today."""
    return _bill(subscription, now=now, resuming=True)


def _bill(subscription: Subscription, *, now: datetime, resuming: bool = False) -> NextBill:
    told = [subscription] if subscription.price.superseded_at is not None else []
    moves = whereabouts.moves([subscription])
    charge = next_charge(subscription, plans.noticed_prices(told), now=now, moves=moves, resuming=resuming)
    return _next_bill(charge, charge.start, now=now)


def _next_bill(charge: Charge, at: datetime, *, now: datetime) -> NextBill:
    (forecast,) = invoicing.forecast([charge])
    (tender,) = tenders([charge], [forecast], now=now)
    return NextBill(at, charge.price, forecast.total, charge.price.currency, tender)


def tenders(
    charges: Sequence[Charge], foreseen: Sequence[Forecast], *, now: datetime, without: Iterable[UUID] = ()
) -> list[Tender]:
    """Answer how charges would be paid if they were billed now, each by itself; invoices `without` will be void."""
    owed = [
        Owed(charge.subscription.account_id, charge.price.currency, forecast.total)
        for charge, forecast in zip(charges, foreseen, strict=True)
    ]
    return crediting.foresee(owed, now=now, without=without)


def moved(subscription: Subscription, move: Move) -> Subscription:
    """Answer an unsaved copy of a subscription as it will be when it has moved."""
    there = copy(subscription)
    there.country, there.territory = move.place.country, move.place.territory
    return there


def first_bill_of(subscription: Subscription, move: Move | None, *, now: datetime) -> NextBill:
    """Answer the first charge in another country; without a move, the next charge where the subscription is."""
    told = [subscription] if subscription.price.superseded_at is not None else []
    charge = next_charge(subscription, plans.noticed_prices(told), now=now)
    at, price = charge.start, charge.price
    if move is not None:
        at, price = move.effective_at, move.price_of(price)
        charge = replace(charge, subscription=moved(subscription, move), price=price)
    return _next_bill(charge, at, now=now)


def after(quote: Quote, *, now: datetime) -> NextBill | None:
    """Answer what is charged next once a quote is accepted that charges nothing now; None for any other."""
    if quote.lines:
        return None
    changed = copy(quote.subscription)
    changed.pending_price = quote.price
    return _bill(changed, now=now)


@dataclass(frozen=True)
class Purchase:
    """What buying a price would cost this person now, and what it costs when introductions and coupons are over.

    `tender` says how the first period is paid.
    """

    price: Price
    first: Forecast
    tender: Tender
    start: datetime
    end: datetime
    regular_amount: int
    trial_days: int
    introductory_periods: int


def purchase(
    *, account_id: UUID, price_id: UUID, place: Place, billing_tz: str, coupon: str, now: datetime
) -> Purchase:
    """Say what buying would cost in a place. Raises PriceNotOffered, DebtInAnotherCurrency, CouponNotValid.

    `first.total` is the `quoted_amount` of the purchase and `tender.due` its `quoted_due`; a purchase that waits for
    its customer is counted as given up, for this one takes its place. `trial_days` is 0 for who has had a trial or a subscription.
    """
    price = subscriptions.offered_price(price_id, country=place.country, account_id=account_id)
    debts.check_currency(account_id, price.currency)
    zone = ZoneInfo(billing_tz)
    anchor = rules.Anchor.at(now, zone, rules.Interval(price.interval))
    wanted = Subscription(
        account_id=account_id,
        price=price,
        country=place.country,
        territory=place.territory,
        billing_tz=billing_tz,
        anchor_date=anchor.date,
        anchor_time=anchor.time,
        periods_before=subscriptions.periods_billed(account_id),
    )
    charge = Charge(wanted, price, anchor.boundary(0), anchor.boundary(1), card=None, customer="", off_session=False)
    redeemed = {wanted.pk: coupons.valid(code=coupon, subscription=wanted, now=now)} if coupon else {}
    (first,) = invoicing.forecast([charge], coupons=redeemed)
    waiting = payments.first_that_waits(account_id)
    (tender,) = tenders([charge], [first], now=now, without=[waiting.invoice_id] if waiting else [])
    left = max(0, (price.intro_periods or 0) - wanted.periods_before)
    # The period after all introductions, without a coupon.
    wanted.periods_before += left
    (regular,) = invoicing.forecast([charge])
    return Purchase(
        price=price,
        first=first,
        tender=tender,
        start=charge.start,
        end=charge.end,
        regular_amount=regular.total,
        trial_days=price.trial_days if subscriptions.is_new(account_id) else 0,
        introductory_periods=left,
    )
