"""How people, genres and keywords are spelled here, where editors spell them otherwise than a delivery does."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import Model

from catalog.ingestion.records import TitleRecord
from catalog.models import Genre, Keyword, Person


@dataclass(frozen=True)
class Spelling:
    """Our names, by those of the delivery; what is spelled alike is absent."""

    people: Mapping[tuple[str, str], str] = field(default_factory=dict)
    genres: Mapping[str, str] = field(default_factory=dict)
    keywords: Mapping[str, str] = field(default_factory=dict)

    def changes(self, record: TitleRecord) -> bool:
        """Say whether anything that the record names is spelled otherwise here."""
        return bool(
            (self.genres and not self.genres.keys().isdisjoint(record.genres))
            or (self.keywords and not self.keywords.keys().isdisjoint(record.keywords))
            or (self.people and any((who.name, who.person_id) in self.people for who in record.credits))
        )


AS_DELIVERED = Spelling()


def of(people: Mapping[tuple[str, str], UUID], genres: Mapping[str, int], keywords: Mapping[str, int]) -> Spelling:
    """Answer how we spell what records name, of which the ids are given. At most four queries."""
    corrected = Person.objects.exclude(named_by="")
    named = _names(Person, people.values(), "AND named_by <> ''") if people and corrected.exists() else {}
    ours, words = _names(Genre, genres.values()), _names(Keyword, keywords.values())
    return Spelling(
        {who: named[person_id] for who, person_id in people.items() if person_id in named},
        {name: ours[genre_id] for name, genre_id in genres.items() if ours.get(genre_id, name) != name},
        {name: words[keyword_id] for name, keyword_id in keywords.items() if words.get(keyword_id, name) != name},
    )


def _names(model: type[Model], ids: Iterable[Any], condition: str = "") -> dict[Any, str]:
    if not (wanted := list(set(ids))):
        return {}
    with connection.cursor() as cursor:
        # One array, as everywhere in a batch: thousands of parameters take longer to compose than to look up.
        cursor.execute(f"SELECT id, name FROM {model._meta.db_table} WHERE id = ANY(%s) {condition}", [wanted])  # noqa: S608 - our own names
        return dict(cursor.fetchall())
