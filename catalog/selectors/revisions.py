"""Versions of titles: what editors may change, taken down whole, and how two versions differ."""

from __future__ import annotations

import difflib
import hashlib
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any
from uuid import UUID

import orjson
from django.db import models
from django.utils.text import capfirst
from django.utils.translation import gettext

from catalog import tracks
from catalog.labels import FIELDS as FIELD_NAMES
from catalog.models import (
    AlternateTitle,
    AvailabilityWindow,
    ContentRating,
    Credit,
    ExternalId,
    Revision,
    Title,
    TitleGenre,
    TitleKeyword,
    TitleNumber,
    TitleText,
)

FIELDS = (
    "number", "original_title", "original_language", "release_date", "release_precision", "end_date", "end_precision",
    "runtime_seconds", "season_count", "countries", "companies", "made_for_kids", "editorial_weight",
    "tracks",
)  # fmt: skip
"""The columns of a title that an editor may change."""

PARTS: Mapping[str, type[models.Model]] = {
    "texts": TitleText,
    "alternate_numbers": TitleNumber,
    "alternate_titles": AlternateTitle,
    "genres": TitleGenre,
    "keywords": TitleKeyword,
    "credits": Credit,
    "ratings": ContentRating,
    "external_ids": ExternalId,
    "windows": AvailabilityWindow,
}
"""The tables that hang on a title, by the name under which `Title.edited` remembers them."""

# What is worked out when a row is written, or says where it came from, is no editor's.
_DERIVED = {"id", "title", "minimum_age", "source_id", "series_id"}
# By what a row is known again in a later version, and called in the difference.
_KEYS: Mapping[str, tuple[str, ...]] = {
    "texts": ("language",),
    "alternate_numbers": ("order",),
    "alternate_titles": ("name", "language"),
    "genres": ("genre",),
    "keywords": ("keyword",),
    "credits": ("person", "job", "character"),
    "ratings": ("country", "system"),
    "external_ids": ("namespace", "value"),
    "windows": ("license_type", "territories", "excluded", "starts_on", "starts_at"),
}
_NAMES = {"genre": "genre__name", "keyword": "keyword__name", "person": "person__name"}

Snapshot = Mapping[str, Any]
"""`{"fields": {name: value}, "parts": {part: [row]}, "names": {id: name}}`, all of it JSON."""


@dataclass(frozen=True, slots=True)
class Word:
    """A piece of a changed text: `kept`, `taken` away or `added`."""

    state: str
    text: str


@dataclass(frozen=True, slots=True)
class Change:
    """One difference, ready to be read: what changed, and its text with what was taken and added."""

    label: str
    words: tuple[Word, ...]


def snapshots(title_ids: Collection[UUID]) -> dict[UUID, Snapshot]:
    """Take titles down as they are now, in as many queries for a thousand as for one."""
    found: dict[UUID, dict[str, Any]] = {
        row.pop("id"): {"fields": row, "parts": {name: [] for name in PARTS}, "names": {}}
        for row in Title.objects.filter(pk__in=title_ids).values("id", *FIELDS)
    }
    for name, model in PARTS.items():
        columns = _columns(model)
        named = [column for column in columns if column in _NAMES]
        rows = model._default_manager.filter(title__in=found).order_by("pk")
        for row in rows.values("title_id", *columns, *(_NAMES[column] for column in named)):
            snapshot = found[row.pop("title_id")]
            snapshot["names"] |= {str(row[column]): row.pop(_NAMES[column]) for column in named}
            snapshot["parts"][name].append(row)
    # Through JSON once, so that what was stored and what was just read compare equal.
    return {title_id: orjson.loads(orjson.dumps(snapshot)) for title_id, snapshot in found.items()}


def snapshot(title_id: UUID) -> Snapshot:
    """Take one title down as it is now. Raises Title.DoesNotExist."""
    try:
        return snapshots([title_id])[title_id]
    except KeyError:
        raise Title.DoesNotExist from None


def rows_of(part: str, title_id: UUID) -> list[tuple[int, dict[str, Any]]]:
    """Answer the rows of a title's part as a snapshot has them, each with its id, in their order."""
    model = PARTS[part]
    columns = _columns(model)
    rows = model._default_manager.filter(title=title_id).order_by("pk").values("pk", *columns)
    return [(row.pop("pk"), orjson.loads(orjson.dumps(row))) for row in rows]


def fingerprint(version: Snapshot) -> str:
    """Answer a text that is the same for two versions alone if nothing differs between them."""
    compared = {"fields": version["fields"], "parts": {name: _sorted(rows) for name, rows in version["parts"].items()}}
    return hashlib.sha256(orjson.dumps(compared, option=orjson.OPT_SORT_KEYS)).hexdigest()


def history(title_id: UUID) -> list[tuple[Revision, Revision | None]]:
    """Answer a title's versions, newest first, each with the one before it."""
    versions = list(Revision.objects.filter(title=title_id).order_by("-number"))
    return [*pairwise(versions), *((first, None) for first in versions[-1:])]


def difference(before: Snapshot, after: Snapshot) -> list[Change]:
    """Answer what changed between two versions, field by field and row by row, as people read it."""
    names = {**before.get("names", {}), **after.get("names", {})}
    changes = [
        Change(label(name), _words(_shown(before["fields"].get(name), names), _shown(value, names)))
        for name, value in after["fields"].items()
        # What an older version was not asked about has not changed.
        if name in before["fields"] and before["fields"][name] != value
    ]
    for part, rows in after["parts"].items():
        changes += _rows_changed(part, before["parts"].get(part, []), rows, names)
    return changes


def _columns(model: type[models.Model]) -> list[str]:
    return [field.name for field in model._meta.concrete_fields if field.name not in _DERIVED]


def _rows_changed(part: str, before: list[Any], after: list[Any], names: Mapping[str, str]) -> Iterator[Change]:
    old, new = _by_key(part, before), _by_key(part, after)
    for key in dict.fromkeys([*old, *new]):
        gone, come = old.get(key, {}), new.get(key, {})
        called = _called(part, gone or come, names)
        if not gone or not come:
            # What the row is called by need not be said again, unless that is all there is.
            rest = [name for name in (gone or come) if name not in _KEYS[part] and _shown((gone or come)[name], names)]
            text = "; ".join(f"{term(name)} {_shown((gone or come)[name], names)}" for name in rest)
            shown = f"{called} ({text})" if text else called
            yield Change(label(part), (Word("taken" if gone else "added", shown),))
            continue
        for name in come:
            if gone.get(name) != come[name]:
                words = _words(_shown(gone.get(name), names), _shown(come[name], names))
                yield Change(f"{label(part)}: {called}, {term(name)}", words)


def _by_key(part: str, rows: Iterable[dict[str, Any]]) -> dict[tuple[str, int], dict[str, Any]]:
    """Index rows by what they are known by; equal keys (two licences alike) are told apart by their order."""
    found: dict[tuple[str, int], dict[str, Any]] = {}
    for row in rows:
        key = orjson.dumps([row.get(name) for name in _KEYS[part]]).decode()
        number = 0
        while (key, number) in found:
            number += 1
        found[key, number] = row
    return found


def _called(part: str, row: Mapping[str, Any], names: Mapping[str, str]) -> str:
    return " ".join(filter(None, (_shown(row.get(name), names) for name in _KEYS[part]))) or gettext("the world")


def _sorted(rows: list[Any]) -> list[Any]:
    return sorted(rows, key=lambda row: orjson.dumps(row, option=orjson.OPT_SORT_KEYS))


def label(name: str) -> str:
    """Answer what staff call a field, or a part of titles, in the language at hand, as it begins a line."""
    return capfirst(term(name))


def term(name: str) -> str:
    """Answer the same within a line: in German, nouns are written large there too."""
    return str(
        PARTS[name]._meta.verbose_name_plural if name in PARTS else FIELD_NAMES.get(name, name.replace("_", " "))
    )


def _shown(value: Any, names: Mapping[str, str]) -> str:
    if value is None or value is False:
        return ""
    if value is True:
        return "yes"
    if isinstance(value, list):
        words = [_shown(item, names) for item in value]
        return ("; " if any("," in word for word in words) else ", ").join(words)
    if isinstance(value, dict):
        return tracks.in_words(value) if value.keys() >= {"type", "language"} else " ".join(map(str, value.values()))
    return names.get(str(value), str(value))


def _words(before: str, after: str) -> tuple[Word, ...]:
    """Answer the words of both texts in one line, marked by what became of them."""
    old, new = (re.split(r"(?<=\s)", text) for text in (before, after))
    found: list[Word] = []
    for operation, old_from, old_to, new_from, new_to in difflib.SequenceMatcher(
        None, old, new, autojunk=False
    ).get_opcodes():
        if operation == "equal":
            found.append(Word("kept", "".join(old[old_from:old_to])))
            continue
        found += [
            Word(state, text)
            for state, text in (("taken", "".join(old[old_from:old_to])), ("added", "".join(new[new_from:new_to])))
            if text
        ]
    return tuple(found)
