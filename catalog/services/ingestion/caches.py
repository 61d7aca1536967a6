"""Ids that come up again and again in a run: people, genres, keywords. Bounded, so that any size fits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from uuid import UUID

import orjson
from django.db import connection

from catalog import rules
from catalog.models import Genre, Keyword, Person, PersonSource
from catalog.services import identities, search
from catalog.services.copying import copy_into
from catalog.services.ingestion import resembling
from core.ids import new_id

_LIMIT = 100_000
_LONGEST_KEY = 510


class Caches:
    """Knows ids once the batch that made them has committed.

    What is found or made in a batch is `keep`ed after its commit and dropped by `forget` when it rolls back.
    """

    def __init__(self, provider_id: int, *, remembered: int) -> None:
        self._provider_id = provider_id
        self._others: bool | None = None
        self._people: dict[str, UUID] = {}
        self._made: list[tuple[UUID, str, str]] = []
        self._genres: dict[str, int] = {}
        self._keywords: dict[str, int] = {}
        self.written: list[UUID] = []
        self._remembered = remembered
        self._words: dict[str, set[str]] = {}
        self._counts: Counter[str] = Counter()
        self._fresh: list[Callable[[], None]] = []

    def others_deliver(self) -> bool:
        """Say whether there are records of other providers; asked once a run."""
        if self._others is None:
            self._others = resembling.others_deliver(self._provider_id)
        return self._others

    def keep(self) -> None:
        for store in self._fresh:
            store()
        self._fresh.clear()

    def forget(self) -> None:
        self._fresh.clear()
        self._made.clear()

    def words(self, entries: Sequence[search.Entry]) -> None:
        """Add the words of documents to the vocabulary; those that it is known to have are counted at the end."""
        documents, languages = search.words_of(entries)
        if len(self.written) < self._remembered:
            self._fresh.append(lambda: self.written.extend(entry.title_id for entry in entries))
        known = self._words
        new = {word: used_in for word, used_in in languages.items() if word not in known or not used_in <= known[word]}
        search.insert_words(new, documents, counted=True)
        for word in new:
            del documents[word]
        if len(self._words) > _LIMIT:
            self._fresh.append(self._words.clear)
            self._fresh.append(self.count_words)
        self._fresh.append(lambda: self._counts.update(documents))
        self._fresh.append(lambda: self._words.update(new))

    def count_words(self) -> None:
        """Add what was counted to the vocabulary, in transactions of its own."""
        search.count_words(self._counts)
        self._counts.clear()

    def people(self, keys: Mapping[tuple[str, str], str]) -> Mapping[tuple[str, str], UUID]:
        """Answer people by name and the provider's id, given their keys; the new ones are made, and wait for `write_people`."""
        names = {key: name for (name, _), key in keys.items()}
        found = _current_people({key: self._people[key] for key in names if key in self._people})
        if unknown := {key: key[:_LONGEST_KEY] for key in names if key not in found}:
            stored = self._stored_people(set(unknown.values()))
            for key, short in unknown.items():
                if short not in stored:
                    stored[short] = new_id()
                    self._made.append((stored[short], names[key], short))
                found[key] = stored[short]
            self._store(self._people, {key: found[key] for key in unknown})
        return {who: found[key] for who, key in keys.items()}

    def write_people(self) -> None:
        """Write the people whom `people` has made since."""
        made, self._made = self._made, []
        with connection.cursor() as cursor:
            copy_into(cursor, Person, ("id", "name"), ((person_id, name) for person_id, name, _ in made))
            copy_into(
                cursor,
                PersonSource,
                ("provider_id", "key", "person_id"),
                ((self._provider_id, key, person_id) for person_id, _, key in made),
            )

    def _stored_people(self, keys: Collection[str]) -> dict[str, UUID]:
        with connection.cursor() as cursor:
            # One document instead of thousands of parameters or an array, both of which take longer to compose than to look up.
            cursor.execute(
                "SELECT key, person_id FROM catalog_personsource"
                " WHERE provider_id = %s AND key = ANY(ARRAY(SELECT jsonb_array_elements_text(%s::jsonb)))",
                [self._provider_id, orjson.dumps(list(keys)).decode()],
            )
            return dict(cursor.fetchall())

    def genres(self, names: Collection[str]) -> Mapping[str, int]:
        """Answer genres by name, made where they are new; a name without letter or digit has none."""
        slugs = {name: rules.fold(name).replace(" ", "-")[:100] for name in names}
        wanted = {slug: name for name, slug in slugs.items() if slug and slug not in self._genres}
        if wanted:
            # In order, so that two runs wait for each other instead of both for ever.
            rows = [Genre(slug=slug, name=wanted[slug]) for slug in sorted(wanted)]
            Genre.objects.bulk_create(rows, ignore_conflicts=True)
            stored = dict(Genre.objects.filter(slug__in=wanted).answering().values_list("slug", "answering"))
            self._store(self._genres, stored)
        else:
            stored = {}
        known = {**self._genres, **stored}
        return _answering(Genre, {name: known[slug] for name, slug in slugs.items() if slug})

    def keywords(self, names: Collection[str]) -> Mapping[str, int]:
        """Answer keywords by name, made where they are new."""
        stored: dict[str, int] = {}
        if wanted := sorted({name for name in names if name not in self._keywords}):
            Keyword.objects.bulk_create([Keyword(name=name) for name in wanted], ignore_conflicts=True)
            stored = dict(Keyword.objects.filter(name__in=wanted).answering().values_list("name", "answering"))
            self._store(self._keywords, stored)
        known = {**self._keywords, **stored}
        return _answering(Keyword, {name: known[name] for name in names})

    def _store(self, cache: dict[str, object] | dict[str, UUID] | dict[str, int], fresh: Mapping[str, object]) -> None:
        if len(cache) > _LIMIT:
            self._fresh.append(cache.clear)
        self._fresh.append(lambda: cache.update(fresh))  # type: ignore[arg-type]  # both sides hold the same type


def _current_people(ids: dict[str, UUID]) -> dict[str, UUID]:
    """Answer who answers for people by now, whom editors may have merged since they were found."""
    if not ids or not Person.objects.filter(merged_into__isnull=False).exists():
        return ids
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT id, merged_into_id FROM catalog_person WHERE merged_into_id IS NOT NULL AND id = ANY(%s)",
            [list(ids.values())],
        )
        merged = dict(cursor.fetchall())
    return {key: merged.get(person_id, person_id) for key, person_id in ids.items()}


def _answering(model: type[Genre] | type[Keyword], ids: Mapping[str, int]) -> Mapping[str, int]:
    current = identities.answering(model, set(ids.values()))
    return {name: current.get(pk, pk) for name, pk in ids.items()}
