"""Coupons, redeemed with a subscription."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import ClassVar

from django.db.models import QuerySet
from django.utils.translation import gettext

from billing.models import Coupon, CouponRedemption, Subscription
from core.errors import DomainError


class CouponNotValid(DomainError):
    """Unknown, run out, used up, used by this account before, or made for another currency; `detail` says which."""

    code: ClassVar[str] = "coupon_not_valid"
    title: ClassVar[str] = "This coupon cannot be used."
    status: ClassVar[int] = 409


def redeem(*, code: str, subscription: Subscription, now: datetime) -> CouponRedemption:
    """Put a coupon on a subscription that is just being made, in the caller's transaction. Raises CouponNotValid.

    Given back if the transaction does not commit.
    """
    # The limit is counted under the row's lock.
    coupon = valid(code=code, subscription=subscription, now=now, among=Coupon.objects.locked())
    coupon.redemptions += 1
    coupon.save(update_fields=["redemptions"])
    return CouponRedemption.objects.create(
        coupon=coupon,
        account_id=subscription.account_id,
        subscription=subscription,
        first_index=subscription.ordinal,
        redeemed_at=now,
    )


def give_back(subscriptions: Collection[Subscription]) -> None:
    """Let the coupons of locked subscriptions that never began be used again, in the transaction that ends them."""
    if not subscriptions:
        return
    given = list(CouponRedemption.objects.filter(subscription__in=subscriptions))
    # All at once: another transaction that ends some may need the same ones.
    coupons = Coupon.objects.locked().in_bulk({redemption.coupon_id for redemption in given})
    for redemption in given:
        coupons[redemption.coupon_id].redemptions -= 1
    Coupon.objects.bulk_update(coupons.values(), ["redemptions"])
    CouponRedemption.objects.filter(pk__in=[redemption.pk for redemption in given]).delete()


def valid(*, code: str, subscription: Subscription, now: datetime, among: QuerySet[Coupon] | None = None) -> Coupon:
    """Answer the coupon of a code that a subscription could be bought with. Raises CouponNotValid."""
    coupon = (Coupon.objects.all() if among is None else among).filter(code__iexact=code).first()
    if coupon is None:
        raise CouponNotValid(gettext("There is no such coupon. Look again how it is written."))
    if CouponRedemption.objects.filter(coupon=coupon, account=subscription.account_id).exists():
        raise CouponNotValid(gettext("You have used this coupon before; it can be used once."))
    if coupon.valid_until is not None and now >= coupon.valid_until:
        raise CouponNotValid(gettext("This coupon has expired."))
    if coupon.max_redemptions is not None and coupon.redemptions >= coupon.max_redemptions:
        raise CouponNotValid(gettext("This coupon has been used up: it was for a limited number of customers."))
    if coupon.currency not in {"", subscription.price.currency}:
        raise CouponNotValid(gettext("This coupon is for prices in another currency."))
    return coupon
