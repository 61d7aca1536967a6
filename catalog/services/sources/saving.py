"""Places that partners deliver to: made, and changed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from django.db import transaction

from catalog.ingestion.formats import READERS
from catalog.models import ArrivingFile, FeedSource, TakenFile
from catalog.services.sources.taking import LOOKED_AT
from core.errors import DomainError


class SourceInvalid(DomainError):
    code = "feed_source_invalid"
    title = "This place cannot be looked at."
    status = 422


def save(*, source_id: int | None, fields: Mapping[str, Any], now: datetime) -> FeedSource:
    """Make a source, or change one; what it looks at is looked at anew. Raises SourceInvalid."""
    with transaction.atomic():
        source = (
            FeedSource.objects.select_for_update().get(pk=source_id) if source_id else FeedSource(next_check_at=now)
        )
        changed = {
            name for name in LOOKED_AT if source_id and fields.get(name, getattr(source, name)) != getattr(source, name)
        }
        for name, value in fields.items():
            setattr(source, name, value)
        if source.format not in READERS:
            raise SourceInvalid(f"{source.format!r} is no format we read; choose one of: {', '.join(READERS)}.")
        if source.kind == FeedSource.Kind.ADDRESS:
            _check_address(source.location)
        elif source.pattern.startswith("/") or ".." in source.pattern.split("/"):
            raise SourceInvalid(f"{source.pattern!r} leads out of the folder: write one such as *.xml.")
        if changed:
            source.etag = source.last_modified = ""
            source.digest = b""
            ArrivingFile.objects.filter(source=source).delete()
        if changed & {"provider", "format"}:
            # They were taken for somebody else, or as what they are not.
            TakenFile.objects.filter(source=source).delete()
        if source.marker:
            _check_marker(source)
        source.next_check_at = now
        source.save()
    return source


def _check_marker(source: FeedSource) -> None:
    if not re.fullmatch(r"[.\w-]+", source.marker):
        raise SourceInvalid(f"{source.marker!r} is no ending of a file's name: write one such as .done.")
    if source.pattern.endswith(source.marker):
        raise own_ending(source)


def own_ending(source: FeedSource) -> SourceInvalid:
    return SourceInvalid(
        f"{source.marker!r} is how the files themselves end: a marker is a second file beside each, such as titles.xml.done."
    )


def _check_address(location: str) -> None:
    try:
        parts = urlsplit(location)
    except ValueError:
        parts = urlsplit("")
    if parts.scheme not in {"http", "https"}:
        raise SourceInvalid(f"{location!r} is no address: it begins with https:// or http://.")
    if "@" in parts.netloc:
        raise SourceInvalid(
            "The address has a name or password in it, which everybody would read who sees the list. Put what"
            " authorises us into FEED_CREDENTIALS, and name it as the credential."
        )
