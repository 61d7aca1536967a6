"""The second half of a run: staged records become titles, batch by batch, set by set."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from itertools import islice
from uuid import UUID

import psycopg
from django.db import DataError, IntegrityError, OperationalError, connection, transaction

from catalog import rules
from catalog.ingestion import records
from catalog.ingestion.formats import READERS
from catalog.models import IngestRun, IngestStaging, Provider
from catalog.services.copying import overlapping
from catalog.services.ingestion import changes, lanes, linking, rows
from catalog.services.ingestion.batch import Batch
from catalog.services.ingestion.caches import Caches, Names
from catalog.services.ingestion.finding import Outcome, Staged
from catalog.services.ingestion.relay import Relay, Turn

BATCH = 1000
BATCH_BYTES = 8 << 20
"""A record has a few thousand bytes; of larger ones fewer are written at a time, since several batches are under way at once."""
REMEMBERED = 2000
ATTEMPTS = 5
"""So often is a batch written that the database rolls back to let somebody else go first."""
_Row = tuple[int, bytes, bytes]
_REFUSALS = (IntegrityError, DataError, psycopg.IntegrityError, psycopg.DataError)


class _Crossed(Exception):
    """The batch and somebody else waited for each other, and the database has rolled back the batch."""


def apply(run: IngestRun, *, clock: Callable[[], datetime]) -> list[UUID]:
    """Write everything that is staged: wholes before their parts, each batch in a transaction of its own.

    Answer the first titles that were written, up to about REMEMBERED.
    """
    provider = Provider.objects.get(pk=run.provider_id)
    caches = Caches(provider.pk, remembered=REMEMBERED)
    applier = _Applier(run, provider, caches, clock)
    for rank in sorted(set(rules.RANKS.values())):
        pending = IngestStaging.objects.filter(run=run, outcome=IngestStaging.Outcome.PENDING, rank=rank)
        with (
            _write_each(applier, pending.count()) as write,
            ThreadPoolExecutor(1, thread_name_prefix="understand") as pool,
        ):
            for batch in _understood_ahead(pool, _staged(run, rank)):
                write(batch)
    caches.count_words()
    return caches.written


@contextmanager
def _write_each(applier: _Applier, pending: int) -> Iterator[Callable[[list[Staged]], None]]:
    """Answer what writes a batch: several at a time where one need not see what the one before has written."""
    run = applier.run
    independent = READERS[run.format].describes and not applier.caches.others_deliver()
    if pending <= BATCH or run.dry_run or not independent or not lanes.are_there():
        yield applier.apply_or_split
        return
    names = partial(Names, applier.caches)
    refusals = (*_REFUSALS, _Crossed)
    with Relay(write=applier.write, write_alone=applier.apply_or_split, names=names, refusals=refusals) as relay:
        yield relay.hand_over


def _understood_ahead(pool: ThreadPoolExecutor, batches: Iterator[list[_Row]]) -> Iterator[list[Staged]]:
    """Yield the batches, each understood while the one before is written."""
    following = [pool.submit(_understand, batch) for batch in islice(batches, 1)]
    while following:
        batch = following[0].result()
        following = [pool.submit(_understand, batch) for batch in islice(batches, 1)]
        yield batch


def _understand(batch: list[_Row]) -> list[Staged]:
    return [_understand_one(*row) for row in batch]


def _understand_one(row_number: int, digest: bytes, payload: bytes) -> Staged:
    record = records.load(payload)
    keys = [rules.person_key(who.name, who.person_id) for who in record.credits]
    return Staged(row_number, digest, record, rows.search_document(record), keys)


def _staged(run: IngestRun, rank: int) -> Iterator[list[_Row]]:
    """Yield what waits to be written of a rank, in order: BATCH records at a time, or fewer that have BATCH_BYTES."""
    last = -1
    while True:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT row_number, digest, payload FROM ("
                " SELECT row_number, digest, payload,"
                " sum(octet_length(payload)) OVER (ORDER BY row_number) - octet_length(payload) AS bytes_before"
                " FROM catalog_ingeststaging WHERE run_id = %s AND outcome = %s AND rank = %s AND row_number > %s"
                " ORDER BY row_number LIMIT %s) AS following WHERE bytes_before < %s ORDER BY row_number",
                [run.pk, IngestStaging.Outcome.PENDING, rank, last, BATCH, BATCH_BYTES],
            )
            found = cursor.fetchall()
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

    def apply_or_split(self, batch: list[Staged]) -> None:
        batch, later = (batch, []) if READERS[self.run.format].describes else linking.apart(batch)
        self._apply_together(batch)
        if later:
            self.apply_or_split(later)

    def write(self, batch: list[Staged], turn: Turn) -> None:
        """Write a batch in its turn, in a transaction of its own.

        Raises what the database refuses, _Crossed, ForerunnerFailed.
        """
        try:
            with transaction.atomic():
                turn.begin()
                _plan_anew()
                written = Batch(batch, self.run, self.provider, turn.names, self.clock(), settle=turn.wait_to_conclude)
                with overlapping():
                    written.write()
                    turn.sent.set()
                    turn.wait_to_conclude()
                    written.conclude()
        except (OperationalError, psycopg.OperationalError) as error:
            if _is_deadlock(error):
                raise _Crossed from error
            raise
        turn.committed = True
        turn.names.keep()

    def _write_again(self, batch: list[Staged]) -> None:
        """Write a batch alone, and again where it has crossed somebody else."""
        for attempt in range(1, ATTEMPTS + 1):
            try:
                self.write(batch, Turn(Names(self.caches)))
            except _Crossed:
                if attempt == ATTEMPTS:
                    raise
            else:
                return

    def _apply_together(self, batch: list[Staged]) -> None:
        try:
            self._write_again(batch)
        except _REFUSALS as error:
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
                changes.report(self.run, outcome, self.clock())


def _plan_anew() -> None:
    """Drop the session's cached plans: since they were made, the tables may have grown to many times their size.

    The checks of foreign keys keep theirs: made while a table was small, they read it whole for each
    row, until PostgreSQL itself analyses the table.
    """
    with connection.cursor() as cursor:
        cursor.execute("DISCARD PLANS")


def _is_deadlock(error: Exception) -> bool:
    """Say whether it is one that Django has translated, or one from the thread that sends rows."""
    return any(isinstance(one, psycopg.errors.DeadlockDetected) for one in (error, error.__cause__))


def _reason(error: Exception) -> str:
    return " ".join(str(error).split("DETAIL:")[0].split())[:300]
