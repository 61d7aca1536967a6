"""The people of the demo: who may sign in, with what, and how they stand."""

from __future__ import annotations

from dataclasses import dataclass

PASSWORD = "popcorn-and-a-blanket"  # noqa: S105 - of demo accounts on one machine, printed at its start
"""Everybody's password in the demo."""

GOOD_CARD = "4242424242424242"
CARD_THAT_FAILS_LATER = "4000000000000341"


@dataclass(frozen=True)
class Member:
    """Somebody of the staff."""

    email: str
    group: str
    may: str


@dataclass(frozen=True)
class Viewer:
    """A household; `subscribed` days ago if at all."""

    email: str
    story: str
    country: str
    time_zone: str
    profiles: tuple[tuple[str, bool], ...]
    """Names, and whether they are children's."""
    language: str = "en"
    plan: str = ""
    subscribed: int = 0
    leaves: bool = False
    card_fails: bool = False


STAFF = (
    Member("admin@demo.test", "administrator", "look after accounts, titles and billing"),
    Member("editor@demo.test", "content", "edit and publish titles, ingest deliveries"),
    Member("billing@demo.test", "billing", "see subscriptions, invoices and payments"),
    Member("support@demo.test", "support", "look after accounts"),
)

VIEWERS = (
    Viewer(
        "viewer@demo.test", "has a plan that renews", "US", "America/New_York", (("Robin", False), ("Juno", True)),
        plan="standard", subscribed=20,
    ),
    Viewer(
        "past-due@demo.test", "could not pay the last renewal", "DE", "Europe/Berlin", (("Kim", False),),
        language="de", plan="premium", subscribed=33, card_fails=True,
    ),
    Viewer(
        "leaving@demo.test", "has cancelled, and watches until the period ends", "JP", "Asia/Tokyo", (("Aoi", False),),
        plan="basic", subscribed=10, leaves=True,
    ),
    Viewer("newcomer@demo.test", "has no plan yet", "US", "America/Chicago", (("Sam", False),)),
)  # fmt: skip
