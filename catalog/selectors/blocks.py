"""What is blocked for a profile, as its household reads it; and for staff, how much is blocked, never by whom."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db.models import Count, QuerySet

from accounts.selectors import profiles_of
from accounts.services.pins import ProfileNotFound
from catalog.models import Genre, Keyword, ProfileBlock, Title

FEW = 5
"""Below this number of profiles nobody is told how many: who knows a household could tell whose block it is."""


@dataclass(frozen=True)
class Blocked:
    """Something that profiles have blocked, and how many have: None for fewer than FEW."""

    thing: Title | Genre | Keyword
    profiles: int | None


def of_profile(account_id: UUID, profile_id: UUID) -> QuerySet[ProfileBlock]:
    """Answer what is blocked for a profile of an account, with what names it. Raises ProfileNotFound."""
    if not profiles_of(account_id).filter(pk=profile_id).exists():
        raise ProfileNotFound
    blocks = ProfileBlock.objects.of_profile(profile_id)
    return blocks.select_related("title", "genre", "keyword").prefetch_related("title__texts")


def most_blocked(kind: str, *, most: int) -> list[Blocked]:
    """Answer what most profiles have blocked of a kind (title, genre, keyword), most first, at most so many."""
    counted = (
        ProfileBlock.objects.filter(**{f"{kind}__isnull": False})
        .values(kind)
        .annotate(profiles=Count("pk"))
        .order_by("-profiles", kind)[:most]
    )
    found = {row[kind]: row["profiles"] for row in counted}
    models: Mapping[str, QuerySet[Any]] = {
        "title": Title.objects.prefetch_related("texts"), "genre": Genre.objects.all(), "keyword": Keyword.objects.all(),
    }  # fmt: skip
    things = models[kind].in_bulk(found)
    return [Blocked(things[key], number if number >= FEW else None) for key, number in found.items()]


def numbers_of(profile_id: UUID) -> dict[str, int]:
    """Answer how many titles, genres and keywords are blocked for a profile, and not which."""
    blocks = ProfileBlock.objects.of_profile(profile_id)
    return blocks.aggregate(titles=Count("title"), genres=Count("genre"), keywords=Count("keyword"))
