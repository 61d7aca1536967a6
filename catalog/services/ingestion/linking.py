"""Which title a record tells of, and what it may say where others tell of the same one."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol, TypeVar
from uuid import UUID

from django.db import connection

from catalog.ingestion.formats import READERS
from catalog.ingestion.records import Identifier, TitleRecord, load
from catalog.models import IngestRun, IngestStaging, Provider, SourceRecord, Title
from catalog.services.ingestion import rows

NAMING = frozenset({"eidr", "imdb", "wikidata", "isan", "tmdb", "tvdb", "tms", "movielabs", "tvmaze-show"})
"""Namespaces whose ids name the same title whoever says so."""

MERGED = frozenset({"windows", "external_ids"})
"""Parts to which every source adds: licences combine, ids accumulate."""

OWNED = (*rows.FED_COLUMNS, *(part for part in rows.PARTS if part not in MERGED))
"""What one source says at a time."""


@dataclass(frozen=True, slots=True)
class Source:
    """A source record of a title. `owner` is how provenance names it."""

    id: int
    external_id: str
    title_id: UUID
    owner: str
    retired_at: datetime | None


@dataclass(slots=True)
class Shares:
    """For one record of a title that others tell of too: what it may not write, and who says what afterwards."""

    blocked: set[str] = field(default_factory=set)
    provenance: dict[str, str] = field(default_factory=dict)


def owner_of(provider: Provider, format_name: str) -> str:
    return f"{provider.code}/{format_name}"


def named(records: Iterable[TitleRecord]) -> dict[Identifier, tuple[UUID, str]]:
    """Answer the titles, with their kinds, that the records' identifiers and their parents' name."""
    records = list(records)
    wanted = {item for record in records for item in record.external_ids if item.namespace in NAMING}
    wanted |= {record.parent_identifier for record in records if record.parent_identifier}
    if not wanted:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT own.namespace, own.value, title.id, title.kind FROM catalog_externalid AS own"
            " JOIN catalog_title AS title ON title.id = own.title_id"
            " JOIN unnest(%s::text[], %s::text[]) AS wanted (namespace, value)"
            " ON own.namespace = wanted.namespace AND own.value = wanted.value",
            [[item.namespace for item in wanted], [item.value for item in wanted]],
        )
        return {Identifier(row[0], row[1]): (row[2], row[3]) for row in cursor.fetchall()}


def title_named(record: TitleRecord, by_identifier: Mapping[Identifier, tuple[UUID, str]]) -> UUID | None:
    """Answer the title that a record's identifiers name, if it is of the record's kind and they agree."""
    found = {by_identifier[item] for item in record.external_ids if item in by_identifier}
    titles = {title_id for title_id, kind in found if kind == record.kind}
    return titles.pop() if len(titles) == 1 and len(found) == 1 else None


def given_up(held: Mapping[tuple[str, str], UUID], run: IngestRun) -> set[tuple[str, str]]:
    """Answer which external ids their titles give up in this run: their own record, which is yet to be written, names them no more.

    Those titles are locked. One of which others tell, or whose ids an editor has chosen, keeps its ids.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT title.id, staged.payload FROM catalog_title AS title"
            " JOIN catalog_sourcerecord AS source ON source.title_id = title.id AND source.provider_id = %s"
            " JOIN catalog_ingeststaging AS staged ON staged.run_id = %s AND staged.external_id = source.external_id"
            " WHERE title.id = ANY(%s) AND staged.outcome = %s AND NOT 'external_ids' = ANY(title.edited) AND NOT EXISTS ("
            " SELECT FROM catalog_sourcerecord AS other WHERE other.title_id = title.id AND other.id <> source.id)"
            " ORDER BY title.id FOR UPDATE OF title",
            [run.provider_id, run.pk, list(set(held.values())), IngestStaging.Outcome.PENDING],
        )
        staged = {title_id: load(bytes(payload)) for title_id, payload in cursor.fetchall()}
    named = {
        (title_id, item.namespace, item.value) for title_id, record in staged.items() for item in record.external_ids
    }
    return {
        key
        for key, title_id in held.items()
        if title_id in staged and not staged[title_id].withdrawn and (title_id, *key) not in named
    }


def sources_of(title_ids: Collection[UUID]) -> dict[UUID, list[Source]]:
    """Answer the source records of titles, oldest first."""
    found: dict[UUID, list[Source]] = defaultdict(list)
    known = SourceRecord.objects.filter(title_id__in=title_ids).order_by("pk")
    for row in known.values_list("pk", "external_id", "title_id", "provider__code", "format", "retired_at"):
        found[row[2]].append(Source(row[0], row[1], row[2], f"{row[3]}/{row[4]}", row[5]))
    return found


class Sharing:
    """Decides who may say what of titles of which several tell: the higher precedence, else who said it first."""

    def __init__(self, provider: Provider, format_name: str) -> None:
        self._own = owner_of(provider, format_name)
        self._providers = {item.code: item for item in Provider.objects.all()}

    def shares(self, title_ids: Collection[UUID], sources: Mapping[UUID, list[Source]]) -> dict[UUID, Shares]:
        """Answer the shares of our records in titles that also others tell of."""
        provenance = dict(Title.objects.filter(pk__in=title_ids).values_list("pk", "provenance"))
        filled = _filled(title_ids)
        found = {}
        for title_id in title_ids:
            first = sources[title_id][0].owner
            share = Shares()
            for name in OWNED:
                owner = provenance[title_id].get(name, first)
                ours = (
                    owner == self._own
                    or name not in filled[title_id]
                    or self._rank(self._own, name) > self._rank(owner, name)
                )
                share.provenance[name] = self._own if ours else owner
                if not ours:
                    share.blocked.add(name)
            found[title_id] = share
        return found

    def _rank(self, owner: str, name: str) -> tuple[int, bool]:
        code, _, format_name = owner.partition("/")
        provider = self._providers.get(code)
        if provider is None:
            return 0, False
        precedence = provider.precedence_by_field.get(name, provider.precedence)
        return int(precedence), format_name in READERS and READERS[format_name].describes


def _filled(title_ids: Collection[UUID]) -> dict[UUID, set[str]]:
    """Answer which columns and parts of titles say anything."""
    filled: dict[UUID, set[str]] = {title_id: set() for title_id in title_ids}
    for values in Title.objects.filter(pk__in=title_ids).values("pk", *rows.FED_COLUMNS):
        filled[values["pk"]] |= {name for name in rows.FED_COLUMNS if values[name] not in (None, "", [], {}, False)}
    for part, (model, _) in rows.PARTS.items():
        if part not in MERGED:
            for title_id in model.objects.filter(title_id__in=title_ids).values_list("title_id", flat=True).distinct():
                filled[title_id].add(part)
    return filled


def reserve_ids(number: int) -> list[int]:
    """Answer ids for so many new source records, so that what they grant can name them."""
    if not number:
        return []
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT nextval(pg_get_serial_sequence('catalog_sourcerecord', 'id')) FROM generate_series(1, %s)", [number]
        )
        return [row[0] for row in cursor.fetchall()]


class HasRecord(Protocol):
    @property
    def record(self) -> TitleRecord: ...


S = TypeVar("S", bound=HasRecord)


def apart(batch: list[S]) -> tuple[list[S], list[S]]:
    """Part a batch into records that can be written together, and later ones that share an identifier with an earlier one.

    The later ones find the title that the earlier ones have made.
    """
    together: list[S] = []
    later: list[S] = []
    taken: set[Identifier] = set()
    for staged in batch:
        own = {item for item in staged.record.external_ids if item.namespace in NAMING}
        (later if own & taken else together).append(staged)
        taken |= own
    return together, later
