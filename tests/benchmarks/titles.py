"""Generated titles for the benchmarks: as a feed, and straight into the tables."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime
from itertools import accumulate
from pathlib import Path
from typing import Any

import orjson

WORDS = (
    "tide", "harbour", "winter", "lantern", "glass", "orchard", "signal", "copper", "meadow", "north", "salt", "paper",
)  # fmt: skip
GENRES = ("Drama", "Comedy", "Western", "Horror", "Crime", "Music", "War", "Short")
PEOPLE_PER_TITLE = 8
_SYLLABLES = ("ka", "le", "mi", "no", "ru", "sa", "te", "vi", "wo", "zu")
NOW = datetime(2026, 3, 4, 12, tzinfo=UTC)


def write_feed(path: Path, count: int) -> None:
    """Write films in our own feed format; one person comes up again in every twentieth credit or so."""
    chance = random.Random(4)
    with path.open("wb") as file:
        for number in range(count):
            file.write(orjson.dumps(film(number, count, chance)) + b"\n")


def film(number: int, count: int, chance: random.Random) -> dict[str, Any]:
    """Answer one film of so many, with 8 credits and 3 genres."""
    people = [
        {
            "name": f"{chance.choice(WORDS).title()} {spelt(chance.randrange(count // 3 + 1))}",
            "job": "actor" if place else "director",
            "billing": place or 1,
        }
        for place in range(PEOPLE_PER_TITLE)
    ]
    return {
        "id": f"film-{number}",
        "kind": "movie",
        "titles": {"en": f"The {' '.join(chance.choices(WORDS, k=3)).title()} {spelt(number)}"},
        "original_language": "en",
        "synopses": {"en": {"short": f"{' '.join(chance.choices(WORDS, k=14))}."}},
        "release_date": str(1950 + number % 75),
        "runtime_seconds": 5400 + number % 3600,
        "genres": chance.sample(GENRES, 3),
        "countries": ["DE"],
        "people": people,
        "ratings": [{"country": "US", "system": "MPAA", "value": "PG-13"}],
        "availability": [{"start": "2024-01-01", "license_type": "SVOD"}],
    }


def spelt(number: int) -> str:
    """Spell a number as a word, so that names are as many and as alike as names are."""
    return "".join(_SYLLABLES[int(digit)] for digit in str(number)).title()


class Language:
    """Words as frequent as words are: the second half as often as the first, and so on."""

    def __init__(self, words: int, seed: int) -> None:
        self.chance = random.Random(seed)
        found: dict[str, None] = {}
        onsets = ["", *"bcdfghjklmnprstvwz", "br", "ch", "cl", "dr", "fl", "gr", "pl", "sh", "sl", "st", "th", "tr"]
        codas = ["", "", "", *"dklmnrst", "ck", "ld", "nd", "ng", "nt", "rd", "rk", "rn", "st"]
        while len(found) < words:
            parts = self.chance.choice((1, 2, 2, 2, 3))
            word = "".join(
                self.chance.choice(onsets) + self.chance.choice("aeiou") + self.chance.choice(codas)
                for _ in range(parts)
            )
            if 3 <= len(word) <= 12:
                found[word] = None
        self.words = list(found)
        self._weights = list(accumulate(1 / (rank + 10) for rank in range(words)))

    def pick(self, number: int) -> list[str]:
        return self.chance.choices(self.words, cum_weights=self._weights, k=number)


def names(count: int) -> Iterator[tuple[str, list[str]]]:
    """Yield names of titles with those of the people in them."""
    words, first, last = Language(40_000, 1), Language(2_000, 2), Language(60_000, 3)
    for _ in range(count):
        name = " ".join(words.pick(words.chance.choice((1, 2, 2, 3, 3, 4)))).title()
        people = zip(first.pick(PEOPLE_PER_TITLE), last.pick(PEOPLE_PER_TITLE), strict=True)
        yield name, [f"{one} {other}".title() for one, other in people]


def fill_up(described: Sequence[tuple[str, list[str]]] | Iterator[tuple[str, list[str]]]) -> None:
    """Add published films straight into the tables, with text, licence, rating and search document."""
    from django.db import connection

    from catalog import lexemes
    from catalog.models import AvailabilityWindow, ContentRating, SearchDocument, Title, TitleText
    from catalog.services.copying import copy_into
    from core.ids import new_id

    batch: list[tuple[Any, date, str, lexemes.Document]] = []

    def flush() -> None:
        with connection.cursor() as cursor:
            copy_into(
                cursor, Title,
                ("id", "kind", "original_title", "original_language", "release_date", "release_precision", "end_precision",
                 "countries", "made_for_kids", "companies", "tracks", "state", "published_at", "revision", "edited", "created_at",
                 "updated_at"),
                ((key, "movie", name, "en", day, "year", "", ["DE"], False, "[]", "[]", "published", NOW, 1, [], NOW, NOW)
                 for key, day, name, _ in batch),
            )  # fmt: skip
            copy_into(
                cursor, TitleText,
                ("title_id", "language", "name", "synopsis_short", "synopsis_medium", "synopsis_long"),
                ((key, "en", name, "Somebody comes home.", "", "") for key, _, name, _ in batch),
            )  # fmt: skip
            copy_into(
                cursor, ContentRating, ("title_id", "country", "system", "value", "reasons", "minimum_age"),
                ((key, "US", "MPAA", ("G", "PG-13", "R")[place % 3], [], (0, 13, 17)[place % 3])
                 for place, (key, *_) in enumerate(batch)),
            )  # fmt: skip
            copy_into(
                cursor, AvailabilityWindow,
                ("title_id", "territories", "excluded", "starts_on", "license_type", "languages", "holdback_languages",
                 "formats", "grant_id", "contract_id", "reporting_id"),
                ((key, ["CA"] if place % 10 == 0 else [], False, date(2024, 1, 1), "SVOD", [], [], [], "", "", "")
                 for place, (key, *_) in enumerate(batch)),
            )  # fmt: skip
            copy_into(
                cursor, SearchDocument, ("title_id", "name", "names", "words", "is_part", "popularity", "base", "standing"),
                ((key, document.name, document.names(), document.vector(), False, 0, base, base)
                 for key, day, _, document in batch for base in (lexemes.standing(weight=0, released=day),)),
            )  # fmt: skip
        batch.clear()

    for number, (name, people) in enumerate(described):
        document = lexemes.document(names=[("en", name)], people=people, about=[("en", GENRES[number % len(GENRES)])])
        batch.append((new_id(), date(1950 + number % 75, 1, 1), name, document))
        if len(batch) == 5000:
            flush()
    flush()


def settle() -> None:
    """Let the planner know what there is."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")
