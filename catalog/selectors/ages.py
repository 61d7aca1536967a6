"""Which titles an age bound hides, and by which rating."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from uuid import UUID

from django.db.models import Q, QuerySet

from accounts import maturity
from catalog.models import ContentRating, Title
from catalog.selectors.titles import named_by


def verdicts_beyond(country: str, highest_age: int) -> list[maturity.Verdict]:
    """Answer the verdicts of a country's boards that a bound of `highest_age` years hides, mildest first."""
    bound = maturity.Audience(highest_age)
    own = {country, *(home for home, _ in maturity.ADOPTED.get(country, ()))}
    found = [
        verdict for verdict in maturity.verdicts() if verdict.country in own and bound.refusal(verdict.minimum_age)
    ]
    return sorted(found, key=lambda verdict: (verdict.minimum_age or 0, verdict.system, verdict.value))


def hidden(country: str, audience: maturity.Audience, now: datetime) -> QuerySet[Title]:
    """Answer the published titles that can be watched in `country` now, but not by this audience, newest first.

    Films, series, and specials of no series: parts are hidden with their whole, or by ratings of their own.
    """
    titles = Title.objects.published().standing_alone().offered_in(country, now, standing_alone=True)
    refused = Q(viewing_age__gt=audience.highest_age) if audience.is_limited else Q(pk__in=[])
    if not audience.allows_unrated:
        refused |= Q(viewing_age__isnull=True)
    elif audience.is_limited:
        # Only what has such a rating at all: where few have, the catalogue is not gone through.
        titles = titles.filter(*named_by([ContentRating.objects.filter(minimum_age__gt=audience.highest_age)]))
    return titles.with_viewing_age(country, standing_alone=True).filter(refused).order_by("-pk")


def deciding(line: Sequence[Title], country: str) -> ContentRating | None:
    """Answer the rating that decides in `country` over a title, of `line`: itself and what it belongs to, nearest first.

    None: nobody has rated any of them. It is the one of which `maturity.viewing_age` answers the age.
    """
    given: dict[UUID, list[ContentRating]] = {level.pk: [] for level in line}
    for rating in ContentRating.objects.filter(title__in=line, minimum_age__isnull=False).order_by("pk"):
        given[rating.title_id].append(rating)
    return next((found for ratings in given.values() if (found := strictest(ratings, country))), None)


def strictest(ratings: Iterable[ContentRating], country: str) -> ContentRating | None:
    """Answer which of one title's ratings decides in `country`: the strictest of its own, or else of all."""
    known = [rating for rating in ratings if rating.minimum_age is not None]
    own = [rating for rating in known if rating.country == country]
    return max(own or known, key=lambda rating: rating.minimum_age or 0, default=None)
