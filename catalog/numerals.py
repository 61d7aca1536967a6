"""Numbers in what people type, in digits and in words: "oceans 11" is Ocean's Eleven. Pure, without database, clock or settings.

Names are found by Roman and Arabic numbers alike (see `spellings`), on the side of the name. Words for numbers are read
here, on the side of the query: few queries have one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from catalog import spellings

_NAMED: Mapping[str, tuple[str, ...]] = {
    "en": (
        "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
        "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen", "twenty",
    ),
    "de": (
        "null", "eins", "zwei", "drei", "vier", "funf", "sechs", "sieben", "acht", "neun", "zehn", "elf", "zwolf",
        "dreizehn", "vierzehn", "funfzehn", "sechzehn", "siebzehn", "achtzehn", "neunzehn", "zwanzig",
    ),
}  # fmt: skip
"""Words for 0, 1, 2 and so on, folded, by language."""
_OTHERWISE: Mapping[str, str] = {"fuenf": "5", "zwoelf": "12", "fuenfzehn": "15", "zwo": "2"}
_DIGITS: Mapping[str, Mapping[str, str]] = {
    language: {word: str(number) for number, word in enumerate(words)} for language, words in _NAMED.items()
}
_WITHIN: Mapping[str, str] = {"seven": "se7en", "thirteen": "thir13en"}
"""Words that posters write with the number inside."""


def readings(words: Sequence[str], languages: Iterable[str]) -> list[list[str]]:
    """Answer a folded query with its numbers written otherwise: words of English and of these languages as digits, digits as words.

    None where it has no number up to twenty.
    """
    spoken = [one for one in dict.fromkeys([*map(spellings.language_of, languages), "en"]) if one in _NAMED]
    digits = {word: number for language in spoken for word, number in _DIGITS[language].items()}
    if "de" in spoken:
        digits |= _OTHERWISE
    written = [digits, *({number: word for word, number in _DIGITS[language].items()} for language in spoken), _WITHIN]
    asked = list(words)
    found: list[list[str]] = []
    for other in written:
        reading = [other.get(word, word) for word in asked]
        if reading != asked and reading not in found:
            found.append(reading)
    return found
