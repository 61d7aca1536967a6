"""What a person may buy."""

from __future__ import annotations

from typing import ClassVar
from uuid import UUID

from django.db.models import F, Max

from billing import selectors
from billing.models import Price, Subscription, Trial
from core.errors import DomainError


class PriceNotOffered(DomainError):
    """Unknown, superseded, not on sale, or made for another country."""

    code: ClassVar[str] = "price_not_offered"
    title: ClassVar[str] = "This price is not on offer here. Choose one from GET /api/v1/plans."
    status: ClassVar[int] = 409


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
