"""The floor's jobs."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Any

from celery import shared_task

from core import clock, idempotency, outbox, partitions

logger = logging.getLogger(__name__)


# A relay gives its worker back after this long; the next goes on from there.
RELAY_BUDGET = timedelta(seconds=20)


# A handler that hangs is interrupted, which counts as its failure; one that cannot be interrupted is killed.
@shared_task(soft_time_limit=300, time_limit=330)
def relay_outbox(*, after: list[str] | None = None, **_: Any) -> None:
    """Deliver due events; go on in a next task, so that other tasks have their turn."""
    report = outbox.relay(clock=clock.now, budget=RELAY_BUDGET, after=outbox.Lane(*after) if after else None)
    if report.delivered or report.failed or report.parked:
        logger.info(
            "Events were relayed.",
            extra={"delivered": report.delivered, "failed": report.failed, "parked": report.parked},
        )
    if report.stopped_at:
        relay_outbox.delay(after=list(report.stopped_at))


@shared_task
def keep_partitions(**_: Any) -> None:
    """Make the coming months of partitioned tables and drop those past their retention."""
    now = clock.now()
    partitions.create_ahead(now=now)
    partitions.drop_old(now=now)


@shared_task
def purge_idempotency_keys(**_: Any) -> None:
    """Forget how requests of more than a day ago were answered."""
    logger.info("Idempotency keys were purged.", extra={"purged": idempotency.purge(now=clock.now())})
