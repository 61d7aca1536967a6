"""Billing for an account whose owner leaves: it stops at once, may be taken up again, and ends with the account."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar
from uuid import UUID

from django.contrib.auth import get_user_model
from django.db import transaction

from billing.models import Dispute, Invoice, PaymentAttempt, Refund, Subscription, SubscriptionTransition
from billing.rules import Status
from billing.services import settlement, subscriptions
from billing.services.settlement import Changes
from core.errors import DomainError

BY = "system:account_deletion"
"""Who cancelled, in the subscription's history."""


class MoneyOnItsWay(DomainError):
    """A charge, a refund or a dispute of the account has no outcome yet, so the account must still be known."""

    code: ClassVar[str] = "money_on_its_way"
    title: ClassVar[str] = "A payment, a refund or a dispute has no outcome yet."
    status: ClassVar[int] = 409


class RefundUnanswered(DomainError):
    """The account's owner has not got money back that we owe them, and staff have not said what is done about it."""

    code: ClassVar[str] = "refund_unanswered"
    title: ClassVar[str] = "A refund failed, and nobody has answered it yet."
    status: ClassVar[int] = 409


def stop(*, account_id: UUID, now: datetime) -> None:
    """Let nothing more be charged: the subscription ends with what is paid for, or at once.

    One that its owner had cancelled before stays as it is. Raises PaymentUnderWay while a first charge has
    no outcome.
    """
    try:
        subscriptions.stop_renewing(account_id=account_id, now=now, by=BY)
    except subscriptions.NoSubscription:
        return


def resume(*, account_id: UUID, now: datetime) -> None:
    """Take up again what `stop` had cancelled, unless it has ended meanwhile or its owner cancelled it too."""
    last = (
        SubscriptionTransition.objects.filter(
            subscription__account=account_id, reason__in=["cancel_requested", "cancel_undone"]
        )
        .order_by("pk")
        .last()
    )
    if last is None or last.by != BY or last.reason != "cancel_requested":
        return
    try:
        subscriptions.undo_cancel(account_id=account_id, now=now, by=BY)
    except (subscriptions.NoSubscription, subscriptions.NotCanceled):
        return


def what_hinders(*, account_id: UUID) -> DomainError | None:
    """Answer why the account must still be known to us and to the gateway, or None."""
    underway = (
        PaymentAttempt.objects.filter(invoice__account=account_id, state__in=PaymentAttempt.OPEN),
        Refund.objects.filter(invoice__account=account_id, state__in=Refund.OPEN),
        Dispute.objects.filter(attempt__invoice__account=account_id, closed_at=None),
    )
    if any(rows.exists() for rows in underway):
        return MoneyOnItsWay()
    # Erased, nobody could be asked any more where to send it.
    failed = Refund.objects.unanswered().filter(invoice__account=account_id)
    return RefundUnanswered() if failed.exists() else None


def end(*, account_id: UUID, now: datetime) -> None:
    """End what is left of the subscription now. Raises MoneyOnItsWay, RefundUnanswered."""
    with transaction.atomic():
        # A subscribe request waits here for us, or we for it.
        get_user_model().objects.select_for_update(no_key=True).filter(pk=account_id).first()
        subscription = Subscription.objects.locked().live().filter(account=account_id).first()
        hindrance = what_hinders(account_id=account_id)
        if hindrance is None and subscription is not None and subscription.status == Status.INCOMPLETE:
            hindrance = MoneyOnItsWay()
        if hindrance is not None:
            raise hindrance
        if subscription is None:
            return
        invoice = (
            Invoice.objects.locked()
            .filter(subscription=subscription, status=Invoice.Status.OPEN, kind=Invoice.Kind.PERIOD)
            .first()
        )
        changes = Changes()
        settlement.cancel_unpaid(
            invoice, subscription, changes, close_as=Invoice.Status.VOID, by=BY, reason="account_erased", now=now
        )
        changes.write(now=now)
