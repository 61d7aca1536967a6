"""Titles of other providers that a new record may tell of, although no id says so."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db import connection

from catalog import rules, spellings
from catalog.ingestion.records import TitleRecord
from catalog.models import MatchCandidate, SourceRecord

KINDS = ("movie", "series", "special")


@dataclass(frozen=True, slots=True)
class Resemblance:
    """A title that a record resembles, and how much."""

    title_id: UUID
    score: float
    reasons: tuple[str, ...]


def others_deliver(provider_id: int) -> bool:
    """Say whether there is anything of other providers to compare with."""
    return SourceRecord.objects.exclude(provider=provider_id).exists()


def resembling(records: Sequence[TitleRecord], provider_id: int) -> dict[str, list[Resemblance]]:
    """Answer for each record, by its id, the titles of other providers that it resembles, most alike first."""
    names = {
        record.external_id: spellings.fold(record.texts[0].name)[: spellings.LONGEST]
        for record in records
        if record.kind in KINDS and not record.parent and record.texts
    }
    with connection.cursor() as cursor:
        # The names first, and a title's records by the title: of tables that are just being filled the server knows nothing,
        # and would go through all titles, and through all records of the provider, for each batch.
        cursor.execute(
            """
            WITH alike AS MATERIALIZED (
                SELECT document.name, document.title_id FROM catalog_searchdocument AS document
                WHERE document.name = ANY(%s) AND NOT document.is_part)
            SELECT alike.name, title.id, title.kind, extract(year FROM title.release_date)::int, title.runtime_seconds,
                   ARRAY(SELECT person.name FROM catalog_credit AS credit
                         JOIN catalog_person AS person ON person.id = credit.person_id
                         WHERE credit.title_id = title.id LIMIT 100)
            FROM alike JOIN catalog_title AS title ON title.id = alike.title_id
            WHERE title.merged_into_id IS NULL
              AND (SELECT NOT bool_or(source.provider_id = %s) FROM catalog_sourcerecord AS source
                   WHERE source.title_id = title.id)
            """,
            [list({name for name in names.values() if name}), provider_id],
        )
        by_name: dict[str, list[tuple[UUID, rules.Likeness]]] = defaultdict(list)
        for name, title_id, kind, year, runtime, people in cursor.fetchall():
            likeness = rules.Likeness(kind, year, runtime, frozenset(map(rules.fold, people)))
            by_name[name].append((title_id, likeness))
    found = {}
    for record in records:
        own = _likeness(record)
        alike = [
            Resemblance(title_id, *rules.resemblance(own, other))
            for title_id, other in by_name.get(names.get(record.external_id, ""), ())
        ]
        found[record.external_id] = sorted(
            (one for one in alike if one.score >= rules.DOUBTFUL), key=lambda one: (-one.score, one.title_id)
        )
    return found


def ask(doubts: dict[UUID, list[Resemblance]], *, now: datetime) -> None:
    """Put what nobody can tell into the editors' queue."""
    MatchCandidate.objects.bulk_create(
        (
            MatchCandidate(
                title_id=title_id, other_id=one.title_id, score=one.score, reasons=list(one.reasons), created_at=now
            )
            for title_id, alike in doubts.items()
            for one in alike
        ),
        ignore_conflicts=True,
    )


def _likeness(record: TitleRecord) -> rules.Likeness:
    year = record.release_date.date.year if record.release_date else None
    people = frozenset(rules.fold(credit.name) for credit in record.credits[:100])
    return rules.Likeness(record.kind, year, record.runtime_seconds, people)
