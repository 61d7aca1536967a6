"""What a title is found by, and what people type, as words: pure, without database, clock or settings.

Both sides are folded (see `spellings.fold`) and taken apart here and nowhere else, so that they agree.
"""

from __future__ import annotations

import math
import re
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import lru_cache
from itertools import accumulate, islice, takewhile

import Stemmer
from rapidfuzz.distance import OSA

from catalog import spellings

MAX_WORD = 40
"""Longer words are no words, and are not mended."""
MAX_LEXEME = 100
"""What is longer is cut, on both sides: no name of a film is one word of a hundred letters."""
MAX_VECTOR = 1_000_000
"""PostgreSQL refuses a tsvector of a little more bytes."""
MAX_WORDS = 8
"""So many words of a query count; nobody remembers more of a name."""
MAX_QUERY = 200
"""So many characters of a query are read."""
SHORT = 3
"""Beginnings of up to so many letters are answered from completions: too many titles have them to be ranked."""

SHORT_WORD = 4
"""In a word of up to so many letters there is one mistake at most."""

_PLACE = 8
"""Bytes beside its letters that a lexeme with one place takes, at most."""

LAST = "\U0010ffff"
"""What sorts after every letter: what begins with a word lies between the word and the word with this."""

NAME, OTHER_NAME, PERSON, ABOUT = "A", "B", "C", "D"
"""Weights of tsvector: an own name counts most, then another one, then people, then what it is about."""

_STEMMERS = {
    "ar": "arabic", "ca": "catalan", "da": "danish", "de": "german", "el": "greek", "en": "english", "es": "spanish",
    "eu": "basque", "fi": "finnish", "fr": "french", "ga": "irish", "hi": "hindi", "hu": "hungarian",
    "hy": "armenian", "id": "indonesian", "it": "italian", "lt": "lithuanian", "ne": "nepali", "nb": "norwegian",
    "nl": "dutch", "nn": "norwegian", "no": "norwegian", "pt": "portuguese", "ro": "romanian", "ru": "russian",
    "sr": "serbian", "sv": "swedish", "ta": "tamil", "tr": "turkish", "yi": "yiddish",
}  # fmt: skip
_NO_LANGUAGE: frozenset[str] = frozenset()
_threads = threading.local()
_LATIN = "abcdefghijklmnopqrstuvwxyz"
_TWICE = re.compile(r"(.)\1+")


# ---------------------------------------------------------------- what a title is found by


@dataclass(slots=True)
class Document:
    """What the search reads of one title: its folded first name, all names, its lexemes, and the words to mend typos by.

    `spelt` has each spelling of each name with its language. `vocabulary` names the languages that use each word, as far
    as that is known.
    """

    name: str = ""
    spelt: dict[tuple[str, str], None] = field(default_factory=dict)
    lexemes: dict[str, str] = field(default_factory=dict)
    vocabulary: dict[str, frozenset[str]] = field(default_factory=dict)

    def names(self) -> str:
        """Answer all names as the rank looks into them: "/en/ copper moon /de/ kupfermond /"."""
        return "".join(f"/{language}/ {spelling} " for language, spelling in self.spelt) + "/" if self.spelt else ""

    def vector(self) -> str:
        """Answer the lexemes as PostgreSQL reads a tsvector, as many as one holds: nothing in them needs to be quoted."""
        lexemes = self.lexemes.items()
        if len(lexemes) > MAX_VECTOR // (4 * MAX_LEXEME + _PLACE):
            ends = accumulate(len(word.encode()) + _PLACE for word in self.lexemes)
            lexemes = dict(islice(lexemes, sum(1 for _ in takewhile(MAX_VECTOR.__ge__, ends)))).items()
        return " ".join([f"{word}:{min(place, 16383)}{weight}" for place, (word, weight) in enumerate(lexemes, 1)])


def document(
    *,
    names: Iterable[tuple[str, str]],
    other_names: Iterable[tuple[str, str]] = (),
    people: Iterable[str] = (),
    about: Iterable[tuple[str, str]] = (),
    is_part: bool = False,
) -> Document:
    """Take apart what is said of a title: pairs of language and text. Of a part only the first name is found as a whole."""
    made = Document()
    lexemes, vocabulary = made.lexemes, made.vocabulary
    stems: list[tuple[str, list[str]]] = []
    others: list[str] = []
    whole: dict[str, None] = {}
    for weight, named in ((NAME, names), (OTHER_NAME, other_names)):
        for language, text in named:
            spelt = spellings.spellings(text, language)
            if not spelt:
                continue
            spoken = spellings.language_of(language)
            for spelling in spelt:
                made.spelt[spoken, spelling] = None
                if spelling is not spelt[0]:
                    others += spelling.split()
            if not made.name:
                made.name = spelt[0]
            elif spelt[0] != made.name:
                whole[spelt[0]] = None
            words = _words(spelt[0])
            _add(lexemes, words, weight)
            for word in words:
                if is_mendable(word):
                    vocabulary[word] = together(vocabulary.get(word, _NO_LANGUAGE), _only(language))
                if not word.isascii():
                    others += spellings.pieces(word)
            stems.append((language, words))
    _add(lexemes, _cut(others), OTHER_NAME)
    for name in people:
        words = _words(spellings.fold(name))
        for word in words:
            if word not in lexemes:
                lexemes[word] = PERSON
            if word not in vocabulary and is_mendable(word):
                vocabulary[word] = _NO_LANGUAGE
    for language, text in about:
        words = _words(spellings.fold(text))
        _add(lexemes, words, ABOUT)
        stems.append((language, words))
    for language, words in stems:
        if stemmer := _stemmer(language):
            _add(lexemes, stemmer.stemWords(words), ABOUT)
    if not is_part:
        _add(lexemes, map(whole_name, whole), ABOUT)
    return made


def whole_name(name: str) -> str:
    """Answer the one lexeme by which a whole folded name is found that is not a title's first."""
    return f"={name[:MAX_LEXEME].replace(' ', '_')}"


def standing(*, weight: int, released: date | None) -> float:
    """Answer the place of a title among equal matches before anything is known of its popularity.

    A point of the editors' weight outdoes any date; of two titles of one weight the newer one comes first.
    """
    years = released.toordinal() / 365.25 - 1850 if released else 0.0
    return weight + max(0.0, min(years, 300.0)) / 1000


@lru_cache(maxsize=1000)
def _only(language: str) -> frozenset[str]:
    """Answer one set for all words: a title has dozens of them, most of one language."""
    return frozenset((language,))


def together(languages: frozenset[str], more: frozenset[str]) -> frozenset[str]:
    """Answer both, as one of them where that has all."""
    return languages if languages >= more else more if more >= languages else languages | more


def is_mendable(word: str) -> bool:
    """Say whether a word belongs into the vocabulary by which typos are mended."""
    return 3 <= len(word) <= MAX_WORD and not word.isdecimal()


def _add(lexemes: dict[str, str], words: Iterable[str], weight: str) -> None:
    for word in words:
        if word not in lexemes:
            lexemes[word] = weight


def _words(folded: str) -> list[str]:
    words = folded.split()
    return words if len(folded) <= MAX_LEXEME else _cut(words)


def _cut(words: list[str]) -> list[str]:
    return [word[:MAX_LEXEME] for word in words] if any(len(word) > MAX_LEXEME for word in words) else words


def _stemmer(language: str) -> Stemmer.Stemmer | None:
    name = _STEMMERS.get(language.partition("-")[0].lower())
    if name is None:
        return None
    # One a thread: a stemmer keeps what it has worked out, and is not made for two at once.
    own: dict[str, Stemmer.Stemmer] = _threads.__dict__
    return own.get(name) or own.setdefault(name, Stemmer.Stemmer(name))


# ---------------------------------------------------------------- what people type


def query_words(query: str) -> list[str]:
    """Answer the words of a query; none for one of nothing but punctuation, emoji or white space."""
    return _cut(spellings.fold(query[:MAX_QUERY].replace("\0", " ")).split()[:MAX_WORDS])


def tsquery(words: Sequence[str], languages: Iterable[str], *, finished: bool = False) -> str:
    """Answer the query that every word must meet, the last one as a beginning unless it is `finished`; stems count as
    their words.

    Words are letters and digits alone, so nothing in them can be an operator.
    """
    stemmers = [stemmer for language in dict.fromkeys([*languages, "en"]) if (stemmer := _stemmer(language))]
    return " & ".join(
        _forms(word, stemmers, is_begun=_is_begun(words, place, finished=finished)) for place, word in enumerate(words)
    )


def within(weights: str, words: Sequence[str], *, finished: bool = False, some: bool = False) -> str:
    """Answer the query that every word, or `some` word, is met in the fields of these weights, without stems."""
    return (" | " if some else " & ").join(
        f"'{word}':{'*' if _is_begun(words, place, finished=finished) else ''}{weights}"
        for place, word in enumerate(words)
    )


def _is_begun(words: Sequence[str], place: int, *, finished: bool) -> bool:
    """Say whether a word may be but the beginning of one: the last one, and what is written without spaces."""
    return (place == len(words) - 1 and not finished) or spellings.is_unspaced(words[place])


def _forms(word: str, stemmers: Iterable[Stemmer.Stemmer], *, is_begun: bool) -> str:
    stems = dict.fromkeys(stemmer.stemWord(word) for stemmer in stemmers)
    forms = [f"'{word}':*" if is_begun else f"'{word}'"]
    # A stem that is a word of a name counts as well: "tides" for Tide.
    forms += [f"'{stem}'" for stem in stems if stem != word and len(stem) >= 3]
    return f"({' | '.join(forms)})" if len(forms) > 1 else forms[0]


def slips(word: str) -> list[str]:
    """Answer what was meant if two neighbours were swapped, or a letter typed too many; of a word of few Latin letters, also
    if one was left out or wrong: few enough to look each up."""
    found = {word[:at] + word[at + 1] + word[at] + word[at + 2 :] for at in range(len(word) - 1)}
    found |= {word[:at] + word[at + 1 :] for at in range(len(word))}
    if is_looked_up(word):
        found |= {word[:at] + letter + word[at:] for at in range(len(word) + 1) for letter in _LATIN}
        found |= {word[:at] + letter + word[at + 1 :] for at in range(len(word)) for letter in _LATIN}
    return sorted(found - {word})


def is_looked_up(word: str) -> bool:
    """Say whether all words that are one mistake away are `slips` of a word: so few letters make too few trigrams."""
    return len(word) <= SHORT_WORD and word.isascii()


def nearest(
    word: str, candidates: Mapping[str, tuple[int, Sequence[str]]], languages: Sequence[str]
) -> list[tuple[float, str]]:
    """Answer the words of the vocabulary that may have been meant by a mistyped one, likeliest first, with their mistakes.

    A swap of neighbours is one mistake, as a wrong, a missing and a superfluous letter are; a letter once instead of
    twice is half of one. Candidates come with the number of documents they are in and the languages that
    use them: a word of the viewer's languages and a frequent word is likelier, ten times as frequent as much as a tenth
    of a mistake, and people seldom miss the first letter.
    """
    most = 1 if len(word) <= SHORT_WORD else 2 if len(word) <= 8 else 3
    spoken = {spellings.language_of(language) for language in languages}
    single = _TWICE.sub(r"\1", word)
    found = []
    for candidate, (documents, used_in) in candidates.items():
        distance = OSA.distance(word, candidate, score_cutoff=most)
        if distance > most:
            continue
        mistakes = 0.5 if single == _TWICE.sub(r"\1", candidate) else float(distance)
        mistakes += 0.5 * (word[0] != candidate[0])
        if used_in and not any(spellings.language_of(tag) in spoken for tag in used_in):
            mistakes += 0.4
        mistakes -= min(0.1 * math.log10(max(documents, 1)), 0.4)
        found.append((max(mistakes, 0.1), candidate))
    return sorted(found)


def splits(word: str) -> list[tuple[str, str]]:
    """Answer the pairs of words that one without a space may be."""
    return [(word[:at], word[at:]) for at in range(1, len(word))]
