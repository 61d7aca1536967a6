"""Billing's part in what the platform holds about a person."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from types import MappingProxyType
from uuid import UUID

from django.db import transaction

from billing import selectors, stripe_gateway
from billing.models import BillingDetails, Cancellation, CardSetup, Consent, Gift, PaymentMethod, Subscription, TaxPlace
from billing.services import cards, leaving
from core.personal_data import Contributor, Stream, Tally

FISCAL = "Tax law has invoices and what proves them kept for years; they hold ids, dates and amounts, no name."

PROOF = "Consumer law has us prove what a customer was told, agreed to and withdrew from; it holds ids and dates."


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
            for row in Subscription.objects.filter(account=account_id)
            .select_related("price__plan")
            .order_by("pk")
            .iterator()
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
    yield Stream(
        "billing_details",
        (
            {
                "name": row.name,
                "address": row.address,
                "postal_code": row.postal_code,
                "country": row.country,
                "tax_id": row.tax_id,
                "since": row.created_at,
            }
            for row in BillingDetails.objects.filter(account=account_id).order_by("pk")
        ),
    )
    yield Stream(
        "tax_places",
        (
            {
                "country": row.country,
                "declared": row.declared,
                "card": row.card,
                "address": row.address,
                "postal_code": row.postal_code,
                "at": row.decided_at,
            }
            for row in TaxPlace.objects.filter(subscription__account=account_id).order_by("pk")
        ),
    )


def erase(*, account_id: UUID, now: datetime, tally: Tally) -> None:
    """End the subscription, delete the customer at the gateway, and strip cards and proofs; what is fiscal stays.

    Raises MoneyOnItsWay, RefundUnanswered, and PaymentServiceUnavailable when the gateway does not answer.
    """
    leaving.end(account_id=account_id, now=now)
    cards.forget_customer(account_id=account_id, gateway=stripe_gateway.connect(), tally=tally)
    with transaction.atomic():
        mine = PaymentMethod.objects.filter(account=account_id)
        mine.filter(removed_at=None).update(removed_at=now, is_default=False)
        stripped = {"brand": "", "last4": "", "exp_month": 0, "exp_year": 0, "country": "", "fingerprint": ""}
        tally("billing.PaymentMethod", mine.exclude(**stripped).update(**stripped))
        tally("billing.CardSetup", CardSetup.objects.filter(account=account_id).delete()[0])
        # That they agreed, to what and when, is the proof; from which address is theirs.
        agreed = Consent.objects.filter(account=account_id, address__isnull=False)
        tally("billing.Consent", agreed.update(address=None))
        words = Cancellation.objects.filter(subscription__account=account_id).exclude(comment="")
        tally("billing.Cancellation", words.update(comment=""))
        # Who was given something, and what was written to them; that it was sold stays.
        nobody = {"sender_name": "", "recipient_name": "", "recipient_email": "", "message": "", "country": ""}
        tally("billing.Gift", Gift.objects.filter(buyer=account_id).exclude(**nobody).update(**nobody))
        tally("billing.BillingDetails", BillingDetails.objects.filter(account=account_id).delete()[0])


CONTRIBUTOR = Contributor(
    name="billing",
    export=export,
    erase=erase,
    hinders=leaving.what_hinders,
    covers=frozenset(
        {
            "billing.PaymentMethod",
            "billing.CardSetup",
            "billing.PaymentCustomer",
            "billing.WebhookEvent",
            "billing.BillingDetails",
            "billing.Consent",
            "billing.Cancellation",
            "billing.Gift",
        }
    ),
    keeps=MappingProxyType(
        {
            "billing.PriceNotice": PROOF,
            "billing.Resumption": FISCAL,
            "billing.Reminder": PROOF,
            "billing.Withdrawal": PROOF,
            "billing.Trial": "A trial is had once; what is kept of the card is a digest.",
            "billing.Subscription": FISCAL,
            "billing.SubscriptionTransition": FISCAL,
            "billing.TaxPlace": "Evidence of the tax country, which the law has sellers keep for ten years.",
            "billing.Period": FISCAL,
            "billing.Invoice": FISCAL,
            "billing.InvoiceLine": FISCAL,
            "billing.PaymentAttempt": FISCAL,
            "billing.RevenueSchedule": FISCAL,
            "billing.RecurringRevenue": "What a subscription counted for, which stays with the subscription.",
            "billing.Quote": FISCAL,
            "billing.CouponRedemption": "A coupon is redeemed once a person, and the invoices that it made cheaper stay.",
            "billing.AccessGrant": "Who was given access without payment, by whom and why, is what staff answer for.",
            "billing.CreditGrant": FISCAL,
            "billing.CreditUse": FISCAL,
            "billing.Refund": FISCAL,
            "billing.CreditNote": FISCAL,
            "billing.Dispute": FISCAL,
            "billing.FraudWarning": FISCAL,
            "billing.JournalLine": "Its account is one of the ledger's and no person's.",
        }
    ),
)
