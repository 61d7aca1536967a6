"""Finding out what was meant by words that nobody has typed right: asked of the vocabulary, a round for all words."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise, product

from catalog import lexemes
from core import prepared

CANDIDATES = 40
"""Words of the vocabulary that a mistyped word is compared with."""
BEGUN = 500
"""Words that begin alike, which one of other letters than ASCII is compared with."""
RARE = 50
"""A word of at most so many titles may be a slip for another, when nothing matches."""
OPTIONS = 3
"""So many words may be meant by one."""
COMBINATIONS = 8
"""So many mended queries are tried."""
MEANT = 4
"""So many of them are searched for."""
SHARED_TRIGRAMS = (0.4, 0.25)
"""Shares of trigrams in common with what was meant, tried in turn; two swapped letters cost most of six."""


@dataclass(frozen=True)
class Vocabulary:
    """What is known of the words of one query, and of neighbours as one word.

    `documents` counts the titles of each known word; of the unfinished last one, of the most frequent word that
    begins so. `begun` counts those of all such words together, `total` all documents.
    """

    documents: Mapping[str, int]
    begun: int
    total: int

    def expected(self, words: Sequence[str], *, finished: bool = False) -> float:
        """Answer about how many titles match, as if words had nothing to do with each other.

        A word that no name contains is taken for rare. Of finished words the last one is no beginning either.
        """
        counts = [self.documents.get(word, 1) for word in words]
        if not finished:
            counts[-1] = self.begun
        expected = float(self.total)
        for count in counts:
            expected *= min(count / self.total, 1.0)
        return expected


def known(words: Sequence[str]) -> Vocabulary:
    """Answer what the vocabulary knows of a query's words."""
    unfinished = words[-1]
    with prepared.cursor() as cursor:
        cursor.execute(
            """
            SELECT word, documents::bigint FROM catalog_searchword WHERE word = ANY(%(words)s::text[])
            UNION ALL
            SELECT '', sum(documents) FROM (
                SELECT documents FROM catalog_searchword
                WHERE word ~>=~ %(first)s::text AND word ~<~ %(past)s::text LIMIT 1000
            ) AS begun
            UNION ALL
            SELECT '+', max(documents) FROM (
                SELECT documents FROM catalog_searchword
                WHERE word ~>=~ %(first)s::text AND word ~<~ %(past)s::text LIMIT 100
            ) AS begun
            UNION ALL
            SELECT '#', greatest(reltuples, 1)::bigint FROM pg_class WHERE oid = 'catalog_searchdocument'::regclass
            """,
            {"words": sorted({*words, *_pairs(words)}), "first": unfinished, "past": f"{unfinished}{lexemes.LAST}"},
        )
        found: dict[str, int] = {word: int(documents or 0) for word, documents in cursor.fetchall()}
    total, begun, most = found.pop("#"), found.pop(""), found.pop("+")
    if most:
        found[unfinished] = max(most, found.get(unfinished, 0))
    return Vocabulary(found, begun or 1, max(total, 1))


def mended(words: list[str], vocabulary: Vocabulary, languages: Sequence[str]) -> list[list[str]]:
    """Answer other queries that may have been meant and that some title has, likeliest first.

    Neighbours joined; mistyped words mended, each by what is nearest; what nobody knows left out.
    """
    documents = vocabulary.documents
    joined = _joined(words, documents)
    # A slip may be a rare word by chance, such as somebody's name.
    doubted = {word for word in joined if word not in documents or (len(joined) > 1 and documents[word] <= RARE)}
    near = _near(doubted, languages)
    options = [_options(word, documents, near[word]) if word in doubted else [(0.0, word)] for word in joined]
    likeliest = sorted(product(*options), key=lambda choice: sum(mistakes for mistakes, _ in choice))
    kept = [ranked[0][1] for word, ranked in zip(joined, options, strict=True) if word in documents or ranked[0][0]]
    tried = [joined, *([word for _, word in choice] for choice in likeliest[:COMBINATIONS]), kept]
    tried = [other for place, other in enumerate(tried) if other and other != words and other not in tried[:place]]
    return _somewhere(tried, words[-1], languages)


def _options(word: str, documents: Mapping[str, int], near: Sequence[tuple[float, str]]) -> list[tuple[float, str]]:
    """Answer what may be meant by a doubted word, with the mistakes that would be made."""
    others = [(mistakes, other) for mistakes, other in near if other != word][:OPTIONS]
    if word in documents:
        return [(0.0, word), *((mistakes + 1, other) for mistakes, other in others if mistakes <= 1)]
    return others or [(0.0, word)]


def _somewhere(queries: list[list[str]], unfinished: str, languages: Sequence[str]) -> list[list[str]]:
    """Answer the first queries, up to MEANT, that any title matches, whoever may see it; one round for all.

    A last word that was mended is a whole one: to look for all that begins so would take longest.
    """
    if not queries:
        return []
    asked = [lexemes.tsquery(words, languages, finished=words[-1] != unfinished) for words in queries]
    with prepared.cursor() as cursor:
        # Without an order, so that it stops at the limit; the rows of a function come as they are.
        cursor.execute(
            "SELECT place FROM unnest(%s::text[]) WITH ORDINALITY AS tried (words, place)"
            " WHERE EXISTS (SELECT FROM catalog_searchdocument AS document WHERE document.words @@ tried.words::tsquery)"
            " LIMIT %s",
            [asked, MEANT],
        )
        return [queries[place - 1] for (place,) in sorted(cursor.fetchall())]


def _pairs(words: Sequence[str]) -> list[str]:
    return [one + other for one, other in pairwise(words)]


def _joined(words: list[str], documents: Mapping[str, int]) -> list[str]:
    """Join neighbours that are one word in the vocabulary: "spider man" for Spiderman."""
    joined: list[str] = []
    for word in words:
        if joined and joined[-1] + word in documents:
            joined[-1] += word
        else:
            joined.append(word)
    return joined


def _near(words: Collection[str], languages: Sequence[str]) -> dict[str, list[tuple[float, str]]]:
    """Answer the words of the vocabulary that are near to each, nearest first, with the mistakes between them."""
    near: dict[str, list[tuple[float, str]]] = {word: [] for word in words}
    for shared in SHARED_TRIGRAMS:
        # A letter more or less changes most of a short word's trigrams.
        left = [
            word
            for word, found in near.items()
            if not found and lexemes.is_mendable(word) and (len(word) > 5 or shared == SHARED_TRIGRAMS[-1])
        ]
        for word, candidates in _alike(left, shared).items():
            near[word] = lexemes.nearest(word, candidates, languages)
    return near


def _alike(words: Sequence[str], shared: float) -> dict[str, dict[str, tuple[int, list[str]]]]:
    """Answer the words of the vocabulary that are a slip away from each word, or share so much of its trigrams."""
    found: dict[str, dict[str, tuple[int, list[str]]]] = {word: {} for word in words}
    if not words:
        return found
    slips = [(word, slip) for word in words for slip in lexemes.slips(word)]
    # In most databases only ASCII letters make trigrams; others' first two are seldom wrong.
    foreign = [word for word in words if not word.isascii()]
    with prepared.cursor() as cursor:
        # The threshold of % is the session's: set first, since what is searched for depends on it.
        cursor.execute(
            """
            WITH threshold AS MATERIALIZED (
                SELECT set_config('pg_trgm.similarity_threshold', %(shared)s::text, true) AS shared
            )
            SELECT asked.word, alike.word, alike.documents, alike.languages
            FROM threshold CROSS JOIN unnest(%(words)s::text[]) AS asked (word)
            CROSS JOIN LATERAL (
                SELECT word, documents, languages FROM catalog_searchword
                WHERE word %% (asked.word || left(threshold.shared, 0))
                ORDER BY similarity(word, asked.word) DESC, documents DESC LIMIT %(candidates)s
            ) AS alike
            UNION ALL
            SELECT asked.word, begun.word, begun.documents, begun.languages
            FROM unnest(%(foreign)s::text[], %(first)s::text[], %(past)s::text[]) AS asked (word, first, past)
            CROSS JOIN LATERAL (
                SELECT word, documents, languages FROM catalog_searchword
                WHERE word ~>=~ asked.first AND word ~<~ asked.past
                AND length(word) BETWEEN length(asked.word) - 2 AND length(asked.word) + 2
                ORDER BY documents DESC LIMIT %(begun)s
            ) AS begun
            UNION ALL
            SELECT asked.word, known.word, known.documents, known.languages
            FROM unnest(%(slipped)s::text[], %(slips)s::text[]) AS asked (word, slip)
            JOIN catalog_searchword AS known ON known.word = asked.slip
            """,
            {
                "shared": str(shared),
                "words": list(words),
                "candidates": CANDIDATES,
                "foreign": foreign,
                "first": [word[:2] for word in foreign],
                "past": [word[:2] + lexemes.LAST for word in foreign],
                "begun": BEGUN,
                "slipped": [word for word, _ in slips],
                "slips": [slip for _, slip in slips],
            },
        )
        for word, candidate, documents, languages in cursor.fetchall():
            found[word][candidate] = (documents, languages)
    return found
