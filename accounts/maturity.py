"""From which age somebody may watch something: boards' ratings, limits of profiles, and the one comparison of the two.

Pure. `age_ratings.csv` says what each rating means in years; whoever shows titles asks `Audience` and nobody else, in
Python by `refusal`, in a query by a condition that is made of the same two questions.
"""

from __future__ import annotations

import csv
import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from pathlib import Path
from typing import Literal

from accounts import rules

Refusal = Literal["age", "unrated"]


@dataclass(frozen=True, slots=True)
class Audience:
    """Who may be watching: the highest minimum age allowed, and whether titles without a rating are."""

    highest_age: int = rules.HIGHEST_AGE
    allows_unrated: bool = True

    @property
    def is_limited(self) -> bool:
        """Whether any age is too much: 18 is everything, what a board keeps until 21 included."""
        return self.highest_age < rules.HIGHEST_AGE

    @property
    def sees_everything(self) -> bool:
        return self.allows_unrated and not self.is_limited

    def refusal(self, age: int | None) -> Refusal | None:
        """Answer why this audience does not see what is for `age`, in years; None when it does. An age of None: unrated."""
        if age is None:
            return None if self.allows_unrated else "unrated"
        return "age" if self.is_limited and age > self.highest_age else None


UNLIMITED = Audience()
YOUNGEST = Audience(0, allows_unrated=False)
"""Who sees the least: for whom nobody answers."""


def viewing_age(line: Iterable[Iterable[tuple[str, int | None]]], country: str) -> int | None:
    """Answer the age that counts in `country` for a title, by the ratings of the title and of what it belongs to.

    `line` has for each of them, nearest first, pairs of country and minimum age. The nearest that anybody has rated
    decides: by the strictest of the country's own ratings, or else by the strictest of all. None: unrated.
    """
    for ratings in line:
        known = [(where, age) for where, age in ratings if age is not None]
        if known:
            return max((age for where, age in known if where == country), default=max(age for _, age in known))
    return None


# ---------------------------------------------------------------- what ratings mean


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a board says of a title, in the spelling of the table."""

    country: str
    system: str
    value: str
    minimum_age: int | None
    """From which age somebody may watch it alone, in years; None where the board says that it has not rated it."""


# Other names of boards, as feeds have them.
_SYSTEMS = {
    "MPA": "MPAA", "TV": "TVPG", "USAPR": "TVPG", "VCHIP": "TVPG", "TVPARENTALGUIDELINES": "TVPG",
    "CLASSIND": "DJCTQ", "DEJUS": "DJCTQ", "ACB": "NCS", "CPR": "CBSC", "NICAM": "KIJKWIJZER", "CNCF": "CNC",
    "KAVI": "MEKU", "MEDIERADET": "MCCYP", "IGAC": "CCE", "STATENSMEDIERAD": "SMSA", "IMDA": "MDA", "KCSC": "KCC",
    "PRIMEVIDEO": "AMAZON", "AMAZONPRIME": "AMAZON",
}  # fmt: skip
# Boards whose verdicts other countries take over, by those countries.
ADOPTED: Mapping[str, tuple[tuple[str, str], ...]] = {
    "AM": (("RU", "MKRF"),),
    "BE": (("NL", "Kijkwijzer"),),
    "BY": (("RU", "MKRF"),),
    "CY": (("GR", "Film"),),
    "MO": (("PT", "CCE"),),
}
_UNRATED = {
    "", "NR", "UR", "UNRATED", "NOTRATED", "NOTRATE", "NOTYETRATED", "TVNR", "NONE", "NORATING", "RATINGPENDING",
    "PENDING", "TBC", "TBD", "TBR",
}  # fmt: skip
_TV = re.compile(r"(TV(?:Y7FV|Y7|Y|G|PG|14|MA))(?:FV|[DLSV])*")
_YEARS = re.compile(r"(?:AB)?(\d{1,2}\+?)(?:JAHREN?|YEARS?|ANOS|ANS|ANNI|JAAR|LET|AR)?(?:FREIGEGEBEN)?")


def is_unrated(value: str) -> bool:
    """Say whether a value is a way to say that nobody has rated a title."""
    return _key(value) in _UNRATED


@lru_cache(maxsize=4096)
def verdict(system: str, value: str, country: str = "") -> Verdict | None:
    """Answer what a rating means; None for one that the table does not have.

    `value` may be spelt as feeds do (`PG13`, `TV-14-DL`, `FSK ab 12`, `12+`). Without a `country` it is that of the board,
    if one country alone has a board of that name. Where the board does not have the value, another of that country
    may: `TV-14` of the MPAA is one of television's. Without a `system` any board of the country may.
    """
    boards = _boards(country or home_of(system))
    if system:
        names = {_key(system), _SYSTEMS.get(_key(system))}
        named = [board for board in boards if _key(board[0]) in names]
        boards = [*named, *(board for board in boards if board not in named)] if named else []
    for name, board in boards:
        for spelling in _spellings(value, _key(name)):
            if found := board.get(spelling):
                return replace(found, country=country or found.country)
    return None


def minimum_age(country: str, system: str, value: str) -> int | None:
    """Answer from which age a rating lets people watch; None when the table does not have it, or it is no verdict."""
    found = verdict(system, value, country)
    return found.minimum_age if found else None


def home_of(system: str) -> str:
    """Answer the country of a board; nothing where none or several have one of that name."""
    key = _key(system)
    homes = {country for country, name in _table() if _key(name) == _SYSTEMS.get(key, key)}
    return homes.pop() if len(homes) == 1 else ""


def verdicts() -> Iterable[Verdict]:
    """Answer the whole table, country by country, each board's mildest verdict first."""
    return (found for board in _table().values() for found in dict.fromkeys(board.values()))


def _boards(country: str) -> list[tuple[str, Mapping[str, Verdict]]]:
    own = [(name, board) for (where, name), board in _table().items() if where == country]
    return own + [(name, _table()[home, name]) for home, name in ADOPTED.get(country, ())]


def _spellings(value: str, system: str) -> Iterable[str]:
    """Answer how the table may spell a value, likeliest first."""
    key = _key(value)
    yield key
    short = key.removeprefix("RATED").removeprefix(system).removeprefix(f"AB{system}")
    yield short
    if tv := _TV.fullmatch(short if short.startswith("TV") else f"TV{short}"):
        yield tv[1]
    if years := _YEARS.fullmatch(short.removeprefix("+")):
        yield years[1]
        yield years[1].rstrip("+")
    yield short.replace("+", "")


def _key(text: str) -> str:
    """Answer a text without what is written in many ways: capitals, accents, hyphens, dots, spaces."""
    plain = unicodedata.normalize("NFKD", text).upper()
    return "".join(character for character in plain if character.isalnum() or character == "+")


@cache
def _table() -> Mapping[tuple[str, str], Mapping[str, Verdict]]:
    """Read the table: each board's verdicts by all their spellings."""
    table: dict[tuple[str, str], dict[str, Verdict]] = {}
    others: list[tuple[dict[str, Verdict], str, Verdict]] = []
    with (Path(__file__).parent / "age_ratings.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            board = table.setdefault((row["country"], row["system"]), {})
            age = int(row["age"]) if row["age"] else None
            found = Verdict(row["country"], row["system"], row["value"], age)
            board[_key(row["value"])] = found
            others += [(board, _key(other), found) for other in row["also"].split(";") if other]
            others.append((board, _key(row["value"]).rstrip("+"), found))
    for board, key, found in others:
        board.setdefault(key, found)
    return table
