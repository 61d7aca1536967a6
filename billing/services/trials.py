"""Trials: time without charge for those who are new, once a person and once a card."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar
from uuid import UUID
from zoneinfo import ZoneInfo

from django.contrib.auth import get_user_model
from django.db import IntegrityError, transaction

from billing import events, rules
from billing.models import PaymentMethod, Period, Price, Subscription, SubscriptionTransition, Trial
from billing.places import Place
from billing.rules import Status
from billing.services import consents, coupons, debts, forecasts, letters, records, subscriptions, whereabouts
from billing.services.consents import Agreement
from billing.services.letters import Letter
from billing.services.subscriptions import AlreadySubscribed, PaymentMethodRequired
from core import idempotency, outbox
from core.errors import DomainError
from core.idempotency import RequestKey
from core.money import Money


class TrialNotOffered(DomainError):
    """This price has none."""

    code: ClassVar[str] = "trial_not_offered"
    title: ClassVar[str] = "There is no trial of this price. `trial_days` in GET /api/v1/plans says how long one lasts."
    status: ClassVar[int] = 409


class TrialUsed(DomainError):
    """This person, or this card, has had a trial or a subscription."""

    code: ClassVar[str] = "trial_used"
    title: ClassVar[str] = "A trial is for new subscribers, once a person and once a card."
    status: ClassVar[int] = 409


@transaction.atomic
def start(
    *,
    account_id: UUID,
    price_id: UUID,
    country: str,
    billing_tz: str,
    request_key: RequestKey,
    now: datetime,
    by: str,
    coupon: str = "",
    agreement: Agreement = consents.NONE,
    seen: str = "",
) -> Subscription:
    """Begin a trial; nothing is charged until it ends, and a coupon counts from the first charge on.

    Everything is counted from the local date on which it ends. The same request key again answers the same trial.
    Raises AlreadySubscribed, CountryUncertain, PriceNotOffered, DebtInAnotherCurrency, TrialNotOffered, TrialUsed,
    CouponNotValid, ConsentRequired, and PaymentMethodRequired where the plan asks for a card.
    """
    idempotency.claim(request_key, now=now)
    get_user_model().objects.select_for_update(no_key=True).get(pk=account_id)
    begun = Subscription.objects.select_related("price__plan").filter(account=account_id, request_key=request_key.id)
    if (known := begun.first()) is not None:
        return known
    if Subscription.objects.live().filter(account=account_id).exists():
        raise AlreadySubscribed
    evidence, place = whereabouts.decide(account_id=account_id, declared=country, seen=seen)
    price = subscriptions.offered_price(price_id, country=place.country, account_id=account_id)
    debts.check_currency(account_id, price.currency)
    if not price.trial_days:
        raise TrialNotOffered
    card = PaymentMethod.objects.usable().filter(account=account_id, is_default=True).first()
    if card is None and price.plan.trial_needs_card:
        raise PaymentMethodRequired
    digest = Trial.digest(card.fingerprint) if card else ""
    if not subscriptions.is_new(account_id) or (digest and Trial.objects.filter(card_digest=digest).exists()):
        raise TrialUsed
    subscription = _begin(
        account_id, price, place=place, zone=ZoneInfo(billing_tz), request_key=request_key, now=now, by=by
    )
    ends_at = subscription.paid_through or now
    try:
        with transaction.atomic():
            Trial.objects.create(
                account_id=account_id, subscription=subscription, card_digest=digest, started_at=now, ends_at=ends_at
            )
    except IntegrityError as error:
        # Another account with the same card was quicker.
        raise TrialUsed from error
    whereabouts.record(subscription, evidence, place, now=now)
    consents.record(subscription=subscription, agreement=agreement, now=now)
    if coupon:
        coupons.redeem(code=coupon, subscription=subscription, now=now)
    outbox.publish(
        events.SubscriptionActivated(str(account_id), str(subscription.pk), price.plan.code),
        aggregate=f"account:{account_id}",
        now=now,
    )
    first = forecasts.first_bill_of(subscription, None, now=now)
    amount = Money(first.amount, first.currency)
    what = {"plan": price.plan.name, "interval": price.interval}
    letters.write([Letter("trial_started", subscription, {**what, "ends": ends_at, "amount": amount})], now=now)
    return subscription


def _begin(
    account_id: UUID, price: Price, *, place: Place, zone: ZoneInfo, request_key: RequestKey, now: datetime, by: str
) -> Subscription:
    """Write the subscription with the trial as its cycle 0; what is paid for begins cycle 1 at the trial's end."""
    ends_at = rules.trial_end(now, days=price.trial_days, zone=zone)
    anchor = rules.Anchor.at(ends_at, zone, rules.Interval(price.interval))
    subscription = records.create(
        account_id=account_id,
        price=price,
        request_key=request_key.id,
        status=Status.TRIALING,
        country=place.country,
        territory=place.territory,
        billing_tz=zone.key,
        anchor_date=anchor.date,
        anchor_time=anchor.time,
        cycle=1,
        paid_through=ends_at,
        next_bill_at=ends_at,
        created_at=now,
    )
    SubscriptionTransition.objects.create(
        subscription=subscription, from_status="", to_status=Status.TRIALING, at=now, by=by, reason="trial_started"
    )
    Period.objects.create(subscription=subscription, cycle=0, index=0, start=now.replace(microsecond=0), end=ends_at)
    return subscription
