"""A run's life: opened, begun under a lease, ended; or found abandoned and begun again."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID, uuid4

from django.core.files.base import File
from django.core.files.storage import storages
from django.db import IntegrityError, transaction
from django.db.models import F
from django.utils.text import slugify

from catalog.ingestion.formats import READERS
from catalog.models import IngestProblem, IngestRun, IngestStaging, Provider
from core.errors import DomainError
from core.ids import new_id

KEPT = timedelta(days=30)
"""How long a delivery's bytes are kept after its run, to look into what it said; docs/configuration.md names it."""

MAX_ATTEMPTS = 3
"""A run that was killed this often kills its worker, and is not begun again by itself."""

KILLED = "The process that read this delivery was killed. What it wrote is whole; ingest the file again."
LOST = "The database or the storage of files could not be reached. What was written is whole; ingest the file again."
WAITS = "The database or the storage of files could not be reached. The run is begun again by itself, every minute until it can be."


class FormatUnknown(DomainError):
    code = "format_unknown"
    title = "No reader knows this format."
    status = 422


class ProviderNameUnusable(DomainError):
    code = "provider_name_unusable"
    title = "A provider's name needs at least one letter or digit."
    status = 422


class RunUnknown(DomainError):
    code = "ingest_run_unknown"
    title = "There is no such ingest run."
    status = 404


class ProviderBusy(DomainError):
    code = "provider_busy"
    title = "Another delivery of this provider is being ingested."
    status = 409


class LeaseLost(DomainError):
    """This process was taken for dead, and another has begun the run again."""

    code = "ingest_lease_lost"
    title = "Another process has taken this run over."
    status = 409


def provider_named(*, name: str) -> tuple[Provider, bool]:
    """Answer the provider with this name or code, and whether it was made just now.

    A new one's titles stay drafts and get no licence until its policy says otherwise.
    """
    code = slugify(name)[:50]
    if not code:
        raise ProviderNameUnusable(f"{name!r} has no letter or digit that a code can be made of.")
    return Provider.objects.get_or_create(code=code, defaults={"name": name[:200]})


def open_run(
    *,
    provider: Provider,
    format: str,  # noqa: A002 - what it is called everywhere
    source_name: str,
    by: str,
    now: datetime,
    content: File[bytes] | None = None,
    delivery: str = "",
    dry_run: bool = False,
    reprocess: bool = False,
) -> IngestRun:
    """Put a delivery on record, and its bytes, if given, into the storage where any worker finds them.

    Raises FormatUnknown.
    """
    if format not in READERS:
        raise FormatUnknown(f"{format!r} is no format we read; choose one of: {', '.join(READERS)}.")
    run_id = new_id()
    stored = ""
    if content is not None:
        # Under a name of ours: what a browser makes of a file follows from how it is called.
        stored = storages["private"].save(f"ingest/{run_id}/delivery", content)
    return IngestRun.objects.create(
        id=run_id,
        provider=provider,
        format=format,
        source_name=source_name[:255],
        file=stored,
        delivery=delivery,
        dry_run=dry_run,
        reprocess=reprocess,
        started_by=by,
        created_at=now,
    )


def begin(*, run_id: UUID, now: datetime) -> IngestRun | None:
    """Take the run and a lease on it, and clear away what a killed process left of it.

    None when it has ended, or somebody is at it. Raises ProviderBusy while another run of the
    provider lives, RunUnknown.
    """
    release_abandoned(now=now)
    try:
        with transaction.atomic():
            run = IngestRun.objects.locked().filter(pk=run_id).first()
            if run is None:
                raise RunUnknown
            if run.state != IngestRun.State.QUEUED:
                return None
            _refuse_before_older(run)
            run.state = IngestRun.State.RUNNING
            run.lease = uuid4()
            run.attempts += 1
            run.started_at = run.started_at or now
            run.heartbeat_at = now
            run.failure = ""
            for count in (*_COUNTS, "absent", "problem_count"):
                setattr(run, count, 0)
            run.save()
            IngestStaging.objects.filter(run=run).delete()
            IngestProblem.objects.filter(run=run).delete()
    except IntegrityError as error:
        if "ingest_one_running" not in str(error):
            raise
        raise ProviderBusy(
            "Another delivery of this provider is being ingested; this one waits until it has ended."
        ) from error
    return run


def _refuse_before_older(run: IngestRun) -> None:
    """Keep a provider's deliveries in their order: an older one read later would undo what the newer said."""
    older = IngestRun.objects.filter(
        provider=run.provider_id, state__in=[IngestRun.State.QUEUED, IngestRun.State.RUNNING], pk__lt=run.pk
    )
    # One without stored bytes is a command's own, and never waits.
    if run.file and older.exclude(file="").exists():
        raise ProviderBusy("An older delivery of this provider waits; this one is read after it.")


def release_abandoned(*, now: datetime) -> list[UUID]:
    """Queue the runs whose process was killed, and answer every queued run that waits for a worker.

    One that cannot be begun again, because its bytes were not stored or it was killed too often, fails.
    """
    with transaction.atomic():
        for run in IngestRun.objects.locked().abandoned(now).filter(state=IngestRun.State.RUNNING):
            run.lease = None
            if not run.file or run.attempts >= MAX_ATTEMPTS:
                run.state = IngestRun.State.FAILED
                run.finished_at = now
                run.failure = KILLED
            else:
                run.state = IngestRun.State.QUEUED
            run.save(update_fields=["lease", "state", "finished_at", "failure"])
            IngestStaging.objects.filter(run=run).delete()
    queued = IngestRun.objects.filter(state=IngestRun.State.QUEUED).exclude(file="")
    return list(queued.order_by("created_at").values_list("pk", flat=True))


def hand_back(run: IngestRun, *, now: datetime) -> None:
    """Queue a run again that an outage ended, by the word of the process that was at it: that was no attempt.

    So it is when somebody has found the run abandoned meanwhile, as they find one whose process was killed. One
    whose bytes were not stored fails, and so does one that was given up and that a newer delivery has overtaken since.
    """
    with transaction.atomic():
        row = IngestRun.objects.locked().filter(pk=run.pk).first()
        if row is None or row.state == IngestRun.State.FINISHED:
            return
        row.attempts = max(0, row.attempts - 1)
        is_held = row.state == IngestRun.State.RUNNING and row.lease == run.lease
        if is_held or (row.state == IngestRun.State.FAILED and row.failure == KILLED and not _is_overtaken(row)):
            row.lease = None
            can_begin = bool(row.file)
            row.state = IngestRun.State.QUEUED if can_begin else IngestRun.State.FAILED
            row.finished_at = None if can_begin else now
            row.failure = WAITS if can_begin else LOST
            IngestStaging.objects.filter(run=row).delete()
        row.save(update_fields=["attempts", "lease", "state", "finished_at", "failure"])


def _is_overtaken(run: IngestRun) -> bool:
    """Say whether a newer delivery of the provider was begun: the older one, read after it, would undo what it said."""
    newer = IngestRun.objects.filter(provider=run.provider_id, pk__gt=run.pk, dry_run=False)
    return newer.exclude(started_at=None).exists()


def purge_deliveries(*, now: datetime) -> int:
    """Delete the bytes of deliveries whose runs ended KEPT ago; the reports stay. Answer how many."""
    number = 0
    ended = IngestRun.objects.filter(finished_at__lte=now - KEPT).exclude(file="")
    for run_id, name in list(ended.order_by("pk").values_list("pk", "file")):
        # The file first: killed in between, the next purge finds nothing there and forgets the name.
        storages["private"].delete(name)
        IngestRun.objects.filter(pk=run_id).update(file="")
        number += 1
    return number


def beat(run: IngestRun, *, now: datetime, **counts: int) -> None:
    """Add to the counts and say that we live, in the caller's transaction. Raises LeaseLost."""
    changes = {name: F(name) + number for name, number in counts.items() if number}
    held = IngestRun.objects.filter(pk=run.pk, state=IngestRun.State.RUNNING, lease=run.lease)
    if not held.update(heartbeat_at=now, **changes):
        raise LeaseLost(f"Run {run.pk} of {run.provider} was taken over; this process stops.")


def end(run: IngestRun, *, now: datetime, failure: str = "") -> None:
    """Close the run, with what went wrong if it could not finish. Raises LeaseLost."""
    with transaction.atomic():
        beat(run, now=now)
        state = IngestRun.State.FAILED if failure else IngestRun.State.FINISHED
        IngestRun.objects.filter(pk=run.pk).update(state=state, lease=None, finished_at=now, failure=failure)
        IngestStaging.objects.filter(run=run).delete()


_COUNTS = ("read", "created", "updated", "unchanged", "rejected", "retired")
