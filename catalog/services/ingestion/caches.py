"""Ids that come up again and again in a run: people, genres, keywords. Bounded, so that any size fits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from operator import itemgetter
from typing import TypeVar
from uuid import UUID

import orjson
from django.db import connection

from catalog import lexemes, rules
from catalog.models import Genre, Keyword, Person, PersonSource
from catalog.services import identities, search
from catalog.services.copying import copy_into
from catalog.services.ingestion import resembling
from core.ids import new_id_text

_Id = TypeVar("_Id", int, str)
_LIMIT = 60_000
_OFTEN = 10
"""A word that came less often since _LIMIT words ago changes nothing of what is looked for first."""
_LONGEST_KEY = 510


class Caches:
    """What the batches that have committed found and made."""

    def __init__(self, provider_id: int, *, remembered: int) -> None:
        self.provider_id = provider_id
        self.people: dict[str, str] = {}
        self.genres: dict[str, int] = {}
        self.keywords: dict[str, int] = {}
        self.words: dict[str, frozenset[str]] = {}
        self.written: list[UUID] = []
        self.remembered = remembered
        self._counts: Counter[str] = Counter()
        self._others: bool | None = None

    def others_deliver(self) -> bool:
        """Say whether there are records of other providers; asked once a run."""
        if self._others is None:
            self._others = resembling.others_deliver(self.provider_id)
        return self._others

    def count(self, documents: Mapping[str, int]) -> None:
        """Count words that the vocabulary has; `count_words` adds them to it, before they become too many."""
        self._counts.update(documents)
        if len(self.words) > _LIMIT:
            self.words.clear()
            # Of so many words most have come a few times, and each is a row to write: the night counts them.
            self._counts = Counter({word: number for word, number in self._counts.items() if number >= _OFTEN})
            self.count_words()

    def count_words(self) -> None:
        """Add what was counted to the vocabulary, in transactions of its own."""
        search.count_words(self._counts)
        self._counts.clear()


class Names:
    """The people, genres, keywords and words that a batch names, found or made; others learn of them once it has committed.

    A batch may follow one that has yet to commit: whom that one has made is known already, and nobody makes them twice.
    """

    def __init__(self, caches: Caches, *, before: Names | None = None) -> None:
        self._caches = caches
        self._before = before
        self._people: dict[str, str] = {}
        self._made: list[tuple[str, str, str]] = []
        self._learnt: list[Callable[[], None]] = []

    def others_deliver(self) -> bool:
        """Say whether there are records of other providers."""
        return self._caches.others_deliver()

    def keep(self) -> None:
        """Tell the batches that follow, after the commit."""
        self._before = None
        for learn in self._learnt:
            learn()

    def words(self, entries: Sequence[search.Entry]) -> None:
        """Add the words of documents to the vocabulary; those that it is known to have are counted at the end."""
        caches = self._caches
        documents, languages = search.words_of(entries)
        if len(caches.written) < caches.remembered:
            self._learnt.append(lambda: caches.written.extend(entry.title_id for entry in entries))
        known = caches.words
        asked = {
            word: lexemes.together(known.get(word, used_in), used_in)
            for word, used_in in languages.items()
            if word not in known or not used_in <= known[word]
        }
        new = search.unknown_words(asked)
        search.insert_words(new, documents, counted=True)
        for word in new:
            del documents[word]
        self._learnt.append(lambda: caches.count(documents))
        self._learnt.append(lambda: caches.words.update(asked))

    def people(self, names: Mapping[str, str]) -> Mapping[str, str]:
        """Answer people by the keys of these names; the new ones are made, and wait for `write_people`.

        Their ids are text: they are written and looked up again and again, which takes a UUID several times as long.
        """
        found = _current_people(self._known_people(names))
        if unknown := {key: key[:_LONGEST_KEY] for key in names if key not in found}:
            stored = self._stored_people(set(unknown.values()))
            for key, short in unknown.items():
                if short not in stored:
                    stored[short] = new_id_text()
                    self._made.append((stored[short], names[key], short))
                found[key] = self._people[key] = stored[short]
            self._learn(self._caches.people, self._people)
        return found

    def _known_people(self, keys: Iterable[str]) -> dict[str, str]:
        """Answer those whom this run has found or made, be it in batches that have yet to commit."""
        known = [self._caches.people]
        before = self._before
        while before:
            known.append(before._people)
            before = before._before
        found: dict[str, str] = {}
        for people in known:
            found |= {key: people[key] for key in keys if key in people}
        return found

    def write_people(self) -> None:
        """Write the people whom `people` has made, in the order of the index by which they are found again."""
        self._made.sort(key=itemgetter(2))
        with connection.cursor() as cursor:
            copy_into(cursor, Person, ("id", "name"), ((person_id, name) for person_id, name, _ in self._made))
            copy_into(
                cursor,
                PersonSource,
                ("provider_id", "key", "person_id"),
                ((self._caches.provider_id, key, person_id) for person_id, _, key in self._made),
            )

    def _stored_people(self, keys: Collection[str]) -> dict[str, str]:
        with connection.cursor() as cursor:
            # One document instead of thousands of parameters or an array, both of which take longer to compose than to look up.
            cursor.execute(
                "SELECT key, person_id::text FROM catalog_personsource"
                " WHERE provider_id = %s AND key = ANY(ARRAY(SELECT jsonb_array_elements_text(%s::jsonb)))",
                [self._caches.provider_id, orjson.dumps(list(keys)).decode()],
            )
            return dict(cursor.fetchall())

    def genres(self, names: Collection[str]) -> Mapping[str, int]:
        """Answer genres by name, made where they are new; a name without letter or digit has none."""
        slugs = {name: rules.fold(name).replace(" ", "-")[:100] for name in names}
        known = dict(self._caches.genres)
        if wanted := {slug: name for name, slug in slugs.items() if slug and slug not in known}:
            # In order, so that two runs wait for each other instead of both for ever.
            rows = [Genre(slug=slug, name=wanted[slug]) for slug in sorted(wanted)]
            Genre.objects.bulk_create(rows, ignore_conflicts=True)
            stored = dict(Genre.objects.filter(slug__in=wanted).answering().values_list("slug", "answering"))
            self._learn(self._caches.genres, stored)
            known |= stored
        return _answering(Genre, {name: known[slug] for name, slug in slugs.items() if slug})

    def keywords(self, names: Collection[str]) -> Mapping[str, int]:
        """Answer keywords by name, made where they are new."""
        known = dict(self._caches.keywords)
        if wanted := sorted(name for name in names if name not in known):
            Keyword.objects.bulk_create([Keyword(name=name) for name in wanted], ignore_conflicts=True)
            stored = dict(Keyword.objects.filter(name__in=wanted).answering().values_list("name", "answering"))
            self._learn(self._caches.keywords, stored)
            known |= stored
        return _answering(Keyword, {name: known[name] for name in names})

    def _learn(self, cache: dict[str, _Id], new: Mapping[str, _Id]) -> None:
        if len(cache) > _LIMIT:
            self._learnt.append(cache.clear)
        self._learnt.append(lambda: cache.update(new))


def _current_people(ids: dict[str, str]) -> dict[str, str]:
    """Answer who answers for people by now, whom editors may have merged since they were found."""
    # In the order of its index: of a table that has grown since it was last looked at, the planner reads all instead.
    if not ids or not Person.objects.filter(merged_into__isnull=False).order_by("merged_into_id").values_list("pk")[:1]:
        return ids
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT id::text, merged_into_id::text FROM catalog_person WHERE merged_into_id IS NOT NULL AND id = ANY(%s::uuid[])",
            [list(ids.values())],
        )
        merged = dict(cursor.fetchall())
    return {key: merged.get(person_id, person_id) for key, person_id in ids.items()}


def _answering(model: type[Genre] | type[Keyword], ids: Mapping[str, int]) -> Mapping[str, int]:
    current = identities.answering(model, set(ids.values()))
    return {name: current.get(pk, pk) for name, pk in ids.items()}
