"""After a full delivery: what it no longer names is taken back."""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import datetime

from django.db import connection, transaction

from catalog.events import CatalogBatchApplied
from catalog.ingestion.records import Problem
from catalog.models import IngestRun, IngestStaging, Provider, SourceRecord, Title
from catalog.models.titles import State
from catalog.services import identities
from catalog.services.ingestion import applying, changes, linking, runs
from catalog.services.ingestion.staging import write_problems
from core import outbox


def retire_absent(run: IngestRun, *, clock: Callable[[], datetime]) -> None:
    """After a full delivery: withdraw what it no longer names, unless that is suspiciously much, or cannot be known."""
    if run.delivery != IngestRun.Delivery.FULL:
        return
    unnamed = IngestStaging.objects.filter(run=run, outcome=IngestStaging.Outcome.REJECTED, external_id="").count()
    if unnamed:
        message = (
            f"The delivery is full, and {unnamed:,} of its records have no readable id: any missing title may be one"
            " of them, so none was retired. Correct these records and deliver again."
        )
        _refuse(run, "unreadable_ids", message, now=clock())
        return
    provider = Provider.objects.get(pk=run.provider_id)
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT source.external_id, source.last_run_id = %s AND source.digest = '' AS done
            FROM catalog_sourcerecord AS source
            WHERE source.provider_id = %s AND source.format = %s AND (source.retired_at IS NULL OR (source.last_run_id = %s AND source.digest = ''))
              AND NOT EXISTS (
                SELECT FROM catalog_ingeststaging AS staged
                WHERE staged.run_id = %s AND staged.external_id = source.external_id)
            ORDER BY source.title_id
            """,
            [run.pk, provider.pk, run.format, run.pk, run.pk],
        )
        absent = cursor.fetchall()
    live = SourceRecord.objects.filter(provider=provider, format=run.format, retired_at__isnull=True).count()
    # What this run retired before it was killed counts too, so that the guard decides as it did then.
    done = [row for row in absent if row[1]]
    if absent and len(absent) * 100 > (live + len(done)) * provider.max_retired_percent:
        message = (
            f"The delivery is full and lacks {len(absent):,} of {live + len(done):,} titles, more than the"
            f" {provider.max_retired_percent}% that may go at once: none was retired. Deliver all titles, deliver as"
            " partial, or raise the provider's limit."
        )
        _refuse(run, "too_many_absent", message, now=clock())
        return
    if run.dry_run:
        with transaction.atomic():
            runs.beat(run, now=clock(), absent=len(absent))
        return
    with transaction.atomic():
        runs.beat(run, now=clock(), absent=len(done))
    remaining = [external_id for external_id, is_done in absent if not is_done]
    for start in range(0, len(remaining), applying.BATCH):
        _retire_absent(run, provider, remaining[start : start + applying.BATCH], now=clock())


def _refuse(run: IngestRun, code: str, message: str, *, now: datetime) -> None:
    with transaction.atomic():
        write_problems(run, [Problem(0, "", "delivery", code, "error", message)])
        runs.beat(run, now=now, problem_count=1)


def _retire_absent(run: IngestRun, provider: Provider, external_ids: Collection[str], *, now: datetime) -> None:
    with transaction.atomic():
        identities.keep()
        gone = SourceRecord.objects.filter(provider=provider, external_id__in=external_ids)
        delivered = dict(gone.values_list("pk", "title_id"))
        ids = set(delivered)
        # Since they were found absent, editors may have merged some.
        locked = list(Title.objects.filter(pk__in=delivered.values()).locked())
        elsewhere = {
            title_id
            for title_id, sources in linking.sources_of([title.pk for title in locked]).items()
            if any(source.retired_at is None and source.id not in ids for source in sources)
        }
        public = [title for title in locked if title.state != State.WITHDRAWN and title.pk not in elsewhere]
        changes.forget_grants(list(ids), elsewhere, now=now)
        changes.withdraw([title.pk for title in public], now=now)
        changes.touch({tie for title in locked for tie in (title.parent_id, title.series_id) if tie}, now=now)
        changes.log_publication(
            [], [(title.pk, title.revision + 1) for title in public], provider=provider, run=run, now=now
        )
        gone.update(retired_at=now, last_run=run, digest=b"")
        runs.beat(run, now=now, absent=len(external_ids))
        event = CatalogBatchApplied(str(run.pk), provider.code, created=0, updated=0, retired=len(external_ids))
        outbox.publish(event, aggregate=f"ingest_run:{run.pk}", now=now)
