"""Somebody, and where they live."""

from __future__ import annotations

from dataclasses import dataclass, field
from uuid import UUID

# Country, and the zones that its people live in: with and without summer time, north and south of the equator.
PLACES = {
    "US": ("America/New_York", "America/Los_Angeles", "America/Phoenix"),
    "DE": ("Europe/Berlin",),
    "FR": ("Europe/Paris",),
    "JP": ("Asia/Tokyo",),
}


@dataclass(frozen=True)
class Person:
    """Somebody with an account."""

    number: int
    account_id: UUID
    country: str
    zone: str
    refused: set[str] = field(default_factory=set)
    """The cards, by their id at the gateway, that their bank refuses at present."""

    @property
    def by(self) -> str:
        return f"account:{self.account_id}"
