"""Where a customer is billed: which pieces of evidence decide it, and where a country's tax does not hold.

Pure functions of their arguments.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType

NOTICE = timedelta(days=7)
"""How long before the first bill of another country its customer is told."""


@dataclass(frozen=True)
class Evidence:
    """What says where a customer is, as ISO 3166-1 codes; empty where nothing is known.

    `declared` is the country of the billing address or else of the account, `card` the one that issued the card, and
    `address` the one that requests came from. `postal_code` is the billing address's.
    """

    declared: str = ""
    card: str = ""
    address: str = ""
    postal_code: str = ""

    @property
    def agreed(self) -> str:
        """The country that two pieces name; the declared one while nothing else is known; empty otherwise."""
        pieces = [self.declared, self.card, self.address]
        for country in pieces:
            if country and pieces.count(country) > 1:
                return country
        return "" if self.card or self.address else self.declared

    @property
    def place(self) -> Place | None:
        """Where to bill; None if the evidence does not say."""
        return Place.of(self.agreed, self.postal_code if self.agreed == self.declared else "") if self.agreed else None


@dataclass(frozen=True)
class Place:
    """A country and, where its tax is another than the country's, the territory in it (`ES-CN`)."""

    country: str
    territory: str = ""

    @classmethod
    def of(cls, country: str, postal_code: str) -> Place:
        """Answer the place of a postal address."""
        code = "".join(postal_code.split()).upper()
        for prefixes, territory in TERRITORIES.get(country, {}).items():
            if code.startswith(prefixes):
                # Some have a country's code of their own, or are another country's, and with it its prices.
                return cls(territory[:2], territory if len(territory) > 2 else "")
        return cls(country)

    @property
    def taxed_as(self) -> str:
        """What its tax rates are listed under."""
        return self.territory or self.country


TERRITORIES: Mapping[str, Mapping[tuple[str, ...], str]] = MappingProxyType(
    {
        "AT": {("6691",): "AT-6691", ("6991", "6992", "6993"): "AT-6991"},
        "DE": {
            ("27498",): "DE-27498",
            ("78266",): "DE-78266",
            ("87491",): "AT-6691",
            ("87567", "87568", "87569"): "AT-6991",
        },
        "ES": {("35", "38"): "ES-CN", ("51", "52"): "ES-CE"},
        "FI": {("22",): "AX"},
        "FR": {
            ("97133",): "BL",
            ("97150",): "MF",
            ("971",): "GP",
            ("972",): "MQ",
            ("973",): "GF",
            ("974",): "RE",
            ("975",): "PM",
            ("976",): "YT",
            ("980",): "MC",
            ("984",): "TF",
            ("986",): "WF",
            ("987",): "PF",
            ("988",): "NC",
        },
        "GB": {("GY",): "GG", ("JE",): "JE", ("IM",): "IM"},
        "GR": {("63086", "63087"): "GR-69"},
        "IT": {("22061",): "IT-22060", ("23041",): "IT-23030"},
        "PT": {
            ("90", "91", "92", "93", "94"): "PT-30",
            ("95", "96", "97", "98", "99"): "PT-20",
        },
    }
)
"""Postal codes of places where the country's tax does not hold (Council Directive 2006/112/EC, articles 6, 7, 104, 105).

Where their rates come from is told in docs/tax-and-law.md.
"""


def moves_at(boundaries: Iterable[datetime], *, now: datetime) -> datetime:
    """Answer the boundary from which another country holds: the first, in order, that leaves time to tell."""
    return next(boundary for boundary in boundaries if boundary - now >= NOTICE)
