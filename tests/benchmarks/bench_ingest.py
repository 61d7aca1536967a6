"""How many titles are ingested in a second, beside what COPY alone would allow, and beside django-import-export.

Titles are generated, each with 8 credits and 3 genres, in our own feed format. Afterwards every one of
them can be found by the search. The floor is the raw COPY of exactly the rows that the ingest wrote,
search documents included, into the same tables with the same indexes and foreign keys, emptied before.
Durability is off in both, so this measures the work and not the disk. TITLES says how many (1000000), IMPORTED how many
of the same records django-import-export gets (5000). The last line is one JSON object.
"""

from __future__ import annotations

import json
import os
import resource
import tempfile
import time
from itertools import islice
from pathlib import Path

import orjson

from local.throwaway import servers

TITLES = int(os.environ.get("TITLES", "1000000"))
# As for any catalogue of a million titles, a quarter of the memory is the database's, and checkpoints come seldom; the
# floor has it too.
BIG = {
    "shared_buffers": "6GB", "max_wal_size": "16GB", "checkpoint_timeout": "30min", "autovacuum_naptime": "1min",
}  # fmt: skip
IMPORTED = int(os.environ.get("IMPORTED", "5000"))


def main() -> None:
    """Print the figures."""
    import django

    django.setup()
    from django.core.management import call_command

    from tests.benchmarks import titles
    from tests.factories.catalog import ProviderFactory

    call_command("migrate", verbosity=0)
    provider = ProviderFactory.create()
    with tempfile.TemporaryDirectory() as folder:
        feed = Path(folder) / "feed.jsonl"
        print(f"Writing a feed of {TITLES:,} titles ...")
        titles.write_feed(feed, TITLES)
        first = _ingest(feed, provider)
        print(f"{TITLES / first:,.0f} titles/s")
        second = _ingest(feed, provider)
        print(f"{TITLES / second:,.0f} titles/s unchanged")
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        floor = _copy_floor(Path(folder))
        print(f"{TITLES / floor:,.0f} titles/s by COPY alone, {peak:,.0f} MB")
        imported = _import_export(feed, provider) if IMPORTED else None
    figures = {
        "per_second": round(TITLES / first),
        "copy_floor_per_second": round(TITLES / floor),
        "floor_ratio": round(floor / first, 2),
        "unchanged_per_second": round(TITLES / second),
        "peak_rss_mb": round(peak),
    }
    if imported:
        figures["import_export_per_second"] = round(imported)
        figures["import_export_ratio"] = round(TITLES / first / imported, 1)
    print(json.dumps(figures))


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


def _import_export(feed: Path, provider: object) -> float:
    """Answer how many titles a second django-import-export makes of the same records."""
    from catalog.models import IngestRun
    from tests.benchmarks.import_export_films import import_films

    with feed.open("rb") as file:
        films = [orjson.loads(line) for line in islice(file, IMPORTED)]
    run_id = IngestRun.objects.values_list("pk", flat=True)[0]
    began = time.perf_counter()
    assert import_films(films, provider_id=provider.pk, run_id=run_id) == len(films)  # type: ignore[attr-defined]  # a provider
    return len(films) / (time.perf_counter() - began)


def _copy_floor(folder: Path) -> float:
    from django.apps import apps
    from django.db import connection, transaction

    wholes_first = (
        "Genre", "Person", "Title", "PersonSource", "TitleText", "TitleGenre", "Credit", "ContentRating",
        "AvailabilityWindow", "SourceRecord", "PublicationEntry", "SearchDocument", "SearchWord",
        "SearchCompletion",
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
    with connection.cursor() as cursor:
        # Emptied and filled again, the tables look empty to the planner until it has looked.
        cursor.execute("ANALYZE")
    return seconds


if __name__ == "__main__":
    with servers(**BIG) as settings:
        os.environ |= settings | {"DJANGO_SETTINGS_MODULE": os.environ.get("DJANGO_SETTINGS_MODULE", "config.settings")}
        main()
