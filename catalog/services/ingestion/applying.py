"""The second half of a run: staged records become titles, batch by batch, set by set."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from uuid import UUID

import psycopg
from django.db import DataError, IntegrityError, connection, transaction

from catalog import rules
from catalog.ingestion import records
from catalog.ingestion.formats import READERS
from catalog.models import IngestRun, IngestStaging, Provider
from catalog.services.ingestion import changes, linking
from catalog.services.ingestion.batch import Batch
from catalog.services.ingestion.caches import Caches
from catalog.services.ingestion.finding import Outcome, Staged

BATCH = 2500
REMEMBERED = 2000
_REFUSALS = (IntegrityError, DataError, psycopg.IntegrityError, psycopg.DataError)


def apply(run: IngestRun, *, clock: Callable[[], datetime]) -> list[UUID]:
    """Write everything that is staged: wholes before their parts, each batch in a transaction of its own.

    Answer the first titles that were written, up to about REMEMBERED.
    """
    provider = Provider.objects.get(pk=run.provider_id)
    caches = Caches(provider.pk, remembered=REMEMBERED)
    number = 0
    for rank in sorted(set(rules.RANKS.values())):
        for batch in _staged(run, rank):
            number += 1
            if number.bit_count() == 1:
                _plan_anew()
            _apply_or_split(batch, run, provider, caches, clock)
    caches.count_words()
    return caches.written


def _plan_anew() -> None:
    """Drop the session's cached plans each time the tables may have doubled.

    The checks of foreign keys keep theirs: made while a table was small, they read it whole for each
    row, until PostgreSQL itself analyses the table.
    """
    with connection.cursor() as cursor:
        cursor.execute("DISCARD PLANS")


def _staged(run: IngestRun, rank: int) -> Iterator[list[Staged]]:
    last = -1
    while True:
        pending = IngestStaging.objects.filter(run=run, outcome=IngestStaging.Outcome.PENDING, rank=rank)
        found = list(
            pending.filter(row_number__gt=last)
            .order_by("row_number")
            .values_list("row_number", "digest", "payload")[:BATCH]
        )
        if not found:
            return
        last = found[-1][0]
        yield [Staged(row, bytes(digest), records.load(bytes(payload))) for row, digest, payload in found]


def _apply_or_split(
    batch: list[Staged], run: IngestRun, provider: Provider, caches: Caches, clock: Callable[[], datetime]
) -> None:
    """Apply a set; one that the database refuses is split until the bad record stands alone."""
    batch, later = (batch, []) if READERS[run.format].describes else linking.apart(batch)
    _apply_together(batch, run, provider, caches, clock)
    if later:
        _apply_or_split(later, run, provider, caches, clock)


def _apply_together(
    batch: list[Staged], run: IngestRun, provider: Provider, caches: Caches, clock: Callable[[], datetime]
) -> None:
    now = clock()
    try:
        with transaction.atomic():
            Batch(batch, run, provider, caches, now).apply()
    except _REFUSALS as error:
        caches.forget()
        if len(batch) > 1:
            middle = len(batch) // 2
            _apply_together(batch[:middle], run, provider, caches, clock)
            _apply_together(batch[middle:], run, provider, caches, clock)
            return
        outcome = Outcome()
        outcome.reject(
            batch[0], "", "refused_by_database", f"The database refuses it: {_reason(error)}. Correct the record."
        )
        with transaction.atomic():
            changes.report(run, outcome, now)
    else:
        caches.keep()


def _reason(error: Exception) -> str:
    return " ".join(str(error).split("DETAIL:")[0].split())[:300]
