"""Where a new subscription is priced and taxed, decided from evidence.

Two of three must agree: the country that the customer declares, the one that issued the card, and the one that
requests come from. What was known is stored with each decision.
"""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar
from uuid import UUID

from billing.models import Subscription, TaxPlace
from billing.places import Evidence, Place
from billing.selectors import whereabouts
from core.errors import DomainError

Cause = TaxPlace.Cause


class CountryUncertain(DomainError):
    """No two pieces of evidence name the same country; `declared`, `card` and `address` say what each names."""

    code: ClassVar[str] = "country_uncertain"
    title: ClassVar[str] = (
        "It is not certain in which country you live, which decides price and tax: the country of your billing address "
        "or account, that of your card and the one you are connecting from have to agree in two. Correct the billing "
        "address, or save a card that was issued where you live."
    )
    status: ClassVar[int] = 409


def decide(*, account_id: UUID, declared: str, seen: str) -> tuple[Evidence, Place]:
    """Answer where a new subscription is billed, and by what evidence. Raises CountryUncertain."""
    found = whereabouts.evidence(account_id=account_id, declared=declared, seen=seen)
    place = found.place
    if place is None:
        raise CountryUncertain(declared=found.declared, card=found.card, address=found.address)
    return found, place


def record(subscription: Subscription, found: Evidence, place: Place, *, now: datetime) -> None:
    """Keep what the country of a new subscription was decided from, in the caller's transaction."""
    row(subscription, found, place, Cause.SUBSCRIBED, now=now).save(force_insert=True)


def row(subscription: Subscription, found: Evidence, place: Place | None, cause: Cause, *, now: datetime) -> TaxPlace:
    """Answer the unsaved record of a decision, with all that was known."""
    return TaxPlace(
        subscription=subscription,
        declared=found.declared,
        card=found.card,
        address=found.address,
        postal_code=found.postal_code,
        country=place.country if place else "",
        territory=place.territory if place else "",
        cause=cause,
        decided_at=now,
    )
