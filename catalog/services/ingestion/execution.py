"""A run from beginning to end."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import BinaryIO
from uuid import UUID

from django.db import transaction

from catalog.ingestion.formats import READERS
from catalog.ingestion.reader import UnreadableDelivery
from catalog.models import IngestProblem, IngestRun, Provider
from catalog.services import search
from catalog.services.ingestion import applying, retiring, runs, staging
from core.sweeping import is_outage


def execute(
    *, run_id: UUID, open_delivery: Callable[[IngestRun], BinaryIO], clock: Callable[[], datetime]
) -> IngestRun | None:
    """Ingest a delivery; answer the run, or None when it has ended or another process is at it.

    `clock` answers the present instant: a run may last an hour, and says every thousand records
    that it lives. Raises ProviderBusy, RunUnknown, LeaseLost. A delivery that cannot be read ends
    the run as failed; so does an error of ours, which is raised again. When the database is lost, that is
    raised, and the run is begun again as one that was killed.
    """
    run = runs.begin(run_id=run_id, now=clock())
    if run is None:
        return None
    try:
        with _tuned_interpreter():
            with open_delivery(run) as stream:
                staging.stage(run, READERS[run.format], stream, clock=clock)
            written = applying.apply(run, clock=clock)
        retiring.retire_absent(run, clock=clock)
        _complete(written)
        _note_unlicensed(run, clock=clock)
    except UnreadableDelivery as error:
        runs.end(run, now=clock(), failure=str(error))
    except runs.LeaseLost:
        raise
    except Exception as error:
        if is_outage(error):
            # Nothing can be written down. Whoever finds the run abandoned begins it again.
            raise
        runs.end(
            run,
            now=clock(),
            failure="An error of ours ended the run; the log says which. What is written is whole: ingest the file again.",
        )
        raise
    else:
        runs.end(run, now=clock())
    run.refresh_from_db()
    return run


@contextmanager
def _tuned_interpreter() -> Iterator[None]:
    """Look for cycles seldom, and change threads often, until the end.

    A batch is hundreds of thousands of objects without cycles, walked through again and again. A thread that feeds
    the database would get the interpreter back after 5 ms, in which the database has long taken in what it was given.
    """
    collections, interval = gc.get_threshold(), sys.getswitchinterval()
    gc.set_threshold(1_000_000, 20, 50)
    sys.setswitchinterval(0.001)
    try:
        yield
    finally:
        gc.set_threshold(*collections)
        sys.setswitchinterval(interval)


def _complete(title_ids: Collection[UUID]) -> None:
    """Put what the run wrote into the search's lists of the best: title by title, or with all the others if it is much."""
    if len(title_ids) >= applying.REMEMBERED:
        search.rebuild_completions()
        search.choose_leaders()
        return
    with transaction.atomic():
        search.complete_anew(title_ids)
        search.lead_anew(title_ids)


def _note_unlicensed(run: IngestRun, *, clock: Callable[[], datetime]) -> None:
    """Say once that a format without licences met a provider without a default one."""
    provider = Provider.objects.get(pk=run.provider_id)
    run.refresh_from_db(fields=["created", "updated"])
    if READERS[run.format].carries_licences or provider.has_default_licence or not run.created + run.updated:
        return
    message = (
        f"The format carries no licences and {provider.name} has no default one: what was ingested is available"
        " nowhere. Give the provider a default licence, and deliver again."
    )
    with transaction.atomic():
        IngestProblem.objects.create(
            run=run, row_number=0, field="availability", code="no_licence", severity="warning", message=message
        )
        runs.beat(run, now=clock(), problem_count=1)
