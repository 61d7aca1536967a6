"""How many titles are ingested in a second, beside what COPY alone would allow.

Titles are generated, each with 8 credits and 3 genres, in our own feed format. Afterwards every one of
them can be found by the search. The floor is the raw COPY of exactly the rows that the ingest wrote,
search documents included, into the same tables with the same indexes and foreign keys, emptied before.
Durability is off in both, so this measures the work and not the disk. TITLES says how many (50000). The
last line is one JSON object.
"""

from __future__ import annotations

import json
import os
import random
import resource
import tempfile
import time
from pathlib import Path

import orjson

from local.throwaway import servers

TITLES = int(os.environ.get("TITLES", "50000"))
PEOPLE_PER_TITLE = 8
WORDS = (
    "tide",
    "harbour",
    "winter",
    "lantern",
    "glass",
    "orchard",
    "signal",
    "copper",
    "meadow",
    "north",
    "salt",
    "paper",
)


def main() -> None:
    """Print the figures."""
    import django

    django.setup()
    from django.core.management import call_command

    from tests.factories.catalog import ProviderFactory

    call_command("migrate", verbosity=0)
    provider = ProviderFactory.create()
    with tempfile.TemporaryDirectory() as folder:
        feed = Path(folder) / "feed.jsonl"
        print(f"Writing a feed of {TITLES:,} titles ...")
        write_feed(feed)
        first = _ingest(feed, provider)
        second = _ingest(feed, provider)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        floor = _copy_floor(Path(folder))
    figures = {
        "per_second": round(TITLES / first),
        "copy_floor_per_second": round(TITLES / floor),
        "floor_ratio": round(floor / first, 2),
        "unchanged_per_second": round(TITLES / second),
        "peak_rss_mb": round(peak),
    }
    print(json.dumps(figures))


def write_feed(path: Path) -> None:
    """Write TITLES films; one person comes up again in every twentieth credit or so."""
    chance = random.Random(4)
    with path.open("wb") as file:
        for number in range(TITLES):
            file.write(orjson.dumps(_film(number, chance)) + b"\n")


def _film(number: int, chance: random.Random) -> dict[str, object]:
    words = chance.choices(WORDS, k=3)
    people = [
        {
            "name": f"{chance.choice(WORDS).title()} {_name(chance.randrange(TITLES // 3 + 1))}",
            "job": "actor" if place else "director",
            "billing": place or 1,
        }
        for place in range(PEOPLE_PER_TITLE)
    ]
    return {
        "id": f"film-{number}",
        "kind": "movie",
        "titles": {"en": f"The {' '.join(words).title()} {_name(number)}"},
        "original_language": "en",
        "synopses": {"en": {"short": f"{' '.join(chance.choices(WORDS, k=14))}."}},
        "release_date": str(1950 + number % 75),
        "runtime_seconds": 5400 + number % 3600,
        "genres": chance.sample(["Drama", "Comedy", "Western", "Horror", "Crime", "Music", "War", "Short"], 3),
        "countries": ["DE"],
        "people": people,
        "ratings": [{"country": "US", "system": "MPAA", "value": "PG-13"}],
        "availability": [{"start": "2024-01-01", "license_type": "SVOD"}],
    }


def _name(number: int) -> str:
    """Spell a number as a word, so that names are as many and as alike as names are."""
    syllables = ("ka", "le", "mi", "no", "ru", "sa", "te", "vi", "wo", "zu")
    return "".join(syllables[int(digit)] for digit in str(number)).title()


def _ingest(path: Path, provider: object) -> float:
    from catalog.models import IngestRun, SearchDocument
    from catalog.services import ingestion
    from core.clock import now

    began = time.perf_counter()
    run = ingestion.open_run(provider=provider, format="jsonl", source_name=path.name, by="benchmark", now=now())  # type: ignore[arg-type]  # a provider
    with path.open("rb") as stream:
        ingestion.execute(run_id=run.pk, open_delivery=lambda _: stream, clock=now)
    seconds = time.perf_counter() - began
    done = IngestRun.objects.get(pk=run.pk)
    assert (done.state, done.created + done.unchanged) == ("finished", TITLES), done.failure
    assert SearchDocument.objects.count() == TITLES
    return seconds


def _copy_floor(folder: Path) -> float:
    from django.apps import apps
    from django.db import connection, transaction

    wholes_first = (
        "Genre", "Person", "Title", "PersonSource", "TitleText", "TitleGenre", "Credit", "ContentRating",
        "AvailabilityWindow", "SourceRecord", "PublicationEntry", "SearchDocument", "SearchWord",
    )  # fmt: skip
    tables = [apps.get_model("catalog", name)._meta.db_table for name in wholes_first]
    with connection.cursor() as cursor:
        for table in tables:
            with (folder / table).open("wb") as file, cursor.copy(f"COPY {table} TO STDOUT") as copy:
                file.writelines(copy)
        cursor.execute(f"TRUNCATE {', '.join(tables)} CASCADE")
    seconds = 0.0
    for table in tables:
        began = time.perf_counter()
        with (
            transaction.atomic(),
            connection.cursor() as cursor,
            (folder / table).open("rb") as file,
            cursor.copy(f"COPY {table} FROM STDIN") as copy,
        ):
            while block := file.read(1 << 16):
                copy.write(block)
        seconds += time.perf_counter() - began
    return seconds


if __name__ == "__main__":
    with servers() as settings:
        os.environ |= settings | {"DJANGO_SETTINGS_MODULE": os.environ.get("DJANGO_SETTINGS_MODULE", "config.settings")}
        main()
