"""Subscribing, cancelling, and taking a cancellation back."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar
from uuid import UUID
from zoneinfo import ZoneInfo

from django.contrib.auth import get_user_model
from django.db import transaction
from django.db.models import F, Max

from billing import rules, selectors
from billing.gateway import ChargeOutcome, Gateway, OutcomeKind
from billing.models import (
    Cancellation,
    Invoice,
    PaymentAttempt,
    PaymentCustomer,
    PaymentMethod,
    Price,
    Subscription,
    SubscriptionTransition,
    Trial,
)
from billing.rules import Status
from billing.services import consents, coupons, cycles, invoicing, letters, payments, records, settlement, whereabouts
from billing.services.consents import Agreement
from billing.services.letters import Letter
from billing.services.settlement import Changes
from core import idempotency
from core.errors import DomainError
from core.idempotency import RequestKey


class AlreadySubscribed(DomainError):
    """The account has a live subscription, or one whose first payment is under way."""

    code: ClassVar[str] = "already_subscribed"
    title: ClassVar[str] = "This account has a subscription already, or one that waits for its first payment."
    status: ClassVar[int] = 409


class PriceNotOffered(DomainError):
    """Unknown, superseded, not on sale, or made for another country."""

    code: ClassVar[str] = "price_not_offered"
    title: ClassVar[str] = "This price is not on offer here. Choose one from GET /api/v1/plans."
    status: ClassVar[int] = 409


class QuoteChanged(DomainError):
    """The customer was shown another amount than would be charged."""

    code: ClassVar[str] = "quote_changed"
    title: ClassVar[str] = "The quoted amount is not what this price costs. Show the customer the present one."
    status: ClassVar[int] = 409


class PaymentMethodRequired(DomainError):
    """There is no card to charge."""

    code: ClassVar[str] = "payment_method_required"
    title: ClassVar[str] = "Save a card first, with POST /api/v1/payment-methods/setup."
    status: ClassVar[int] = 409


class PaymentFailed(DomainError):
    """The first charge was declined: there is no subscription, and nothing was charged."""

    code: ClassVar[str] = "payment_failed"
    title: ClassVar[str] = "The payment was declined. Nothing was charged; try another card."
    status: ClassVar[int] = 402


class NoSubscription(DomainError):
    """The account has no live subscription."""

    code: ClassVar[str] = "no_subscription"
    title: ClassVar[str] = "This account has no subscription."
    status: ClassVar[int] = 404


class PaymentUnderWay(DomainError):
    """A charge is in flight, so what would be cancelled is not known yet."""

    code: ClassVar[str] = "payment_under_way"
    title: ClassVar[str] = "A payment is under way. Try again in a minute."
    status: ClassVar[int] = 409


class NotCanceled(DomainError):
    """There is no cancellation to take back."""

    code: ClassVar[str] = "not_canceled"
    title: ClassVar[str] = "This subscription is not cancelled, or it has ended."
    status: ClassVar[int] = 409


class NotParked(DomainError):
    """The subscription is in the schedule already."""

    code: ClassVar[str] = "not_parked"
    title: ClassVar[str] = "This subscription is not parked."
    status: ClassVar[int] = 409


@dataclass(frozen=True)
class Why:
    """Why a customer leaves, as far as they choose to say."""

    reason: str = ""
    comment: str = ""


NO_REASON = Why()


@dataclass(frozen=True)
class Subscribed:
    """Where the first payment stands: succeeded, requires_action (with the secret to confirm it) or unknown.

    Unknown means that the answer is on its way: the subscription becomes active, or ends, by itself.
    """

    subscription: Subscription
    payment: OutcomeKind
    client_secret: str = ""


# ---------------------------------------------------------------- subscribe


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
    coupon: str = "",
    agreement: Agreement = consents.NONE,
    seen: str = "",
) -> Subscribed:
    """Buy a plan and charge its first period; access begins when the payment has succeeded.

    `country` is the one that the customer declares and `seen` the one that the request comes from, if it is known.
    `quoted_amount` is what the customer was shown for the first period, tax and `coupon` included, in minor units. The same request key again goes on
    where a killed one stopped and never charges a second time. Raises AlreadySubscribed,
    CountryUncertain, PriceNotOffered, CouponNotValid, QuoteChanged, ConsentRequired, PaymentMethodRequired,
    PaymentFailed.
    """
    invoice_id = _begin(
        account_id=account_id,
        price_id=price_id,
        quoted_amount=quoted_amount,
        country=country,
        billing_tz=billing_tz,
        request_key=request_key,
        now=now,
        by=by,
        coupon=coupon,
        agreement=agreement,
        seen=seen,
    )
    return collect(invoice_id=invoice_id, gateway=gateway, now=now)


def collect(*, invoice_id: UUID, gateway: Gateway, now: datetime) -> Subscribed:
    """Charge a subscription's invoice while the customer is there; what credit has paid needs no charge.

    Raises PaymentFailed.
    """
    attempts = PaymentAttempt.objects.filter(invoice=invoice_id)
    attempt_id = attempts.order_by("-n").values_list("pk", flat=True).first()
    if attempt_id is None:
        paid = Invoice.objects.select_related("subscription__price__plan").get(pk=invoice_id)
        return Subscribed(_subscription_of(paid), OutcomeKind.SUCCEEDED)
    outcome = payments.send([attempt_id], gateway=gateway, now=now).get(attempt_id)
    attempt = attempts.select_related("invoice__subscription__price__plan").get(pk=attempt_id)
    return answer(attempt, outcome, gateway=gateway)


def answer(attempt: PaymentAttempt, outcome: ChargeOutcome | None, *, gateway: Gateway) -> Subscribed:
    """Answer where a charge with the customer present stands. Raises PaymentFailed."""
    subscription = _subscription_of(attempt.invoice)
    match PaymentAttempt.State(attempt.state):
        case PaymentAttempt.State.SUCCEEDED:
            return Subscribed(subscription, OutcomeKind.SUCCEEDED)
        case PaymentAttempt.State.REQUIRES_ACTION:
            outcome = outcome or gateway.charge_status(attempt.gateway_id)
            return Subscribed(subscription, OutcomeKind.REQUIRES_ACTION, outcome.client_secret)
        case PaymentAttempt.State.FAILED | PaymentAttempt.State.CANCELED:
            raise PaymentFailed(decline_code=attempt.decline_code)
        case _:
            return Subscribed(subscription, OutcomeKind.UNKNOWN)


def _subscription_of(invoice: Invoice) -> Subscription:
    if invoice.subscription is None:
        raise ValueError(f"Invoice {invoice.number} is of no subscription.")
    return invoice.subscription


@transaction.atomic
def _begin(
    *,
    account_id: UUID,
    price_id: UUID,
    quoted_amount: int,
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
    if billed.invoice.total != quoted_amount:
        raise QuoteChanged(amount=billed.invoice.total, currency=price.currency)
    if not billed.invoice.due:
        settlement.settle_covered(billed.invoice, subscription, now=now)
    elif card is None or customer is None:
        raise PaymentMethodRequired
    return billed.invoice.pk


def offered_price(price_id: UUID, *, country: str, account_id: UUID) -> Price:
    """Answer a price that this person can buy: one on offer, or their old one if its plan keeps it for them.

    Raises PriceNotOffered.
    """
    for offer in selectors.offers(country=country):
        for price in offer.prices:
            if price.pk == price_id:
                return price
    kept = Price.objects.select_related("plan").filter(
        pk=price_id, plan__on_sale=True, plan__keeps_price_on_return=True, subscriptions__in=_last_paid(account_id)
    )
    old = kept.first()
    if old is not None:
        return old
    raise PriceNotOffered


def _last_paid(account_id: UUID) -> list[UUID]:
    """Answer the account's subscription that was paid last, if any."""
    paid = Subscription.objects.filter(account=account_id, last_charged_at__isnull=False)
    return list(paid.order_by("-created_at", "-pk").values_list("pk", flat=True)[:1])


def periods_billed(account_id: UUID) -> int:
    """Answer for how many periods this person was billed in all subscriptions before: introductions are had once."""
    ordinals = Subscription.objects.filter(account=account_id).annotate(
        ordinal_=F("periods_before") + F("period_index")
    )
    return ordinals.aggregate(most=Max("ordinal_"))["most"] or 0


def is_new(account_id: UUID) -> bool:
    """Answer whether this person has neither had a trial nor paid for a period."""
    return not Trial.objects.filter(account=account_id).exists() and periods_billed(account_id) == 0


# ---------------------------------------------------------------- cancel


def cancel(
    *,
    account_id: UUID,
    gateway: Gateway,
    now: datetime,
    by: str,
    subscription_id: UUID | None = None,
    reason: Why = NO_REASON,
) -> Subscription:
    """End the account's subscription: at the end of what is paid for, or at once when nothing is.

    It is confirmed by mail, and what was planned for the next period is dropped. With `subscription_id` that one and
    no other. Cancelled twice it stays as it is. A first payment that waits for the customer is withdrawn. Raises
    NoSubscription, and PaymentUnderWay while a first charge has no outcome.
    """
    waiting = _cancel(account_id=account_id, subscription_id=subscription_id, now=now, by=by, why=reason)
    if waiting is not None:
        payments.withdraw(waiting, gateway=gateway, now=now)
    subscription = selectors.current_subscription(account_id=account_id)
    if subscription is None:
        raise NoSubscription
    return subscription


def stop_renewing(*, account_id: UUID, now: datetime, by: str) -> None:
    """Cancel as `cancel` does, in the database alone: for whoever reaches no gateway.

    A first payment that waits for the customer is withdrawn by the sweep. Raises NoSubscription, PaymentUnderWay.
    """
    _cancel(account_id=account_id, subscription_id=None, now=now, by=by, why=NO_REASON)


@transaction.atomic
def _cancel(
    *, account_id: UUID, subscription_id: UUID | None, now: datetime, by: str, why: Why
) -> PaymentAttempt | None:
    """Cancel under lock; answers the attempt that must be withdrawn at the gateway first."""
    subscription = Subscription.objects.locked().live().filter(account=account_id).first()
    if subscription is None or subscription_id not in {None, subscription.pk}:
        raise NoSubscription
    invoice = (
        Invoice.objects.locked()
        .select_related("period")
        .filter(subscription=subscription, status=Invoice.Status.OPEN, kind=Invoice.Kind.PERIOD)
        .first()
    )
    attempt = PaymentAttempt.objects.filter(invoice=invoice, state__in=PaymentAttempt.OPEN).first() if invoice else None
    in_flight = attempt is not None and attempt.state != PaymentAttempt.State.REQUIRES_ACTION
    if subscription.status == Status.INCOMPLETE:
        if attempt is None or in_flight:
            raise PaymentUnderWay
        return attempt
    if subscription.cancel_at is not None:
        return None
    changes = Changes()
    # What was planned for the next period has no period to begin with.
    subscription.pending_price = subscription.pause_at = subscription.resume_at = None
    if in_flight and invoice is not None and invoice.period is not None:
        # Billed already: paid, it is delivered; declined, it ends there (settlement decides).
        subscription.cancel_at = invoice.period.end
        changes.subscriptions[subscription.pk] = subscription
        cycles.note(subscription, "cancel_requested", by=by, now=now).save(force_insert=True)
    elif (
        subscription.status in {Status.ACTIVE, Status.TRIALING}
        and subscription.paid_through is not None
        and subscription.paid_through > now
    ):
        subscription.cancel_at = subscription.next_bill_at = subscription.paid_through
        changes.subscriptions[subscription.pk] = subscription
        cycles.note(subscription, "cancel_requested", by=by, now=now).save(force_insert=True)
    else:
        settlement.cancel_unpaid(
            invoice,
            subscription,
            changes,
            close_as=Invoice.Status.VOID,
            by=by,
            reason="canceled_by_request",
            now=now,
        )
    changes.write(now=now)
    until = subscription.cancel_at
    Cancellation.objects.create(
        subscription=subscription,
        at=now,
        by=by,
        effective_at=until or now,
        reason=why.reason,
        comment=why.comment[:500],
    )
    told = Letter("canceled", subscription, {"until": until}) if until else Letter("canceled_at_once", subscription)
    letters.write([told], now=now)
    return None


@transaction.atomic
def undo_cancel(*, account_id: UUID, now: datetime, by: str) -> Subscription:
    """Take a cancellation back before it takes effect; the anchor stays. Raises NoSubscription, NotCanceled."""
    subscription = Subscription.objects.locked().live().filter(account=account_id).first()
    if subscription is None:
        raise NoSubscription
    if subscription.cancel_at is None or subscription.cancel_at <= now:
        raise NotCanceled
    subscription.cancel_at = None
    if subscription.status == Status.ACTIVE and subscription.paid_through is not None:
        # Cancelling had moved the next step to the end of what is paid for.
        subscription.next_step, subscription.next_bill_at = rules.after_payment(
            paid_through=subscription.paid_through, now=subscription.last_charged_at or now
        )
    records.save(subscription, ["cancel_at", "next_step", "next_bill_at"])
    subscription.cancellations.filter(undone_at=None).update(undone_at=now)
    letters.write([Letter("cancel_undone", subscription)], now=now)
    cycles.note(subscription, "cancel_undone", by=by, now=now).save(force_insert=True)
    return subscription
