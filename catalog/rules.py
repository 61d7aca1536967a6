"""The catalogue's rules: pure, without database, clock or settings."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Protocol
from uuid import UUID
from zoneinfo import ZoneInfo

from babel.core import get_global

from accounts.maturity import UNLIMITED, Audience

SUBSCRIPTION_LICENCES = ("SVOD",)
"""The licence types that let a subscriber watch; the others are kept for reports."""

RANKS = {"movie": 0, "series": 0, "season": 1, "special": 2, "episode": 2, "trailer": 3, "extra": 3}
"""The order in which kinds are written: wholes before their parts."""

PARENT_KINDS: Mapping[str, frozenset[str]] = {
    "season": frozenset({"series"}),
    "episode": frozenset({"series", "season"}),
    "special": frozenset({"series", "season"}),
    "trailer": frozenset({"movie", "series", "season", "episode", "special"}),
    "extra": frozenset({"movie", "series", "season", "episode", "special"}),
}
"""What each kind may belong to; a trailer of a trailer would be found by nobody."""


# ---------------------------------------------------------------- who is looking


@dataclass(frozen=True, slots=True)
class Blocks:
    """What a household has blocked for a profile: whose blocks, and a word that every change of them changes."""

    profile_id: UUID
    version: str


@dataclass(frozen=True, slots=True)
class Viewer:
    """For whom an answer is made: ISO 3166-1 country, languages (BCP 47, best first), audience, what is blocked."""

    country: str
    languages: tuple[str, ...]
    audience: Audience = UNLIMITED
    blocks: Blocks | None = None

    def key(self) -> str:
        """Answer a text that is the same for viewers who get the same answers."""
        audience, blocked = self.audience, self.blocks.version if self.blocks else ""
        return f"{self.country}|{','.join(self.languages)}|{audience.highest_age}|{audience.allows_unrated:d}|{blocked}"


# ---------------------------------------------------------------- places and days


@lru_cache(maxsize=512)
def _zones(country: str) -> tuple[ZoneInfo, ...]:
    names = sorted(name for name, territory in get_global("zone_territories").items() if territory == country)
    return tuple(ZoneInfo(name) for name in names) or (ZoneInfo("UTC"),)


def local_dates(country: str, now: datetime) -> tuple[date, date]:
    """Answer the earliest and the latest date that `country`'s calendars show at `now`.

    A licence dated by days holds in a country of several zones only while it holds in all of them:
    it begins once the last zone has reached its first day and ends when the first zone leaves its
    last one. So no viewer sees a title outside what the licensor granted, whichever zone was meant.
    A country without zones of its own counts as UTC. Zones by country are CLDR's.
    """
    dates = [now.astimezone(zone).date() for zone in _zones(country)]
    return min(dates), max(dates)


def next_midnight(country: str, now: datetime) -> datetime:
    """Answer the next instant after `now` at which a day begins in any of `country`'s zones."""
    midnights = []
    for zone in _zones(country):
        day = now.astimezone(zone).date() + timedelta(days=1)
        midnights.append(datetime.combine(day, time(), zone).astimezone(UTC))
    return min(midnights)


class Window(Protocol):
    """The parts of an availability window that say where and when it holds."""

    territories: list[str]
    excluded: bool
    starts_at: datetime | None
    starts_on: date | None
    ends_at: datetime | None
    ends_on: date | None
    license_type: str


def covers(window: Window, country: str) -> bool:
    """Say whether a window lets subscribers of `country` watch at some time."""
    if window.license_type not in SUBSCRIPTION_LICENCES:
        return False
    return not window.territories or (country in window.territories) is not window.excluded


def is_open(window: Window, country: str, now: datetime) -> bool:
    """Say whether a window lets subscribers of `country` watch at `now`."""
    first, last = local_dates(country, now)
    return (
        covers(window, country)
        and (window.starts_at is None or window.starts_at <= now)
        and (window.starts_on is None or window.starts_on <= first)
        and (window.ends_at is None or window.ends_at > now)
        and (window.ends_on is None or window.ends_on > last)
    )


def start_of(window: Window, country: str) -> datetime | None:
    """Answer the first instant of a window in `country`; None when it has always been open."""
    if window.starts_on is not None:
        day = datetime.combine(window.starts_on, time())
        return max(day.replace(tzinfo=zone).astimezone(UTC) for zone in _zones(country))
    return window.starts_at


def end_of(window: Window, country: str) -> datetime | None:
    """Answer the first instant after a window in `country`; None for an open end."""
    if window.ends_on is not None:
        day = datetime.combine(window.ends_on, time())
        return min(day.replace(tzinfo=zone).astimezone(UTC) for zone in _zones(country))
    return window.ends_at


class AnnouncedWindow(Window, Protocol):
    """A window that may be told of before it opens."""

    announce_at: datetime | None
    announce_on: date | None


def opens_at(windows: Iterable[AnnouncedWindow], country: str, now: datetime) -> datetime | None:
    """Answer the next instant at which a window opens in `country` that may be told of at `now`; None for none."""
    first, _ = local_dates(country, now)
    starts = [
        start
        for window in windows
        if covers(window, country)
        and (
            (window.announce_at is not None and window.announce_at <= now)
            or (window.announce_on is not None and window.announce_on <= first)
        )
        and (start := start_of(window, country)) is not None
        and start > now
    ]
    return min(starts, default=None)


def available_until(windows: Iterable[Window], country: str, now: datetime) -> tuple[bool, datetime | None]:
    """Say whether any window is open in `country` at `now`, and the latest end of those that are.

    An open window without an end answers None; so does no open window, with False.
    """
    ends = [end_of(window, country) for window in windows if is_open(window, country, now)]
    if not ends:
        return False, None
    known = [end for end in ends if end is not None]
    return True, max(known) if len(known) == len(ends) else None


# ---------------------------------------------------------------- languages


def language_chain(wanted: Sequence[str], original: str, country: str = "") -> list[str]:
    """Answer the languages to try in order: each wanted one, then without its region, then English, then the original.

    One that is wanted without a region is tried with that of `country` first: who reads Portuguese in Brazil is shown
    what Brazil calls a film. Tags compare without regard to capitals.
    """
    chain: list[str] = []
    for tag in [*wanted, "en", original]:
        parts = tag.lower().split("-")
        if country and len(parts) == 1 and parts[0]:
            chain.append(f"{parts[0]}-{country.lower()}")
        chain += ["-".join(parts[:length]) for length in range(len(parts), 0, -1)]
    return list(dict.fromkeys(tag for tag in chain if tag))


def best_language(offered: Iterable[str], chain: Sequence[str]) -> str | None:
    """Answer the offered tag that comes first in `chain`, else the first offered in order of its letters.

    A wanted 'de' takes an offered 'de-AT' when there is nothing nearer.
    """
    tags = {tag.lower(): tag for tag in sorted(offered)}
    for wanted in chain:
        if wanted in tags:
            return tags[wanted]
        for tag in tags:
            if tag.startswith(f"{wanted}-"):
                return tags[tag]
    return next(iter(tags.values()), None)


# ---------------------------------------------------------------- sameness

CERTAIN, DOUBTFUL = 0.9, 0.5
"""From which resemblance two titles of one name are linked, and from which an editor is asked."""


@dataclass(frozen=True, slots=True)
class Likeness:
    """What two titles of one name are compared by: kind, year, running time in seconds, folded names of people."""

    kind: str
    year: int | None
    runtime: int | None
    people: frozenset[str]


def resemblance(one: Likeness, other: Likeness) -> tuple[float, tuple[str, ...]]:
    """Answer from 0 to 1 how likely two titles of the same folded name are one, and why.

    A name alone proves little, since remakes share it; a year says more, and people in common say most.
    Two that name people and share none are hardly one. Series count from different years in different
    catalogues, so that for them another year says nothing.
    """
    if one.kind != other.kind:
        return 0.0, (f"{one.kind} and {other.kind}",)
    score, reasons = 0.5, ["same name"]
    if one.year is not None and other.year is not None:
        apart = abs(one.year - other.year)
        if apart == 0:
            score, reasons = score + 0.3, [*reasons, "same year"]
        elif apart == 1:
            score, reasons = score + 0.15, [*reasons, "a year apart"]
        elif one.kind != "series":
            score, reasons = score - 0.4, [*reasons, f"{apart} years apart"]
    if one.runtime and other.runtime:
        difference = abs(one.runtime - other.runtime) / max(one.runtime, other.runtime)
        if difference <= 0.05:
            score, reasons = score + 0.1, [*reasons, "same running time"]
        elif difference > 0.15:
            score, reasons = score - 0.2, [*reasons, "other running time"]
    if one.people and other.people:
        shared = len(one.people & other.people)
        if shared:
            score, reasons = score + min(0.2 + 0.1 * shared, 0.5), [*reasons, f"{shared} people in common"]
        else:
            score, reasons = score - 0.4, [*reasons, "nobody in common"]
    return round(min(max(score, 0.0), 1.0), 2), tuple(reasons)


# ---------------------------------------------------------------- words

_LIGATURES = str.maketrans({"œ": "oe", "æ": "ae", "ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th"})
# Straight, typographic and modifier apostrophes, backtick, acute accent.
_APOSTROPHES = dict.fromkeys(map(ord, "'`\u2019\u2018\u02bc\u00b4"))
_ASCII = bytes(code if chr(code).isalnum() else 0x20 for code in range(128)) + bytes(128)
# Control characters that are no white space, soft hyphen, zero-width space, marks and overrides of writing direction, invisible operators, byte
# order mark. Joiners (U+200C, U+200D) stay: Persian and Indic words and emoji need them.
_CONTROLS = (*range(9), *range(14, 28), *range(127, 133), *range(134, 160))
_INVISIBLE = dict.fromkeys(
    (*_CONTROLS, 0x00AD, 0x200B, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2060, 0x2065), 0xFEFF)
)


def fold(text: str) -> str:
    """Answer `text` as the search and the comparison of names see it.

    Lower case without accents, ligatures taken apart (œ, ß), apostrophes gone, other punctuation
    a space: "Été — Œuvres" becomes "ete oeuvres".
    """
    return _fold_name(text) if len(text) <= _NAME else _fold(text)


def _fold(text: str) -> str:
    if text.isascii():
        # By bytes, which takes a third of the time.
        return b" ".join(text.encode().lower().translate(_ASCII, b"'`").split()).decode()
    # Twice, since a compatibility form may hide a capital and a lower-case letter a compatibility form.
    lowered = unicodedata.normalize("NFKD", text.translate(_APOSTROPHES)).casefold()
    folded = unicodedata.normalize("NFKD", lowered).casefold().translate(_APOSTROPHES).translate(_LIGATURES)
    letters = (
        character if character.isalnum() else " " for character in folded if unicodedata.category(character) != "Mn"
    )
    return " ".join("".join(letters).split())


# A delivery's names are folded again and again: to know people, to compare titles, for the search.
_NAME = 80
_fold_name = lru_cache(maxsize=20_000)(_fold)


def clean(text: str) -> str:
    """Answer `text` in NFC without invisible characters, with each run of white space made one space."""
    if text.isascii() and text.isprintable() and "  " not in text and text == text.strip():
        return text
    return " ".join(unicodedata.normalize("NFC", without_invisible(text)).split())


def without_invisible(text: str) -> str:
    """Answer `text` without the characters that nobody sees and that may hide what it says."""
    return text.translate(_INVISIBLE)


_LANGUAGE_TAG = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*")


def is_language_tag(text: str) -> bool:
    """Say whether this is a language, with or without a region, as BCP 47 writes it: de, pt-BR."""
    return len(text) <= 20 and _LANGUAGE_TAG.fullmatch(text) is not None


LICENSED_TRACKS = ("audio", "subtitle")
"""What of a language a licence may mean alone, as tracks call it."""


def is_licensed_language(text: str) -> bool:
    """Say whether this is a language as licences name it: de, or de:audio and de:subtitle where one of them is meant alone."""
    tag, colon, track = text.partition(":")
    return is_language_tag(tag) and len(text) <= 20 and (not colon or track in LICENSED_TRACKS)


def is_eidr(text: str) -> bool:
    """Say whether this is an EIDR, 10.5240/XXXX-XXXX-XXXX-XXXX-XXXX-C, by its check character (ISO 7064 Mod 37,36)."""
    prefix, _, suffix = text.partition("/")
    digits = suffix.replace("-", "")
    if prefix != "10.5240" or len(digits) != 21 or not digits.isalnum() or not digits.isascii():
        return False
    check = 36
    for digit in digits[:20]:
        check = check + int(digit, 36)
        check = check % 36 or 36
        check = check * 2 % 37
    return (check + int(digits[20], 36)) % 36 == 1


def person_key(name: str, external_id: str = "") -> str:
    """Answer by what a provider's person is known again: its id where there is one, else the folded name."""
    return f"id:{external_id}" if external_id else f"name:{fold(name) or name.casefold()}"
