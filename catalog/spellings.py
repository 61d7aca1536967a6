"""The spellings under which people look for a name: pure, without database, clock or settings.

"Fast & Furious" is looked for as "fast and furious", "Rocky II" as "rocky 2", "The Office" as "office", "L'Avventura" as
"avventura", "Spider-Man" as "spiderman". What a viewer types is only folded: all that may differ is spelt out here, on
the side of the name, once for all searches.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping

from catalog import rules

LONGEST = 500
"""Characters of a spelling; no name has more."""
MOST = 12
"""Spellings of a name."""
PIECES = 20
"""A name without spaces is found by what it has up to so many characters within."""

_ARTICLES: Mapping[str, tuple[str, ...]] = {
    "ca": ("el", "la", "els", "les", "l"),
    "da": ("en", "et", "den", "det", "de"),
    "de": ("der", "die", "das", "ein", "eine"),
    "en": ("the", "a", "an"),
    "es": ("el", "la", "los", "las", "un", "una"),
    "fr": ("le", "la", "les", "un", "une", "l"),
    "hu": ("a", "az", "egy"),
    "it": ("il", "lo", "la", "i", "gli", "le", "un", "uno", "una", "l"),
    "nb": ("en", "et", "den", "det", "de"),
    "nl": ("de", "het", "een"),
    "no": ("en", "et", "den", "det", "de"),
    "pt": ("o", "a", "os", "as", "um", "uma"),
    "sv": ("en", "ett", "den", "det", "de"),
}
_AND: Mapping[str, str] = {
    "ca": "i", "cs": "a", "da": "og", "de": "und", "en": "and", "es": "y", "fi": "ja", "fr": "et", "hu": "es", "it": "e",
    "nb": "og", "nl": "en", "no": "og", "pl": "i", "pt": "e", "ro": "si", "ru": "и", "sv": "och", "tr": "ve", "uk": "\u0456",
}  # fmt: skip
_FILLERS = frozenset((*(article for articles in _ARTICLES.values() for article in articles), *_AND.values()))
# From two: "I, Robot" counts nothing. V and X alone are mostly letters, except at a name's end.
_ROMANS = {
    "ii": "2", "iii": "3", "iv": "4", "vi": "6", "vii": "7", "viii": "8", "ix": "9", "xi": "11", "xii": "12",
    "xiii": "13", "xiv": "14", "xv": "15",
}  # fmt: skip
_LAST_ROMANS = {"v": "5", "x": "10"}
_DIGITS = {digits: roman for roman, digits in (_ROMANS | _LAST_ROMANS).items()}
_NUMBERS = frozenset((*_ROMANS, *_LAST_ROMANS, *_DIGITS))
# Letters with something else than a space between them: Spider-Man, WALL·E, S.W.A.T.
_COMPOUND = re.compile(r"\w+(?:[^\w\s]\w+)+")
_APOSTROPHE = re.compile(r"(?<=\w)['`\u2019\u2018\u02bc\u00b4](?=\w)")
_AMPERSAND = re.compile(r"\s*[&\uff06]\s*")
_SPELT_OUT = str.maketrans(
    {letter: unicodedata.normalize("NFD", letter)[0] + "e" for letter in "äöüÄÖÜ"}
    | {"ø": "oe", "Ø": "Oe", "å": "aa", "Å": "Aa"}
)
# Turkish has an i without a dot, which nobody else types. Katakana is read as hiragana:
# which of them a word is written in is a matter of style.
_SAME = str.maketrans({"\u0131": "i"} | {chr(code): chr(code - 0x60) for code in range(0x30A1, 0x30F7)})
# Kana, Han, Hangul (in whole syllables and taken apart), Thai: written without spaces.
_UNSPACED = re.compile(r"[\u0e00-\u0e7f\u1100-\u11ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af]")
# Vowels and ends of Korean syllables, which no word begins with.
_WITHIN_SYLLABLES = re.compile(r"[\u1160-\u11ff]")


def fold(text: str) -> str:
    """Answer `text` as names and queries are compared: as `rules.fold` does, and what readers take for one letter as one."""
    folded = rules.fold(text)
    return folded if folded.isascii() else folded.translate(_SAME)


def language_of(tag: str) -> str:
    """Answer a tag's language without its region, in small letters."""
    return tag.partition("-")[0].lower()


def spellings(text: str, language: str) -> list[str]:
    """Answer the folded spellings of a name in a language (BCP 47), its own first; none for one of punctuation alone."""
    own = fold(text)[:LONGEST]
    if not own:
        return []
    spoken = language_of(language) or "en"
    written = [own, *_written_otherwise(text, own, spoken)]
    found: dict[str, None] = dict.fromkeys(written)
    for spelling in written:
        for other in _worded_otherwise(spelling, spoken):
            found.setdefault(other)
    return list(found)[:MOST]


def _written_otherwise(text: str, own: str, language: str) -> list[str]:
    """Answer a name with its signs read otherwise: "&" as a word, apostrophes as spaces, hyphens as nothing, umlauts in two."""
    if text.isascii() and text.replace(" ", "").isalnum():
        return []
    found = []
    if "&" in text or "\uff06" in text:
        found += [_AMPERSAND.sub(f" {word} ", text) for word in dict.fromkeys((_AND.get(language, "and"), "and"))]
    if _APOSTROPHE.search(text):
        found.append(_APOSTROPHE.sub(" ", text))
    if _COMPOUND.search(text):
        found.append(_COMPOUND.sub(lambda compound: re.sub(r"[^\w]", "", compound[0]), text))
    if not text.isascii() and (spelt := text.translate(_SPELT_OUT)) != text:
        found.append(spelt)
    folded = (fold(other)[:LONGEST] for other in found)
    return [other for other in folded if other and other != own]


def _worded_otherwise(spelling: str, language: str) -> list[str]:
    """Answer a name without its article, without its "and", with its number in other digits."""
    words = spelling.split()
    if len(words) < 2:
        return []
    found = []
    if words[0] in _ARTICLES.get(language, _ARTICLES["en"]):
        found.append(words[1:])
    joining = _AND.get(language, "and")
    if joining in words[1:-1] or "and" in words[1:-1]:
        found.append([words[0], *(word for word in words[1:-1] if word not in {joining, "and"}), words[-1]])
    if not _NUMBERS.isdisjoint(words):
        for other in [words, *found]:
            counted = [other[0], *map(_renumbered, other[1:-1]), _renumbered(other[-1], is_last=True)]
            if len(other) > 1 and counted != other:
                found.append(counted)
    return [" ".join(other) for other in found]


def _renumbered(word: str, *, is_last: bool = False) -> str:
    return _ROMANS.get(word) or (is_last and _LAST_ROMANS.get(word)) or _DIGITS.get(word, word)


def articled(name: str, languages: Iterable[str]) -> list[str]:
    """Answer a folded name as it is, and with each article that a name in these languages may begin with."""
    spoken = dict.fromkeys([*map(language_of, languages), "en"])
    articles = dict.fromkeys(article for language in spoken for article in _ARTICLES.get(language, ()))
    return [name, *(f"{article} {name}" for article in articles)]


def is_filler(word: str) -> bool:
    """Say whether a word is an article, or "and", in any language: what a memory of a name gets wrong."""
    return word in _FILLERS


def is_unspaced(word: str) -> bool:
    """Say whether a word is of a script in which a name is written without spaces."""
    return not word.isascii() and _UNSPACED.search(word) is not None


def pieces(word: str) -> list[str]:
    """Answer what a word without spaces ends with, from each place on: 生門 within 羅生門 is the beginning of one."""
    if not is_unspaced(word):
        return []
    return [word[start:] for start in range(1, min(len(word), PIECES)) if not _WITHIN_SYLLABLES.match(word[start])]
