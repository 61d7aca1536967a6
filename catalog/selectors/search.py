"""Finding titles by what people type."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from difflib import SequenceMatcher

from django.contrib.postgres.search import SearchQuery, SearchRank
from django.db import connection, transaction
from django.db.models import Case, F, Value, When
from django.db.models.expressions import OrderBy

from catalog import rules
from catalog.models import Title
from catalog.selectors.titles import with_cards

MAX_WORDS = 8
CANDIDATES = 50
SHARED_TRIGRAMS = 0.2
"""A mistyped word shares at least so many of its trigrams with what was meant; two swapped letters cost most of six."""
ALIKE = 0.6
"""The least ratio of matching letters at which a word stands for another."""


@dataclass(frozen=True)
class Found:
    """What a search answers. `corrected` is the query that was answered instead, if one was."""

    titles: list[Title]
    corrected: str | None


def search(query: str, viewer: rules.Viewer, now: datetime, *, limit: int = 30) -> Found:
    """Find titles the viewer may watch now, best first: by name, other names, people, subjects.

    Accents, capitals and punctuation do not count; the last word may be unfinished. When nothing
    matches, words are mended by the vocabulary and the search is made again.
    """
    folded = rules.fold(query[:200])
    words = folded.split()[:MAX_WORDS]
    if not words:
        return Found([], None)
    titles = _matching(words, viewer, now, limit)
    if titles:
        return Found(titles, None)
    mended = [_mended(word) for word in words]
    if mended == words:
        return Found([], None)
    titles = _matching(mended, viewer, now, limit)
    return Found(titles, " ".join(mended) if titles else None)


def _matching(words: list[str], viewer: rules.Viewer, now: datetime, limit: int) -> list[Title]:
    # Folded words are letters and digits alone, so nothing in them can be an operator.
    raw = " & ".join([*(f"'{word}'" for word in words[:-1]), f"'{words[-1]}':*"])
    query = SearchQuery(raw, search_type="raw", config="simple")
    name = " ".join(words)
    exactness = Case(
        When(search_document__name=name, then=Value(2)),
        When(search_document__name__startswith=name, then=Value(1)),
        default=Value(0),
    )
    found = Title.objects.browsable_by(viewer, now).filter(search_document__words=query)
    ranked = found.annotate(
        exactness=exactness,
        rank=SearchRank(F("search_document__words"), query, weights=[0.05, 0.3, 0.6, 1.0], normalization=Value(1)),
    )
    order: list[str | OrderBy] = [
        "-exactness",
        "-rank",
        "-search_document__popularity",
        F("release_date").desc(nulls_last=True),
        "pk",
    ]
    return list(with_cards(ranked.order_by(*order)[:limit]))


def _mended(word: str) -> str:
    """Answer the word of the vocabulary that was most likely meant; the word itself when it is one, or none is near."""
    if len(word) < 3:
        return word
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL pg_trgm.similarity_threshold = %s", [SHARED_TRIGRAMS])
        cursor.execute(
            "SELECT word, documents FROM catalog_searchword WHERE word %% %s"
            " ORDER BY similarity(word, %s) DESC, documents DESC LIMIT %s",
            [word, word, CANDIDATES],
        )
        candidates = cursor.fetchall()
    best = max(
        ((SequenceMatcher(None, word, candidate).ratio(), documents, candidate) for candidate, documents in candidates),
        default=(0.0, 0, word),
    )
    return best[2] if best[0] >= ALIKE else word
