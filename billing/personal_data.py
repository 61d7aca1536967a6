"""Billing's part in what the platform holds about a person."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from types import MappingProxyType
from typing import ClassVar
from uuid import UUID

from django.db import transaction

from billing import selectors
from billing.models import Cancellation, CardSetup, Consent, Gift, PaymentAttempt, PaymentMethod, Subscription
from core.errors import DomainError
from core.personal_data import Contributor, Stream

FISCAL = "Tax law has invoices and what proves them kept for years; they hold ids, dates and amounts, no name."

PROOF = "Consumer law has us prove what a customer was told, agreed to and withdrew from; it holds ids and dates."


class SubscriptionLives(DomainError):
    """An account that is still billed cannot be erased."""

    code: ClassVar[str] = "subscription_lives"
    title: ClassVar[str] = "The subscription has not ended, or a payment has no outcome yet."
    status: ClassVar[int] = 409


def export(*, account_id: UUID) -> Iterator[Stream]:
    """Answer subscriptions, invoices, cards, and what was agreed to and cancelled."""
    yield Stream(
        "subscriptions",
        (
            {
                "id": str(row.pk),
                "plan": row.price.plan.code,
                "status": row.status,
                "created_at": row.created_at,
                "ended_at": row.ended_at,
            }
            for row in Subscription.objects.filter(account=account_id).select_related("price__plan").order_by("pk")
        ),
    )
    yield Stream(
        "invoices",
        (
            {
                "number": row.number,
                "status": row.status,
                "total": row.total,
                "currency": row.currency,
                "finalised_at": row.finalised_at,
                "lines": [line.description for line in row.lines.all()],
            }
            for row in selectors.invoices_of(account_id=account_id).order_by("pk")
        ),
    )
    yield Stream(
        "gifts",
        (
            {
                "amount": row.amount,
                "currency": row.currency,
                "state": row.state,
                "sender_name": row.sender_name,
                "recipient_name": row.recipient_name,
                "recipient_email": row.recipient_email,
                "message": row.message,
                "created_at": row.created_at,
            }
            for row in selectors.gifts_of(account_id=account_id).order_by("pk")
        ),
    )
    yield Stream(
        "credit",
        (
            {
                "kind": row.kind,
                "amount": row.amount,
                "remaining": row.remaining,
                "currency": row.currency,
                "created_at": row.created_at,
            }
            for row in selectors.credit_of(account_id=account_id).order_by("pk")
        ),
    )
    yield Stream(
        "payment_methods",
        (
            {"brand": row.brand, "last4": row.last4, "expires": f"{row.exp_year}-{row.exp_month:02d}"}
            for row in PaymentMethod.objects.filter(account=account_id).order_by("pk")
        ),
    )
    yield Stream(
        "consents",
        (
            {"document": str(row.document), "given_at": row.given_at, "address": row.address, "country": row.country}
            for row in Consent.objects.filter(account=account_id).select_related("document").order_by("pk")
        ),
    )
    yield Stream(
        "cancellations",
        (
            {"at": row.at, "effective_at": row.effective_at, "reason": row.reason, "comment": row.comment}
            for row in Cancellation.objects.filter(subscription__account=account_id).order_by("pk")
        ),
    )


@transaction.atomic
def erase(*, account_id: UUID, now: datetime) -> None:
    """Strip cards of what tells them apart, and proofs of addresses and words; what is fiscal stays. Raises SubscriptionLives."""
    if (
        Subscription.objects.live().filter(account=account_id).exists()
        or PaymentAttempt.objects.filter(invoice__account=account_id, state__in=PaymentAttempt.OPEN).exists()
    ):
        raise SubscriptionLives
    cards = PaymentMethod.objects.filter(account=account_id)
    cards.filter(removed_at=None).update(removed_at=now, is_default=False)
    cards.update(brand="", last4="", exp_month=0, exp_year=0, country="", fingerprint="")
    CardSetup.objects.filter(account=account_id).delete()
    # That they agreed, to what and when, is the proof; from which address is theirs.
    Consent.objects.filter(account=account_id).update(address=None)
    Cancellation.objects.filter(subscription__account=account_id).update(comment="")
    # Who was given something, and what was written to them; that it was sold stays.
    Gift.objects.filter(buyer=account_id).update(
        sender_name="", recipient_name="", recipient_email="", message="", country=""
    )


CONTRIBUTOR = Contributor(
    name="billing",
    export=export,
    erase=erase,
    covers=frozenset(
        {"billing.PaymentMethod", "billing.CardSetup", "billing.Consent", "billing.Cancellation", "billing.Gift"}
    ),
    keeps=MappingProxyType(
        {
            "billing.PriceNotice": PROOF,
            "billing.Reminder": PROOF,
            "billing.Withdrawal": PROOF,
            "billing.Trial": "A trial is had once; what is kept of the card is a digest.",
            "billing.Subscription": FISCAL,
            "billing.SubscriptionTransition": FISCAL,
            "billing.Period": FISCAL,
            "billing.Invoice": FISCAL,
            "billing.InvoiceLine": FISCAL,
            "billing.PaymentAttempt": FISCAL,
            "billing.RevenueSchedule": FISCAL,
            "billing.Quote": FISCAL,
            "billing.CouponRedemption": "A coupon is redeemed once a person, and the invoices that it made cheaper stay.",
            "billing.CreditGrant": FISCAL,
            "billing.CreditUse": FISCAL,
            "billing.Refund": FISCAL,
            "billing.CreditNote": FISCAL,
            "billing.Dispute": FISCAL,
            "billing.JournalLine": "Its account is one of the ledger's and no person's.",
            "billing.PaymentCustomer": "Refunds and disputes of kept invoices reach the customer at Stripe by it.",
        }
    ),
)
