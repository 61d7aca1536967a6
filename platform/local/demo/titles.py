"""The demo's catalogue: its feed goes through the same ingestion as everyone's, its pictures are drawn here."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from datetime import datetime
from itertools import chain
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from django.db.models import QuerySet

from catalog.models import Artwork, IngestRun, Provider, SourceRecord, Title
from catalog.services import artwork, ingestion
from core import clock
from local.demo.artwork import drawn_pictures

FEED = Path(__file__).with_name("catalog.jsonl")
PROVIDER = "Demo catalogue"


def are_ingested() -> bool:
    """Answer whether the feed has been read to its end."""
    return IngestRun.objects.filter(provider__name=PROVIDER, state=IngestRun.State.FINISHED).exists()


def of_the_feed() -> QuerySet[Title]:
    """Answer the titles that the feed has brought."""
    return Title.objects.filter(pk__in=SourceRecord.objects.filter(provider__name=PROVIDER).values("title"))


def ingest(*, now: datetime) -> IngestRun:
    """Ingest the feed under a policy that publishes what is complete."""
    provider, is_new = ingestion.provider_named(name=PROVIDER)
    if is_new:
        provider.publish = Provider.Publish.ON_INGEST
        provider.save(update_fields=["publish"])
    run = ingestion.open_run(provider=provider, format="jsonl", source_name=FEED.name, by="demo", now=now)
    with FEED.open("rb") as stream:
        ingestion.execute(run_id=run.pk, open_delivery=lambda _: stream, clock=clock.now)
    run.refresh_from_db()
    return run


def draw(*, now: datetime, progress: Callable[[int, int], None]) -> None:
    """Draw the pictures that the feed announces and nobody has drawn yet, on two cores."""
    wanted = {
        (source.external_id, image.source): image
        for source in SourceRecord.objects.filter(provider__name=PROVIDER)
        for image in Artwork.objects.filter(title=source.title, file="").exclude(source="")
    }
    records = [record for record in _records() if any(external_id == record["id"] for external_id, _ in wanted)]
    # Spawned, since a fork would share this process's database connections.
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        drawn = chain.from_iterable(pool.map(drawn_pictures, records))
        for done, (external_id, name, data) in enumerate(drawn, 1):
            if image := wanted.get((external_id, name)):
                artwork.attach(
                    title_id=image.title_id, kind=image.kind, data=data, language=image.language, source=name, now=now
                )
            progress(done, len(wanted))


def _records() -> Iterator[dict[str, Any]]:
    with FEED.open(encoding="utf-8") as lines:
        yield from (record for record in map(json.loads, lines) if record["kind"] != "feed")
