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

from catalog import lexemes, numerals, rules, spellings
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
    """What a search answers: titles, best first.

    `corrected` is the query that was answered instead, if one was; but where only titles that are kept from the viewer are
    called so, it is not told, since it would name them.
    """

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
    vocabulary: mending.Vocabulary | None = None
    if not (title_ids := _completed(words, viewer, visible, limit)):
        vocabulary = mending.known(words)
        title_ids = _find(words, vocabulary, viewer, visible, limit)
    if others := numerals.readings(words, viewer.languages):
        title_ids = _with_numbers(title_ids, words, others, viewer, visible, limit)
    if title_ids or vocabulary is None:
        return Found(title_ids, None)
    for mended in mending.mended(words, vocabulary, viewer.languages):
        if title_ids := _find(mended, mending.known(mended), viewer, visible, limit):
            return Found(title_ids, None if _names_the_unseen(mended, viewer, visible) else " ".join(mended))
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
            chain = rules.language_chain(viewer.languages, title.original_language, viewer.country)
            best = rules.best_language(offered, chain)
            name = offered[best] if best else title.original_title
            if name:
                found.setdefault(name, Suggestion(title_id, title.kind, name))
    return list(found.values())[:limit]


# ---------------------------------------------------------------- ways of finding


def _completed(words: list[str], viewer: rules.Viewer, visible: _Visible, limit: int) -> list[UUID]:
    """Answer a full page of the titles that a beginning of a few letters has a list of; else none."""
    if len(words) > 1 or len(words[0]) > lexemes.SHORT:
        return []
    found = visible.ids(
        _COMPLETED,
        {"prefix": words[0], "limit": limit, **_ranked_by(words, viewer), **_called(words, viewer)},
    )
    return found if len(found) == limit else []


def _find(
    words: list[str], vocabulary: mending.Vocabulary, viewer: rules.Viewer, visible: _Visible, limit: int
) -> list[UUID]:
    parameters: dict[str, Any] = {
        "words": (meant := lexemes.tsquery(words, viewer.languages)),
        "asked": meant,
        **_ranked_by(words, viewer),
        "ranked": RANKED,
        "limit": limit,
    }
    cost = vocabulary.begun + RANKING * vocabulary.expected(words)
    without_last = RANKING * vocabulary.expected(words[:-1], finished=True) if len(words) > 1 else cost
    if min(cost, without_last) > DEAR:
        name = " ".join(words)
        # Bounds and no LIKE: a plan for every name cannot use the index for a pattern that it does not know.
        named = {"name": name, "past": f"{name}{lexemes.LAST}", **_called([name], viewer)}
        leading = visible.ids(_LEADING, parameters | named)
        if len(leading) == limit:
            return leading
    if without_last < cost:
        parameters["asked"] = lexemes.tsquery(words[:-1], viewer.languages, finished=True)
    return visible.ids(_RANKED, parameters)


def _with_numbers(
    title_ids: list[UUID],
    words: list[str],
    others: list[list[str]],
    viewer: rules.Viewer,
    visible: _Visible,
    limit: int,
) -> list[UUID]:
    """Add what is found when numbers are read otherwise: after what is called as was typed, what is called so; the rest at the end."""
    called_otherwise = _those_called([" ".join(other) for other in others], viewer, visible, limit)
    called = set(_those_called([" ".join(words)], viewer, visible, limit)) if called_otherwise else set()
    own = [title_id for title_id in title_ids if title_id in called]
    found = dict.fromkeys([*own, *called_otherwise, *title_ids])
    for other in others:
        if len(found) < limit:
            found |= dict.fromkeys(_find(other, mending.known(other), viewer, visible, limit))
    return list(found)[:limit]


def _those_called(names: list[str], viewer: rules.Viewer, visible: _Visible, limit: int) -> list[UUID]:
    """Answer the titles whose whole name is one of these, best first."""
    return visible.ids(_BEST_CALLED, {"limit": limit, **_called(names, viewer)})


def _names_the_unseen(words: list[str], viewer: rules.Viewer, visible: _Visible) -> bool:
    """Say whether titles are called so, and the viewer sees none of them."""
    return visible.ids(_SEEN_OF_THOSE_CALLED, {"named": NAMED, **_called([" ".join(words)], viewer)}) == [False]


def _called(names: list[str], viewer: rules.Viewer) -> dict[str, Any]:
    """Answer by what titles are found that are called so: their first name, or another one, with an article or without."""
    articled = [one for name in names for one in spellings.articled(name, viewer.languages)]
    return {
        "articled": articled,
        "whole_names": " | ".join(f"'{lexemes.whole_name(one)}'" for one in articled),
        "named": NAMED,
    }


def _own(viewer: rules.Viewer) -> str:
    """Answer what stands before a name in the viewer's first language."""
    return f"/{spellings.language_of(viewer.languages[0]) if viewer.languages else 'en'}/"


def _ranked_by(words: list[str], viewer: rules.Viewer) -> dict[str, str]:
    """Answer what the rank looks for in the names, and in which fields it looks for the words."""
    own, name = _own(viewer), " ".join(words)
    telling = [word for word in words if not spellings.is_filler(word)] or words
    return {
        "exact": f"/ {name} /",
        "begins": f"/ {name} ",
        "within": f" {name} ",
        "typed": f"/ {name}",
        "begun": f" {words[-1]}",
        "own": own,
        "own_exact": f"{own} {name} /",
        "own_begins": f"{own} {name} ",
        "own_typed": f"{own} {name}",
        "in_names": lexemes.within("AB", words, finished=True),
        "in_names_begun": lexemes.within("AB", words),
        "in_people": lexemes.within("ABC", words),
        "some_in_names": lexemes.within("AB", telling, some=True),
    }


# How a title matches, best first; every name of it takes part, in each spelling. The more popular among equals.
# 8: a name is what was typed. 7: a name begins with it. 6: a name has it within. 5: names have all its words. 4: a name
# begins with it, the last word unfinished. 3: names have its words, the last one unfinished. 2: names and people together
# have them. 1: one of them is in a name. 0: all of them are elsewhere.
# Documents that were written before they had all names are ranked by the first one.
_TIERED = """
    (SELECT found.*, CASE
        WHEN strpos(names, %(exact)s::text) > 0 THEN 8
        WHEN strpos(names, %(begins)s::text) > 0 THEN 7
        WHEN strpos(names, %(within)s::text) > 0 THEN 6
        WHEN words @@ %(in_names)s::tsquery THEN 5
        WHEN strpos(names, %(typed)s::text) > 0 THEN 4
        WHEN words @@ %(in_names_begun)s::tsquery THEN 3
        WHEN words @@ %(in_people)s::tsquery THEN 2
        WHEN words @@ %(some_in_names)s::tsquery THEN 1
        ELSE 0 END AS tier
     FROM ({found}) AS found OFFSET 0)
"""
_READ = "title_id, coalesce(nullif(names, ''), '// ' || name || ' /') AS names, words, is_part, standing"
# An episode comes after what stands alone and has the words as whole as it has; then a name in the viewer's language
# before one in another.
_GRADED = """
    SELECT title_id, standing,
           CASE WHEN is_part THEN 32 * CASE WHEN tier >= 5 THEN 4 WHEN tier >= 3 THEN 2 ELSE -1 END + 2 * tier
                ELSE 32 * tier END
           + (strpos(CASE WHEN tier IN (4, 7, 8) THEN names ELSE split_part(split_part(names, %(own)s::text, 2), '/', 1) END,
                     CASE tier WHEN 8 THEN %(own_exact)s::text WHEN 7 THEN %(own_begins)s::text
                               WHEN 4 THEN %(own_typed)s::text WHEN 6 THEN %(within)s::text
                               ELSE %(begun)s::text END) > 0)::int AS grade
    FROM {tiered} AS tiered ORDER BY grade DESC, standing DESC, title_id LIMIT %(ranked)s
"""
_BEST = """
    SELECT candidate.title_id FROM ({graded}) AS candidate CROSS JOIN LATERAL ({{visible}}) AS seen
    ORDER BY candidate.grade DESC, candidate.standing DESC, candidate.title_id LIMIT %(limit)s
"""
_CALLED = """
    (SELECT title_id FROM catalog_searchdocument WHERE name = ANY(%(articled)s::text[]) LIMIT %(named)s)
    UNION (SELECT title_id FROM catalog_searchdocument WHERE words @@ %(whole_names)s::tsquery)
"""
# Nothing where nobody is called so.
_SEEN_OF_THOSE_CALLED = f"""
    SELECT bool_or(seen IS NOT NULL) FROM ({_CALLED}) AS candidate LEFT JOIN LATERAL ({{visible}}) AS seen ON true
"""  # noqa: S608 - our own text
_BEST_CALLED = f"""
    SELECT candidate.title_id FROM (
        SELECT title_id, standing FROM catalog_searchdocument WHERE NOT is_part AND title_id IN ({_CALLED})
    ) AS candidate CROSS JOIN LATERAL ({{visible}}) AS seen
    ORDER BY candidate.standing DESC, candidate.title_id LIMIT %(limit)s
"""  # noqa: S608 - our own text
# What is called by the letters, be it in the list or not; then names that begin with them as a word, or at all.
_COMPLETED = f"""
    SELECT candidate.title_id FROM (
        SELECT title_id, standing,
               CASE WHEN strpos(names, %(exact)s::text) > 0 THEN 6 WHEN strpos(names, %(begins)s::text) > 0 THEN 4
                    WHEN strpos(names, %(typed)s::text) > 0 THEN 2 ELSE 0 END
               + (strpos(names, %(own_typed)s::text) > 0)::int AS grade
        FROM (
            SELECT {_READ} FROM catalog_searchdocument WHERE NOT is_part AND title_id IN (
                (SELECT title_id FROM catalog_searchcompletion WHERE prefix = %(prefix)s::text) UNION {_CALLED})
        ) AS found
        ORDER BY grade DESC, standing DESC, title_id
    ) AS candidate CROSS JOIN LATERAL ({{visible}}) AS seen
    ORDER BY candidate.grade DESC, candidate.standing DESC, candidate.title_id LIMIT %(limit)s
"""  # noqa: S608 - our own text
# The index collects all that have a beginning, however few of them have the other words: where that is dearer than to
# read what has the other words, it is asked for these alone. IS TRUE keeps the second condition from it.
_MATCHES = "words @@ %(asked)s::tsquery AND (words @@ %(words)s::tsquery) IS TRUE"


def _best(found: str) -> str:
    """Answer the query for the best of what is found, up to the place of the condition of who may see it."""
    return _BEST.format(graded=_GRADED.format(tiered=_TIERED.format(found=found)))


_RANKED = _best(f"SELECT {_READ} FROM catalog_searchdocument WHERE {_MATCHES}")  # noqa: S608 - our own text
# Beside the leaders, what is called so or begins so.
_LEADING = _best(f"""
    SELECT {_READ} FROM catalog_searchdocument WHERE NOT leads AND (words @@ %(words)s::tsquery) IS TRUE AND title_id IN (
        (SELECT title_id FROM catalog_searchdocument
         WHERE name ~>=~ %(name)s::text AND name ~<~ %(past)s::text LIMIT %(named)s)
        UNION {_CALLED})
    UNION ALL
    SELECT {_READ} FROM catalog_searchdocument WHERE leads AND {_MATCHES}
""")  # noqa: S608 - our own text


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
    own = Title.objects.visible_to(sight.viewer, sight.now, searched=True).filter(pk=RawSQL("candidate.title_id", ()))
    text, values = own.order_by().values("pk").query.sql_with_params()
    named = {f"seen{number}": value for number, value in enumerate(values)}
    return f"{text % tuple(f'%({name})s' for name in named)} LIMIT 1", named, sight.now
