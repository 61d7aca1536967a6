"""Changes to many titles in one statement each, for locked titles in the caller's transaction."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
from django.db import connection

from catalog.models import Artwork, AvailabilityWindow, IngestRun, Provider, PublicationEntry
from catalog.models.titles import State
from catalog.services import kept
from catalog.services.copying import copy_into
from catalog.services.ingestion import rows, runs
from catalog.services.ingestion.finding import Outcome
from catalog.services.ingestion.staging import write_problems

_Row = tuple[Any, ...]


def log_publication(
    published: Iterable[tuple[UUID, int]],
    withdrawn: Iterable[tuple[UUID, int]],
    *,
    provider: Provider,
    run: IngestRun,
    now: datetime,
) -> None:
    """Append what a delivery made public and took back: pairs of title and revision."""
    by, actions = f"provider:{provider.code}", PublicationEntry.Action
    lines = [
        (title_id, action.value, now, by, revision, f"Delivery {run.pk}")
        for action, titles in ((actions.PUBLISHED, published), (actions.WITHDRAWN, withdrawn))
        for title_id, revision in titles
    ]
    if lines:
        with connection.cursor() as cursor:
            copy_into(cursor, PublicationEntry, ("title_id", "action", "at", "by", "revision", "reason"), lines)


def report(run: IngestRun, outcome: Outcome, now: datetime) -> None:
    """Add what a batch has come to, to the run's counts and problems."""
    kept.changed()
    write_problems(run, outcome.problems)
    runs.beat(run, now=now, problem_count=len(outcome.problems), **outcome.counts)


def update_titles(cursor: Any, updated: list[_Row]) -> None:
    """Write titles that were there before, each row in the order of TITLE_COLUMNS; what is edited stays."""
    cursor.execute("CREATE TEMPORARY TABLE incoming_title (LIKE catalog_title INCLUDING DEFAULTS)")
    with cursor.copy(f"COPY incoming_title ({', '.join(rows.TITLE_COLUMNS)}) FROM STDIN") as copy:
        for row in updated:
            copy.write_row(row)
    fed = ", ".join(
        f"{column} = CASE WHEN '{column}' = ANY(incoming.edited) THEN title.{column} ELSE incoming.{column} END"
        for column in rows.FED_COLUMNS
    )
    own = ", ".join(
        f"{column} = incoming.{column}"
        for column in ("state", "published_at", "withdrawn_at", "revision", "provenance", "updated_at")
    )
    cursor.execute(
        f"UPDATE catalog_title AS title SET {fed}, {own}"  # noqa: S608 - our own column names
        " FROM incoming_title AS incoming WHERE title.id = incoming.id"
    )
    cursor.execute("DROP TABLE incoming_title")


def arrived(title_ids: set[UUID]) -> dict[tuple[UUID, str], rows.Arrived]:
    """Answer the files of images that have arrived, by title and source."""
    found = (
        Artwork.objects.filter(title_id__in=title_ids).exclude(source="").exclude(file="")
        if title_ids
        else Artwork.objects.none()
    )
    return {
        (title_id, source): (file, width, height, placeholder, orjson.dumps(renditions).decode())
        for title_id, source, file, width, height, placeholder, renditions in found.values_list(
            "title_id", "source", "file", "width", "height", "placeholder", "renditions"
        )
    }


def withdraw(title_ids: list[UUID], *, now: datetime) -> None:
    """Take locked titles back; the caller keeps the log."""
    kept.changed()
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE catalog_title SET state = %s, withdrawn_at = %s, revision = revision + 1, updated_at = %s WHERE id = ANY(%s)",
            [State.WITHDRAWN, now, now, title_ids],
        )


def forget_grants(source_ids: list[int], title_ids: set[UUID], *, now: datetime) -> None:
    """Delete the windows that sources granted to locked titles which others go on delivering."""
    AvailabilityWindow.objects.filter(title_id__in=title_ids, source_id__in=source_ids).delete()
    touch(title_ids, now=now)


def touch(title_ids: set[UUID], *, now: datetime) -> None:
    """Raise the revision of what contains something that changed."""
    if title_ids:
        with connection.cursor() as cursor:
            cursor.execute(
                "UPDATE catalog_title SET revision = revision + 1, updated_at = %s WHERE id = ANY(%s)",
                [now, list(title_ids)],
            )


def follow_seasons(season_ids: set[UUID]) -> None:
    """Let the parts of seasons that moved to another series follow them."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE catalog_title AS part SET series_id = season.series_id FROM catalog_title AS season"
            " WHERE season.id = ANY(%s) AND part.parent_id = season.id AND part.series_id IS DISTINCT FROM season.series_id",
            [list(season_ids)],
        )
