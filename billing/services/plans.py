"""What is on sale: new versions of prices, never edits."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime
from typing import ClassVar
from uuid import UUID
from zoneinfo import ZoneInfo

from django.db import transaction

from billing import rules
from billing.models import Plan, Price, PriceNotice, Subscription
from core import money
from core.errors import DomainError


class AmountNotChargeable(DomainError):
    """The gateway cannot take this amount."""

    code: ClassVar[str] = "amount_not_chargeable"
    title: ClassVar[str] = "In a currency of three decimals an amount must end in 0, since Stripe takes two."
    status: ClassVar[int] = 400


def check_amount(*, amount: int, currency: str) -> None:
    """Raise AmountNotChargeable for an amount in minor units that the gateway cannot take."""
    if money.exponent(currency) == 3 and amount % 10:
        raise AmountNotChargeable


@dataclass(frozen=True)
class Terms:
    """What a version of a price promises beside its amount; amounts in minor units.

    `applies_to_existing_from` is when subscribers of earlier versions pay this one, `notice_days` after their notice
    at the earliest; without it they keep theirs for good.
    """

    trial_days: int = 0
    intro_amount: int | None = None
    intro_periods: int | None = None
    applies_to_existing_from: date | None = None
    notice_days: int = 30


@transaction.atomic
def set_price(
    *,
    plan_id: UUID,
    currency: str,
    country: str,
    interval: rules.Interval,
    amount: int,
    tax_behavior: Price.TaxBehavior,
    now: datetime,
    terms: Terms = Terms(),
) -> Price:
    """Put a price on offer in place of the present one, as its next version; `amount` in minor units.

    Existing subscriptions keep the version they were bought with, unless the terms say from when they do not:
    then `notices.announce_prices` tells them first. The same price again changes nothing.
    Raises AmountNotChargeable, and money.UnknownCurrency for what is no currency.
    """
    check_amount(amount=amount, currency=currency)
    if terms.intro_amount is not None:
        check_amount(amount=terms.intro_amount, currency=currency)
    # Two new versions at once follow one another.
    Plan.objects.select_for_update().get(pk=plan_id)
    versions = Price.objects.filter(plan=plan_id, currency=currency, country=country, interval=interval)
    present = versions.current().first()
    if (
        present is not None
        and (present.amount, present.tax_behavior) == (amount, tax_behavior)
        and all(getattr(present, name) == value for name, value in asdict(terms).items())
    ):
        return present
    versions.current().update(superseded_at=now)
    last = versions.order_by("-version").first()
    return Price.objects.create(
        plan_id=plan_id,
        currency=currency,
        country=country,
        interval=interval,
        version=last.version + 1 if last else 1,
        amount=amount,
        tax_behavior=tax_behavior,
        created_at=now,
        **asdict(terms),
    )


@dataclass(frozen=True)
class NoticedPrices:
    """The new versions that some subscribers have had notice of."""

    by_subscription: Mapping[UUID, Sequence[PriceNotice]]

    def at(self, subscription: Subscription, price: Price, *, day: date) -> Price | None:
        """Answer the newest version of `price` that a period starting on this local day is billed by."""
        told = [
            notice.price
            for notice in self.by_subscription.get(subscription.pk, ())
            if notice.earliest_on <= day and notice.price.line == price.line and notice.price.version > price.version
        ]
        return max(told, key=lambda version: version.version, default=None)


def noticed_prices(subscriptions: Collection[Subscription]) -> NoticedPrices:
    """Answer what these subscribers have had notice of, in one query; in none for nobody."""
    found: dict[UUID, list[PriceNotice]] = defaultdict(list)
    if subscriptions:
        keys = [subscription.pk for subscription in subscriptions]
        for notice in PriceNotice.objects.filter(subscription__in=keys).select_related("price__plan"):
            found[notice.subscription_id].append(notice)
    return NoticedPrices(found)


def next_price(
    subscription: Subscription, *, price: Price, pending: Price | None, noticed: NoticedPrices, start: datetime
) -> Price:
    """Answer what a period that starts then is billed by: a change that was asked for, or a new version of `price`.

    A new version needs its notice, and leaves alone an introduction that was promised.
    """
    if pending is not None:
        return pending
    if price.introduces(subscription.ordinal):
        return price
    day = start.astimezone(ZoneInfo(subscription.billing_tz)).date()
    return noticed.at(subscription, price, day=day) or price
