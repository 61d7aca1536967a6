"""Finding out what was meant by words that nobody has typed right: asked of the vocabulary, a round for all words."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from catalog import lexemes, spellings
from core import prepared

CANDIDATES = 40
"""Words of the vocabulary that a mistyped word is compared with."""
BEGUN = 500
"""Words that begin alike, which one of other letters than ASCII is compared with."""
RARE = 50
"""A word of at most so many titles is the first to be doubted, when nothing matches."""
OPTIONS = 8
"""So many words may be meant by one."""
NEIGHBOURS = 40
"""So many are looked for together with the other words, if they are more."""
READINGS = 16
"""So many mended queries are looked for in the catalogue."""
MEANT = 4
"""So many of them are searched for."""
SAMPLE = 100
"""So many titles that have a mended query's words are asked where they have them."""
SHARED_TRIGRAMS = (0.4, 0.25)
"""Shares of trigrams in common with what was meant, tried in turn; two swapped letters cost most of six."""

# What it costs to read a query otherwise, in mistakes: a wrong letter is one.
JOINED, SPLIT, SPLIT_SHORT, DOUBTED = 0.6, 0.8, 1.2, 0.6
"""A space too many, a space too few, one of whose words is too short to be known; a known word taken for another."""
SWAPPED_SHORT = 1.0
"""Two letters, too short to be known, the other way round."""
INITIALS = 3
"""Up to so many letters that nobody knows may be somebody's initials, before a name."""
KEPT_UNKNOWN, LEFT_OUT_FILLER, LEFT_OUT_UNKNOWN, LEFT_OUT = 1.0, 0.8, 2.0, 2.6
"""A word that no name has but some synopsis may have; a word left out: an article, one that nobody knows, any other."""
DEAREST = 3.5
"""What costs more would surprise whoever typed it more than finding nothing."""
CALLED_SO, IN_PEOPLE, ELSEWHERE = -0.6, 0.4, 1.2
"""Added where the words are: they are a whole name; people and names share them; some are elsewhere."""


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

    Mistyped words are read as what is near, and the better the more frequent that is; with a space more or less; or not at
    all. What the words are together decides: they count more where they are a name than where they are scattered. Words
    that nobody knows are doubted first, then rare ones with them, since a slip may be somebody's name by chance; then all; at
    last, words of two letters are read the other way round.
    """
    documents = vocabulary.documents
    unknown = {word for word in words if word not in documents}
    rare = {word for word in words if documents.get(word, 0) <= RARE} if len(words) > 1 else unknown
    every = {word for word in words if not spellings.is_filler(word)} if len(words) > 1 else unknown
    swapped = {word for word in words if len(word) == 2 and word.isalpha()}
    found: list[list[str]] = []
    asked: list[tuple[set[str], set[str]]] = []
    for doubted in ((unknown | rare, set[str]()), (unknown | every, set[str]()), (unknown | every, swapped)):
        if not found and doubted not in asked:
            asked.append(doubted)
            found = _somewhere(_readings(words, *doubted, documents, languages), words, languages)
    return found


@dataclass(frozen=True)
class _Reading:
    """Another way to read a query or its beginning, and what that costs."""

    cost: float
    words: tuple[str, ...]


def _readings(
    words: list[str],
    doubted: Collection[str],
    swapped: Collection[str],
    documents: Mapping[str, int],
    languages: Sequence[str],
) -> list[_Reading]:
    """Answer the cheapest ways to read a query otherwise than it was typed."""
    near = _in_context(words, _near(doubted, languages), documents)
    split = _split(doubted, words[-1])
    # The best beginnings up to each word, from the first one to the last.
    best: list[list[_Reading]] = [[_Reading(0.0, ())], *([] for _ in words)]
    for place, word in enumerate(words):
        options = [*_options(word, documents, near.get(word, ())), *split.get(word, ())]
        if word in swapped:
            options.append(_Reading(SWAPPED_SHORT, (word[::-1],)))
        if word not in documents and place < len(words) - 1 and _may_be_initials(word):
            options.append(_Reading(SPLIT_SHORT, tuple(word)))
        best[place + 1] += [
            _Reading(begun.cost + option.cost, begun.words + option.words)
            for begun in best[place]
            for option in options
        ]
        # Initials come with spaces or without: J. J. Abrams, JJ Abrams.
        if place and ((joined := words[place - 1] + word) in documents or len(joined) == 2):
            best[place + 1] += [_Reading(begun.cost + JOINED, (*begun.words, joined)) for begun in best[place - 1]]
        best[place + 1] = _cheapest(best[place + 1])
    others = [reading for reading in best[-1] if reading.words != tuple(words) and _is_telling(reading)]
    return [reading for reading in others[:READINGS] if reading.cost <= DEAREST]


def _may_be_initials(word: str) -> bool:
    return 2 <= len(word) <= INITIALS and word.isascii() and word.isalpha()


def _is_telling(reading: _Reading) -> bool:
    """Say whether something is left to look for: a letter or two were in every second title."""
    return any(lexemes.is_mendable(word) or spellings.is_unspaced(word) for word in reading.words)


def _cheapest(readings: Sequence[_Reading]) -> list[_Reading]:
    found: dict[tuple[str, ...], _Reading] = {}
    for reading in sorted(readings, key=lambda reading: (reading.cost, reading.words)):
        found.setdefault(reading.words, reading)
    # More than are asked for: the query as it was typed is among them.
    return list(found.values())[: READINGS + 1]


def _in_context(
    words: Sequence[str], near: Mapping[str, list[tuple[float, str]]], documents: Mapping[str, int]
) -> Mapping[str, list[tuple[float, str]]]:
    """Keep, of more words than may be meant by one, those that some title has together with the other words.

    Few letters are near to many words, and the one that is meant is seldom the most frequent.
    """
    many = {word: {other for _, other in found[:NEIGHBOURS]} for word, found in near.items() if len(found) > OPTIONS}
    if not many or len(words) == 1:
        return near
    groups = []
    for word in words:
        meant = [other for _, other in near.get(word, ())[:NEIGHBOURS]]
        if (meant or word in documents) and not spellings.is_filler(word):
            groups.append(" | ".join(f"'{other}'" for other in [word, *meant]))
    with prepared.cursor() as cursor:
        cursor.execute(
            """
            SELECT DISTINCT word FROM (
                SELECT words FROM catalog_searchdocument AS document WHERE document.words @@ %s::tsquery LIMIT %s
            ) AS sample CROSS JOIN LATERAL unnest(tsvector_to_array(ts_filter(sample.words, '{a,b,c}'))) AS word
            WHERE word = ANY(%s::text[])
            """,
            [" & ".join(f"({group})" for group in groups), SAMPLE, sorted(set().union(*many.values()))],
        )
        together = {word for (word,) in cursor.fetchall()}
    return {
        word: [one for one in found if one[1] in together] or found if word in many else found
        for word, found in near.items()
    }


def _options(word: str, documents: Mapping[str, int], near: Sequence[tuple[float, str]]) -> list[_Reading]:
    """Answer what one word may be: itself, a near one, nothing."""
    # What is too short to be in the vocabulary is taken for right.
    is_known = word in documents or not lexemes.is_mendable(word)
    others = [(mistakes, other) for mistakes, other in near if other != word]
    left_out = LEFT_OUT_FILLER if spellings.is_filler(word) else LEFT_OUT if is_known else LEFT_OUT_UNKNOWN
    return [
        _Reading(0.0 if is_known else KEPT_UNKNOWN, (word,)),
        _Reading(left_out, ()),
        *(_Reading(mistakes + DOUBTED * is_known, (other,)) for mistakes, other in others[:OPTIONS]),
    ]


def _split(words: Collection[str], unfinished: str) -> dict[str, list[_Reading]]:
    """Answer the pairs of known words that each may be without its space; the last word's second may be unfinished."""
    found: dict[str, list[_Reading]] = {
        word: [
            *(_Reading(SPLIT, pair) for pair in lexemes.splits(word)),
            *(_Reading(SPLIT + 1, (before, after[1:])) for before, after in lexemes.splits(word) if len(after) > 1),
        ]
        for word in words
        if spellings.is_unspaced(word)
    }
    left = [word for word in words if word not in found and 4 <= len(word) <= lexemes.MAX_WORD]
    if not left:
        return found
    halves = sorted({half for word in left for pair in lexemes.splits(word) for half in pair if len(half) > 2})
    begun = [after for _, after in lexemes.splits(unfinished) if len(after) > 2] if unfinished in left else []
    with prepared.cursor() as cursor:
        cursor.execute(
            """
            SELECT word, documents FROM catalog_searchword WHERE word = ANY(%(halves)s::text[])
            UNION ALL
            SELECT asked.first || '*', known.documents
            FROM unnest(%(first)s::text[], %(past)s::text[]) AS asked (first, past) CROSS JOIN LATERAL (
                SELECT documents FROM catalog_searchword
                WHERE word ~>=~ asked.first AND word ~<~ asked.past LIMIT 1
            ) AS known
            """,
            {"halves": halves, "first": begun, "past": [half + lexemes.LAST for half in begun]},
        )
        known: dict[str, int] = dict(cursor.fetchall())
    for word in left:
        readings = []
        for before, after in lexemes.splits(word):
            counts = [known.get(before), known.get(after) or (known.get(f"{after}*") if word == unfinished else None)]
            if all(counts):
                rarer = min(count for count in counts if count)
                readings.append(_Reading(SPLIT - min(0.1 * math.log10(rarer), 0.4), (before, after)))
            elif any(counts) and min(len(before), len(after)) <= 2:
                readings.append(_Reading(SPLIT_SHORT, (before, after)))
        found[word] = sorted(readings, key=lambda reading: reading.cost)[:OPTIONS]
    return found


def _somewhere(readings: Sequence[_Reading], words: Sequence[str], languages: Sequence[str]) -> list[list[str]]:
    """Answer the readings, up to MEANT, that any title has, whoever may see it, by cost and where it has them.

    A last word that was mended is a whole one: to look for all that begins so would take longest.
    """
    if not readings:
        return []
    finished = [reading.words[-1] != words[-1] and not words[-1].endswith(reading.words[-1]) for reading in readings]
    asked = list(zip(readings, finished, strict=True))
    with prepared.cursor() as cursor:
        # Without an order, so that it stops at the limit; the rows of a function come as they are.
        cursor.execute(
            """
            SELECT place, met.is_name OR EXISTS (
                       SELECT FROM catalog_searchdocument AS document WHERE document.name = tried.name),
                   met.in_names, met.in_people
            FROM unnest(%s::text[], %s::text[], %s::text[], %s::text[]) WITH ORDINALITY
                 AS tried (words, name, in_names, in_people, place)
            CROSS JOIN LATERAL (
                SELECT bool_or(strpos(sample.names, '/ ' || tried.name || ' /') > 0) AS is_name,
                       bool_or(sample.words @@ tried.in_names::tsquery) AS in_names,
                       bool_or(sample.words @@ tried.in_people::tsquery) AS in_people
                FROM (SELECT names, words FROM catalog_searchdocument AS document
                      WHERE document.words @@ tried.words::tsquery LIMIT %s) AS sample
            ) AS met
            WHERE met.in_names IS NOT NULL
            """,
            [
                [lexemes.tsquery(reading.words, languages, finished=is_whole) for reading, is_whole in asked],
                [" ".join(reading.words) for reading in readings],
                [lexemes.within("AB", reading.words, finished=is_whole) for reading, is_whole in asked],
                [lexemes.within("ABC", reading.words, finished=is_whole) for reading, is_whole in asked],
                SAMPLE,
            ],
        )
        found = []
        for place, is_name, in_names, in_people in cursor.fetchall():
            where = CALLED_SO if is_name else 0.0 if in_names else IN_PEOPLE if in_people else ELSEWHERE
            found.append((readings[place - 1].cost + where, place))
    return [list(readings[place - 1].words) for _, place in sorted(found)[:MEANT]]


def _pairs(words: Sequence[str]) -> list[str]:
    return [one + other for one, other in pairwise(words)]


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
                "words": [word for word in words if not lexemes.is_looked_up(word)],
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
