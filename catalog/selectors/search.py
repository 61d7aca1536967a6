"""Finding titles by what people type.

Every way of finding is bounded, so that no query costs more because the catalogue is large: what many
titles share is looked for among the best of them, what few share among all. What the viewer may not see is left
out inside each query, before anything is cut off.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import date, datetime
from functools import lru_cache
from typing import Any
from uuid import UUID

from django.db.models.expressions import RawSQL

from catalog import lexemes, rules
from catalog.models import Title, TitleText
from catalog.selectors import mending
from core import prepared

RANKED = 1000
"""So many matches are ranked exactly."""
RANKING = 20
"""What a match costs to read and to rank, beside a title in the index's list of a beginning."""
DEAR = 30_000
"""What costs more than so many titles of a list is looked for among the leaders first."""
NAMED = 100
"""So many names that begin with what was typed are ranked beside the leaders."""


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
    visible = _Visible(viewer, now)
    if title_ids := _completed(words, visible, limit):
        return Found(title_ids, None)
    vocabulary = mending.known(words)
    if title_ids := _find(words, vocabulary, viewer, visible, limit):
        return Found(title_ids, None)
    for mended in mending.mended(words, vocabulary, viewer.languages):
        if title_ids := _find(mended, mending.known(mended), viewer, visible, limit):
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


def _completed(words: list[str], visible: _Visible, limit: int) -> list[UUID]:
    """Answer a full page of the titles that a beginning of a few letters has a list of; else none."""
    if len(words) > 1 or len(words[0]) > lexemes.SHORT:
        return []
    found = visible.ids(_COMPLETED, {"prefix": words[0], "limit": limit})
    return found if len(found) == limit else []


def _find(
    words: list[str], vocabulary: mending.Vocabulary, viewer: rules.Viewer, visible: _Visible, limit: int
) -> list[UUID]:
    parameters: dict[str, Any] = {
        "words": (meant := lexemes.tsquery(words, viewer.languages)),
        "asked": meant,
        "name": " ".join(words),
        "ranked": RANKED,
        "limit": limit,
    }
    cost = vocabulary.begun + RANKING * vocabulary.expected(words)
    without_last = RANKING * vocabulary.expected(words[:-1], finished=True) if len(words) > 1 else cost
    if min(cost, without_last) > DEAR:
        # Bounds and no LIKE: a plan for every name cannot use the index for a pattern that it does not know.
        leading = visible.ids(_LEADING, parameters | {"past": f"{parameters['name']}{lexemes.LAST}", "named": NAMED})
        if len(leading) == limit:
            return leading
    if without_last < cost:
        parameters["asked"] = lexemes.tsquery(words[:-1], viewer.languages, finished=True)
    return visible.ids(_RANKED, parameters)


# Exact names first, then names that begin with these words, then those that have them, then those in which the last word
# is only begun, then by where the words are; the more popular among equals.
# An episode comes after what stands alone.
_SCORE = """
    (CASE WHEN document.name = %(name)s::text THEN 4 WHEN document.name LIKE %(name)s::text || ' %%' THEN 2
          WHEN ' ' || document.name || ' ' LIKE '%% ' || %(name)s::text || ' %%' THEN 1.5
          WHEN document.name LIKE %(name)s::text || '%%' THEN 1 ELSE 0 END
     + 2 * ts_rank('{0.05, 0.3, 0.6, 1.0}', document.words, %(words)s::tsquery, 1))
    * CASE WHEN document.is_part THEN 0.4 ELSE 1 END + document.standing / 10
"""
_COMPLETED = """
    SELECT candidate.title_id FROM (
        SELECT title_id, begins, standing FROM catalog_searchcompletion WHERE prefix = %(prefix)s::text
        ORDER BY begins DESC, standing DESC
    ) AS candidate CROSS JOIN LATERAL ({visible}) AS seen
    ORDER BY candidate.begins DESC, candidate.standing DESC LIMIT %(limit)s
"""
# The index collects all that have a beginning, however few of them have the other words: where that is dearer than to
# read what has the other words, it is asked for these alone. IS TRUE keeps the second condition from it.
_MATCHES = "words @@ %(asked)s::tsquery AND (words @@ %(words)s::tsquery) IS TRUE"
_RANKED = f"""
    SELECT candidate.title_id FROM (
        SELECT document.title_id, {_SCORE} AS score FROM catalog_searchdocument AS document WHERE {_MATCHES}
        ORDER BY score DESC, document.title_id LIMIT %(ranked)s
    ) AS candidate CROSS JOIN LATERAL ({{visible}}) AS seen
    ORDER BY candidate.score DESC, candidate.title_id LIMIT %(limit)s
"""  # noqa: S608 - our own text
_LEADING = f"""
    SELECT candidate.title_id FROM (
        SELECT document.title_id, {_SCORE} AS score FROM (
            (SELECT title_id, name, words, is_part, standing FROM catalog_searchdocument
             WHERE name ~>=~ %(name)s::text AND name ~<~ %(past)s::text AND (words @@ %(words)s::tsquery) IS TRUE
             LIMIT %(named)s)
            UNION
            SELECT title_id, name, words, is_part, standing FROM catalog_searchdocument WHERE leads AND {_MATCHES}
        ) AS document
        ORDER BY score DESC, document.title_id LIMIT %(ranked)s
    ) AS candidate CROSS JOIN LATERAL ({{visible}}) AS seen
    ORDER BY candidate.score DESC, candidate.title_id LIMIT %(limit)s
"""  # noqa: S608 - our own text


class _Visible:
    """Completes a query of candidates by what one viewer may see, asked candidate by candidate until enough are found."""

    def __init__(self, viewer: rules.Viewer, now: datetime) -> None:
        # Languages make no difference to what is seen.
        who = replace(viewer, languages=())
        self._text, values, then = _composed(_Sight(who, rules.local_dates(viewer.country, now), now))
        self._values = {name: now if value == then else value for name, value in values.items()}

    def ids(self, query: str, parameters: dict[str, Any]) -> list[UUID]:
        with prepared.cursor() as cursor:
            cursor.execute(query.replace("{visible}", self._text), parameters | self._values)
            return [row[0] for row in cursor.fetchall()]


@dataclass(frozen=True)
class _Sight:
    """What the condition for a viewer depends on: the instant comes into it as itself and as its dates alone."""

    viewer: rules.Viewer
    dates: tuple[date, date]
    now: datetime = field(compare=False)


@lru_cache(maxsize=500)
def _composed(sight: _Sight) -> tuple[str, dict[str, Any], datetime]:
    """Answer the condition as text, its values, and the instant among them.

    Composing takes longer than most searches. The text is the same for viewers who differ in values alone, so that
    the server's plan serves all of them.
    """
    own = Title.objects.visible_to(sight.viewer, sight.now).filter(pk=RawSQL("candidate.title_id", ()))
    text, values = own.order_by().values("pk").query.sql_with_params()
    named = {f"seen{number}": value for number, value in enumerate(values)}
    return f"{text % tuple(f'%({name})s' for name in named)} LIMIT 1", named, sight.now
