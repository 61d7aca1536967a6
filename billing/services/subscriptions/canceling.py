"""Cancelling, and taking a cancellation back."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar
from uuid import UUID

from django.db import transaction

from billing import rules, selectors
from billing.gateway import Gateway
from billing.models import Cancellation, Invoice, PaymentAttempt, Subscription
from billing.rules import Status
from billing.services import cycles, letters, payments, records, settlement
from billing.services.letters import Letter
from billing.services.settlement import Changes
from core.errors import DomainError


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


class UnderReview(DomainError):
    """A bank or our staff look into the subscription: it is parked, and nothing is charged meanwhile."""

    code: ClassVar[str] = "under_review"
    title: ClassVar[str] = (
        "A payment of this subscription is being looked into, so nothing can be charged for it at present. "
        "It can be cancelled at any time."
    )
    status: ClassVar[int] = 409


class NotCanceled(DomainError):
    """There is no cancellation to take back."""

    code: ClassVar[str] = "not_canceled"
    title: ClassVar[str] = "This subscription is not cancelled, or it has ended."
    status: ClassVar[int] = 409


@dataclass(frozen=True)
class Why:
    """Why a customer leaves, as far as they choose to say."""

    reason: str = ""
    comment: str = ""


NO_REASON = Why()


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
    no other. Cancelled twice it stays as it is. A first payment or a change of plan that waits for the customer is
    withdrawn. Raises NoSubscription, and PaymentUnderWay while a first charge has no outcome.
    """
    for waiting in _cancel(account_id=account_id, subscription_id=subscription_id, now=now, by=by, why=reason):
        payments.withdraw(waiting, gateway=gateway, now=now)
    subscription = selectors.current_subscription(account_id=account_id)
    if subscription is None:
        raise NoSubscription
    return subscription


def stop_renewing(*, account_id: UUID, now: datetime, by: str) -> None:
    """Cancel as `cancel` does, in the database alone: for whoever reaches no gateway.

    What waits for the customer is withdrawn by the sweep. Raises NoSubscription, PaymentUnderWay.
    """
    _cancel(account_id=account_id, subscription_id=None, now=now, by=by, why=NO_REASON)


@transaction.atomic
def _cancel(
    *, account_id: UUID, subscription_id: UUID | None, now: datetime, by: str, why: Why
) -> list[PaymentAttempt]:
    """Cancel under lock; answers the attempts that are to be withdrawn at the gateway."""
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
        return [attempt]
    if subscription.cancel_at is not None:
        return []
    changes = Changes()
    waiting = settlement.void_waiting_changes(subscription, changes)
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
    return waiting


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
