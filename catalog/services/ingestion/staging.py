"""The first half of a run: read the delivery once, and stage what must be written."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from hashlib import blake2b
from itertools import islice
from typing import Any, BinaryIO

from django.db import connection, transaction
from msgspec.structs import replace

from catalog import rules
from catalog.ingestion import records
from catalog.ingestion.reader import Findings, Reader
from catalog.ingestion.records import Header, Problem, RawRecord, TitleRecord
from catalog.models import IngestProblem, IngestRun, IngestStaging, Provider
from catalog.services.copying import copy_into
from catalog.services.ingestion import runs
from catalog.services.ingestion.lanes import behind

BATCH = 1000
BATCH_BYTES = 16 << 20
"""A record has a few thousand bytes; of larger ones fewer are kept in memory."""
_STAGING = ("run_id", "row_number", "external_id", "rank", "implied", "outcome", "digest", "likeness", "payload")
_PROBLEM = ("run_id", "row_number", "external_id", "field", "code", "severity", "message")
_Outcome = IngestStaging.Outcome


def stage(run: IngestRun, reader: Reader, stream: BinaryIO, *, clock: Callable[[], datetime]) -> None:
    """Read the delivery into staging: each record once, what is unchanged or unusable already decided."""
    provider = Provider.objects.get(pk=run.provider_id)
    stager = _Stager(run, reader, seed=_seed(reader, provider))
    entries = reader.split(stream)
    with behind() as write:
        while batch := _read_batch(entries):
            write(partial(stager.write, stager.decide(list(_without_header(batch, run))), now=clock()))
    with connection.cursor() as cursor:
        # Between runs the table is empty, and the planner remembers that.
        cursor.execute("ANALYZE catalog_ingeststaging")
    _note_left_out(run, stager.left_out, now=clock())
    _drop_implied(run, now=clock())
    _reject_repeated(run, now=clock())
    _note_doubles(run, now=clock())
    _count_decided(run, now=clock())


def write_problems(run: IngestRun, problems: Iterable[Problem]) -> None:
    """Add problems to the run's report, in the caller's transaction."""
    with connection.cursor() as cursor:
        copy_into(
            cursor,
            IngestProblem,
            _PROBLEM,
            (
                (run.pk, item.row_number, _storable(item.external_id, 255), _storable(item.field, 200), item.code[:50],
                 item.severity, _storable(item.message, 1000))
                for item in problems
            ),
        )  # fmt: skip


def _storable(text: str, length: int) -> str:
    """Answer the beginning of what a provider wrote, without the one character that PostgreSQL has no room for."""
    return text.replace("\0", "")[:length]


@dataclass(frozen=True, slots=True)
class _Known:
    """A record that we have: its digest, how it counts when it has not changed, whether it was taken back."""

    digest: bytes
    counted: str
    retired: bool


@dataclass(frozen=True, slots=True)
class _Decided:
    """A batch as it is to be staged: its rows, what its provider should know, how many records it counts for."""

    rows: list[tuple[Any, ...]]
    problems: list[Problem]
    read: int


class _LeftOut:
    """What a delivery says that we have no place for: by name, in how many records, and in which first."""

    MOST = 200
    """A format has dozens of names; a delivery that makes thousands up is not reported name by name."""

    def __init__(self) -> None:
        self.first: dict[str, tuple[int, str]] = {}
        self.records: Counter[str] = Counter()

    def add(self, raw: RawRecord, names: Iterable[str]) -> None:
        told = set()
        for name in names:
            known = name if name in self.first or len(self.first) < self.MOST else "..."
            self.first.setdefault(known, (raw.row_number, raw.external_id))
            told.add(known)
        self.records.update(told)


class _Stager:
    def __init__(self, run: IngestRun, reader: Reader, seed: bytes) -> None:
        self.run = run
        self.reader = reader
        self.seed = seed
        self.left_out = _LeftOut()

    def decide(self, batch: list[RawRecord]) -> _Decided:
        """Decide what becomes of each record, as far as it alone can tell."""
        batch = [_with_sound_id(raw) for raw in batch]
        digests = [blake2b(raw.content, digest_size=16, key=self.seed).digest() for raw in batch]
        known = self._known([raw.external_id for raw in batch])
        rows: list[tuple[Any, ...]] = []
        problems: list[Problem] = []
        for raw, digest in zip(batch, digests, strict=True):
            findings = Findings(raw.row_number, raw.external_id)
            outcome, record = self._decide(raw, known.get(raw.external_id), digest, findings)
            problems += findings.problems
            if findings.left_out:
                self.left_out.add(raw, findings.left_out)
            rows.append(
                (
                    self.run.pk,
                    raw.row_number,
                    raw.external_id,
                    rules.RANKS[record.kind] if record else 0,
                    raw.implied,
                    outcome,
                    digest,
                    _likeness(record) if record and self.reader.describes else "",
                    records.dump(record) if record else b"",
                )
            )
        # What is implied counts once it is known that no record of its own came.
        return _Decided(rows, problems, read=sum(not raw.implied for raw in batch))

    def write(self, decided: _Decided, *, now: datetime) -> None:
        """Write it down, in a transaction of its own. Raises LeaseLost."""
        with transaction.atomic():
            runs.beat(self.run, now=now, read=decided.read, problem_count=len(decided.problems))
            with connection.cursor() as cursor:
                copy_into(cursor, IngestStaging, _STAGING, decided.rows)
            write_problems(self.run, decided.problems)

    def _known(self, external_ids: list[str]) -> dict[str, _Known]:
        """Answer the digest of what we know, and how this very run counted it before it was killed."""
        with connection.cursor() as cursor:
            # One array instead of a thousand parameters, which take longer to compose than to look up.
            cursor.execute(
                "SELECT external_id, digest, first_run_id, last_run_id, retired_at FROM catalog_sourcerecord"
                " WHERE provider_id = %s AND external_id = ANY(%s)",
                [self.run.provider_id, external_ids],
            )
            return {
                external_id: _Known(
                    bytes(digest), self._counted(first_run, last_run, retired_at), retired_at is not None
                )
                for external_id, digest, first_run, last_run, retired_at in cursor.fetchall()
            }

    def _counted(self, first_run: object, last_run: object, retired_at: datetime | None) -> str:
        if last_run != self.run.pk:
            return _Outcome.UNCHANGED
        if retired_at:
            return _Outcome.RETIRED
        return _Outcome.CREATED if first_run == self.run.pk else _Outcome.UPDATED

    def _decide(
        self, raw: RawRecord, known: _Known | None, digest: bytes, findings: Findings
    ) -> tuple[str, TitleRecord | None]:
        if raw.fault:
            findings.problems.append(raw.fault)
            return _Outcome.REJECTED, None
        if known and (known.digest == digest or (raw.implied and not known.retired)):
            # What this run has written before it was killed is not written again.
            anew = self.run.reprocess and known.counted == _Outcome.UNCHANGED and not raw.implied
            if not anew:
                return known.counted, None
        record = self.reader.normalise(raw, findings)
        if not raw.external_id and not findings.rejected:
            findings.add("error", "id", "missing", "Has no id: give it one that never changes.")
        if record is None or findings.rejected:
            return _Outcome.REJECTED, None
        if record.withdrawn and known is None:
            findings.add("warning", "id", "unknown_id", "Takes back a title that we never had: nothing to do.")
            return _Outcome.UNCHANGED, None
        return _Outcome.PENDING, record


def _seed(reader: Reader, provider: Provider) -> bytes:
    """Answer what changes every digest when the same bytes would now give something else."""
    return f"{reader.name} {reader.version} {provider.policy_version}".encode()


def _with_sound_id(raw: RawRecord) -> RawRecord:
    """Answer the record, or, where its id cannot be stored or told apart by eye, what is wrong with it."""
    external_id = raw.external_id
    if len(external_id) > 255:
        code, message = "too_long", "The id is longer than 255 characters: shorten it."
    elif not external_id.isprintable():
        code, message = "invisible_characters", "The id contains control or zero-width characters: remove them."
    else:
        return raw
    shown = rules.without_invisible(external_id)[:255]
    fault = Problem(raw.row_number, shown, "id", code, "error", message)
    return replace(raw, external_id="", fault=raw.fault or fault)


def _likeness(record: TitleRecord) -> str:
    if record.parent or not record.texts:
        return ""
    year = record.release_date.date.year if record.release_date else ""
    return f"{record.kind} {year} {rules.fold(record.texts[0].name)}"[:600]


def _without_header(entries: Iterable[Header | RawRecord], run: IngestRun) -> Iterator[RawRecord]:
    for entry in entries:
        if isinstance(entry, RawRecord):
            yield entry
        elif not run.delivery:
            run.delivery = entry.delivery
            IngestRun.objects.filter(pk=run.pk, lease=run.lease).update(delivery=entry.delivery)


def _drop_implied(run: IngestRun, *, now: datetime) -> None:
    """Forget what is implied and has a record of its own, or was implied before; count the others as read."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT id FROM (
                SELECT id, implied,
                       row_number() OVER (PARTITION BY external_id ORDER BY implied, row_number) AS place
                FROM catalog_ingeststaging WHERE run_id = %s AND external_id <> ''
            ) AS placed WHERE implied AND place > 1
            """,
            [run.pk],
        )
        superfluous = [row[0] for row in cursor.fetchall()]
        IngestStaging.objects.filter(pk__in=superfluous)._raw_delete(using="default")
        left = IngestStaging.objects.filter(run=run, implied=True).count()
        runs.beat(run, now=now, read=left)


def _reject_repeated(run: IngestRun, *, now: datetime) -> None:
    """Reject all but the first of the records that share an id."""
    with transaction.atomic(), connection.cursor() as cursor:
        # Found first and changed by their ids: joined to themselves in one statement, the rows would be
        # compared each with each whenever the planner takes the table for as empty as it is between runs.
        cursor.execute(
            """
            SELECT id, row_number, external_id, first_row, outcome FROM (
                SELECT id, row_number, external_id, outcome, first_value(row_number) OVER same AS first_row,
                       row_number() OVER same AS place
                FROM catalog_ingeststaging WHERE run_id = %s AND external_id <> ''
                WINDOW same AS (PARTITION BY external_id ORDER BY row_number)
            ) AS placed WHERE place > 1 AND outcome <> %s
            """,
            [run.pk, _Outcome.REJECTED],
        )
        repeated = cursor.fetchall()
        cursor.execute(
            "UPDATE catalog_ingeststaging SET outcome = %s, payload = '' WHERE id = ANY(%s)",
            [_Outcome.REJECTED, [row[0] for row in repeated]],
        )
        problems = [
            Problem(row, external_id, "id", "repeated_id", "error", f"The id is already that of line {first}: name each title once.")
            for _, row, external_id, first, _ in repeated
        ]  # fmt: skip
        write_problems(run, problems)
        runs.beat(run, now=now, problem_count=len(problems))


def _note_doubles(run: IngestRun, *, now: datetime) -> None:
    """Note records that look like the same title under two ids; both are kept."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT row_number, external_id, first_id FROM (
                SELECT row_number, external_id, first_value(external_id) OVER same AS first_id,
                       row_number() OVER same AS place
                FROM catalog_ingeststaging WHERE run_id = %s AND likeness <> '' AND outcome = %s
                WINDOW same AS (PARTITION BY likeness ORDER BY row_number)
            ) AS placed WHERE place > 1
            """,
            [run.pk, _Outcome.PENDING],
        )
        problems = [
            Problem(
                row, external_id, "title", "possible_duplicate", "warning",
                f"Has the name, kind and year of {first!r}: if it is the same title, deliver it once.",
            )
            for row, external_id, first in cursor.fetchall()
        ]  # fmt: skip
        write_problems(run, problems)
        runs.beat(run, now=now, problem_count=len(problems))


def _note_left_out(run: IngestRun, left_out: _LeftOut, *, now: datetime) -> None:
    """Say once of each thing that a delivery tells and we do not keep in how many records it stands."""
    problems = [
        Problem(
            row, external_id, name, "not_kept", "info",
            f"Stands in {left_out.records[name]:,} records, in this one first. We have no place for it, so it was left"
            " out: nothing to correct.",
        )
        for name, (row, external_id) in sorted(left_out.first.items())
    ]  # fmt: skip
    if problems:
        with transaction.atomic():
            write_problems(run, problems)
            runs.beat(run, now=now, problem_count=len(problems))


def _count_decided(run: IngestRun, *, now: datetime) -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            "SELECT outcome, count(*) FROM catalog_ingeststaging WHERE run_id = %s AND outcome <> %s GROUP BY outcome",
            [run.pk, _Outcome.PENDING],
        )
        runs.beat(run, now=now, **Counter(dict(cursor.fetchall())))


def _read_batch(entries: Iterator[Header | RawRecord]) -> list[Header | RawRecord]:
    """Answer the next entries, none at the end: BATCH of them, or fewer that fill the memory of so many."""
    batch: list[Header | RawRecord] = []
    size = 0
    for entry in islice(entries, BATCH):
        batch.append(entry)
        size += len(entry.content) if isinstance(entry, RawRecord) else 0
        if size >= BATCH_BYTES:
            break
    return batch
