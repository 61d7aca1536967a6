"""What editors change. A later delivery leaves it alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction

from catalog import rules
from catalog.models import (
    AlternateTitle,
    AvailabilityWindow,
    ContentRating,
    Credit,
    ExternalId,
    Title,
    TitleGenre,
    TitleKeyword,
    TitleText,
)
from catalog.models.titles import Kind
from catalog.services import search, titles
from core.errors import DomainError

FIELDS = frozenset(
    {
        "number", "original_title", "original_language", "release_date", "release_precision", "end_date",
        "end_precision", "runtime_seconds", "season_count", "countries", "made_for_kids",
    }
)  # fmt: skip
"""The columns of a title that an editor may change."""

PARTS: Mapping[str, type[Any]] = {
    "texts": TitleText,
    "alternate_titles": AlternateTitle,
    "genres": TitleGenre,
    "keywords": TitleKeyword,
    "credits": Credit,
    "ratings": ContentRating,
    "external_ids": ExternalId,
    "windows": AvailabilityWindow,
}
"""The tables that hang on a title, by the name under which `Title.edited` remembers them."""


class WrongParent(DomainError):
    code = "wrong_parent"
    title = "A title of this kind cannot belong to that."
    status = 422


def create(
    *,
    title_id: UUID,
    kind: str,
    parent_id: UUID | None,
    fields: Mapping[str, Any],
    parts: Mapping[str, Sequence[Mapping[str, Any]]],
    now: datetime,
) -> Title:
    """Make a draft of a title that no provider delivers, under a new id. Raises TitleUnknown, WrongParent."""
    with transaction.atomic():
        parent = titles.locked(parent_id) if parent_id else None
        allowed = rules.PARENT_KINDS.get(kind, frozenset())
        if (parent is None and kind not in {Kind.MOVIE, Kind.SERIES, Kind.SPECIAL}) or (
            parent is not None and parent.kind not in allowed
        ):
            wanted = " or ".join(sorted(allowed)) or "nothing"
            raise WrongParent(f"A {kind} belongs to {wanted}: choose accordingly.")
        series_id = None
        if parent is not None:
            series_id = parent.pk if parent.kind == Kind.SERIES else parent.series_id
        title = Title.objects.create(
            id=title_id, kind=kind, parent=parent, series_id=series_id, created_at=now, updated_at=now, **_known(fields)
        )
        _replace_parts(title, parts)
        titles.touch_wholes(title, now=now)
        search.rebuild([title.pk])
    return title


def edit(
    *,
    title_id: UUID,
    fields: Mapping[str, Any],
    parts: Mapping[str, Sequence[Mapping[str, Any]]],
    now: datetime,
) -> Title:
    """Change columns of a title, and replace the rows of the named parts.

    Only what is named changes, and is from then on the editors'. Raises TitleUnknown.
    """
    with transaction.atomic():
        title = titles.locked(title_id)
        for name, value in _known(fields).items():
            setattr(title, name, value)
        _replace_parts(title, parts)
        title.edited = sorted({*title.edited, *fields, *parts})
        title.revision += 1
        title.updated_at = now
        title.save()
        titles.touch_wholes(title, now=now)
        search.rebuild([title.pk])
    return title


def _known(fields: Mapping[str, Any]) -> Mapping[str, Any]:
    if unknown := set(fields) - FIELDS:
        raise ValueError(f"No editor changes {', '.join(sorted(unknown))}.")
    return fields


def _replace_parts(title: Title, parts: Mapping[str, Sequence[Mapping[str, Any]]]) -> None:
    for name, rows in parts.items():
        model = PARTS[name]
        model.objects.filter(title=title).delete()
        made = [model(title=title, **row) for row in rows]
        if name == "ratings":
            for rating in made:
                rating.minimum_age = rules.minimum_age(rating.country, rating.system, rating.value)
        model.objects.bulk_create(made)
