"""What a viewer may see of the catalogue."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from django.db.models import Count, Exists, F, OuterRef, Prefetch, Q, QuerySet, Value
from django.db.models.functions import Coalesce

from catalog.models import Artwork, AvailabilityWindow, Credit, Genre, Person, Title, TitleGenre, TitleKeyword
from catalog.models.titles import Kind
from catalog.rules import Viewer
from core.errors import DomainError

MAX_SEASON = 1_000_000
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


def with_cards(titles: QuerySet[Title]) -> QuerySet[Title]:
    """Fetch what a card shows along with the titles, in five queries however many they are."""
    return titles.prefetch_related(
        "texts",
        "ratings",
        Prefetch("windows", AvailabilityWindow.objects.order_by("pk")),
        Prefetch("artwork", Artwork.objects.exclude(file="").order_by("position", "pk")),
        Prefetch("title_genres", TitleGenre.objects.select_related("genre").order_by("position")),
    )


def browse(viewer: Viewer, now: datetime) -> QuerySet[Title]:
    """Answer films, series and specials that the viewer may watch now, with what their cards show."""
    return with_cards(Title.objects.browsable_by(viewer, now))


def in_order(title_ids: Sequence[UUID]) -> list[Title]:
    """Answer the titles of these ids in their order, with cards and what parts inherit; which may be seen was asked before."""
    found = {title.pk: title for title in _with_inherited(Title.objects.filter(pk__in=title_ids))}
    return [found[title_id] for title_id in title_ids if title_id in found]


def current_id(title_id: UUID) -> UUID:
    """Answer the id of the title that answers for this one: another, once two were merged."""
    return Title.objects.filter(pk=title_id).values_list("merged_into", flat=True).first() or title_id


def title_for(title_id: UUID, viewer: Viewer, now: datetime) -> Title:
    """Answer a title with all that its page shows, and with the titles it belongs to. Raises TitleNotFound."""
    visible = Title.objects.visible_to(viewer, now).filter(pk=title_id).select_related("parent__parent", "series")
    title = (
        with_cards(visible)
        .prefetch_related(
            "alternate_titles",
            "alternate_numbers",
            "parent__texts",
            "parent__ratings",
            "parent__windows",
            "parent__parent__ratings",
            "parent__parent__windows",
            "series__texts",
            "series__ratings",
            "series__windows",
            Prefetch(
                "credits",
                Credit.objects.select_related("person").order_by(F("billing").asc(nulls_last=True), "pk"),
            ),
            Prefetch("title_keywords", TitleKeyword.objects.select_related("keyword").order_by("keyword__name")),
        )
        .first()
    )
    if title is not None:
        return title
    if (current := current_id(title_id)) != title_id:
        return title_for(current, viewer, now)
    raise TitleNotFound


def seasons_of(title_id: UUID, viewer: Viewer, now: datetime) -> list[Title]:
    """Answer the seasons of a series that the viewer may see, in order, each with its `episode_count`."""
    episodes = Count("children", filter=Q(children__kind=Kind.EPISODE, children__state="published"))
    seasons = Title.objects.visible_to(viewer, now).filter(parent=title_id, kind=Kind.SEASON)
    return list(_with_inherited(seasons).annotate(episode_count=episodes).order_by("number", "pk"))


def extras_of(title_id: UUID, viewer: Viewer, now: datetime) -> list[Title]:
    """Answer trailers, extras and specials that belong to a title and that the viewer may see."""
    kinds = [Kind.TRAILER, Kind.EXTRA, Kind.SPECIAL]
    visible = Title.objects.visible_to(viewer, now).filter(parent=title_id, kind__in=kinds)
    return list(_with_inherited(visible).order_by("kind", "number", "pk"))


def episodes_of(title_id: UUID, viewer: Viewer, now: datetime, *, season: int | None = None) -> QuerySet[Title]:
    """Answer the episodes of a series or season, with cards and a `place` to order them by.

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
    return _with_inherited(episodes).annotate(place=place)


def _with_inherited(titles: QuerySet[Title]) -> QuerySet[Title]:
    """Fetch the cards of parts, with the windows and ratings of what they belong to."""
    inherited = (
        f"{whole}__{part}" for whole in ("parent", "parent__parent", "series") for part in ("ratings", "windows")
    )
    return with_cards(titles.select_related("parent__parent", "series")).prefetch_related(*inherited)


def genres_for(viewer: Viewer, now: datetime) -> QuerySet[Genre]:
    """Answer the genres in which the viewer finds something, by name."""
    browsable = Title.objects.browsable_by(viewer, now).filter(title_genres__genre=OuterRef("pk"))
    return Genre.objects.filter(Exists(browsable)).select_related("parent").order_by("name", "pk")


def person_for(person_id: UUID, viewer: Viewer, now: datetime) -> tuple[Person, list[tuple[Title, list[Credit]]]]:
    """Answer a person with the titles that the viewer may see, newest first, and the credits in each.

    What somebody did in an episode counts to its series. Raises PersonNotFound, also when there is
    no such title: a name alone would tell what is kept from the viewer.
    """
    # A credit in what is kept from the viewer would tell of it.
    credited = Credit.objects.filter(person=person_id, title__in=Title.objects.visible_to(viewer, now))
    taking_part = Q(pk__in=credited.values("title")) | Q(pk__in=credited.values("title__series"))
    titles = list(
        browse(viewer, now).filter(taking_part).order_by(F("release_date").desc(nulls_last=True), "pk")[:FILMOGRAPHY]
    )
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
