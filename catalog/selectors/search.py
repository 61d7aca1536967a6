"""Finding titles by what people type.

Every way of finding is bounded, so that no query costs more because the catalogue is large: what many
titles share is looked for among the best of them, what few share among all. What the viewer may not see is left
out inside each query, before anything is cut off.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise, product
from typing import Any
from uuid import UUID

from django.db import connection, transaction
from django.db.models.expressions import RawSQL

from catalog import lexemes, rules
from catalog.models import Title, TitleText

RANKED = 1000
"""So many matches are ranked exactly."""
MANY = 3000
"""From so many expected matches the best are looked for in the order of their standing."""
WALKED = 30_000
"""So many titles are looked through in that order."""
CANDIDATES = 40
"""Words of the vocabulary that a mistyped word is compared with."""
RARE = 50
"""A word of at most so many titles may be a slip for another, when nothing matches."""
OPTIONS = 3
"""So many words may be meant by one."""
COMBINATIONS = 6
"""So many mended queries are tried."""
SHARED_TRIGRAMS = (0.4, 0.25)
"""Shares of trigrams in common with what was meant, tried in turn; two swapped letters cost most of six."""


@dataclass(frozen=True)
class Found:
    """What a search answers: titles, best first. `corrected` is the query that was answered instead, if one was."""

    title_ids: list[UUID]
    corrected: str | None


@dataclass(frozen=True)
class Suggestion:
    """A title that somebody may be typing."""

    title_id: UUID
    kind: str
    name: str


def search(query: str, viewer: rules.Viewer, now: datetime, *, limit: int = 30) -> Found:
    """Find titles the viewer may watch now, best first: by name, other names, people, subjects; episodes by their names.

    Accents, capitals and punctuation do not count; the last word may be unfinished. When nothing
    matches, words are mended by the vocabulary and the search is made again.
    """
    words = lexemes.query_words(query)
    if not words:
        return Found([], None)
    if title_ids := _find(words, viewer, now, limit):
        return Found(title_ids, None)
    for mended in _mended(words, viewer.languages):
        if title_ids := _find(mended, viewer, now, limit):
            return Found(title_ids, " ".join(mended))
    return Found([], None)


def suggest(query: str, viewer: rules.Viewer, now: datetime, *, limit: int = 8) -> list[Suggestion]:
    """Answer names of titles that the viewer may watch now and may be typing, best first, each name once."""
    title_ids = search(query, viewer, now, limit=2 * limit).title_ids
    titles = {title.pk: title for title in Title.objects.filter(pk__in=title_ids)}
    names: dict[UUID, dict[str, str]] = {}
    for title_id, language, name in (
        TitleText.objects.filter(title__in=title_ids).exclude(name="").values_list("title_id", "language", "name")
    ):
        names.setdefault(title_id, {})[language] = name
    found: dict[str, Suggestion] = {}
    for title_id in title_ids:
        if title := titles.get(title_id):
            offered = names.get(title_id, {})
            best = rules.best_language(offered, rules.language_chain(viewer.languages, title.original_language))
            name = offered[best] if best else title.original_title
            if name:
                found.setdefault(name, Suggestion(title_id, title.kind, name))
    return list(found.values())[:limit]


# ---------------------------------------------------------------- ways of finding


def _find(words: list[str], viewer: rules.Viewer, now: datetime, limit: int) -> list[UUID]:
    visible = _Visible(viewer, now)
    if len(words) == 1 and len(words[0]) <= lexemes.SHORT:
        completed = visible.ids(_COMPLETED, {"prefix": words[0], "limit": limit})
        if len(completed) == limit:
            return completed
    parameters = {
        "words": lexemes.tsquery(words, viewer.languages),
        "name": " ".join(words),
        "ranked": RANKED,
        "walked": WALKED,
        "enough": max(100, 2 * limit),
        "limit": limit,
    }
    if _expected(words) > MANY:
        walked = visible.ids(_WALKED, parameters)
        if len(walked) == limit:
            return walked
    return visible.ids(_RANKED, parameters)


# Exact names first, then names that begin so, then by where the words are; the more popular among equals.
# An episode comes after what stands alone.
_SCORE = """
    (CASE WHEN document.name = %(name)s THEN 4 WHEN document.name LIKE %(name)s || ' %%' THEN 2
          WHEN document.name LIKE %(name)s || '%%' THEN 1 ELSE 0 END
     + 2 * ts_rank('{0.05, 0.3, 0.6, 1.0}', document.words, %(words)s::tsquery, 1))
    * CASE WHEN document.is_part THEN 0.4 ELSE 1 END + document.standing / 10
"""
_COMPLETED = """
    SELECT candidate.title_id FROM (
        SELECT title_id, begins, standing FROM catalog_searchcompletion WHERE prefix = %(prefix)s
        ORDER BY begins DESC, standing DESC
    ) AS candidate CROSS JOIN LATERAL ({visible}) AS seen
    ORDER BY candidate.begins DESC, candidate.standing DESC LIMIT %(limit)s
"""
_RANKED = f"""
    SELECT candidate.title_id FROM (
        SELECT document.title_id, {_SCORE} AS score FROM catalog_searchdocument AS document
        WHERE document.words @@ %(words)s::tsquery
        ORDER BY score DESC, document.title_id LIMIT %(ranked)s
    ) AS candidate CROSS JOIN LATERAL ({{visible}}) AS seen
    ORDER BY candidate.score DESC, candidate.title_id LIMIT %(limit)s
"""  # noqa: S608 - our own text
# The inner limits keep the planner from sorting all that match.
_WALKED = f"""
    WITH named AS (
        SELECT title_id, name, words, is_part, standing FROM catalog_searchdocument
        WHERE name LIKE %(name)s || '%%' AND words @@ %(words)s::tsquery LIMIT %(enough)s
    ), walked AS (
        SELECT candidate.* FROM (
            SELECT title_id, name, words, is_part, standing FROM catalog_searchdocument
            ORDER BY standing DESC, title_id LIMIT %(walked)s
        ) AS candidate CROSS JOIN LATERAL ({{visible}}) AS seen
        WHERE candidate.words @@ %(words)s::tsquery LIMIT %(enough)s
    )
    SELECT candidate.title_id FROM (
        SELECT document.title_id, {_SCORE} AS score FROM (
            SELECT * FROM named UNION SELECT * FROM walked
        ) AS document
        ORDER BY score DESC, document.title_id LIMIT %(ranked)s
    ) AS candidate CROSS JOIN LATERAL ({{visible}}) AS seen
    ORDER BY candidate.score DESC, candidate.title_id LIMIT %(limit)s
"""  # noqa: S608 - our own text


class _Visible:
    """Completes a query of candidates by what one viewer may see, asked candidate by candidate until enough are found."""

    def __init__(self, viewer: rules.Viewer, now: datetime) -> None:
        own = Title.objects.visible_to(viewer, now).filter(pk=RawSQL("candidate.title_id", ()))
        text, values = own.order_by().values("pk").query.sql_with_params()
        self._parameters = {f"seen{number}": value for number, value in enumerate(values)}
        self._text = f"{text % tuple(f'%({name})s' for name in self._parameters)} LIMIT 1"

    def ids(self, query: str, parameters: dict[str, Any]) -> list[UUID]:
        with connection.cursor() as cursor:
            cursor.execute(query.replace("{visible}", self._text), parameters | self._parameters)
            return [row[0] for row in cursor.fetchall()]


def _expected(words: Sequence[str]) -> float:
    """Answer about how many titles match, as if words had nothing to do with each other.

    A word that no name contains is taken for rare.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT word, documents FROM catalog_searchword WHERE word = ANY(%s)
            UNION ALL
            SELECT '', sum(documents) FROM (SELECT documents FROM catalog_searchword WHERE word LIKE %s LIMIT 1000) AS begun
            UNION ALL
            SELECT '#', greatest(reltuples, 1)::bigint FROM pg_class WHERE oid = 'catalog_searchdocument'::regclass
            """,
            [list(words[:-1]), f"{words[-1]}%"],
        )
        counted: dict[str, int] = {word: int(documents or 0) for word, documents in cursor.fetchall()}
    total = max(counted.pop("#"), 1)
    expected = float(total)
    for word in [*words[:-1], ""]:
        expected *= min(counted.get(word, 1) / total, 1.0)
    return expected


# ---------------------------------------------------------------- mending


def _mended(words: list[str], languages: Sequence[str]) -> list[list[str]]:
    """Answer other queries that may have been meant and that some title has, likeliest first.

    Neighbours joined; mistyped words mended, each by what is nearest; what nobody knows left out.
    """
    known = _known({*words, *(one + other for one, other in pairwise(words))}, words[-1])
    joined = _joined(words, known)
    # When all are words, the rarest may be a slip for another.
    doubted = {word for word in joined if word not in known} or {
        word for word in joined if len(joined) > 1 and known[word] <= RARE
    }
    options = [_options(word, known, languages, is_doubted=word in doubted) for word in joined]
    likeliest = sorted(product(*options), key=lambda choice: sum(mistakes for mistakes, _ in choice))
    kept = [ranked[0][1] for word, ranked in zip(joined, options, strict=True) if word in known or ranked[0][0]]
    tried = [joined, *([word for _, word in choice] for choice in likeliest[:COMBINATIONS]), kept]
    tried = [other for place, other in enumerate(tried) if other and other != words and other not in tried[:place]]
    return _somewhere(tried, languages)


def _options(
    word: str, known: Mapping[str, int], languages: Sequence[str], *, is_doubted: bool
) -> list[tuple[float, str]]:
    """Answer what may be meant by a word, with the mistakes that would be made."""
    if not is_doubted:
        return [(0.0, word)]
    near = [(mistakes, other) for mistakes, other in _near(word, languages) if other != word][:OPTIONS]
    if word in known:
        return [(0.0, word), *((mistakes + 1, other) for mistakes, other in near if mistakes <= 1)]
    return near or [(0.0, word)]


def _somewhere(queries: list[list[str]], languages: Sequence[str]) -> list[list[str]]:
    """Answer those queries that any title matches, whoever may see it; one round for all."""
    if not queries:
        return []
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT place FROM unnest(%s::tsquery[]) WITH ORDINALITY AS tried (words, place)"
            " WHERE EXISTS (SELECT FROM catalog_searchdocument AS document WHERE document.words @@ tried.words)"
            " ORDER BY place",
            [[lexemes.tsquery(words, languages) for words in queries]],
        )
        return [queries[place - 1] for (place,) in cursor.fetchall()]


def _known(words: set[str], unfinished: str) -> dict[str, int]:
    """Answer which words the vocabulary has, and in how many documents; of the unfinished one, whether any begins so."""
    with connection.cursor() as cursor:
        cursor.execute(
            "(SELECT word, documents FROM catalog_searchword WHERE word LIKE %s LIMIT 100)"
            " UNION ALL SELECT word, documents FROM catalog_searchword WHERE word = ANY(%s)",
            [f"{unfinished}%", list(words)],
        )
        found: dict[str, int] = {}
        for word, documents in cursor.fetchall():
            for meant in {word, unfinished} & words if word.startswith(unfinished) else {word}:
                found[meant] = max(documents, found.get(meant, 0))
        return found


def _joined(words: list[str], known: Mapping[str, int]) -> list[str]:
    """Join neighbours that are one word in the vocabulary: "spider man" for Spiderman."""
    joined: list[str] = []
    for word in words:
        if joined and joined[-1] + word in known:
            joined[-1] += word
        else:
            joined.append(word)
    return joined


def _near(word: str, languages: Sequence[str]) -> list[tuple[float, str]]:
    """Answer the words of the vocabulary that are near to one, nearest first, with the mistakes between them."""
    if not lexemes.is_mendable(word):
        return []
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            "SELECT word, documents, languages FROM catalog_searchword WHERE word = ANY(%s)", [lexemes.slips(word)]
        )
        slips = cursor.fetchall()
        # A letter more or less changes most of a short word's trigrams.
        for shared in SHARED_TRIGRAMS[len(word) <= 5 :]:
            cursor.execute("SELECT set_config('pg_trgm.similarity_threshold', %s, true)", [str(shared)])
            cursor.execute(
                "SELECT word, documents, languages FROM catalog_searchword WHERE word %% %s"
                " ORDER BY similarity(word, %s) DESC, documents DESC LIMIT %s",
                [word, word, CANDIDATES],
            )
            candidates = {row[0]: (row[1], row[2]) for row in (*slips, *cursor.fetchall())}
            if near := lexemes.nearest(word, candidates, languages):
                return near
    return []
