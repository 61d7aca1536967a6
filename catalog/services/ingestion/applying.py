"""The second half of a run: staged records become titles, batch by batch, set by set."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from typing import Self
from uuid import UUID

import psycopg
from django.db import DataError, IntegrityError, connection, transaction

from catalog import rules
from catalog.ingestion import records
from catalog.ingestion.formats import READERS
from catalog.models import IngestRun, IngestStaging, Provider
from catalog.services.copying import overlapping
from catalog.services.ingestion import changes, linking, rows
from catalog.services.ingestion.batch import Batch
from catalog.services.ingestion.caches import Caches
from catalog.services.ingestion.finding import Outcome, Staged

BATCH = 2500
REMEMBERED = 2000
_Row = tuple[int, bytes, bytes]
_REFUSALS = (IntegrityError, DataError, psycopg.IntegrityError, psycopg.DataError)


def apply(run: IngestRun, *, clock: Callable[[], datetime]) -> list[UUID]:
    """Write everything that is staged: wholes before their parts, each batch in a transaction of its own.

    Answer the first titles that were written, up to about REMEMBERED.
    """
    provider = Provider.objects.get(pk=run.provider_id)
    caches = Caches(provider.pk, remembered=REMEMBERED)
    number = 0
    for rank in sorted(set(rules.RANKS.values())):
        with _Ahead(_staged(run, rank)) as batches:
            for batch in batches:
                number += 1
                if number.bit_count() == 1:
                    _plan_anew()
                _Applier(run, provider, caches, clock, batches.begin_next).apply_or_split(batch)
    caches.count_words()
    return caches.written


def _plan_anew() -> None:
    """Drop the session's cached plans each time the tables may have doubled.

    The checks of foreign keys keep theirs: made while a table was small, they read it whole for each
    row, until PostgreSQL itself analyses the table.
    """
    with connection.cursor() as cursor:
        cursor.execute("DISCARD PLANS")


class _Ahead:
    """Batches, understood one ahead in another thread, begun when the writer says that it will wait for the database.

    Begun earlier, it would but take the interpreter from the writer.
    """

    def __init__(self, batches: Iterator[list[_Row]]) -> None:
        self._batches = batches
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="understand")
        self._read: list[_Row] | None = None
        self._next: Future[list[Staged]] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._pool.shutdown(cancel_futures=True)

    def __iter__(self) -> Iterator[list[Staged]]:
        self._read = next(self._batches, None)
        while True:
            self.begin_next()
            if self._next is None:
                return
            batch, self._next = self._next.result(), None
            self._read = next(self._batches, None)
            yield batch

    def begin_next(self) -> None:
        """Begin to understand the batch that was read last, unless there is none or it has begun."""
        if self._read:
            self._next, self._read = self._pool.submit(_understand, self._read), None


def _understand(batch: list[_Row]) -> list[Staged]:
    return [_understand_one(*row) for row in batch]


def _understand_one(row_number: int, digest: bytes, payload: bytes) -> Staged:
    record = records.load(payload)
    keys = {(who.name, who.person_id): rules.person_key(who.name, who.person_id) for who in record.credits}
    return Staged(row_number, digest, record, rows.search_document(record), keys)


def _staged(run: IngestRun, rank: int) -> Iterator[list[_Row]]:
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
        yield [(row_number, bytes(digest), bytes(payload)) for row_number, digest, payload in found]


@dataclass(frozen=True, slots=True)
class _Applier:
    """Applies a batch; one that the database refuses is split until the bad record stands alone."""

    run: IngestRun
    provider: Provider
    caches: Caches
    clock: Callable[[], datetime]
    meanwhile: Callable[[], None]
    """Called when all is sent and the database has yet to write, check and commit it."""

    def apply_or_split(self, batch: list[Staged]) -> None:
        batch, later = (batch, []) if READERS[self.run.format].describes else linking.apart(batch)
        self._apply_together(batch)
        if later:
            self.apply_or_split(later)

    def _apply_together(self, batch: list[Staged]) -> None:
        now = self.clock()
        try:
            with transaction.atomic():
                written = Batch(batch, self.run, self.provider, self.caches, now)
                with overlapping():
                    written.write()
                    self.meanwhile()
                    written.conclude()
        except _REFUSALS as error:
            self.caches.forget()
            if len(batch) > 1:
                middle = len(batch) // 2
                self._apply_together(batch[:middle])
                self._apply_together(batch[middle:])
                return
            outcome = Outcome()
            outcome.reject(
                batch[0], "", "refused_by_database", f"The database refuses it: {_reason(error)}. Correct the record."
            )
            with transaction.atomic():
                changes.report(self.run, outcome, now)
        else:
            self.caches.keep()


def _reason(error: Exception) -> str:
    return " ".join(str(error).split("DETAIL:")[0].split())[:300]
