"""How people, genres and keywords are spelled here, where editors spell them otherwise than a delivery does."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import Model

from catalog import rules
from catalog.ingestion.records import TitleRecord
from catalog.models import Genre, Keyword, Person


@dataclass(frozen=True)
class Spelling:
    """Our names: of people by their keys, of tags by their names in the delivery; what is spelled alike is absent."""

    people: Mapping[str, str] = field(default_factory=dict)
    genres: Mapping[str, str] = field(default_factory=dict)
    keywords: Mapping[str, str] = field(default_factory=dict)

    def changes(self, record: TitleRecord) -> bool:
        """Say whether anything that the record names is spelled otherwise here."""
        return bool(
            (self.genres and not self.genres.keys().isdisjoint(record.genres))
            or (self.keywords and not self.keywords.keys().isdisjoint(record.keywords))
            or (self.people and any(self.person(who.name, who.person_id) != who.name for who in record.credits))
        )

    def person(self, name: str, person_id: str) -> str:
        """Answer how we spell a person whom a delivery calls so."""
        return self.people.get(rules.person_key(name, person_id), name) if self.people else name


AS_DELIVERED = Spelling()


def of(people: Mapping[str, str], genres: Mapping[str, int], keywords: Mapping[str, int]) -> Spelling:
    """Answer how we spell what records name, of which the ids are given: people's by their keys. At most four queries."""
    # In the order of its index: of a table that has grown since it was last looked at, the planner reads all instead.
    corrected = Person.objects.exclude(named_by="").order_by("pk").values_list("pk")[:1]
    named = _names(Person, map(UUID, people.values()), "AND named_by <> ''") if people and corrected else {}
    ours, words = _names(Genre, genres.values()), _names(Keyword, keywords.values())
    return Spelling(
        {key: named[found] for key, person_id in people.items() if named and (found := UUID(person_id)) in named},
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
