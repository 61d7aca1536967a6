"""What a viewer may see of the catalogue."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Count, Exists, F, OuterRef, Q, QuerySet, Subquery, Value
from django.db.models.functions import Coalesce

from catalog.models import Credit, Genre, Person, Title, TitleGenre
from catalog.models.tags import AskedEach, OneOf
from catalog.models.titles import Kind
from catalog.rules import Viewer
from catalog.selectors import availability, parts
from core.errors import DomainError

MAX_SEASON = 1_000_000
_EXTRAS = (Kind.EXTRA, Kind.SPECIAL, Kind.TRAILER)
FEW = 2_500
"""Of so many titles it is quicker to look at each than to look for the newest of them among a million."""
FILMOGRAPHY = 200
"""At most so many titles of one person."""


class TitleNotFound(DomainError):
    """Unknown, withdrawn, not licensed here and now, or not for this audience: all answer the same."""

    code = "title_not_found"
    title = "There is no such title, or it is not available to you."
    status = 404


class PersonNotFound(DomainError):
    code = "person_not_found"
    title = "There is no such person with titles available to you."
    status = 404


def browse(viewer: Viewer, now: datetime) -> QuerySet[Title]:
    """Answer films, series and specials that the viewer may watch now; `parts.fetch` adds what their cards show."""
    return Title.objects.browsable_by(viewer, now)


def of_genres(titles: QuerySet[Title], slugs: Sequence[str]) -> QuerySet[Title]:
    """Keep what is of one of these genres, or of one below them in the tree; two queries tell how to look for it."""
    below = Genre.objects.filter(slug__in=slugs).with_those_below()
    genres = list(Genre.objects.filter(pk__in=below).values_list("pk", flat=True))
    return among(titles, TitleGenre.objects.filter(genre__in=genres))


def among(titles: QuerySet[Title], named: QuerySet[Any]) -> QuerySet[Title]:
    """Keep the titles that rows of another table name, such as those of a genre; one query tells how to look for them."""
    return titles.filter(*named_by([named]))


def named_by(tables: Sequence[QuerySet[Any]]) -> list[OneOf | AskedEach]:
    """Answer for rows of each of these tables the condition that they name a title; one query tells how to look for it.

    Where they name few, these alone are looked at; where many, one title after the other is asked until there are enough.
    PostgreSQL cannot choose between the two: it takes all genres but the most frequent for equally frequent.
    """
    looks = [
        named.order_by().annotate(place=Value(place)).values_list("place")[FEW : FEW + 1]
        for place, named in enumerate(tables)
    ]
    many = {place for (place,) in together(looks)}
    return [
        AskedEach(named.filter(title=OuterRef("pk")))
        if place in many
        else OneOf("pk", named.order_by().values("title"))
        for place, named in enumerate(tables)
    ]


def together(queries: Sequence[QuerySet[Any, Any]]) -> Iterable[Any]:
    """Answer the rows of all of these queries by one query; of none, none."""
    if len(queries) < 2:
        return queries[0] if queries else ()
    return queries[0].union(*queries[1:], all=True)


def coming_soon(viewer: Viewer, now: datetime) -> QuerySet[Title]:
    """Answer what opens soon where the viewer is and may be told of, as far as it is for the viewer."""
    found = availability.opening_soon(viewer.country, now).for_audience(viewer, standing_alone=True)
    return found.without_blocked(viewer, standing_alone=True)


def leaving_soon(viewer: Viewer, now: datetime) -> QuerySet[Title]:
    """Answer what the viewer may watch now and soon no more."""
    found = availability.leaving_soon(viewer.country, now).for_audience(viewer, standing_alone=True)
    return found.without_blocked(viewer, standing_alone=True)


def in_order(title_ids: Sequence[UUID], now: datetime) -> list[Title]:
    """Answer the titles of these ids in their order, with cards and what parts inherit; which may be seen was asked before."""
    found = {title.pk: title for title in _with_wholes(Title.objects.filter(pk__in=title_ids))}
    parts.fetch(found.values(), since=now)
    return [found[title_id] for title_id in title_ids if title_id in found]


def current_id(title_id: UUID) -> UUID:
    """Answer the id of the title that answers for this one: another, once two were merged."""
    return Title.objects.filter(pk=title_id).values_list("merged_into", flat=True).first() or title_id


def page_for(title_id: UUID, viewer: Viewer, now: datetime) -> tuple[Title, list[Title], list[Title]]:
    """Answer a title with all that its page shows, its seasons in order, and trailers, extras and specials; two queries.

    Each season has its `episode_count`: of those that the viewer may watch. Raises TitleNotFound.
    """
    shown = Q(pk=title_id) | Q(parent=title_id, kind__in=[Kind.SEASON, *_EXTRAS])
    visible = Title.objects.visible_to(viewer, now)
    episodes = visible.filter(parent=OuterRef("pk"), kind=Kind.EPISODE).order_by().values("parent")
    titles = _with_wholes(visible.filter(shown))
    found: list[Title] = [
        *titles.annotate(
            episode_count=Coalesce(Subquery(episodes.annotate(number=Count("pk")).values("number")), 0)
        ).order_by("number", "pk")
    ]
    title = next((one for one in found if one.pk == title_id), None)
    if title is None:
        if (current := current_id(title_id)) != title_id:
            return page_for(current, viewer, now)
        raise TitleNotFound
    parts.fetch(found, page=title, since=now)
    seasons = [one for one in found if one.kind == Kind.SEASON and one is not title]
    extras = [one for one in found if one.kind in _EXTRAS and one is not title]
    return title, seasons, sorted(extras, key=lambda one: one.kind)


def episodes_of(title_id: UUID, viewer: Viewer, now: datetime, *, season: int | None = None) -> QuerySet[Title]:
    """Answer the episodes of a series or season, with a `place` to order them by; `parts.fetch` adds cards.

    Raises TitleNotFound when the viewer may not see what they belong to.
    """
    title_id = current_id(title_id)
    visible = Title.objects.visible_to(viewer, now)
    if not visible.filter(pk=title_id).exists():
        raise TitleNotFound
    episodes = visible.filter(Q(parent=title_id) | Q(series=title_id), kind=Kind.EPISODE)
    if season is not None:
        episodes = episodes.filter(parent__kind=Kind.SEASON, parent__number=season)
    # Ordinals are at most 100,000, so season and number fit into one.
    place = Coalesce(F("parent__number"), Value(0)) * Value(MAX_SEASON) + F("number")
    return _with_wholes(episodes).annotate(place=place)


def _with_wholes(titles: QuerySet[Title]) -> QuerySet[Title]:
    """Fetch along what parts belong to, since they inherit its windows and ratings."""
    return titles.select_related("parent__parent", "series")


def genres_for(viewer: Viewer, now: datetime) -> list[Genre]:
    """Answer the genres in which the viewer finds something, be it in one below them in the tree, by name."""
    browsable = Title.objects.browsable_by(viewer, now).filter(title_genres__genre=OuterRef("pk"))
    genres = Genre.objects.standing().annotate(has_titles=Exists(browsable)).order_by("name", "pk")
    tree = {genre.pk: genre for genre in genres}
    found: set[int] = set()
    for genre in tree.values():
        place = genre if genre.has_titles else None  # type: ignore[attr-defined]  # annotated
        while place is not None and place.pk not in found:
            found.add(place.pk)
            place = tree.get(place.parent_id) if place.parent_id else None
    return [genre for genre in tree.values() if genre.pk in found]


def person_for(person_id: UUID, viewer: Viewer, now: datetime) -> tuple[Person, list[tuple[Title, list[Credit]]]]:
    """Answer a person with the titles that the viewer may see, newest first, and the credits in each.

    What somebody did in an episode counts to its series; who was merged is answered for by another. Raises PersonNotFound, also when there is
    no such title: a name alone would tell what is kept from the viewer.
    """
    person_id = Person.objects.filter(pk=person_id).values_list("merged_into", flat=True).first() or person_id
    # A credit in what is kept from the viewer would tell of it.
    credited = Credit.objects.filter(person=person_id, title__in=Title.objects.visible_to(viewer, now))
    taking_part = Q(pk__in=credited.values("title")) | Q(pk__in=credited.values("title__series"))
    titles = list(
        browse(viewer, now).filter(taking_part).order_by(F("release_date").desc(nulls_last=True), "pk")[:FILMOGRAPHY]
    )
    parts.fetch(titles, since=now)
    person = Person.objects.filter(pk=person_id).first() if titles else None
    if person is None:
        raise PersonNotFound
    credits: dict[UUID, list[Credit]] = {title.pk: [] for title in titles}  # noqa: A001 - what they are
    ids = list(credits)
    for credit in credited.filter(Q(title__in=ids) | Q(title__series__in=ids)).select_related("title").order_by("pk"):
        own = credit.title_id if credit.title_id in credits else credit.title.series_id
        if own in credits:
            credits[own].append(credit)
    return person, [(title, credits[title.pk]) for title in titles]
