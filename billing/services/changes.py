"""Changing plans: up at once for a quoted price, down at the end of what is paid for."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import ClassVar
from uuid import UUID
from zoneinfo import ZoneInfo

from django.db import transaction
from django.db.models import Q

from billing import selectors
from billing.gateway import Gateway
from billing.models import (
    Invoice,
    InvoiceLine,
    PaymentAttempt,
    PaymentCustomer,
    PaymentMethod,
    Period,
    Price,
    Quote,
    Subscription,
)
from billing.rules import Status
from billing.services import cycles, invoicing, settlement
from billing.services.subscriptions import (
    NoSubscription,
    PaymentMethodRequired,
    PaymentUnderWay,
    PriceNotOffered,
    Subscribed,
    collect,
)
from core import idempotency
from core.errors import DomainError
from core.idempotency import RequestKey

QUOTE_LIVES = timedelta(minutes=30)


class ChangeNotPossible(DomainError):
    """The subscription is not active, is cancelled, or has that price already."""

    code: ClassVar[str] = "change_not_possible"
    title: ClassVar[str] = "An active subscription can be changed, to another plan with the same currency and interval."
    status: ClassVar[int] = 409


class QuoteNotFound(DomainError):
    """No such quote of this account."""

    code: ClassVar[str] = "quote_not_found"
    title: ClassVar[str] = "There is no such quote. Ask for one with POST /api/v1/subscription/quotes."
    status: ClassVar[int] = 404


class QuoteExpired(DomainError):
    """Too old, or the subscription has changed since."""

    code: ClassVar[str] = "quote_expired"
    title: ClassVar[str] = "This quote does not hold any more. Ask for another."
    status: ClassVar[int] = 409


@transaction.atomic
def quote(*, account_id: UUID, price_id: UUID, now: datetime) -> Quote:
    """Say what a higher plan costs from today to the end of the period; binding for half an hour.

    What comes to less than nothing becomes credit, never a refund. Raises NoSubscription, PriceNotOffered,
    ChangeNotPossible.
    """
    subscription, price = _changeable(account_id, price_id, now=now)
    if price.plan.tier <= subscription.price.plan.tier or subscription.status != Status.ACTIVE:
        raise ChangeNotPossible
    period = _current_period(subscription, now=now)
    on = now.astimezone(ZoneInfo(subscription.billing_tz)).date()
    lines = invoicing.quote_lines(
        subscription, paid=_lines_to_credit(subscription, period), price=price, period=period, on=on
    )
    total = sum(line["amount"] for line in lines)
    return Quote.objects.create(
        account_id=account_id,
        subscription=subscription,
        from_price=subscription.price,
        price=price,
        on_date=on,
        currency=price.currency,
        total=total,
        lines=lines,
        created_at=now,
        expires_at=now + QUOTE_LIVES,
    )


def accept(*, account_id: UUID, quote_id: UUID, request_key: RequestKey, gateway: Gateway, now: datetime) -> Subscribed:
    """Charge a quote and change the plan once it is paid; the same again answers the same charge.

    A declined charge leaves everything as it was. Raises QuoteNotFound, QuoteExpired, PaymentMethodRequired,
    PaymentUnderWay, PaymentFailed.
    """
    invoice_id = _begin(account_id=account_id, quote_id=quote_id, request_key=request_key, now=now)
    return collect(invoice_id=invoice_id, gateway=gateway, now=now)


@transaction.atomic
def _begin(*, account_id: UUID, quote_id: UUID, request_key: RequestKey, now: datetime) -> UUID:
    """Commit the quote's invoice and attempt, or find them; answers the invoice."""
    idempotency.claim(request_key, now=now)
    subscription = Subscription.objects.locked().live().filter(account=account_id).first()
    accepted = Quote.objects.locked().filter(pk=quote_id, account=account_id).first()
    if accepted is None:
        raise QuoteNotFound
    if accepted.invoice_id is not None:
        return accepted.invoice_id
    if (
        subscription is None
        or subscription.pk != accepted.subscription_id
        or subscription.price_id != accepted.from_price_id
        or subscription.status != Status.ACTIVE
        or subscription.cancel_at is not None
        or now >= accepted.expires_at
        or (subscription.paid_through is not None and now >= subscription.paid_through)
    ):
        raise QuoteExpired
    if PaymentAttempt.objects.filter(invoice__subscription=subscription, state__in=PaymentAttempt.OPEN).exists():
        raise PaymentUnderWay
    card = PaymentMethod.objects.usable().filter(account=account_id, is_default=True).first()
    customer = PaymentCustomer.objects.filter(account=account_id).first()
    gateway_id = customer.gateway_id if customer else ""
    invoice = invoicing.bill_change(accepted, card=card if customer else None, customer=gateway_id, now=now)
    if not invoice.due:
        settlement.settle_covered(invoice, subscription, now=now)
    elif card is None or customer is None:
        raise PaymentMethodRequired
    return invoice.pk


@transaction.atomic
def downgrade(*, account_id: UUID, price_id: UUID, now: datetime, by: str) -> Subscription:
    """Bill another price from the next period on; until then everything stays. A later change replaces it.

    The present price takes a downgrade back. Raises NoSubscription, PriceNotOffered, ChangeNotPossible.
    """
    subscription, price = _changeable(account_id, price_id, now=now, same_too=True)
    if price.plan.tier > subscription.price.plan.tier:
        raise ChangeNotPossible
    subscription.pending_price = None if price.pk == subscription.price_id else price
    subscription.save(update_fields=["pending_price"])
    cycles.note(subscription, f"next_period: {price.plan.code}", by=by, now=now).save(force_insert=True)
    return subscription


def _changeable(
    account_id: UUID, price_id: UUID, *, now: datetime, same_too: bool = False
) -> tuple[Subscription, Price]:
    """Answer the account's locked subscription and a price that it can be changed to."""
    subscription = Subscription.objects.locked().select_related("price__plan").live().filter(account=account_id).first()
    if subscription is None:
        raise NoSubscription
    present = subscription.price
    price = Price.objects.select_related("plan").filter(pk=price_id).first()
    offered = [price.pk for offer in selectors.offers(country=subscription.country) for price in offer.prices]
    if price is None or (price.pk not in offered and price.pk != present.pk):
        raise PriceNotOffered
    if (
        subscription.cancel_at is not None
        or (price.pk == present.pk and not same_too)
        or price.plan.family_id != present.plan.family_id
        or (price.currency, price.interval) != (present.currency, present.interval)
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
        service_end=end,
    )
    credited = {line.derivation["line"] for line in paid if line.kind == InvoiceLine.Kind.UNUSED}
    return [line for line in paid if line.kind == InvoiceLine.Kind.PLAN and line.pk not in credited]
