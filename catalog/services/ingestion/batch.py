"""One set of records being written: titles, their parts, what the search reads, who delivered them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
from django.db import connection

from catalog import lexemes
from catalog.events import CatalogBatchApplied
from catalog.ingestion.records import TitleRecord
from catalog.models import ExternalId, Provider, SourceRecord, Title
from catalog.models.titles import State
from catalog.services import identities, revisions, search
from catalog.services.copying import copy_into
from catalog.services.ingestion import changes, linking, rows, spelling
from catalog.services.ingestion.finding import Finder, Known, Ref, Staged
from catalog.services.ingestion.resembling import ask
from core import outbox
from core.ids import new_id

_Row = tuple[Any, ...]
_Maker = Callable[[UUID, TitleRecord], Iterable[_Row]]


@dataclass(eq=False)
class Batch(Finder):
    """One set of records of one rank, being written."""

    published: list[tuple[UUID, int]] = field(default_factory=list, init=False)
    withdrawn: list[tuple[UUID, int]] = field(default_factory=list, init=False)
    entries: list[search.Entry] = field(default_factory=list, init=False)
    changed: set[UUID] = field(default_factory=set, init=False)
    public: list[UUID] = field(default_factory=list, init=False)
    affected: set[UUID] = field(default_factory=set, init=False)
    edited: dict[UUID, set[str]] = field(default_factory=dict, init=False)

    def write(self) -> None:
        """Decide what becomes of each record, and write it."""
        identities.keep()
        self.find()
        self.find_alike()
        titles = self.lock()
        accepted = [staged for staged in self.batch if self.acceptable(staged, titles)]
        if self.run.dry_run:
            self._count(accepted)
        else:
            self._write(accepted, titles)

    def conclude(self) -> None:
        """Do what follows from what was written; count it, in the vocabulary and in the run."""
        if not self.run.dry_run:
            self._follow()
        self.names.words(self.entries)
        changes.report(self.run, self.outcome, self.now)

    def _count(self, accepted: Iterable[Staged]) -> None:
        for staged in accepted:
            existing = "updated" if self.title_of(staged.record) else "created"
            self.outcome.counts["retired" if staged.record.withdrawn else existing] += 1

    # ---------------------------------------------------------------- what becomes of it

    def _write(self, accepted: list[Staged], titles: Mapping[UUID, Known]) -> None:
        retired = [staged for staged in accepted if staged.record.withdrawn]
        kept = [staged for staged in accepted if not staged.record.withdrawn]
        ids = {staged.row_number: self.title_of(staged.record) or new_id() for staged in kept}
        fresh = [staged for staged in kept if staged.record.external_id not in self.sources]
        self.source_ids = dict(
            zip((staged.row_number for staged in fresh), linking.reserve_ids(len(fresh)), strict=True)
        ) | {
            staged.row_number: self.sources[staged.record.external_id].source_id
            for staged in kept
            if staged.record.external_id in self.sources
        }
        self._share(accepted)
        created, updated = [], []
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
                self._affect(known.parent_id, known.series_id)
            self._affect(parent.id if parent else None, series_id)
        for staged in retired:
            known = titles[self.sources[staged.record.external_id].title_id]
            self._affect(known.parent_id, known.series_id)
        self.public = [row[0] for row in updated if titles[row[0]].state == State.PUBLISHED]
        revisions.keep_first(self.public, now=self.now)
        self.changed = {row[0] for row in updated}
        self.edited = {title_id: blocked for title_id in self.changed if (blocked := self._blocked(titles[title_id]))}
        # What must be asked is asked before the first row is sent: an answer waits for all rows sent before.
        makers = self._makers(kept, ids)
        with connection.cursor() as cursor:
            copy_into(cursor, Title, rows.TITLE_COLUMNS, created)
            if updated:
                changes.update_titles(cursor, updated)
        self.names.write_people()
        self._write_parts(kept, ids, makers)
        self._write_search(kept, ids, {row[0] for row in created})
        doubtful = [staged for staged in kept if staged.record.external_id in self.doubts]
        ask({ids[staged.row_number]: self.doubts[staged.record.external_id] for staged in doubtful}, now=self.now)
        self._retire([self.sources[staged.record.external_id] for staged in retired], titles)
        self._write_sources(kept, retired, ids)
        self._log()
        self.affected -= {*self.changed, *(row[0] for row in created)}
        self.outcome.counts.update(created=len(created), updated=len(updated), retired=len(retired))

    def _affect(self, *title_ids: UUID | None) -> None:
        self.affected.update(title_id for title_id in title_ids if title_id)

    def _follow(self) -> None:
        """Carry on to other titles and to whoever listens what was written. Each statement waits for all rows sent.

        So do the words of what editors have changed: the batch before may have yet to write the same ones, and this one
        waits for it.
        """
        if self.edited:
            search.rebuild(list(self.edited))
        changes.touch(self.affected, now=self.now)
        if self.changed and any(staged.record.kind == "season" for staged in self.batch):
            changes.follow_seasons(self.changed)
        revisions.keep(self.public, by=f"provider:{self.provider.code}", now=self.now, note=f"Delivery {self.run.pk}")
        counts = self.outcome.counts
        outbox.publish(
            CatalogBatchApplied(
                str(self.run.pk), self.provider.code, counts["created"], counts["updated"], counts["retired"]
            ),
            aggregate=f"ingest_run:{self.run.pk}",
            now=self.now,
        )

    def _share(self, accepted: list[Staged]) -> None:
        """Find the titles of which others tell too, and what each of our records may say of them."""
        ids = {title_id for staged in accepted if (title_id := self.title_of(staged.record))}
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
        return (title_id, kind, *values, state.value, published_at, None, 1, "{}", "{}", self.now, self.now)

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

    def _makers(self, kept: list[Staged], ids: Mapping[int, UUID]) -> dict[str, _Maker]:
        """Answer what makes the rows of each part, having found the people and tags that the records name."""
        parts = [staged.record for staged in kept]
        people = self.names.people(
            {
                key: who.name
                for staged in kept
                for key, who in zip(staged.person_keys, staged.record.credits, strict=True)
            }
        )
        credited = {staged.record.external_id: [people[key] for key in staged.person_keys] for staged in kept}
        genres = self.names.genres({name for record in parts for name in record.genres})
        keywords = self.names.keywords({name for record in parts for name in record.keywords})
        self.spelling = spelling.of(people, genres, keywords)
        claims = self._claims(kept, ids)
        source_of = {staged.record.external_id: self.source_ids[staged.row_number] for staged in kept}
        arrived = changes.arrived(self.changed)
        return {
            "texts": rows.texts,
            "alternate_titles": rows.alternate_titles,
            "alternate_numbers": rows.alternate_numbers,
            "genres": lambda title_id, record: rows.genres(title_id, record, genres),
            "keywords": lambda title_id, record: rows.keywords(title_id, record, keywords),
            "credits": lambda title_id, record: rows.credits(title_id, record, credited[record.external_id]),
            "ratings": rows.ratings,
            "external_ids": lambda title_id, record: claims[title_id],
            "windows": lambda title_id, record: rows.windows(
                title_id, record, self.provider, source_of[record.external_id]
            ),
            "artwork": lambda title_id, record: rows.artwork(title_id, record, arrived),
        }

    def _write_parts(self, kept: list[Staged], ids: Mapping[int, UUID], makers: Mapping[str, _Maker]) -> None:
        with connection.cursor() as cursor:
            for part, (model, columns) in rows.PARTS.items():
                ours = {title_id for title_id, names in self.edited.items() if part in names}
                if replaced := self.changed - ours:
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
        naming: dict[UUID, set[tuple[str, str]]] = defaultdict(set)
        for staged in kept:
            naming[ids[staged.row_number]].update((item.namespace, item.value) for item in staged.record.external_ids)
        wanted = {item for items in naming.values() for item in items}
        if not wanted:
            return claims
        held = self._held(wanted)
        # Of what another title holds the batch before may make it let go.
        elsewhere = _held_elsewhere(held, naming)
        if elsewhere and self.settle():
            held = self._held(wanted)
            elsewhere = _held_elsewhere(held, naming)
        # Nor does it hold any longer what its own record has ceased to name.
        replaced = self.changed - {title_id for title_id, names in self.edited.items() if "external_ids" in names}
        replaced -= self.shares.keys()
        held = {key: title_id for key, title_id in held.items() if title_id not in replaced or key in naming[title_id]}
        # Nor what its own record will cease to name, in a batch to come.
        if taken := {key: held[key] for key in elsewhere if key in held and held[key] not in naming}:
            for key in linking.given_up(taken, self.run):
                ExternalId.objects.filter(title_id=held.pop(key), namespace=key[0], value=key[1]).delete()
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

    def _held(self, wanted: Collection[tuple[str, str]]) -> dict[tuple[str, str], UUID]:
        """Answer which titles hold these external ids, and perhaps others."""
        found = ExternalId.objects.filter(
            namespace__in={namespace for namespace, _ in wanted}, value__in={value for _, value in wanted}
        )
        return {(row[0], row[1]): row[2] for row in found.values_list("namespace", "value", "title_id")}

    def _write_search(self, kept: list[Staged], ids: Mapping[int, UUID], fresh: set[UUID]) -> None:
        self.entries = [
            rows.search_entry(title_id, staged.record, document)
            for staged in kept
            if (title_id := ids[staged.row_number]) not in self.edited and (document := self._document(staged))
        ]
        search.write(self.entries, fresh=fresh)

    def _document(self, staged: Staged) -> lexemes.Document | None:
        """Answer what the search reads of a title: made ahead, and anew where editors spell something otherwise."""
        return (
            rows.search_document(staged.record, self.spelling)
            if self.spelling.changes(staged.record)
            else staged.document
        )

    def _retire(self, sources: list[Ref], titles: Mapping[UUID, Known]) -> None:
        """Take back what nobody else delivers; of the others, what this source granted."""
        kept = {source.title_id for source in sources if self._delivered_by_others(source.title_id)}
        for title_id in dict.fromkeys(source.title_id for source in sources):
            if title_id not in kept and titles[title_id].state != State.WITHDRAWN:
                self.withdrawn.append((title_id, titles[title_id].revision + 1))
        if self.withdrawn:
            changes.withdraw([title_id for title_id, _ in self.withdrawn], now=self.now)
        if kept:
            changes.forget_grants(
                [source.source_id for source in sources if source.title_id in kept], kept, now=self.now
            )

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
        changes.log_publication(self.published, self.withdrawn, provider=self.provider, run=self.run, now=self.now)


def _held_elsewhere(
    held: Mapping[tuple[str, str], UUID], naming: Mapping[UUID, set[tuple[str, str]]]
) -> set[tuple[str, str]]:
    """Answer the external ids that one title names and another holds."""
    return {item for title_id, items in naming.items() for item in items if held.get(item, title_id) != title_id}
