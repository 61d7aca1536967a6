"""A run whose database or storage is lost: handed back, so that it is begun again as often as it takes."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime
from typing import BinaryIO
from uuid import UUID

import structlog

from catalog.models import IngestRun
from catalog.services.ingestion import execution, runs
from core import outages
from core.errors import DomainError
from core.sweeping import is_outage

logger = structlog.get_logger(__name__)


class Interrupted(DomainError):
    """Nothing is wrong with the delivery: what an ingestion relies on is away."""

    code = "ingest_interrupted"
    title = "The database or the storage of files could not be reached."
    status = 503


def execute(
    *,
    run_id: UUID,
    open_delivery: Callable[[IngestRun], BinaryIO],
    clock: Callable[[], datetime],
    wait: Callable[[float], None] = time.sleep,
) -> IngestRun | None:
    """Ingest a delivery as `execution.execute` does, and hand the run back when the database or the storage is lost.

    Raises Interrupted then, once the database has taken note of it, or has been away for an hour: whoever finds the run
    takes its process for killed. `wait` waits for so many seconds. Raises ProviderBusy, RunUnknown, LeaseLost.
    """
    begun: list[IngestRun] = []

    def opened(run: IngestRun) -> BinaryIO:
        begun.append(run)
        return open_delivery(run)

    try:
        return execution.execute(run_id=run_id, open_delivery=opened, clock=clock)
    except Exception as error:
        if not begun or not is_outage(error):
            raise
        [run] = begun
        logger.error("ingest_outage", run_id=str(run.pk), error=type(error).__name__)
        # A delivery that was not stored is somebody's who waits for this process.
        patience = outages.PATIENCE if run.file else 0.0
        outages.tell_once_back(lambda: runs.hand_back(run, now=clock()), patience=patience, wait=wait)
        raise Interrupted(runs.WAITS if run.file else runs.LOST) from error
