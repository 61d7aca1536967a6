"""What is there already of what a batch tells: records, titles, parents, likenesses."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from django.db import connection

from catalog import lexemes, rules
from catalog.ingestion import records
from catalog.ingestion.formats import READERS
from catalog.ingestion.records import Problem, TitleRecord
from catalog.models import IngestRun, IngestStaging, Provider, SourceRecord, Title
from catalog.services.ingestion import linking
from catalog.services.ingestion.caches import Names
from catalog.services.ingestion.resembling import Resemblance, resembling


@dataclass(frozen=True, slots=True)
class Staged:
    """One staged record, and what is known of the title it tells of."""

    row_number: int
    digest: bytes
    record: TitleRecord
    document: lexemes.Document | None
    """What the search reads of it, if it is searched."""
    person_keys: list[str]
    """By what each credited person is known again, in the order of the credits."""


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


@dataclass(eq=False)
class Finder:
    """One set of records of one rank, and what we know of them."""

    batch: list[Staged]
    run: IngestRun
    provider: Provider
    names: Names
    now: datetime
    settle: Callable[[], bool] = field(kw_only=True)
    """Waits for the batch before, if there is one, where it may have said otherwise meanwhile."""
    outcome: Outcome = field(default_factory=Outcome, init=False)

    def find(self) -> None:
        """Find what we know of each record and of what it belongs to, and the titles that new ones name."""
        self._look()
        # A title is named by many ids: by another of them, a record of the batch before may describe it.
        if self.links and self.settle():
            self._look()

    def _look(self) -> None:
        wanted = {staged.record.external_id for staged in self.batch} | {staged.record.parent for staged in self.batch}
        with connection.cursor() as cursor:
            # One array instead of a thousand parameters, which take longer to compose than to look up.
            cursor.execute(
                "SELECT external_id, title_id, retired_at, id FROM catalog_sourcerecord"
                " WHERE provider_id = %s AND external_id = ANY(%s)",
                [self.provider.pk, list(wanted - {""})],
            )
            self.sources = {row[0]: Ref(*row[1:]) for row in cursor.fetchall()}
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

    def find_alike(self) -> None:
        """Link new records to titles of other providers that are certainly the same; remember the doubtful ones."""
        self.doubts: dict[str, list[Resemblance]] = {}
        new = [
            staged
            for staged in self.batch
            if not (staged.record.withdrawn or staged.record.parent or self.title_of(staged.record))
        ]
        if not new or not READERS[self.run.format].describes or not self.names.others_deliver():
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

    def title_of(self, record: TitleRecord) -> UUID | None:
        """Answer the title that a record tells of, if there is one already."""
        known = self.sources.get(record.external_id)
        return known.title_id if known else self.links.get(record.external_id)

    def lock(self) -> dict[UUID, Known]:
        """Lock every title that this batch changes: its own, what they belong to, and what they belonged to."""
        own = [title_id for staged in self.batch if (title_id := self.title_of(staged.record))]
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

    def acceptable(self, staged: Staged, titles: Mapping[UUID, Known]) -> bool:
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
            cure = record.parent_missing or "deliver that too, or correct the id."
            message = f"Belongs to {shown!r}, which we do not have: {cure}"
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
