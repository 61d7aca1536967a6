"""In which pictures and languages a licence lets a title be played. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, Protocol

SIZES = ("SD", "HD", "UHD")
"""Smallest first: who may show the larger may show the smaller, since players change between them with the network."""
_HDR = "-HDR"
# As Fire TV and Roku name the best that they know.
_ALONE = {"HDR": "UHD-HDR"}
_SIDES = {"SD": (1024, 576), "HD": (2048, 1080)}
"""The most that is still of a size: the longer and the shorter side in pixels."""


class Terms(Protocol):
    """The parts of a licence that say how its title may be played; of each, nothing means all."""

    formats: list[str]
    languages: list[str]
    holdback_languages: list[str]


def format_of(width: int, height: int, *, high_range: bool = False) -> str:
    """Answer as what licences know a picture of so many pixels, upright or lying."""
    longer, shorter = max(width, height), min(width, height)
    size = next((size for size, (long, short) in _SIDES.items() if longer <= long and shorter <= short), SIZES[-1])
    return f"{size}{_HDR}" if high_range else size


def allows(terms: Terms, *, format: str = "", audio: str = "", subtitle: str = "") -> bool:  # noqa: A002 - what it is called everywhere
    """Say whether a licence lets a title be played in a format, with sound and subtitles of these languages (BCP 47).

    What is empty is not asked. A high dynamic range is granted by name alone, and includes the standard one. A language
    means its regions too: `es` is `es-MX` as well, and not the other way round; what is held back goes before.
    """
    return (
        (not format or _allows_format(terms.formats, format))
        and (not audio or _allows_language(terms, audio, "audio"))
        and (not subtitle or _allows_language(terms, subtitle, "subtitle"))
    )


def _allows_format(granted: Iterable[str], wanted: str) -> bool:
    granted = [_ALONE.get(name, name) for name in granted]
    if not granted or wanted in granted:
        return True
    size = wanted.removesuffix(_HDR)
    if size not in SIZES:
        return False
    enough = SIZES[SIZES.index(size) :]
    ranges = (_HDR,) if wanted.endswith(_HDR) else ("", _HDR)
    return any(f"{larger}{range_}" in granted for larger in enough for range_ in ranges)


def _allows_language(terms: Terms, tag: str, track: Literal["audio", "subtitle"]) -> bool:
    if _names(terms.holdback_languages, tag, track):
        return False
    return not terms.languages or _names(terms.languages, tag, track)


def _names(languages: Iterable[str], tag: str, track: str) -> bool:
    for language in languages:
        limit, _, kind = language.lower().partition(":")
        if kind in {"", track} and f"{tag.lower()}-".startswith(f"{limit}-"):
            return True
    return False
