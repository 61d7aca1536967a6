"""Buying a plan."""

from __future__ import annotations

from datetime import datetime
from functools import partial
from typing import ClassVar
from uuid import UUID
from zoneinfo import ZoneInfo

from django.contrib.auth import get_user_model
from django.db import transaction

from billing import rules
from billing.gateway import Gateway
from billing.models import (
    Invoice,
    PaymentCustomer,
    PaymentMethod,
    Subscription,
    SubscriptionTransition,
)
from billing.rules import Status
from billing.services import consents, coupons, debts, invoicing, payments, records, settlement, whereabouts
from billing.services.consents import Agreement
from billing.services.subscriptions.choosing import offered_price, periods_billed
from billing.services.subscriptions.collecting import Subscribed, collect
from core import idempotency
from core.errors import DomainError
from core.idempotency import RequestKey


class AlreadySubscribed(DomainError):
    """The account has a live subscription, or one whose first payment is under way."""

    code: ClassVar[str] = "already_subscribed"
    title: ClassVar[str] = "This account has a subscription already, or one that waits for its first payment."
    status: ClassVar[int] = 409


class QuoteChanged(DomainError):
    """The customer was shown another amount than it costs, or than would be charged."""

    code: ClassVar[str] = "quote_changed"
    title: ClassVar[str] = "That is not what it costs, or not what would be charged. Show the customer what is."
    status: ClassVar[int] = 409

    @classmethod
    def check(cls, invoice: Invoice, *, amount: int, due: int | None) -> None:
        """Raise unless an invoice just written is what was shown; without `due`, that all of the amount is charged."""
        if (invoice.total, invoice.due) != (amount, amount if due is None else due):
            raise cls(amount=invoice.total, due=invoice.due, currency=invoice.currency)


class PaymentMethodRequired(DomainError):
    """There is no card to charge."""

    code: ClassVar[str] = "payment_method_required"
    title: ClassVar[str] = "Save a card first, with POST /api/v1/payment-methods/setup."
    status: ClassVar[int] = 409


def subscribe(
    *,
    account_id: UUID,
    price_id: UUID,
    quoted_amount: int,
    country: str,
    billing_tz: str,
    request_key: RequestKey,
    gateway: Gateway,
    now: datetime,
    by: str,
    quoted_due: int | None = None,
    coupon: str = "",
    agreement: Agreement = consents.NONE,
    seen: str = "",
) -> Subscribed:
    """Buy a plan and charge its first period; access begins when the payment has succeeded.

    `country` is the one that the customer declares and `seen` the one that the request comes from, if it is known.
    `quoted_amount` is what the customer was shown for the first period, tax and `coupon` included, in minor units, and
    `quoted_due` what is charged of it, with credit and with what they owe from before; left out, all of it and no more.
    The same request key again goes on where a killed one stopped and never charges a second time. A purchase that waits
    for its customer is given up. Raises AlreadySubscribed, CountryUncertain, PriceNotOffered, DebtInAnotherCurrency,
    CouponNotValid, QuoteChanged, ConsentRequired, PaymentMethodRequired, PaymentFailed.
    """
    begin = partial(
        _begin,
        account_id=account_id,
        price_id=price_id,
        quoted_amount=quoted_amount,
        quoted_due=quoted_due,
        country=country,
        billing_tz=billing_tz,
        request_key=request_key,
        now=now,
        by=by,
        coupon=coupon,
        agreement=agreement,
        seen=seen,
    )
    try:
        invoice_id = begin()
    except AlreadySubscribed:
        if not _withdraw_waiting(account_id, gateway=gateway, now=now):
            raise
        invoice_id = begin()
    return collect(invoice_id=invoice_id, gateway=gateway, now=now)


def _withdraw_waiting(account_id: UUID, *, gateway: Gateway, now: datetime) -> bool:
    """Give up a first payment that waits for its customer, who buys anew instead; answers whether there was one."""
    waiting = payments.first_that_waits(account_id)
    if waiting is None:
        return False
    payments.withdraw(waiting, gateway=gateway, now=now)
    return True


@transaction.atomic
def _begin(
    *,
    account_id: UUID,
    price_id: UUID,
    quoted_amount: int,
    quoted_due: int | None,
    country: str,
    billing_tz: str,
    request_key: RequestKey,
    now: datetime,
    by: str,
    coupon: str,
    agreement: Agreement,
    seen: str,
) -> UUID:
    """Commit subscription, period, invoice and attempt, or find those of the same request; answers the invoice."""
    idempotency.claim(request_key, now=now)
    # Two subscribe requests at once wait here, so that the second one gets a clear answer.
    get_user_model().objects.select_for_update(no_key=True).get(pk=account_id)
    begun = Invoice.objects.filter(subscription__request_key=request_key.id, subscription__account=account_id)
    first = begun.order_by("pk").first()
    if first is not None:
        return first.pk
    if Subscription.objects.live().filter(account=account_id).exists():
        raise AlreadySubscribed
    evidence, place = whereabouts.decide(account_id=account_id, declared=country, seen=seen)
    price = offered_price(price_id, country=place.country, account_id=account_id)
    debts.check_currency(account_id, price.currency)
    card = PaymentMethod.objects.usable().filter(account=account_id, is_default=True).first()
    customer = PaymentCustomer.objects.filter(account=account_id).first()
    anchor = rules.Anchor.at(now, ZoneInfo(billing_tz), rules.Interval(price.interval))
    subscription = records.create(
        account_id=account_id,
        price=price,
        request_key=request_key.id,
        status=Status.INCOMPLETE,
        country=place.country,
        territory=place.territory,
        billing_tz=billing_tz,
        anchor_date=anchor.date,
        anchor_time=anchor.time,
        periods_before=periods_billed(account_id),
        created_at=now,
    )
    whereabouts.record(subscription, evidence, place, now=now)
    consents.record(subscription=subscription, agreement=agreement, now=now)
    SubscriptionTransition.objects.create(
        subscription=subscription, from_status="", to_status=Status.INCOMPLETE, at=now, by=by, reason="subscribed"
    )
    if coupon:
        coupons.redeem(code=coupon, subscription=subscription, now=now)
    charge = invoicing.Charge(
        subscription=subscription,
        price=price,
        start=anchor.boundary(0),
        end=anchor.boundary(1),
        card=card,
        customer=customer.gateway_id if customer else "",
        off_session=False,
    )
    (billed,) = invoicing.bill([charge], now=now)
    QuoteChanged.check(billed.invoice, amount=quoted_amount, due=quoted_due)
    if not billed.invoice.due:
        settlement.settle_covered(billed.invoice, subscription, now=now)
    elif card is None or customer is None:
        raise PaymentMethodRequired
    return billed.invoice.pk
