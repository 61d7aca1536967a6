"""What both kinds of places share: one may be edited while it is looked at, and what is new in it becomes a run."""

from __future__ import annotations

from datetime import datetime
from typing import Any, BinaryIO
from uuid import UUID

from django.core.files.base import File

from catalog.models import FeedSource
from catalog.services import ingestion
from core.errors import DomainError
from core.files import is_storage_away

LOOKED_AT = ("provider", "kind", "location", "format")
"""What decides what a look finds, and as what it is taken."""


def looked_at(source: FeedSource) -> dict[str, Any]:
    return {name: getattr(source, name) for name in LOOKED_AT}


def still_is(source: FeedSource) -> bool:
    """Say whether a source is there and looks at the same, and lock it, in the caller's transaction."""
    return FeedSource.objects.select_for_update().filter(pk=source.pk, **looked_at(source)).first() is not None


class NotStored(DomainError):
    code = "feed_not_stored"
    title = "The delivery could not be stored."
    status = 503


def take(source: FeedSource, file: BinaryIO, name: str, by: str, now: datetime) -> UUID:
    """Put what was found on record as a run, and answer that. Raises NotStored."""
    file.seek(0)
    try:
        run = ingestion.open_run(
            provider=source.provider,
            format=source.format,
            source_name=name,
            content=File(file, name=name),
            delivery=source.delivery,
            by=by,
            now=now,
        )
    except Exception as error:
        if not (isinstance(error, OSError) or is_storage_away(error)):
            raise
        reason = getattr(error, "strerror", None) or type(error).__name__
        raise NotStored(f"{name} cannot be stored: {reason}.") from error
    return run.pk
