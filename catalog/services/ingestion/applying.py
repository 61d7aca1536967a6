"""The second half of a run: staged records become titles, batch by batch, set by set."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
import psycopg
from django.db import DataError, IntegrityError, connection, transaction

from catalog import rules
from catalog.events import CatalogBatchApplied
from catalog.ingestion import records
from catalog.ingestion.formats import READERS
from catalog.ingestion.records import Problem, TitleRecord
from catalog.models import (
    Artwork,
    AvailabilityWindow,
    ExternalId,
    IngestRun,
    IngestStaging,
    Provider,
    PublicationEntry,
    SourceRecord,
    Title,
)
from catalog.models.titles import State
from catalog.services import search
from catalog.services.copying import copy_into
from catalog.services.ingestion import linking, rows, runs
from catalog.services.ingestion.caches import Caches
from catalog.services.ingestion.resembling import Resemblance, ask, resembling
from catalog.services.ingestion.staging import write_problems
from core import outbox
from core.ids import new_id

BATCH = 1000
_REFUSALS = (IntegrityError, DataError, psycopg.IntegrityError, psycopg.DataError)
_Row = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Staged:
    """One staged record, and what is known of the title it tells of."""

    row_number: int
    digest: bytes
    record: TitleRecord


@dataclass(frozen=True, slots=True)
class Ref:
    """A record that we have had before: its title, when the provider took it back, its id."""

    title_id: UUID
    retired_at: datetime | None
    source_id: int


@dataclass(frozen=True, slots=True)
class Known:
    """A title that is in the catalogue, as its lock found it."""

    id: UUID
    kind: str
    state: str
    edited: list[str]
    parent_id: UUID | None
    series_id: UUID | None
    revision: int
    published_at: datetime | None
    withdrawn_at: datetime | None


@dataclass(slots=True)
class Outcome:
    """What a batch has come to, so far."""

    counts: Counter[str] = field(default_factory=Counter)
    problems: list[Problem] = field(default_factory=list)

    def reject(self, staged: Staged, field_name: str, code: str, message: str) -> None:
        self.counts["rejected"] += 1
        self.warn(staged, field_name, code, message, severity="error")

    def warn(
        self, staged: Staged, field_name: str, code: str, message: str, *, severity: records.Severity = "warning"
    ) -> None:
        self.problems.append(
            Problem(staged.row_number, staged.record.external_id, field_name, code, severity, message)
        )  # fmt: skip


def apply(run: IngestRun, *, clock: Callable[[], datetime]) -> None:
    """Write everything that is staged: wholes before their parts, each batch in a transaction of its own."""
    provider = Provider.objects.get(pk=run.provider_id)
    caches = Caches(provider.pk)
    number = 0
    for rank in sorted(set(rules.RANKS.values())):
        for batch in _staged(run, rank):
            number += 1
            if number.bit_count() == 1:
                _plan_anew()
            _apply_or_split(batch, run, provider, caches, clock)


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
            _Batch(batch, run, provider, caches, now).apply()
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
            _report(run, outcome, now)
    else:
        caches.keep()


class _Batch:
    """One set of records of one rank, being written."""

    def __init__(self, batch: list[Staged], run: IngestRun, provider: Provider, caches: Caches, now: datetime) -> None:
        self.batch = batch
        self.run = run
        self.provider = provider
        self.caches = caches
        self.now = now
        self.outcome = Outcome()
        self.published: list[tuple[UUID, int]] = []
        self.withdrawn: list[tuple[UUID, int]] = []

    def apply(self) -> None:
        self._find()
        self._find_alike()
        titles = self._lock()
        accepted = [staged for staged in self.batch if self._acceptable(staged, titles)]
        if self.run.dry_run:
            self._count(accepted)
        else:
            self._write(accepted, titles)
        _report(self.run, self.outcome, self.now)

    # ---------------------------------------------------------------- what is there

    def _find(self) -> None:
        """Find what we know of each record and of what it belongs to, and the titles that new ones name."""
        wanted = {staged.record.external_id for staged in self.batch} | {staged.record.parent for staged in self.batch}
        found = SourceRecord.objects.filter(provider=self.provider, external_id__in=wanted - {""})
        self.sources = {
            row[0]: Ref(*row[1:]) for row in found.values_list("external_id", "title_id", "retired_at", "pk")
        }
        by_identifier = linking.named(staged.record for staged in self.batch)
        self.links: dict[str, UUID] = {}
        self.parents: dict[str, UUID] = {}
        taken = self._described_by_us({title_id for title_id, _ in by_identifier.values()})
        for staged in self.batch:
            record = staged.record
            if record.external_id not in self.sources and (named := linking.title_named(record, by_identifier)):
                if named in taken:
                    continue
                self.links[record.external_id] = named
            if record.parent in self.sources:
                self.parents[record.external_id] = self.sources[record.parent].title_id
            elif record.parent_identifier in by_identifier:
                self.parents[record.external_id] = by_identifier[record.parent_identifier][0]

    def _find_alike(self) -> None:
        """Link new records to titles of other providers that are certainly the same; remember the doubtful ones."""
        self.doubts: dict[str, list[Resemblance]] = {}
        new = [
            staged
            for staged in self.batch
            if not (staged.record.withdrawn or staged.record.parent or self._title_of(staged.record))
        ]
        if not new or not READERS[self.run.format].describes or not self.caches.others_deliver():
            return
        alike = resembling([staged.record for staged in new], self.provider.pk)
        taken = set(self.links.values())
        for staged in new:
            found = [one for one in alike[staged.record.external_id] if one.title_id not in taken]
            certain = [one for one in found if one.score >= rules.CERTAIN]
            if len(certain) == 1:
                self.links[staged.record.external_id] = certain[0].title_id
                taken.add(certain[0].title_id)
                self.outcome.warn(
                    staged, "", "linked", f"Is the title {certain[0].title_id}: {', '.join(certain[0].reasons)}.", severity="info"
                )  # fmt: skip
            elif found:
                self.doubts[staged.record.external_id] = found
                self.outcome.warn(
                    staged, "", "possible_match",
                    f"May be the title {found[0].title_id} ({', '.join(found[0].reasons)}): an editor is asked.", severity="info",
                )  # fmt: skip

    def _described_by_us(self, title_ids: set[UUID]) -> set[UUID]:
        """Answer the titles that another record of this provider describes: two of its records are two titles.

        Licences are not meant: of those a title may have many.
        """
        if not title_ids or not READERS[self.run.format].describes:
            return set()
        ours = SourceRecord.objects.filter(provider=self.provider, format=self.run.format, title_id__in=title_ids)
        return set(ours.values_list("title_id", flat=True))

    def _title_of(self, record: TitleRecord) -> UUID | None:
        """Answer the title that a record tells of, if there is one already."""
        known = self.sources.get(record.external_id)
        return known.title_id if known else self.links.get(record.external_id)

    def _lock(self) -> dict[UUID, Known]:
        """Lock every title that this batch changes: its own, what they belong to, and what they belonged to."""
        own = [title_id for staged in self.batch if (title_id := self._title_of(staged.record))]
        ids = {*own, *self.parents.values()}
        if not ids:
            return {}
        for tie in ("parent_id", "series_id"):
            ids |= set(Title.objects.filter(pk__in=ids, **{f"{tie}__isnull": False}).values_list(tie, flat=True))
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT id, kind, state, edited, parent_id, series_id, revision, published_at, withdrawn_at"
                " FROM catalog_title WHERE id = ANY(%s) ORDER BY id FOR UPDATE",
                [list(ids)],
            )
            return {row[0]: Known(*row) for row in cursor.fetchall()}

    def _acceptable(self, staged: Staged, titles: Mapping[UUID, Known]) -> bool:
        record = staged.record
        if record.external_id in self.sources:
            known = titles[self.sources[record.external_id].title_id]
            if known.kind != record.kind:
                message = f"Was a {known.kind} before: an id keeps its kind. Give the {record.kind} an id of its own."
                self.outcome.reject(staged, "kind", "kind_changed", message)
                return False
        if record.withdrawn or not (record.parent or record.parent_identifier):
            return True
        shown = record.parent or (record.parent_identifier.value if record.parent_identifier else "")
        if record.external_id not in self.parents:
            if self.run.dry_run and self._is_staged(record.parent):
                return True
            message = f"Belongs to {shown!r}, which we do not have: deliver that too, or correct the id."
            self.outcome.reject(staged, "parent", "unknown_parent", message)
            return False
        parent = titles[self.parents[record.external_id]]
        if parent.kind not in rules.PARENT_KINDS.get(record.kind, frozenset()):
            message = f"A {record.kind} cannot belong to {shown!r}, which is a {parent.kind}: correct the id."
            self.outcome.reject(staged, "parent", "wrong_parent", message)
            return False
        return True

    def _is_staged(self, external_id: str) -> bool:
        """Say whether a dry run would have written this record by now."""
        staged = IngestStaging.objects.filter(run=self.run, external_id=external_id)
        return staged.filter(outcome=IngestStaging.Outcome.PENDING).exists()

    def _count(self, accepted: Iterable[Staged]) -> None:
        for staged in accepted:
            existing = "updated" if self._title_of(staged.record) else "created"
            self.outcome.counts["retired" if staged.record.withdrawn else existing] += 1

    # ---------------------------------------------------------------- what becomes of it

    def _write(self, accepted: list[Staged], titles: Mapping[UUID, Known]) -> None:
        retired = [staged for staged in accepted if staged.record.withdrawn]
        kept = [staged for staged in accepted if not staged.record.withdrawn]
        ids = {staged.row_number: self._title_of(staged.record) or new_id() for staged in kept}
        fresh = [staged for staged in kept if staged.record.external_id not in self.sources]
        self.source_ids = dict(
            zip((staged.row_number for staged in fresh), linking.reserve_ids(len(fresh)), strict=True)
        ) | {
            staged.row_number: self.sources[staged.record.external_id].source_id
            for staged in kept
            if staged.record.external_id in self.sources
        }
        self._share(accepted)
        created, updated, affected = [], [], set()
        for staged in kept:
            record, title_id = staged.record, ids[staged.row_number]
            parent = titles.get(self.parents[record.external_id]) if record.external_id in self.parents else None
            series_id = (parent.id if parent.kind == "series" else parent.series_id) if parent else None
            values = rows.title_values(record, parent_id=parent.id if parent else None, series_id=series_id)
            known = titles.get(title_id)
            if known is None:
                created.append(self._created(title_id, record.kind, values))
            else:
                source = self.sources.get(record.external_id)
                updated.append(self._updated(known, values, retired_at=source.retired_at if source else None))
                affected |= {known.parent_id, known.series_id}
            affected |= {parent.id if parent else None, series_id}
        for staged in retired:
            known = titles[self.sources[staged.record.external_id].title_id]
            affected |= {known.parent_id, known.series_id}
        with connection.cursor() as cursor:
            copy_into(cursor, Title, rows.TITLE_COLUMNS, created)
            if updated:
                _update_titles(cursor, updated)
        changed = {row[0] for row in updated}
        edited = {title_id: blocked for title_id in changed if (blocked := self._blocked(titles[title_id]))}
        self._write_parts(kept, ids, changed, edited)
        self._write_search(kept, ids, edited)
        doubtful = [staged for staged in kept if staged.record.external_id in self.doubts]
        ask({ids[staged.row_number]: self.doubts[staged.record.external_id] for staged in doubtful}, now=self.now)
        self._retire([self.sources[staged.record.external_id] for staged in retired], titles)
        self._write_sources(kept, retired, ids)
        self._log()
        own = {*changed, *(row[0] for row in created)}
        touch({title_id for title_id in affected if title_id} - own, now=self.now)
        if any(staged.record.kind == "season" for staged in kept):
            _follow_seasons(changed)
        self.outcome.counts.update(created=len(created), updated=len(updated), retired=len(retired))
        outbox.publish(
            CatalogBatchApplied(str(self.run.pk), self.provider.code, len(created), len(updated), len(retired)),
            aggregate=f"ingest_run:{self.run.pk}",
            now=self.now,
        )

    def _share(self, accepted: list[Staged]) -> None:
        """Find the titles of which others tell too, and what each of our records may say of them."""
        ids = {title_id for staged in accepted if (title_id := self._title_of(staged.record))}
        own = {staged.record.external_id for staged in accepted}
        everybody = linking.sources_of(ids) if ids else {}
        code = f"{self.provider.code}/"
        self.others = {
            title_id: [
                source for source in sources if not (source.owner.startswith(code) and source.external_id in own)
            ]
            for title_id, sources in everybody.items()
        }
        shared = [title_id for title_id in ids if self.others.get(title_id)]
        sharing = linking.Sharing(self.provider, self.run.format) if shared else None
        self.shares = sharing.shares(shared, everybody) if sharing else {}

    def _blocked(self, known: Known) -> set[str]:
        """Answer what a record may not write: what editors have changed, and what somebody else says."""
        share = self.shares.get(known.id)
        return {*known.edited, *(share.blocked if share else ())}

    def _created(self, title_id: UUID, kind: str, values: _Row) -> _Row:
        public = self.provider.publish == Provider.Publish.ON_INGEST
        if public:
            self.published.append((title_id, 1))
        state, published_at = (State.PUBLISHED, self.now) if public else (State.DRAFT, None)
        return (title_id, kind, *values, state.value, published_at, None, 1, [], "{}", self.now, self.now)

    def _updated(self, known: Known, values: _Row, *, retired_at: datetime | None) -> _Row:
        """Answer a title's new values. What an editor has withdrawn stays withdrawn; what the provider has, returns."""
        state, published_at, withdrawn_at = known.state, known.published_at, known.withdrawn_at
        # Both were written at once when the provider's retirement withdrew it.
        by_provider = retired_at is not None and retired_at == withdrawn_at
        if state == State.DRAFT or (by_provider and state == State.WITHDRAWN):
            if self.provider.publish == Provider.Publish.ON_INGEST:
                state, published_at, withdrawn_at = State.PUBLISHED, self.now, None
                self.published.append((known.id, known.revision + 1))
            else:
                state, published_at, withdrawn_at = State.DRAFT, None, None
        unused_created_at = self.now
        revision = known.revision + 1
        return (
            known.id, known.kind, *values, str(state), published_at, withdrawn_at, revision, sorted(self._blocked(known)),
            orjson.dumps(share.provenance if (share := self.shares.get(known.id)) else {}).decode(),
            unused_created_at, self.now,
        )  # fmt: skip

    def _write_parts(
        self, kept: list[Staged], ids: Mapping[int, UUID], changed: set[UUID], edited: Mapping[UUID, set[str]]
    ) -> None:
        parts = [staged.record for staged in kept]
        people = self.caches.people(parts)
        genres = self.caches.genres({name for record in parts for name in record.genres})
        keywords = self.caches.keywords({name for record in parts for name in record.keywords})
        claims = self._claims(kept, ids)
        source_of = {staged.record.external_id: self.source_ids[staged.row_number] for staged in kept}
        arrived = _arrived(changed)
        makers: dict[str, Callable[[UUID, TitleRecord], Iterable[_Row]]] = {
            "texts": rows.texts,
            "alternate_titles": rows.alternate_titles,
            "alternate_numbers": rows.alternate_numbers,
            "genres": lambda title_id, record: rows.genres(title_id, record, genres),
            "keywords": lambda title_id, record: rows.keywords(title_id, record, keywords),
            "credits": lambda title_id, record: rows.credits(title_id, record, people),
            "ratings": rows.ratings,
            "external_ids": lambda title_id, record: claims[title_id],
            "windows": lambda title_id, record: rows.windows(
                title_id, record, self.provider, source_of[record.external_id]
            ),
            "artwork": lambda title_id, record: rows.artwork(title_id, record, arrived),
        }
        with connection.cursor() as cursor:
            for part, (model, columns) in rows.PARTS.items():
                ours = {title_id for title_id, names in edited.items() if part in names}
                if replaced := changed - ours:
                    self._delete_parts(part, model, replaced)
                make = makers[part]
                lines = [
                    row
                    for staged in kept
                    if (title_id := ids[staged.row_number]) not in ours
                    for row in make(title_id, staged.record)
                ]
                if lines:
                    copy_into(cursor, model, columns, lines)

    def _delete_parts(self, part: str, model: Any, title_ids: set[UUID]) -> None:
        """Delete what is about to be replaced: of what several sources add up to, our own share alone."""
        alone = title_ids - set(self.shares)
        if alone:
            model.objects.filter(title_id__in=alone)._raw_delete(using="default")
        if not (shared := title_ids & set(self.shares)) or part == "external_ids":
            return
        rows_of = model.objects.filter(title_id__in=shared)
        if part == "windows":
            rows_of = rows_of.filter(source_id__in=list(self.source_ids.values()))
        rows_of._raw_delete(using="default")

    def _claims(self, kept: list[Staged], ids: Mapping[int, UUID]) -> dict[UUID, list[_Row]]:
        """Answer the external ids of each title, without those that another title holds."""
        claims: dict[UUID, list[_Row]] = defaultdict(list)
        wanted = {(item.namespace, item.value) for staged in kept for item in staged.record.external_ids}
        if not wanted:
            return claims
        held = {
            (namespace, value): title_id
            for namespace, value, title_id in ExternalId.objects.filter(
                namespace__in={namespace for namespace, _ in wanted}, value__in={value for _, value in wanted}
            ).values_list("namespace", "value", "title_id")
        }
        present = {key for key, title_id in held.items() if title_id in self.shares}
        for staged in kept:
            title_id = ids[staged.row_number]
            for item in staged.record.external_ids:
                if (item.namespace, item.value) in present and held[item.namespace, item.value] == title_id:
                    continue
                if held.setdefault((item.namespace, item.value), title_id) == title_id:
                    row = (title_id, item.namespace, item.value)
                    if row not in claims[title_id]:
                        claims[title_id].append(row)
                    continue
                self.outcome.warn(
                    staged, "external_ids", "external_id_taken",
                    f"{item.namespace}:{item.value} already names another title and was left out:"
                    " if it is the same title, merge the two; else correct the id.",
                )  # fmt: skip
        return claims

    def _write_search(self, kept: list[Staged], ids: Mapping[int, UUID], edited: Mapping[UUID, set[str]]) -> None:
        texts = []
        for staged in kept:
            record, title_id = staged.record, ids[staged.row_number]
            if record.parent or title_id in edited:
                continue
            texts.append(
                search.text_of(
                    title_id,
                    names=[name for name in (*(text.name for text in record.texts), record.original_title) if name],
                    other_names=[name.name for name in record.alternate_names],
                    people=[credit.name for credit in record.credits],
                    about=[*record.genres, *record.keywords, *(text.short or text.medium for text in record.texts)],
                )
            )
        self.caches.keep_words(search.write(texts, known_words=self.caches.words))
        if edited:
            search.rebuild(list(edited))

    def _retire(self, sources: list[Ref], titles: Mapping[UUID, Known]) -> None:
        """Take back what nobody else delivers; of the others, what this source granted."""
        kept = {source.title_id for source in sources if self._delivered_by_others(source.title_id)}
        for title_id in dict.fromkeys(source.title_id for source in sources):
            if title_id not in kept and titles[title_id].state != State.WITHDRAWN:
                self.withdrawn.append((title_id, titles[title_id].revision + 1))
        withdraw([title_id for title_id, _ in self.withdrawn], now=self.now)
        forget_grants([source.source_id for source in sources if source.title_id in kept], kept, now=self.now)

    def _delivered_by_others(self, title_id: UUID) -> bool:
        return any(source.retired_at is None for source in self.others.get(title_id, ()))

    def _write_sources(self, kept: list[Staged], retired: list[Staged], ids: Mapping[int, UUID]) -> None:
        new = [staged for staged in kept if staged.record.external_id not in self.sources]
        old = [staged for staged in kept if staged.record.external_id in self.sources]
        run = self.run
        with connection.cursor() as cursor:
            copy_into(
                cursor,
                SourceRecord,
                (
                    "id",
                    "provider_id",
                    "external_id",
                    "title_id",
                    "digest",
                    "format",
                    "added_on",
                    "first_run_id",
                    "last_run_id",
                ),
                (
                    (
                        self.source_ids[staged.row_number],
                        self.provider.pk,
                        staged.record.external_id,
                        ids[staged.row_number],
                        staged.digest,
                        run.format,
                        staged.record.added_on,
                        run.pk,
                        run.pk,
                    )
                    for staged in new
                ),
            )
            for group, retired_at in ((old, None), (retired, self.now)):
                if not group:
                    continue
                cursor.execute(
                    """
                    UPDATE catalog_sourcerecord AS source
                    SET digest = incoming.digest, added_on = incoming.added_on, format = %s, last_run_id = %s, retired_at = %s
                    FROM unnest(%s::text[], %s::bytea[], %s::date[]) AS incoming (external_id, digest, added_on)
                    WHERE source.provider_id = %s AND source.external_id = incoming.external_id
                    """,
                    [
                        run.format,
                        run.pk,
                        retired_at,
                        [staged.record.external_id for staged in group],
                        [staged.digest for staged in group],
                        [staged.record.added_on for staged in group],
                        self.provider.pk,
                    ],
                )

    def _log(self) -> None:
        log_publication(self.published, self.withdrawn, provider=self.provider, run=self.run, now=self.now)


def log_publication(
    published: Iterable[tuple[UUID, int]],
    withdrawn: Iterable[tuple[UUID, int]],
    *,
    provider: Provider,
    run: IngestRun,
    now: datetime,
) -> None:
    """Append what a delivery made public and took back: pairs of title and revision."""
    by, actions = f"provider:{provider.code}", PublicationEntry.Action
    lines = [
        (title_id, action.value, now, by, revision, f"Delivery {run.pk}")
        for action, titles in ((actions.PUBLISHED, published), (actions.WITHDRAWN, withdrawn))
        for title_id, revision in titles
    ]
    if lines:
        with connection.cursor() as cursor:
            copy_into(cursor, PublicationEntry, ("title_id", "action", "at", "by", "revision", "reason"), lines)


def _report(run: IngestRun, outcome: Outcome, now: datetime) -> None:
    write_problems(run, outcome.problems)
    runs.beat(run, now=now, problem_count=len(outcome.problems), **outcome.counts)


def _update_titles(cursor: Any, updated: list[_Row]) -> None:
    cursor.execute("CREATE TEMPORARY TABLE incoming_title (LIKE catalog_title)")
    with cursor.copy(f"COPY incoming_title ({', '.join(rows.TITLE_COLUMNS)}) FROM STDIN") as copy:
        for row in updated:
            copy.write_row(row)
    fed = ", ".join(
        f"{column} = CASE WHEN '{column}' = ANY(incoming.edited) THEN title.{column} ELSE incoming.{column} END"
        for column in rows.FED_COLUMNS
    )
    own = ", ".join(
        f"{column} = incoming.{column}"
        for column in ("state", "published_at", "withdrawn_at", "revision", "provenance", "updated_at")
    )
    cursor.execute(
        f"UPDATE catalog_title AS title SET {fed}, {own}"  # noqa: S608 - our own column names
        " FROM incoming_title AS incoming WHERE title.id = incoming.id"
    )
    cursor.execute("DROP TABLE incoming_title")


def _arrived(title_ids: set[UUID]) -> dict[tuple[UUID, str], tuple[str, int | None, int | None]]:
    found = (
        Artwork.objects.filter(title_id__in=title_ids).exclude(source="").exclude(file="")
        if title_ids
        else Artwork.objects.none()
    )
    return {
        (title_id, source): (file, width, height)
        for title_id, source, file, width, height in found.values_list("title_id", "source", "file", "width", "height")
    }


def withdraw(title_ids: list[UUID], *, now: datetime) -> None:
    """Take locked titles back; the caller keeps the log."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE catalog_title SET state = %s, withdrawn_at = %s, revision = revision + 1, updated_at = %s WHERE id = ANY(%s)",
            [State.WITHDRAWN, now, now, title_ids],
        )


def forget_grants(source_ids: list[int], title_ids: set[UUID], *, now: datetime) -> None:
    """Delete the windows that sources granted to locked titles which others go on delivering."""
    AvailabilityWindow.objects.filter(title_id__in=title_ids, source_id__in=source_ids).delete()
    touch(title_ids, now=now)


def touch(title_ids: set[UUID], *, now: datetime) -> None:
    """Raise the revision of what contains something that changed."""
    if title_ids:
        with connection.cursor() as cursor:
            cursor.execute(
                "UPDATE catalog_title SET revision = revision + 1, updated_at = %s WHERE id = ANY(%s)",
                [now, list(title_ids)],
            )


def _follow_seasons(season_ids: set[UUID]) -> None:
    """Let the parts of seasons that moved to another series follow them."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE catalog_title AS part SET series_id = season.series_id FROM catalog_title AS season"
            " WHERE season.id = ANY(%s) AND part.parent_id = season.id AND part.series_id IS DISTINCT FROM season.series_id",
            [list(season_ids)],
        )


def _reason(error: Exception) -> str:
    return " ".join(str(error).split("DETAIL:")[0].split())[:300]
