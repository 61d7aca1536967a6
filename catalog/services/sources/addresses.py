"""Feeds that are fetched from an address, if they have changed."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterator
from datetime import datetime
from pathlib import PurePosixPath
from urllib.parse import unquote, urlsplit
from uuid import UUID

from django.conf import settings

from catalog.models import FeedSource
from catalog.services.sources.taking import take
from core import outbound
from core.errors import DomainError


class CredentialUnknown(DomainError):
    code = "feed_credential_unknown"
    title = "What authorises us at this address is not configured."
    status = 422


def fetch(source: FeedSource, by: str, now: datetime) -> Iterator[UUID]:
    with tempfile.TemporaryFile() as file:
        answer = outbound.fetch(
            source.location,
            into=file,
            most=settings.FEED_MAX_BYTES,
            seconds=settings.FEED_MAX_SECONDS,
            headers=_headers(source),
        )
        if not answer.is_new:
            return
        file.seek(0)
        digest = hashlib.file_digest(file, "sha256").digest()
        if digest != bytes(source.digest):
            yield take(source, file, _file_name(answer.url), by, now)
        # After the run is on record: killed in between, the next look takes it again, and nothing in it has changed.
        source.digest, source.etag, source.last_modified = digest, answer.etag[:500], answer.last_modified[:100]


def _headers(source: FeedSource) -> dict[str, str]:
    headers = {}
    if source.etag:
        headers["If-None-Match"] = source.etag
    if source.last_modified:
        headers["If-Modified-Since"] = source.last_modified
    if source.credential:
        try:
            headers["Authorization"] = settings.FEED_CREDENTIALS[source.credential]
        except KeyError:
            raise CredentialUnknown(
                f"FEED_CREDENTIALS has nothing under {source.credential!r}: add it to the environment."
            ) from None
    return headers


def _file_name(url: str) -> str:
    return PurePosixPath(unquote(urlsplit(url).path)).name or urlsplit(url).hostname or "feed"
