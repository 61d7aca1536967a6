"""What the search reads of each title."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from django.db import connection, transaction
from django.db.models import Prefetch, Q

from catalog import lexemes
from catalog.models import (
    AlternateTitle,
    Credit,
    SearchDocument,
    Title,
    TitleGenre,
    TitleKeyword,
    TitleText,
)
from catalog.models.titles import Kind
from catalog.services.copying import copy_into
from catalog.services.search.completions import complete_anew
from catalog.services.search.leaders import lead_anew
from catalog.services.search.popularity import by_answering
from catalog.services.search.vocabulary import add_words

BATCH = 1000
_COLUMNS = ("title_id", "name", "names", "words", "is_part", "popularity", "base", "standing")


@dataclass(frozen=True, slots=True)
class Entry:
    """A title's document. `base` is its place among equals, without the editors' weight and popularity."""

    title_id: UUID
    document: lexemes.Document
    base: float
    is_part: bool = False


def is_searched(kind: str, *, is_part: bool) -> bool:
    """Say whether a title is found by the search: what stands alone and episodes are, seasons and trailers are not."""
    return not is_part or kind in {Kind.EPISODE, Kind.SPECIAL}


def write(entries: Sequence[Entry], *, fresh: Collection[UUID] = frozenset()) -> None:
    """Write documents, in the caller's transaction; titles that are `fresh` were made in it, and have none yet."""
    made = [entry for entry in entries if entry.title_id in fresh]
    if made:
        with connection.cursor() as cursor:
            copy_into(
                cursor,
                SearchDocument,
                _COLUMNS,
                (
                    (entry.title_id, (document := entry.document).name, document.names(), document.vector(), entry.is_part,
                     0, entry.base, entry.base)
                    for entry in made
                ),
            )  # fmt: skip
    if changed := [entry for entry in entries if entry.title_id not in fresh]:
        _overwrite(changed)


def _overwrite(entries: Sequence[Entry]) -> None:
    with connection.cursor() as cursor:
        # In order, so that two writers wait for each other; what is the same already is left alone, since the index
        # of words is dear to write.
        cursor.execute(
            """
            INSERT INTO catalog_searchdocument AS document
                (title_id, name, names, words, is_part, popularity, base, standing)
            SELECT incoming.title_id, incoming.name, incoming.names, incoming.words, incoming.is_part, 0,
                   incoming.base + title.editorial_weight, incoming.base + title.editorial_weight
            FROM unnest(%s::uuid[], %s::text[], %s::text[], %s::tsvector[], %s::bool[], %s::float8[])
                 AS incoming (title_id, name, names, words, is_part, base)
            JOIN catalog_title AS title ON title.id = incoming.title_id
            ORDER BY incoming.title_id
            ON CONFLICT (title_id) DO UPDATE
            SET name = EXCLUDED.name, names = EXCLUDED.names, words = EXCLUDED.words, is_part = EXCLUDED.is_part,
                base = EXCLUDED.base, standing = EXCLUDED.base + ln(1 + document.popularity)
            WHERE (document.name, document.names, document.words, document.is_part, document.base)
                  IS DISTINCT FROM (EXCLUDED.name, EXCLUDED.names, EXCLUDED.words, EXCLUDED.is_part, EXCLUDED.base)
            """,
            [
                [entry.title_id for entry in entries],
                [entry.document.name for entry in entries],
                [entry.document.names() for entry in entries],
                [entry.document.vector() for entry in entries],
                [entry.is_part for entry in entries],
                [entry.base for entry in entries],
            ],
        )


def rebuild(title_ids: Collection[UUID]) -> None:
    """Write the documents of a few titles anew from the tables, in the caller's transaction, with words and completions."""
    entries = _entries(title_ids)
    write(entries)
    add_words(entries)
    title_ids = [entry.title_id for entry in entries]
    complete_anew(title_ids)
    lead_anew(title_ids)


def rebuild_all() -> Iterator[int]:
    """Write every document anew, a thousand in a transaction; yield after each how many that are."""
    last: UUID | None = None
    while True:
        after = Q(pk__gt=last) if last else Q()
        ids = list(Title.objects.filter(after).order_by("pk").values_list("pk", flat=True)[:BATCH])
        if not ids:
            return
        last = ids[-1]
        with transaction.atomic():
            # Locked, so that what an editor commits meanwhile is not overwritten by what was before.
            list(Title.objects.filter(pk__in=ids).locked().values_list("pk"))
            entries = _entries(ids)
            write(entries)
            add_words(entries)
        yield len(entries)


def set_popularity(*, scores: Mapping[UUID, float]) -> int:
    """Say how popular titles are, as the apps above know it, from 0 without a top: views of the last weeks, say.

    Among equal matches the more popular comes first; twice as many views count less the more there are. What is
    not named keeps its score; what was merged adds to that of the title that answers for it, in one call. Answer how
    many have changed. Raises ValueError for what is no score.
    """
    if wrong := [score for score in scores.values() if not (math.isfinite(score) and score >= 0)]:
        raise ValueError(f"{wrong[0]} is no popularity: give a number from 0.")
    changed, scores = 0, by_answering(scores)
    ids = sorted(scores)
    for start in range(0, len(ids), 10 * BATCH):
        part = ids[start : start + 10 * BATCH]
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(
                "SELECT FROM catalog_searchdocument WHERE title_id = ANY(%s) ORDER BY title_id FOR UPDATE", [part]
            )
            cursor.execute(
                "UPDATE catalog_searchdocument AS document SET popularity = score, standing = base + ln(1 + score)"
                " FROM unnest(%s::uuid[], %s::float8[]) AS given (id, score)"
                " WHERE document.title_id = given.id AND document.popularity <> score",
                [part, [scores[title_id] for title_id in part]],
            )
            changed += cursor.rowcount
            lead_anew(part)
    return changed


def _entries(title_ids: Collection[UUID]) -> list[Entry]:
    titles = Title.objects.filter(pk__in=title_ids).prefetch_related(
        Prefetch("texts", TitleText.objects.order_by("pk")),
        Prefetch("alternate_titles", AlternateTitle.objects.order_by("pk")),
        Prefetch("credits", Credit.objects.select_related("person").order_by("pk")),
        Prefetch("title_genres", TitleGenre.objects.select_related("genre").order_by("position")),
        Prefetch("title_keywords", TitleKeyword.objects.select_related("keyword").order_by("pk")),
    )
    return [_entry(title) for title in titles.order_by("pk") if is_searched(title.kind, is_part=bool(title.parent_id))]


def _entry(title: Title) -> Entry:
    texts = list(title.texts.all())
    is_part = title.parent_id is not None
    names = [
        *((text.language, text.name) for text in texts if text.name),
        *([(title.original_language, title.original_title)] if title.original_title else []),
    ]
    other_names = [(name.language, name.name) for name in title.alternate_titles.all()]
    base = lexemes.standing(weight=0, released=title.release_date)
    if is_part:
        document = lexemes.document(names=names, other_names=other_names, is_part=True)
        return Entry(title.pk, document, base, is_part=True)
    return Entry(
        title.pk,
        lexemes.document(
            names=names,
            other_names=other_names,
            people=[credit.person.name for credit in title.credits.all()],
            about=[
                *(("en", item.genre.name) for item in title.title_genres.all()),
                *(("en", item.keyword.name) for item in title.title_keywords.all()),
                *((text.language, text.synopsis_short or text.synopsis_medium) for text in texts),
            ],
        ),
        base,
    )
