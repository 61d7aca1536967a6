"""What editors change. A later delivery leaves it alone."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import IntegrityError, models, transaction
from psycopg.errors import UniqueViolation

from accounts import maturity
from catalog import rules
from catalog.models import ContentRating, Genre, Keyword, Person, Revision, Title
from catalog.models.titles import Kind
from catalog.selectors.revisions import FIELDS, PARTS, fingerprint, snapshot
from catalog.services import identities, locks, revisions, search, titles
from core.errors import DomainError

_MERGED: Mapping[str, tuple[Any, str, tuple[str, ...]]] = {
    "genres": (Genre, "genre", ()),
    "keywords": (Keyword, "keyword", ()),
    "credits": (Person, "person", ("job", "job_display", "character")),
}
"""Parts that name what may be merged: by which column, and what tells two rows of the same apart."""


class WrongParent(DomainError):
    code = "wrong_parent"
    title = "A title of this kind cannot belong to that."
    status = 422


class EditedMeanwhile(DomainError):
    code = "edited_meanwhile"
    title = "Somebody else has changed the title meanwhile: open it anew, and make your change again."


class StatedTwice(DomainError):
    code = "stated_twice"
    title = "Two rows say the same, or an external id is another title's: correct that, then save again."
    status = 422


class RevisionUnknown(DomainError):
    code = "revision_unknown"
    title = "The title has no such revision."
    status = 404


class CannotRevert(DomainError):
    code = "cannot_revert"
    title = "What the title was then is no longer possible."


def create(
    *,
    title_id: UUID,
    kind: str,
    parent_id: UUID | None,
    fields: Mapping[str, Any],
    parts: Mapping[str, Sequence[Mapping[str, Any]]],
    by: str,
    now: datetime,
) -> Title:
    """Make a draft of a title that no provider delivers, under a new id.

    Raises WrongParent, StatedTwice, and of what it belongs to TitleUnknown and TitleMerged.
    """
    with _refusing_twins(), transaction.atomic():
        parent = titles.changeable(parent_id) if parent_id else None
        allowed = rules.PARENT_KINDS.get(kind, frozenset())
        if (parent is None and kind not in {Kind.MOVIE, Kind.SERIES, Kind.SPECIAL}) or (
            parent is not None and parent.kind not in allowed
        ):
            what = Kind(kind).label
            if not allowed:
                raise WrongParent(f"What is of the kind {what} belongs to nothing.")
            wanted = ", ".join(str(Kind(one).label) for one in sorted(allowed))
            raise WrongParent(f"What is of the kind {what} belongs to: {wanted}. Choose accordingly.")
        series_id = None
        if parent is not None:
            series_id = parent.pk if parent.kind == Kind.SERIES else parent.series_id
        title = Title.objects.create(
            id=title_id, kind=kind, parent=parent, series_id=series_id, created_at=now, updated_at=now, **_known(fields)
        )
        _replace_parts(title, parts)
        titles.touch_wholes(title, now=now)
        revisions.keep([title.pk], by=by, now=now)
        search.rebuild([title.pk])
    return title


def edit(
    *,
    title_id: UUID,
    fields: Mapping[str, Any],
    parts: Mapping[str, Sequence[Mapping[str, Any]]],
    by: str,
    now: datetime,
    seen: str = "",
    note: str = "",
) -> Title:
    """Change columns of a title, and replace the rows of the named parts; that leaves a revision.

    Only what is named changes, and is from then on the editors'. `seen` is the fingerprint of the version
    that the editor had before them. Raises TitleUnknown, TitleMerged (another title answers for it), TitleLocked
    (another editor keeps it), EditedMeanwhile (it is no longer what was seen) and StatedTwice.
    """
    with _refusing_twins(), transaction.atomic():
        title = titles.changeable(title_id)
        locks.refuse_others(title, by=by)
        refuse_outdated(title_id, seen)
        revisions.keep_first([title_id], now=now)
        for name, value in _known(fields).items():
            setattr(title, name, value)
        _replace_parts(title, parts)
        title.edited = sorted({*title.edited, *fields, *parts})
        title.revision += 1
        title.updated_at = now
        title.save()
        titles.touch_wholes(title, now=now)
        revisions.keep([title_id], by=by, now=now, note=note)
        search.rebuild([title.pk])
    return title


def refuse_outdated(title_id: UUID, seen: str) -> None:
    """Refuse a change of a locked title that is no longer the version `seen`. Raises EditedMeanwhile."""
    if seen and seen != fingerprint(snapshot(title_id)):
        raise EditedMeanwhile


def revert(*, title_id: UUID, number: int, by: str, now: datetime, keeping: Collection[str] = ()) -> Title:
    """Make a title again what it was at one of its revisions; that is a new revision.

    Only what differs is written, and is from then on the editors'; of the parts in `keeping`, such as licences that
    this editor may not change, nothing is. Raises TitleUnknown, RevisionUnknown,
    CannotRevert (an id or a person of then belongs elsewhere now), TitleMerged and TitleLocked.
    """
    try:
        with transaction.atomic():
            title = titles.changeable(title_id)
            change = way_back(title_id, number, keeping)
            if not any(change.values()):
                return title
            return edit(title_id=title_id, **read(change), by=by, now=now, note=f"Reverted to revision {number}")
    except StatedTwice as error:
        raise CannotRevert(
            f"Revision {number} names what is elsewhere now, such as an external id: {_said(error.__cause__)}"
        ) from None


def way_back(title_id: UUID, number: int, keeping: Collection[str] = ()) -> dict[str, Any]:
    """Answer the `fields` and `parts`, as a snapshot has them, by which a title differs from one of its revisions.

    The parts in `keeping` are left out. Raises RevisionUnknown.
    """
    wanted = Revision.objects.filter(title=title_id, number=number).first()
    if wanted is None:
        raise RevisionUnknown(f"The title has no revision {number}.")
    present = snapshot(title_id)
    return {
        name: {
            key: value
            for key, value in wanted.snapshot[name].items()
            if present[name].get(key) != value and (name != "parts" or key not in keeping)
        }
        for name in ("fields", "parts")
    }


def read(change: Mapping[str, Any]) -> dict[str, Any]:
    """Turn `fields` and `parts` that went through JSON back into what `edit` takes."""
    return {
        "fields": _read_row(Title, change["fields"]),
        "parts": {part: [_read_row(PARTS[part], row) for row in rows] for part, rows in change["parts"].items()},
    }


def _read_row(model: type[models.Model], row: Mapping[str, Any]) -> dict[str, Any]:
    values = {}
    for name, value in row.items():
        field = model._meta.get_field(name)
        values[getattr(field, "attname", name)] = field.to_python(value) if isinstance(field, models.Field) else value
    return values


def _understand(rating: ContentRating) -> None:
    """Write a rating as its board does, with the age that it means."""
    if found := maturity.verdict(rating.system, rating.value, rating.country):
        rating.system, rating.value, rating.minimum_age = found.system, found.value, found.minimum_age


@contextmanager
def _refusing_twins() -> Iterator[None]:
    """Say in words what a form cannot know: rows that are one once they are spelled as their boards and people are."""
    try:
        yield
    except IntegrityError as error:
        if not isinstance(error.__cause__, UniqueViolation):
            raise
        raise StatedTwice from error


def _said(error: BaseException | None) -> str:
    return " ".join(str(error).split("DETAIL:")[-1].split())[:200]


def _known(fields: Mapping[str, Any]) -> Mapping[str, Any]:
    if unknown := set(fields) - set(FIELDS):
        raise ValueError(f"No editor changes {', '.join(sorted(unknown))}.")
    return fields


def _answering(part: str, rows: Sequence[Mapping[str, Any]]) -> Sequence[Mapping[str, Any]]:
    """Answer rows with what answers now for people, genres and keywords that were merged since, each row once."""
    if part not in _MERGED:
        return rows
    model, column, key = _MERGED[part]
    ids = [row[column].pk if column in row else row[f"{column}_id"] for row in rows]
    answering = identities.answering(model, ids)
    if all(answers == pk for pk, answers in answering.items()):
        return rows
    found: dict[tuple[Any, ...], Mapping[str, Any]] = {}
    for pk, row in zip(ids, rows, strict=True):
        current = answering.get(pk, pk)
        rest = {name: value for name, value in row.items() if name != column}
        found.setdefault((current, *(row.get(name) for name in key)), {**rest, f"{column}_id": current})
    return list(found.values())


def _replace_parts(title: Title, parts: Mapping[str, Sequence[Mapping[str, Any]]]) -> None:
    current = {name: _answering(name, rows) for name, rows in parts.items()}
    for name, rows in current.items():
        model: Any = PARTS[name]
        model.objects.filter(title=title).delete()
        made = [model(title=title, **row) for row in rows]
        if name == "ratings":
            for rating in made:
                _understand(rating)
        model.objects.bulk_create(made)
