"""What a title is found by, and what people type, as words: pure, without database, clock or settings.

Both sides are folded (see `rules.fold`) and taken apart here and nowhere else, so that they agree.
"""

from __future__ import annotations

import re
import threading
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

import Stemmer
from rapidfuzz.distance import OSA

from catalog import rules

MAX_WORD = 40
"""Longer words are no words, and are not mended."""
MAX_LEXEME = 100
"""What is longer is cut, on both sides: no name of a film is one word of a hundred letters."""
MAX_WORDS = 8
"""So many words of a query count; nobody remembers more of a name."""
MAX_QUERY = 200
"""So many characters of a query are read."""
SHORT = 3
"""Beginnings of up to so many letters are answered from completions: too many titles have them to be ranked."""

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
_threads = threading.local()
# Letters with something else than a space between them: Spider-Man, WALL·E, S.W.A.T.
_COMPOUND = re.compile(r"\w+(?:[^\w\s]\w+)+")
_UMLAUTS = str.maketrans({letter: unicodedata.normalize("NFD", letter)[0] + "e" for letter in "äöüÄÖÜ"})
_TWICE = re.compile(r"(.)\1+")
# Kana, Han, Hangul, Thai: written without spaces, so that a word within is found by what follows it.
_UNSPACED = re.compile(r"[\u0e00-\u0e7f\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af]")


# ---------------------------------------------------------------- what a title is found by


@dataclass(slots=True)
class Document:
    """What the search reads of one title: its folded first name, its lexemes, and the words to mend typos by.

    `vocabulary` names the languages that use each word, as far as that is known.
    """

    name: str = ""
    lexemes: dict[str, str] = field(default_factory=dict)
    vocabulary: dict[str, set[str]] = field(default_factory=dict)

    def vector(self) -> str:
        """Answer the lexemes as PostgreSQL reads a tsvector: they are letters and digits alone, so nothing is quoted."""
        return " ".join(
            f"{word}:{min(place, 16383)}{weight}" for place, (word, weight) in enumerate(self.lexemes.items(), 1)
        )


def document(
    *,
    names: Iterable[tuple[str, str]],
    other_names: Iterable[tuple[str, str]] = (),
    people: Iterable[str] = (),
    about: Iterable[tuple[str, str]] = (),
) -> Document:
    """Take apart what is said of a title: pairs of language and text; the first name is the one an exact search matches."""
    made = Document()
    lexemes, vocabulary = made.lexemes, made.vocabulary
    stems: list[tuple[str, list[str]]] = []
    variants: list[str] = []
    for weight, named in ((NAME, names), (OTHER_NAME, other_names)):
        for language, text in named:
            folded = rules.fold(text)
            made.name = made.name or folded[:500]
            words = _words(folded)
            _add(lexemes, words, weight)
            for word in words:
                if is_mendable(word):
                    vocabulary.setdefault(word, set()).add(language)
            stems.append((language, words))
            variants += _variants(text, folded)
    _add(lexemes, _cut(variants), OTHER_NAME)
    for name in people:
        words = _words(rules.fold(name))
        for word in words:
            if word not in lexemes:
                lexemes[word] = PERSON
            if word not in vocabulary and is_mendable(word):
                vocabulary[word] = set()
    for language, text in about:
        words = _words(rules.fold(text))
        _add(lexemes, words, ABOUT)
        stems.append((language, words))
    for language, words in stems:
        if stemmer := _stemmer(language):
            _add(lexemes, stemmer.stemWords(words), ABOUT)
    return made


def standing(*, weight: int, released: date | None) -> float:
    """Answer the place of a title among equal matches before anything is known of its popularity.

    A point of the editors' weight outdoes any date; of two titles of one weight the newer one comes first.
    """
    years = released.toordinal() / 365.25 - 1850 if released else 0.0
    return weight + max(0.0, min(years, 300.0)) / 1000


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


def _variants(text: str, folded: str) -> list[str]:
    """Answer the words of other spellings of a name: Spiderman, WALLE, gruen; 生門 within 羅生門."""
    found: list[str] = []
    if len(folded) != len(text) or not text.replace(" ", "").isalnum():
        for compound in _COMPOUND.findall(text):
            found += rules.fold(re.sub(r"[^\w]", "", compound)).split()
    if not text.isascii():
        if (spelt := text.translate(_UMLAUTS)) != text:
            found += rules.fold(spelt).split()
        for word in folded.split():
            if _UNSPACED.search(word):
                found += [word[start:] for start in range(1, min(len(word), 20))]
    return found


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
    return _cut(rules.fold(query[:MAX_QUERY].replace("\0", " ")).split()[:MAX_WORDS])


def tsquery(words: Sequence[str], languages: Iterable[str], *, finished: bool = False) -> str:
    """Answer the query that every word must meet, the last one as a beginning unless it is `finished`; stems count as
    their words.

    Words are letters and digits alone, so nothing in them can be an operator.
    """
    stemmers = [stemmer for language in dict.fromkeys([*languages, "en"]) if (stemmer := _stemmer(language))]
    return " & ".join(
        _forms(word, stemmers, is_last=place == len(words) and not finished) for place, word in enumerate(words, 1)
    )


def _forms(word: str, stemmers: Iterable[Stemmer.Stemmer], *, is_last: bool) -> str:
    stems = dict.fromkeys(stemmer.stemWord(word) for stemmer in stemmers)
    forms = [f"'{word}':*" if is_last else f"'{word}'"]
    forms += [f"'{stem}':D" for stem in stems if stem != word and len(stem) >= 3]
    return f"({' | '.join(forms)})" if len(forms) > 1 else forms[0]


def slips(word: str) -> list[str]:
    """Answer what was meant if two neighbours were swapped, or a letter typed too many: few enough to look each up."""
    swapped = {word[:at] + word[at + 1] + word[at] + word[at + 2 :] for at in range(len(word) - 1)}
    return sorted({*swapped, *(word[:at] + word[at + 1 :] for at in range(len(word)))} - {word})


def nearest(
    word: str, candidates: Mapping[str, tuple[int, Sequence[str]]], languages: Sequence[str]
) -> list[tuple[float, str]]:
    """Answer the words of the vocabulary that may have been meant by a mistyped one, likeliest first, with their mistakes.

    A swap of neighbours is one mistake, as a wrong, a missing and a superfluous letter are; a letter once instead of
    twice is half of one. Candidates come with the number of documents they are in and the languages that
    use them: among equally near ones, a word of the viewer's languages and a frequent word is likelier, and people
    seldom miss the first letter.
    """
    most = 1 if len(word) <= 4 else 2 if len(word) <= 8 else 3
    spoken = {language.partition("-")[0].lower() for language in languages}
    single = _TWICE.sub(r"\1", word)
    found = []
    for candidate, (documents, used_in) in candidates.items():
        distance = OSA.distance(word, candidate, score_cutoff=most)
        if distance > most:
            continue
        mistakes = 0.5 if single == _TWICE.sub(r"\1", candidate) else float(distance)
        mistakes += 0.5 * (word[0] != candidate[0])
        is_foreign = bool(used_in) and not any(tag.partition("-")[0].lower() in spoken for tag in used_in)
        found.append(((mistakes, is_foreign, -documents, candidate), candidate))
    return [(rank[0], candidate) for rank, candidate in sorted(found)]
