"""What a period comes to: the price, less a coupon, with its tax."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from fractions import Fraction
from types import MappingProxyType
from uuid import UUID
from zoneinfo import ZoneInfo

from billing import amounts
from billing.amounts import Taxed
from billing.models import Coupon, CouponRedemption, PaymentMethod, Price, Subscription, TaxRate


@dataclass(frozen=True)
class Charge:
    """One period of one subscription about to be billed. Without a card, or when credit pays it all, no attempt is made."""

    subscription: Subscription
    price: Price
    start: datetime
    end: datetime
    card: PaymentMethod | None
    customer: str
    off_session: bool

    @property
    def list_amount(self) -> int:
        """What the price asks for this period, before coupons and tax."""
        return self.price.amount_of(self.subscription.ordinal)


@dataclass(frozen=True)
class Priced:
    """What a charge comes to, for `[first_day, after)` of the local calendar. Without a rate there is no tax."""

    first_day: date
    after: date
    taxed: Taxed
    rate: Decimal | None
    discount: int = 0
    coupon: Coupon | None = None


@dataclass(frozen=True)
class Forecast:
    """What a charge would come to: minor units; `total` is the list amount less the discount, with its tax."""

    list_amount: int
    discount: int
    tax: int
    total: int


def forecast(charges: Sequence[Charge], *, coupons: Mapping[UUID, Coupon] = MappingProxyType({})) -> list[Forecast]:
    """Answer what charges would come to, as `bill` would write them; `coupons` by subscription as if redeemed now."""
    supposed = {
        charge.subscription.pk: CouponRedemption(coupon=coupons[key], first_index=charge.subscription.ordinal)
        for charge in charges
        if (key := charge.subscription.pk) in coupons
    }
    return [
        Forecast(charge.list_amount, priced.discount, priced.taxed.tax, priced.taxed.gross)
        for charge, priced in zip(charges, price_lines(charges, supposed), strict=True)
    ]


def price_lines(
    charges: Sequence[Charge], supposed: Mapping[UUID, CouponRedemption] = MappingProxyType({})
) -> list[Priced]:
    """Work out what charges come to, by the tax of each one's country on the first day of its service."""
    rates = Rates({charge.subscription.place.taxed_as for charge in charges})
    redemptions = {**_redemptions(charges), **supposed}
    priced = []
    for charge in charges:
        zone = ZoneInfo(charge.subscription.billing_tz)
        first_day, after = charge.start.astimezone(zone).date(), charge.end.astimezone(zone).date()
        rate = rates.on(charge.subscription.place.taxed_as, first_day)
        inclusive = charge.price.tax_behavior == Price.TaxBehavior.INCLUSIVE
        redemption = redemptions.get(charge.subscription.pk)
        ordinal, currency = charge.subscription.ordinal, charge.price.currency
        off = coupon_discount(charge.list_amount, currency, redemption, ordinal=ordinal) if redemption else 0
        taxed = amounts.with_tax(charge.list_amount - off, Fraction(rate or 0), inclusive=inclusive)
        priced.append(Priced(first_day, after, taxed, rate, off, redemption.coupon if redemption and off else None))
    return priced


def _redemptions(charges: Sequence[Charge]) -> dict[UUID, CouponRedemption]:
    found = CouponRedemption.objects.select_related("coupon")
    return {
        redemption.subscription_id: redemption
        for redemption in found.filter(subscription__any=[charge.subscription.pk for charge in charges])
    }


def coupon_discount(list_amount: int, currency: str, redemption: CouponRedemption, *, ordinal: int) -> int:
    """Answer what a coupon takes off a whole period: the one of this number among all of the person's."""
    coupon = redemption.coupon
    if not redemption.covers(ordinal):
        return 0
    if coupon.percent is not None:
        return amounts.discount(list_amount, percent=Fraction(coupon.percent))
    # An amount is bound to its currency.
    return amounts.discount(list_amount, fixed=coupon.amount) if coupon.currency == currency else 0


class Rates:
    """The tax rates of some places, read once."""

    def __init__(self, countries: Collection[str]) -> None:
        self._by_country: dict[str, list[TaxRate]] = {}
        for rate in TaxRate.objects.filter(country__in=countries):
            self._by_country.setdefault(rate.country, []).append(rate)

    def on(self, country: str, day: date) -> Decimal | None:
        """Answer the rate of a country, or of a territory of one, on a day, or None where there is no tax."""
        for rate in self._by_country.get(country, []):
            if rate.starts <= day and (rate.ends is None or day < rate.ends):
                return rate.rate
        return None
