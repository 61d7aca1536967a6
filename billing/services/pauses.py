"""Pausing at the end of what is paid for, and coming back on a day that everything is counted from anew."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import ClassVar
from uuid import UUID
from zoneinfo import ZoneInfo

from django.db import transaction

from billing import rules
from billing.gateway import Gateway
from billing.models import Invoice, PaymentCustomer, PaymentMethod, Subscription
from billing.rules import Status
from billing.selectors import whereabouts
from billing.services import cycles, forecasts, invoicing, letters, moving, plans, records, settlement, subscriptions
from billing.services.invoicing import Charge
from billing.services.letters import Letter
from billing.services.subscriptions import (
    NoSubscription,
    PaymentMethodRequired,
    PaymentUnderWay,
    QuoteChanged,
    Subscribed,
    UnderReview,
)
from core import idempotency
from core.errors import DomainError
from core.idempotency import RequestKey

CLAIM = timedelta(hours=1)
"""How long the scheduler leaves a resumption alone that its customer is paying for."""


class PauseNotPossible(DomainError):
    """Not active, cancelled, or not for one to three months."""

    code: ClassVar[str] = "pause_not_possible"
    title: ClassVar[str] = "An active subscription that is not cancelled can be paused, for one to three months."
    status: ClassVar[int] = 409


class NotPaused(DomainError):
    """There is no pause to take back or to end."""

    code: ClassVar[str] = "not_paused"
    title: ClassVar[str] = "This subscription is not paused."
    status: ClassVar[int] = 409


@transaction.atomic
def pause(*, account_id: UUID, months: int, now: datetime, by: str) -> Subscription:
    """Pause from the end of what is paid for, for one to three months; asked for again, the later length holds.

    Raises NoSubscription, PauseNotPossible, PaymentUnderWay.
    """
    subscription = _live(account_id)
    if (
        subscription.status != Status.ACTIVE
        or subscription.cancel_at is not None
        or subscription.paid_through is None
        or subscription.paid_through <= now
        or months not in rules.PAUSE_MONTHS
    ):
        raise PauseNotPossible
    if Invoice.objects.filter(subscription=subscription, status=Invoice.Status.OPEN, kind=Invoice.Kind.PERIOD).exists():
        raise PaymentUnderWay
    subscription.pause_at = subscription.next_bill_at = subscription.paid_through
    subscription.resume_at = rules.pause_end(
        subscription.paid_through, months=months, zone=ZoneInfo(subscription.billing_tz)
    )
    records.save(subscription, ["pause_at", "resume_at", "next_bill_at"])
    cycles.note(subscription, f"pause_requested: {months}", by=by, now=now).save(force_insert=True)
    told = Letter("pause_planned", subscription, {"from": subscription.pause_at, "until": subscription.resume_at})
    letters.write([told], now=now)
    return subscription


@transaction.atomic
def undo(*, account_id: UUID, now: datetime, by: str) -> Subscription:
    """Take a pause back before it begins; the anchor stays, and a mail confirms it. Raises NoSubscription, NotPaused."""
    subscription = _live(account_id)
    if subscription.pause_at is None or subscription.paid_through is None or subscription.pause_at <= now:
        raise NotPaused
    subscription.pause_at = subscription.resume_at = None
    subscription.next_step, subscription.next_bill_at = rules.after_payment(
        paid_through=subscription.paid_through, now=subscription.last_charged_at or now
    )
    records.save(subscription, ["pause_at", "resume_at", "next_step", "next_bill_at"])
    cycles.note(subscription, "pause_undone", by=by, now=now).save(force_insert=True)
    told = Letter("pause_undone", subscription, forecasts.told_of(subscription, now=now))
    letters.write([told], now=now)
    return subscription


def resume(
    *,
    account_id: UUID,
    quoted_amount: int,
    request_key: RequestKey,
    gateway: Gateway,
    now: datetime,
    by: str,
    quoted_due: int | None = None,
) -> Subscribed:
    """End a pause now and charge a period that begins today; access returns when the payment has succeeded.

    `quoted_amount` and `quoted_due` are what `returning.offer` says; without the second, all of the amount is charged. The same request key again answers the same
    charge. Declined, the subscription is on hold until a card pays. Raises NoSubscription, NotPaused, UnderReview,
    PaymentUnderWay, QuoteChanged, PaymentMethodRequired, PaymentFailed.
    """
    invoice_id = _begin(
        account_id=account_id,
        quoted_amount=quoted_amount,
        quoted_due=quoted_due,
        request_key=request_key,
        now=now,
        by=by,
    )
    return subscriptions.collect(invoice_id=invoice_id, gateway=gateway, now=now)


@transaction.atomic
def _begin(
    *,
    account_id: UUID,
    quoted_amount: int,
    quoted_due: int | None,
    request_key: RequestKey,
    now: datetime,
    by: str,
) -> UUID:
    """Commit the new cycle with its first invoice and attempt, or find them; answers the invoice."""
    idempotency.claim(request_key, now=now)
    subscription = _live(account_id)
    invoices = Invoice.objects.filter(subscription=subscription, kind=Invoice.Kind.PERIOD)
    if (begun := subscription.resumptions.filter(request_key=request_key.id).first()) is not None:
        return invoices.get(period__cycle=begun.cycle, period__index=0).pk
    if subscription.status != Status.PAUSED:
        raise NotPaused
    if subscription.parked_at is not None:
        raise UnderReview
    if invoices.filter(status=Invoice.Status.OPEN).exists():
        raise PaymentUnderWay
    noticed = plans.noticed_prices([subscription] if subscription.price.superseded_at is not None else [])
    price = plans.next_price(
        subscription, price=subscription.price, pending=subscription.pending_price, noticed=noticed, start=now
    )
    if move := whereabouts.moves([subscription]).at(subscription, now):
        price = move.price_of(price)
        moving.move(subscription, move, now=now).save(force_insert=True)
    anchor = rules.Anchor.at(now, ZoneInfo(subscription.billing_tz), rules.Interval(price.interval))
    cycles.restart(subscription, anchor)
    subscription.resumptions.create(request_key=request_key.id, cycle=subscription.cycle, at=now, by=by)
    card = PaymentMethod.objects.usable().filter(account=account_id, is_default=True).first()
    customer = PaymentCustomer.objects.filter(account=account_id).first()
    subscription.price, subscription.pending_price = price, None
    subscription.next_step, subscription.next_bill_at = rules.Step.RESUME, now
    subscription.claimed_until = now + CLAIM
    records.save(subscription, ["price", "pending_price", "next_step", "next_bill_at", "claimed_until"])
    cycles.note(subscription, "resume_requested", by=by, now=now).save(force_insert=True)
    charge = Charge(
        subscription=subscription,
        price=price,
        start=anchor.boundary(0),
        end=anchor.boundary(1),
        card=card if customer else None,
        customer=customer.gateway_id if customer else "",
        off_session=False,
    )
    (billed,) = invoicing.bill([charge], now=now)
    QuoteChanged.check(billed.invoice, amount=quoted_amount, due=quoted_due)
    if not billed.invoice.due:
        settlement.settle_covered(billed.invoice, subscription, now=now)
    elif billed.attempt is None:
        raise PaymentMethodRequired
    return billed.invoice.pk


def _live(account_id: UUID) -> Subscription:
    found = Subscription.objects.locked().live().select_related("price__plan", "pending_price__plan")
    subscription = found.filter(account=account_id).first()
    if subscription is None:
        raise NoSubscription
    return subscription
