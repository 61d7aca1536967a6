"""Which prices are offered, and from when a new one holds."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import date, timedelta
from typing import Protocol, TypeVar


def new_price_from(*, applies_from: date, told_on: date, notice_days: int) -> date:
    """Answer the local date from which a subscriber who was told pays a new version of their price.

    The first boundary on or after it is billed so.
    """
    return max(applies_from, told_on + timedelta(days=notice_days))


class Offer(Protocol):
    """What choosing a price needs to know of it."""

    @property
    def country(self) -> str: ...
    @property
    def currency(self) -> str: ...


OfferT = TypeVar("OfferT", bound=Offer)


def offered(prices: Iterable[OfferT], *, country: str, currency: str, fallback: str) -> list[OfferT]:
    """Answer the prices of one plan that a person in `country` is offered.

    The country's own prices; else those for everywhere in its currency; else those in `fallback`.
    """
    found = list(prices)
    choices: tuple[Callable[[OfferT], bool], ...] = (
        lambda price: bool(country) and price.country == country,
        lambda price: not price.country and price.currency == currency,
        lambda price: not price.country and price.currency == fallback,
    )
    for choice in choices:
        if chosen := [price for price in found if choice(price)]:
            return chosen
    return []
