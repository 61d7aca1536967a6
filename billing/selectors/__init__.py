"""Billing's reads."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from babel.numbers import get_territory_currencies
from django.db.models import Prefetch, QuerySet, Sum

from billing import entitlements, rules
from billing.entitlements import Entitlement
from billing.models import (
    BillingDetails,
    CreditGrant,
    Gift,
    Invoice,
    InvoiceLine,
    PaymentMethod,
    Plan,
    PlanFamily,
    Price,
    Subscription,
)


@dataclass(frozen=True)
class Offer:
    """A plan with the prices that one place is offered."""

    plan: Plan
    prices: list[Price]


def offers(*, country: str) -> list[Offer]:
    """Answer the plans on sale with their prices for a country, lowest tier first.

    Prices made for the country come first, then those in its currency, then the family's fallback.
    A plan without any is not offered.
    """
    currency = local_currency(country)
    families = {family.pk: family for family in PlanFamily.objects.all()}
    plans = Plan.objects.on_sale().order_by("family__code", "tier").prefetch_related("prices")
    found = []
    for plan in plans:
        prices = rules.offered(
            sorted(
                (price for price in plan.prices.all() if price.superseded_at is None),
                key=lambda price: (price.interval, price.currency),
            ),
            country=country,
            currency=currency,
            fallback=families[plan.family_id].fallback_currency,
        )
        if prices:
            found.append(Offer(plan, prices))
    return found


def local_currency(country: str) -> str:
    """Answer the currency people pay with in a country (CLDR), or an empty string."""
    currencies = get_territory_currencies(country) if country else []
    return str(currencies[0]) if currencies else ""


def entitlement(*, account_id: UUID, now: datetime) -> Entitlement:
    """Answer what an account may do at `now`: see billing.entitlements."""
    return entitlements.entitlement(account_id=account_id, now=now)


def current_subscription(*, account_id: UUID) -> Subscription | None:
    """Answer the account's live subscription, or else the one that ended last."""
    found = Subscription.objects.filter(account=account_id).select_related("price__plan", "pending_price__plan")
    return found.live().first() or found.order_by("-ended_at", "-pk").first()


def invoices_of(*, account_id: UUID) -> QuerySet[Invoice]:
    """Answer an account's finalised invoices with their lines."""
    return (
        Invoice.objects.filter(account=account_id)
        .exclude(status=Invoice.Status.DRAFT)
        .select_related("period")
        .prefetch_related(Prefetch("lines", InvoiceLine.objects.select_related("price__plan")))
    )


def billing_details_of(*, account_id: UUID) -> BillingDetails | None:
    """Answer whom an account wants named on its next invoice; None is the e-mail address alone."""
    return BillingDetails.objects.filter(account=account_id).order_by("-created_at", "-pk").first()


def cards_of(*, account_id: UUID) -> QuerySet[PaymentMethod]:
    """Answer an account's saved cards, the default first and then the one that stands by."""
    return PaymentMethod.objects.usable().filter(account=account_id).order_by("-is_default", "-is_backup", "-pk")


def gifts_of(*, account_id: UUID) -> QuerySet[Gift]:
    """Answer the gifts that an account has bought."""
    return Gift.objects.filter(buyer=account_id)


def credit_of(*, account_id: UUID) -> QuerySet[CreditGrant]:
    """Answer what an account was given."""
    return CreditGrant.objects.of(account_id)


def balances_of(*, account_id: UUID) -> list[dict[str, Any]]:
    """Answer what is left of an account's credit by currency; nothing where nothing is."""
    open_grants = credit_of(account_id=account_id).exclude(remaining=0)
    sums = open_grants.values_list("currency").annotate(Sum("remaining")).order_by("currency")
    return [{"currency": currency, "remaining": remaining} for currency, remaining in sums]
