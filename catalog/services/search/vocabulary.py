"""The words by which typos are mended."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Protocol

import orjson
from django.db import connection, transaction

from catalog import lexemes


class HasDocument(Protocol):
    @property
    def document(self) -> lexemes.Document: ...


def words_of(entries: Iterable[HasDocument]) -> tuple[Counter[str], dict[str, frozenset[str]]]:
    """Answer of each word in how many of these documents it is, and the languages that use it."""
    documents: Counter[str] = Counter()
    languages: dict[str, frozenset[str]] = {}
    for entry in entries:
        vocabulary = entry.document.vocabulary
        documents.update(vocabulary.keys())
        for word, used_in in vocabulary.items():
            known = languages.get(word)
            languages[word] = used_in if known is None else lexemes.together(known, used_in)
    return documents, languages


def add_words(entries: Iterable[HasDocument]) -> None:
    """Add the words of documents that were written anew, in the caller's transaction; what is known is not counted again."""
    _, languages = words_of(entries)
    insert_words(languages, {}, counted=False)


def unknown_words(languages: Mapping[str, frozenset[str]]) -> dict[str, frozenset[str]]:
    """Answer which of these words the vocabulary lacks, or has not in all of these languages."""
    if not languages:
        return {}
    # In order: then neighbours are looked for in the same pages of the index.
    asked = {word: " ".join(sorted(filter(None, languages[word]))) for word in sorted(languages)}
    with connection.cursor() as cursor:
        # One document: an array of thousands takes longer to compose than to look up.
        cursor.execute(
            "SELECT word FROM json_each_text(%s::json) AS asked (word, used_in) WHERE NOT EXISTS ("
            " SELECT FROM catalog_searchword AS known WHERE known.word = asked.word"
            " AND known.languages @> string_to_array(used_in, ' ')::varchar[])",
            [orjson.dumps(asked).decode()],
        )
        return {word: languages[word] for (word,) in cursor.fetchall()}


def insert_words(languages: Mapping[str, frozenset[str]], documents: Mapping[str, int], *, counted: bool) -> None:
    """Add words with their languages, and to their counts if they are `counted`, in the caller's transaction."""
    if not languages:
        return
    words = sorted(languages)
    with connection.cursor() as cursor:
        # In order, so that two writers wait for each other instead of both for ever.
        cursor.execute(
            """
            INSERT INTO catalog_searchword AS known (word, documents, languages)
            SELECT word, documents, CASE used_in WHEN '' THEN '{}' ELSE string_to_array(used_in, ' ') END
            FROM unnest(%s::text[], %s::int[], %s::text[]) AS incoming (word, documents, used_in)
            ORDER BY word
            ON CONFLICT (word) DO UPDATE
            SET documents = known.documents + CASE WHEN %s THEN EXCLUDED.documents ELSE 0 END,
                languages = ARRAY(SELECT DISTINCT unnest(known.languages || EXCLUDED.languages) ORDER BY 1)
            WHERE %s OR NOT known.languages @> EXCLUDED.languages
            """,
            [
                words,
                [documents.get(word, 1) for word in words],
                [" ".join(sorted(language for language in languages[word] if language)) for word in words],
                counted,
                counted,
            ],
        )


def count_words(documents: Mapping[str, int]) -> None:
    """Add to the counts of known words."""
    words = sorted(documents)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT FROM catalog_searchword WHERE word = ANY(%s) ORDER BY word FOR UPDATE", [words])
        cursor.execute(
            "UPDATE catalog_searchword AS known SET documents = known.documents + more.documents"
            " FROM unnest(%s::text[], %s::int[]) AS more (word, documents) WHERE known.word = more.word",
            [words, [documents[word] for word in words]],
        )


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
            [lexemes.MAX_WORD],
        )
        cursor.execute("SELECT count(*) FROM catalog_searchword")
        return int(cursor.fetchone()[0])
