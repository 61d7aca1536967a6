"""What is known of where a customer is, and which of two prices is theirs in another country."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.contrib.auth import get_user_model

from billing import selectors
from billing.models import PaymentMethod, Price, Subscription, TaxPlace
from billing.places import Evidence, Place

NOWHERE = Place("")


def evidence(*, account_id: UUID, declared: str = "", seen: str = "") -> Evidence:
    """Answer what says where an account is; `seen` is where its request comes from, if anything tells.

    What it declares is the country of its billing address, or else `declared` or the account's.
    """
    details = selectors.billing_details_of(account_id=account_id)
    card = PaymentMethod.objects.usable().filter(account=account_id, is_default=True).first()
    if details is None or not details.country:
        account = None if declared else get_user_model().objects.filter(pk=account_id).first()
        declared = declared or (account.country if account else "")
    else:
        declared = details.country
    return Evidence(
        declared=declared,
        card=card.country if card else "",
        address=seen,
        postal_code=details.postal_code if details else "",
    )


def expected(*, account_id: UUID, declared: str, seen: str) -> Place:
    """Answer where an account would be billed: what its evidence says, or what it declares while that is not enough."""
    found = evidence(account_id=account_id, declared=declared, seen=seen)
    return found.place or Place.of(found.declared, found.postal_code)


@dataclass(frozen=True)
class Move:
    """That a subscription is billed in another place from a boundary on."""

    place: Place
    effective_at: datetime

    def price_of(self, price: Price) -> Price:
        """Answer what the same plan costs there for the same interval; the same price where it is not sold."""
        for offer in selectors.offers(country=self.place.country):
            for offered in offer.prices:
                if offered.plan_id == price.plan_id and offered.interval == price.interval:
                    return offered
        return price


@dataclass(frozen=True)
class Moves:
    """The moves of some subscriptions."""

    by_subscription: Mapping[UUID, Move]

    def at(self, subscription: Subscription, start: datetime) -> Move | None:
        """Answer the move that a period starting then brings."""
        move = self.by_subscription.get(subscription.pk)
        return move if move and start >= move.effective_at else None


def moves(subscriptions: Collection[Subscription]) -> Moves:
    """Answer the moves that are under way, in one query; in none where nobody moves."""
    moving = [subscription.pk for subscription in subscriptions if subscription.moves_at is not None]
    if not moving:
        return Moves({})
    found = {}
    for each in TaxPlace.objects.filter(subscription__in=moving, effective_at__isnull=False).last_of_each():
        if each.place is not None and each.effective_at is not None:
            found[each.subscription_id] = Move(each.place, each.effective_at)
    return Moves(found)
