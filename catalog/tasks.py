"""Jobs: thin shells around the services."""

from __future__ import annotations

import time
from typing import Any, BinaryIO
from uuid import UUID

from celery import shared_task
from django.core.files.storage import storages

from catalog.models import IngestRun
from catalog.services import artwork, ingestion, media, ratings, scheduling, search, sources
from core import clock
from core.files import open_stored

SENT_AT_ONCE = 4
ARTWORK_AT_ONCE = 16
ARTWORK_SECONDS = 50
RENAME_SECONDS = 50


@shared_task
def run_ingest(*, run_id: str, **_: Any) -> None:
    """Ingest the delivery of a run. While another one of the provider lives, or in an outage, it stays queued."""
    try:
        ingestion.execute(run_id=UUID(run_id), open_delivery=_stored, clock=clock.now)
    except ingestion.ProviderBusy:
        return


@shared_task
def run_queued_ingests(**_: Any) -> None:
    """Start what waits: runs whose process was killed, whose message was lost, whose provider was busy."""
    for run_id in ingestion.release_abandoned(now=clock.now()):
        run_ingest.delay(run_id=str(run_id))


@shared_task
def work_on_artwork(**_: Any) -> None:
    """Fetch the images that feeds announced, and draw each in its sizes."""
    until = time.monotonic() + ARTWORK_SECONDS
    while artwork.work(now=clock.now(), limit=ARTWORK_AT_ONCE) and time.monotonic() < until:
        pass


@shared_task
def purge_artwork(**_: Any) -> None:
    """Delete the files of images that no title has any more."""
    artwork.purge_orphans(now=clock.now())


@shared_task
def package_media(*, package_id: str, **_: Any) -> None:
    """Package a film. A newer one, or another worker, may take the job from this one."""
    try:
        media.execute(package_id=UUID(package_id), clock=clock.now)
    except media.LeaseLost:
        return


@shared_task
def package_queued_media(**_: Any) -> None:
    """Start what waits: jobs whose worker was killed, whose message was lost, or that were disturbed."""
    # The oldest ones: a message for each, every minute, would pile up behind a film of hours.
    for package_id in media.release_abandoned(now=clock.now())[:SENT_AT_ONCE]:
        package_media.delay(package_id=str(package_id))


@shared_task
def purge_media(**_: Any) -> None:
    """Delete films and tracks that nobody plays or resumes any more."""
    media.purge(now=clock.now())
    media.purge_orphans(now=clock.now())


@shared_task
def purge_deliveries(**_: Any) -> None:
    """Delete deliveries that nobody will look into any more."""
    ingestion.purge_deliveries(now=clock.now())


@shared_task
def check_due_sources(**_: Any) -> None:
    """Have every place looked at to which a provider may have delivered by now."""
    for source_id in sources.claim_due(now=clock.now()):
        check_source.delay(source_id=source_id)


@shared_task
def check_source(*, source_id: int, by: str = "schedule", **_: Any) -> None:
    """Look at one place, and have what is new there ingested."""
    for run_id in sources.check(source_id=source_id, by=by, now=clock.now()):
        run_ingest.delay(run_id=str(run_id))


@shared_task
def carry_out_plans(**_: Any) -> None:
    """Publish and withdraw what was planned for now."""
    scheduling.carry_out_due(now=clock.now())


@shared_task
def refresh_vocabulary(**_: Any) -> None:
    """Make anew what the search knows of words, of first letters and of the best; forget old searches without result."""
    search.refresh_vocabulary()
    search.rebuild_completions()
    search.choose_leaders()
    search.purge_misses(today=clock.now().date())


@shared_task
def follow_renames(**_: Any) -> None:
    """Let the search find titles by the new names of people, genres and keywords."""
    until = time.monotonic() + RENAME_SECONDS
    while search.follow_renames() and time.monotonic() < until:
        pass


@shared_task
def apply_age_ratings(**_: Any) -> None:
    """Give stored ratings the ages of this release's table."""
    ratings.apply_table(now=clock.now())


def _stored(run: IngestRun) -> BinaryIO:
    return open_stored(storages["private"], run.file)
