"""Rows and collections as a viewer sees them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from django.db.models import Exists, F, FloatField, IntegerField, OuterRef, Q, QuerySet, Subquery, Value
from django.db.models.functions import Cast, Extract

from accounts.maturity import Audience
from catalog.membership import Rule, read_rule
from catalog.models import (
    Collection,
    CollectionTitle,
    EditorialRow,
    Genre,
    Keyword,
    Provider,
    SourceRecord,
    Title,
    TitleGenre,
    TitleKeyword,
)
from catalog.models.offering import IsOffered
from catalog.models.tags import AskedEach, OneOf
from catalog.models.titles import TitleQuerySet
from catalog.rules import Viewer
from catalog.selectors import titles
from core.errors import DomainError

ROWS = 30
"""At most so many rows of a page, each with at most CARDS titles; the collection itself has the rest."""
CARDS = 20
FOUND = 1000
"""So many titles of a rule are counted for editors."""


class CollectionNotFound(DomainError):
    code = "collection_not_found"
    title = "There is no such collection, or nothing in it is available to you."
    status = 404


@dataclass(frozen=True)
class Row:
    """A collection with the titles of it that a viewer sees first."""

    collection: Collection
    titles: Sequence[Title]


def rows_for(viewer: Viewer, now: datetime, *, is_kids: bool) -> list[Row]:
    """Answer the editors' rows for a viewer, in their order; one without a title for them is left out.

    In as many queries for thirty rows as for one.
    """
    placed = EditorialRow.objects.shown(viewer.country, is_kids=is_kids, now=now).select_related("collection")
    # A collection that stands in two rows is shown where it comes first.
    collections = list({row.collection_id: row.collection for row in placed[:ROWS]}.values())
    members = {collection.pk: title_ids[:CARDS] for collection, title_ids in _members(collections, viewer, now, CARDS)}
    wanted = dict.fromkeys(title_id for title_ids in members.values() for title_id in title_ids)
    cards = {title.pk: title for title in titles.in_order(list(wanted), now)}
    rows = [Row(collection, [cards[pk] for pk in members[collection.pk] if pk in cards]) for collection in collections]
    return [row for row in rows if row.titles]


def collection_for(slug: str, viewer: Viewer, now: datetime) -> Row:
    """Answer a collection with all of it that a viewer may see. Raises CollectionNotFound."""
    collection = Collection.objects.filter(slug=slug).first()
    if collection is None:
        raise CollectionNotFound
    [(_, title_ids)] = _members([collection], viewer, now, collection.most)
    found = titles.in_order(title_ids, now)
    if not found:
        raise CollectionNotFound
    return Row(collection, found)


@dataclass(frozen=True)
class Preview:
    """What a collection would show a viewer, before it is saved.

    `titles` are the first CARDS of `number`; `unseen` the named ones that the viewer does not see; `found` how many published
    titles the rule finds anywhere, no more than FOUND + 1 counted, and None without a rule.
    """

    titles: Sequence[Title]
    number: int
    unseen: Sequence[Title]
    found: int | None


def preview(collection: Collection, title_ids: Sequence[UUID], viewer: Viewer, now: datetime) -> Preview:
    """Answer what a collection with these named titles, in their order, would show a viewer at `now`."""
    visible = Title.objects.browsable_by(viewer, now)
    named = [] if collection.kind == Collection.Kind.RULE else list(dict.fromkeys(title_ids))
    seen = set(visible.filter(pk__in=named).values_list("pk", flat=True))
    shown = [title_id for title_id in named if title_id in seen]
    found = None
    if collection.kind != Collection.Kind.MANUAL:
        [wanted] = _wanted([read_rule(collection.rule)])
        ruled = _ordered(_meeting(wanted, visible, viewer, now), collection.order)[: collection.most]
        shown = list(dict.fromkeys([*shown, *ruled.values_list("pk", flat=True)]))
        anywhere = _meeting(wanted, Title.objects.published().standing_alone(), viewer, now)
        found = anywhere.order_by()[: FOUND + 1].count()
    shown = shown[: collection.most]
    unseen = titles.in_order([title_id for title_id in named if title_id not in seen], now)
    return Preview(titles.in_order(shown[:CARDS], now), len(shown), unseen, found)


def next_row_boundary(now: datetime) -> datetime | None:
    """Answer the next instant at which a row begins or ends anywhere; None when none is planned."""
    starts = EditorialRow.objects.filter(starts_at__gt=now).order_by("starts_at").values_list("starts_at", flat=True)
    ends = EditorialRow.objects.filter(ends_at__gt=now).order_by("ends_at").values_list("ends_at", flat=True)
    return min((moment for moment in (starts.first(), ends.first()) if moment), default=None)


def _members(
    collections: Sequence[Collection], viewer: Viewer, now: datetime, most: int
) -> list[tuple[Collection, list[UUID]]]:
    """Answer the ids of what each collection shows, in order, in three queries at most for all of them."""
    visible = Title.objects.browsable_by(viewer, now)
    ruled = [collection for collection in collections if collection.kind != Collection.Kind.MANUAL]
    rules = dict(zip(ruled, _wanted([read_rule(collection.rule) for collection in ruled]), strict=True))
    queries = [
        query.annotate(place=Value(place, IntegerField())).values_list("place", "rank", "pk")
        for number, collection in enumerate(collections)
        for place, query in _queries(collection, rules.get(collection), number, visible, viewer, now, most)
    ]
    found: list[dict[UUID, None]] = [{} for _ in collections]
    for place, _, title_id in sorted(titles.together(queries), key=lambda row: (row[0], -row[1], -row[2].int)):
        found[place // 2][title_id] = None
    return [
        (collection, list(title_ids)[: min(most, collection.most)])
        for collection, title_ids in zip(collections, found, strict=True)
    ]


def _queries(
    collection: Collection,
    wanted: Wanted | None,
    number: int,
    visible: TitleQuerySet,
    viewer: Viewer,
    now: datetime,
    most: int,
) -> Iterator[tuple[int, QuerySet[Title]]]:
    """Answer what finds a collection's titles, best first, with its place: the named ones before those of the rule.

    `rank` says again, as a number, by what they are in order, since a union forgets its parts' order.
    """
    limit = min(most, collection.most)
    if collection.kind != Collection.Kind.RULE:
        members = CollectionTitle.objects.filter(collection=collection, title=OuterRef("pk"))
        rank = Cast(Subquery(members.values("position")[:1]), FloatField()) * Value(-1.0)
        yield 2 * number, visible.filter(Exists(members)).annotate(rank=rank).order_by("-rank", "-pk")[:limit]
    if wanted is not None:
        ruled = _ordered(_meeting(wanted, visible, viewer, now), collection.order)
        yield 2 * number + 1, ruled[:limit]


def _ordered(found: QuerySet[Title], order: str) -> QuerySet[Title]:
    """Put titles in order by columns that have an index, so that the first few cost no sorting of all."""
    if order == Collection.Order.RELEASED:
        released = found.filter(release_date__isnull=False)
        return released.annotate(rank=Extract("release_date", "epoch", output_field=FloatField())).order_by(
            "-release_date", "-pk"
        )
    if order == Collection.Order.POPULAR:
        known = found.filter(search_document__isnull=False)
        return known.annotate(rank=F("search_document__standing")).order_by("-search_document__standing", "-pk")
    return found.annotate(rank=Value(0.0, FloatField())).order_by("-pk")


@dataclass(frozen=True)
class Wanted:
    """A rule, and the conditions on what hangs on titles that came of it."""

    rule: Rule
    parts: Sequence[OneOf | AskedEach]


def _wanted(rules: Sequence[Rule]) -> list[Wanted]:
    """Answer rules with their conditions on genres, keywords and providers, in two queries at most for all of them."""
    asked = [(number, *part) for number, rule in enumerate(rules) for part in _parts(rule)]
    queries = [ids.annotate(place=Value(place)).values_list("place", "pk") for place, (*_, ids) in enumerate(asked)]
    found: dict[int, list[int]] = defaultdict(list)
    for place, pk in titles.together(queries):
        found[place].append(pk)
    tables = [table.filter(**{f"{what}__in": found[place]}) for place, (_, table, what, _) in enumerate(asked)]
    parts: dict[int, list[OneOf | AskedEach]] = defaultdict(list)
    for (number, *_), condition in zip(asked, titles.named_by(tables), strict=True):
        parts[number].append(condition)
    return [Wanted(rule, parts[number]) for number, rule in enumerate(rules)]


def _meeting(wanted: Wanted, found: TitleQuerySet, viewer: Viewer, now: datetime) -> QuerySet[Title]:
    rule, conditions = wanted.rule, [*_facts(wanted.rule), *map(Q, wanted.parts)]
    if rule.highest_age is not None:
        stricter = replace(viewer, audience=Audience(min(rule.highest_age, viewer.audience.highest_age), False))
        found = found.for_audience(stricter, standing_alone=True)
    if rule.leaves_within_days is not None:
        later = now + timedelta(days=rule.leaves_within_days)
        conditions.append(~Q(IsOffered(viewer.country, later, standing_alone=True)))
    if rule.added_within_days is not None:
        conditions.append(Q(published_at__gt=now - timedelta(days=rule.added_within_days)))
    return found.filter(*conditions)


def _facts(rule: Rule) -> Iterator[Q]:
    if rule.kinds:
        yield Q(kind__in=rule.kinds)
    if rule.countries:
        yield Q(countries__overlap=rule.countries)
    if rule.original_languages:
        yield Q(original_language__in=rule.original_languages)
    if rule.year_from is not None:
        yield Q(release_date__gte=date(rule.year_from, 1, 1))
    if rule.year_to is not None:
        yield Q(release_date__lte=date(rule.year_to, 12, 31))
    if rule.made_for_kids is not None:
        yield Q(made_for_kids=rule.made_for_kids)


def _parts(rule: Rule) -> Iterator[tuple[QuerySet[Any], str, QuerySet[Any]]]:
    """Yield tables that name titles, the column by which they do, and the rows of another one that it is to point to."""
    if rule.genres:
        below = Genre.objects.filter(slug__in=rule.genres).with_those_below()
        yield TitleGenre.objects.all(), "genre", Genre.objects.filter(pk__in=below)
    if rule.keywords:
        answering = Keyword.objects.filter(name__in=rule.keywords).answering()
        yield TitleKeyword.objects.all(), "keyword", Keyword.objects.filter(pk__in=answering)
    if rule.providers:
        delivered = SourceRecord.objects.filter(retired_at__isnull=True)
        yield delivered, "provider", Provider.objects.filter(code__in=rule.providers)
