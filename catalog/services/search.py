"""Keeping what the search reads in step with the titles."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from django.db import connection, transaction
from django.db.models import Prefetch

from catalog import rules
from catalog.models import Credit, Title, TitleGenre, TitleKeyword

MAX_WORD = 40
"""Longer words are no words, and are not mended."""


@dataclass(frozen=True, slots=True)
class SearchText:
    """What a title is found by, folded. Weights: `names` before `other_names` before `people` before `about`."""

    title_id: UUID
    name: str
    names: str
    other_names: str
    people: str
    about: str


def text_of(
    title_id: UUID, *, names: Iterable[str], other_names: Iterable[str], people: Iterable[str], about: Iterable[str]
) -> SearchText:
    """Fold what is said about a title; the first of `names` is the one that an exact search must match."""
    folded = [rules.fold(name) for name in names]
    return SearchText(
        title_id,
        folded[0][:500] if folded else "",
        " ".join(dict.fromkeys(folded)),
        " ".join(map(rules.fold, other_names)),
        " ".join(map(rules.fold, people)),
        " ".join(map(rules.fold, about)),
    )


def write(texts: Sequence[SearchText], *, known_words: set[str]) -> set[str]:
    """Write documents, in the caller's transaction; answer the words that the vocabulary now has besides `known_words`."""
    if not texts:
        return set()
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO catalog_searchdocument (title_id, name, words, popularity)
            SELECT title_id, name,
                   setweight(to_tsvector('simple', names), 'A') || setweight(to_tsvector('simple', other_names), 'B')
                   || setweight(to_tsvector('simple', people), 'C') || setweight(to_tsvector('simple', about), 'D'),
                   0
            FROM unnest(%s::uuid[], %s::text[], %s::text[], %s::text[], %s::text[], %s::text[])
                 AS incoming (title_id, name, names, other_names, people, about)
            ON CONFLICT (title_id) DO UPDATE SET name = EXCLUDED.name, words = EXCLUDED.words
            """,
            [[getattr(text, field) for text in texts] for field in SearchText.__dataclass_fields__],
        )
        words = {
            word for text in texts for part in (text.names, text.other_names, text.people) for word in part.split()
        }
        fresh = sorted(word for word in words - known_words if 3 <= len(word) <= MAX_WORD and not word.isdecimal())
        if fresh:
            # In order, so that two writers wait for each other instead of both for ever.
            cursor.execute(
                "INSERT INTO catalog_searchword (word, documents) SELECT word, 1 FROM unnest(%s::text[]) AS word"
                " ORDER BY word ON CONFLICT (word) DO NOTHING",
                [fresh],
            )
    return set(fresh)


def rebuild(title_ids: Collection[UUID]) -> None:
    """Write the documents of titles anew from the tables, in the caller's transaction."""
    titles = Title.objects.filter(pk__in=title_ids, parent__isnull=True).prefetch_related(
        "texts",
        "alternate_titles",
        Prefetch("credits", Credit.objects.select_related("person")),
        Prefetch("title_genres", TitleGenre.objects.select_related("genre")),
        Prefetch("title_keywords", TitleKeyword.objects.select_related("keyword")),
    )
    write([_text_of(title) for title in titles], known_words=set())


def refresh_vocabulary() -> int:
    """Count anew in how many documents each word is, and forget words that are in none; answer how many are left.

    Reads every document: for a quiet hour. Ingestion and editing add new words as they come.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            """
            WITH counted AS MATERIALIZED (
                SELECT word, ndoc FROM ts_stat('SELECT words FROM catalog_searchdocument', 'abc')
                WHERE length(word) BETWEEN 3 AND %s AND word !~ '^[0-9]+$'
            ), gone AS (
                DELETE FROM catalog_searchword WHERE word NOT IN (SELECT word FROM counted)
            )
            INSERT INTO catalog_searchword (word, documents) SELECT word, ndoc FROM counted ORDER BY word
            ON CONFLICT (word) DO UPDATE SET documents = EXCLUDED.documents
            WHERE catalog_searchword.documents <> EXCLUDED.documents
            """,
            [MAX_WORD],
        )
        cursor.execute("SELECT count(*) FROM catalog_searchword")
        return int(cursor.fetchone()[0])


def set_popularity(*, scores: Mapping[UUID, float]) -> None:
    """Say how popular titles are, as the apps above know it; higher comes first among equal matches."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            "UPDATE catalog_searchdocument AS document SET popularity = score"
            " FROM (SELECT * FROM unnest(%s::uuid[], %s::float8[]) AS given (title_id, score)) AS given"
            " WHERE document.title_id = given.title_id",
            [list(scores), list(scores.values())],
        )


def _text_of(title: Title) -> SearchText:
    texts = list(title.texts.all())
    return text_of(
        title.pk,
        names=[name for name in (*(text.name for text in texts), title.original_title) if name],
        other_names=[name.name for name in title.alternate_titles.all()],
        people=[credit.person.name for credit in title.credits.all()],
        about=[
            *(item.genre.name for item in title.title_genres.all()),
            *(item.keyword.name for item in title.title_keywords.all()),
            *(text.synopsis_short or text.synopsis_medium for text in texts),
        ],
    )
