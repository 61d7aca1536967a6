"""Coming back: before the end, after it, or out of a pause."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db import transaction

from billing import selectors
from billing.amounts import Tender
from billing.gateway import Gateway, OutcomeKind
from billing.models import Price, Subscription
from billing.places import Place
from billing.rules import Status
from billing.selectors import whereabouts as places
from billing.services import consents, forecasts, pauses, subscriptions
from billing.services.consents import Agreement
from billing.services.subscriptions import AlreadySubscribed, NoSubscription, PriceNotOffered, Subscribed
from core import idempotency
from core.idempotency import RequestKey

NOTHING = Tender((), 0)


@dataclass(frozen=True)
class ReturnOffer:
    """What coming back costs now, in minor units with tax, and how it is paid; 0 while what was paid for still runs."""

    price: Price
    amount: int
    tender: Tender = NOTHING


def offer(*, account_id: UUID, place: Place, now: datetime) -> ReturnOffer:
    """Say what `reactivate` would buy and charge in a place.

    Raises NoSubscription, AlreadySubscribed where there is nothing to come back from, and PriceNotOffered where
    what they had is not sold any more.
    """
    last = _last(account_id)
    if _still_runs(last, now=now):
        return ReturnOffer(last.price, 0)
    if last.status == Status.PAUSED:
        bill = forecasts.resumption(last, now=now)
        return ReturnOffer(bill.price, bill.amount, bill.tender)
    price = _price_again(last, country=place.country)
    bought = forecasts.purchase(
        account_id=account_id, price_id=price.pk, place=place, billing_tz=last.billing_tz, coupon="", now=now
    )
    return ReturnOffer(price, bought.first.total, bought.tender)


def reactivate(
    *,
    account_id: UUID,
    quoted_amount: int,
    country: str,
    request_key: RequestKey,
    gateway: Gateway,
    now: datetime,
    by: str,
    quoted_due: int | None = None,
    agreement: Agreement = consents.NONE,
    seen: str = "",
) -> Subscribed:
    """Come back for what `offer` says.

    While what was paid for still runs the cancellation is taken back, and everything stays. Out of a pause it is
    resumed. After the end a new subscription begins, counted from today, at the price of today unless the plan keeps
    the old one; there is no second trial or introduction. Raises what `subscriptions.undo_cancel`, `pauses.resume`
    and `subscriptions.subscribe` raise.
    """
    begun = Subscription.objects.filter(account=account_id, request_key=request_key.id).select_related("price").first()
    last = begun or _last(account_id)
    resumed = last.resumptions.filter(request_key=request_key.id).exists()
    if begun is None and not resumed:
        if request_key.answered:
            # Taking a cancellation back left nothing behind, and nothing to charge.
            return Subscribed(last, OutcomeKind.SUCCEEDED)
        if _still_runs(last, now=now):
            return Subscribed(_take_back(account_id, request_key, now=now, by=by), OutcomeKind.SUCCEEDED)
    if begun is None and (resumed or last.status == Status.PAUSED):
        return pauses.resume(
            account_id=account_id,
            quoted_amount=quoted_amount,
            quoted_due=quoted_due,
            request_key=request_key,
            gateway=gateway,
            now=now,
            by=by,
        )
    there = places.expected(account_id=account_id, declared=country, seen=seen)
    price = begun.price if begun else _price_again(last, country=there.country)
    return subscriptions.subscribe(
        account_id=account_id,
        price_id=price.pk,
        quoted_amount=quoted_amount,
        quoted_due=quoted_due,
        country=country,
        billing_tz=last.billing_tz,
        request_key=request_key,
        gateway=gateway,
        now=now,
        by=by,
        agreement=agreement,
        seen=seen,
    )


@transaction.atomic
def _take_back(account_id: UUID, request_key: RequestKey, *, now: datetime, by: str) -> Subscription:
    idempotency.claim(request_key, now=now)
    return subscriptions.undo_cancel(account_id=account_id, now=now, by=by)


def _last(account_id: UUID) -> Subscription:
    last = selectors.current_subscription(account_id=account_id)
    if last is None:
        raise NoSubscription
    return last


def _still_runs(subscription: Subscription, *, now: datetime) -> bool:
    ends = subscription.cancel_at
    return subscription.status in {Status.ACTIVE, Status.TRIALING} and ends is not None and ends > now


def _price_again(last: Subscription, *, country: str) -> Price:
    """Answer what an ended subscription is bought by again: its own price, or the present version of it."""
    if last.ended_at is None:
        raise AlreadySubscribed
    if last.price.plan.keeps_price_on_return:
        return last.price
    for offered in selectors.offers(country=country):
        for price in offered.prices:
            if price.plan_id == last.price.plan_id and price.interval == last.price.interval:
                return price
    raise PriceNotOffered
