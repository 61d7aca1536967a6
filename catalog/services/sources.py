"""Looking whether a provider has delivered, and taking what is new. Nothing is fetched inside a transaction."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO
from urllib.parse import unquote, urlsplit
from uuid import UUID

import structlog
from django.conf import settings
from django.core.files.base import File
from django.db import IntegrityError, transaction

from catalog.ingestion.formats import READERS
from catalog.models import FeedSource, TakenFile
from catalog.services import ingestion
from core import outbound
from core.errors import DomainError
from core.files import open_found

logger = structlog.get_logger(__name__)

SETTLED = timedelta(minutes=1)
"""A file that changed later than this ago may still be on its way."""
GIVEN_UP = timedelta(hours=1)
"""Whoever has had a file in hand for this long was killed; it is taken again."""
MOST_FILES = 100
"""At most so many files of a folder are taken in one look; the next look takes more."""
WORRYING = 3
"""So many failures in a row are an error in the log, which alerts somebody."""

_LOOKED_AT = ("provider", "kind", "location", "format")


class FolderUnknown(DomainError):
    code = "feed_folder_unknown"
    title = "There is no such folder to watch."
    status = 422


class CredentialUnknown(DomainError):
    code = "feed_credential_unknown"
    title = "What authorises us at this address is not configured."
    status = 422


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
            name
            for name in _LOOKED_AT
            if source_id and fields.get(name, getattr(source, name)) != getattr(source, name)
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
        if changed & {"provider", "format"}:
            # They were taken for somebody else, or as what they are not.
            TakenFile.objects.filter(source=source).delete()
        source.next_check_at = now
        source.save()
    return source


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


def claim_due(*, now: datetime) -> list[int]:
    """Answer the sources to look at now, and plan their next look; two at once claim each once."""
    with transaction.atomic():
        due = list(FeedSource.objects.due(now).select_for_update(of=("self",), skip_locked=True))
        for source in due:
            source.next_check_at = now + timedelta(minutes=source.every_minutes)
        FeedSource.objects.bulk_update(due, ["next_check_at"])
    return [source.pk for source in due]


def check(*, source_id: int, by: str, now: datetime) -> list[UUID]:
    """Look at a source and take what is new; answer the runs to begin, oldest delivery first.

    What went wrong stands in the source's `outcome`; the next look tries again. A source that is gone has nothing.
    """
    source = FeedSource.objects.select_related("provider").filter(pk=source_id).first()
    if source is None:
        return []
    look = _fetch if source.kind == FeedSource.Kind.ADDRESS else _watch
    runs: list[UUID] = []
    try:
        for run_id in look(source, by, now):
            runs.append(run_id)  # noqa: PERF402 - what was taken before a failure counts
    except DomainError as error:
        _note(source, str(error), now=now, failed=True)
    else:
        _note(source, f"{len(runs)} taken" if runs else "Nothing new", now=now, failed=False)
    return runs


def _note(source: FeedSource, outcome: str, *, now: datetime, failed: bool) -> None:
    source.outcome, source.checked_at = outcome[:500], now
    source.failures = source.failures + 1 if failed else 0
    source.save(update_fields=["outcome", "checked_at", "failures", "etag", "last_modified", "digest"])
    if source.failures == WORRYING:
        logger.error("feed_source_fails", source_id=source.pk, provider=source.provider.code)


# ---------------------------------------------------------------- addresses


def _fetch(source: FeedSource, by: str, now: datetime) -> Iterator[UUID]:
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
            yield _take(source, file, _file_name(answer.url), by, now)
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


# ---------------------------------------------------------------- folders


def _watch(source: FeedSource, by: str, now: datetime) -> Iterator[UUID]:
    for path in _new_files(source, now):
        try:
            status = path.lstat()
        except FileNotFoundError:
            continue  # whoever put it there took it back
        try:
            with transaction.atomic():
                taken = TakenFile.objects.create(
                    source=source,
                    name=path.name[:255],
                    size=status.st_size,
                    modified_ns=status.st_mtime_ns,
                    taken_at=now,
                )
        except IntegrityError:
            continue  # another look has taken it meanwhile
        try:
            with open_found(_folder(source), path, status) as file:
                run_id = _take(source, file, path.name, by, now)
        except OSError as error:
            taken.delete()
            raise SourceInvalid(f"{path.name} cannot be read: {error.strerror}.") from error
        TakenFile.objects.filter(pk=taken.pk).update(run=run_id)
        yield run_id


def _new_files(source: FeedSource, now: datetime) -> list[Path]:
    """Answer the files to take, oldest first: those that have been left alone for SETTLED and were not taken before."""
    settled_ns = int((now - SETTLED).timestamp()) * 10**9
    TakenFile.objects.filter(source=source, run__isnull=True, taken_at__lte=now - GIVEN_UP).delete()
    known = set(TakenFile.objects.filter(source=source).values_list("name", "size", "modified_ns"))
    folder = _folder(source)
    found = []
    for path in folder.glob(source.pattern):
        # A link could lead out of the folder.
        if path.is_symlink() or not path.is_file() or folder not in path.resolve().parents:
            continue
        status = path.stat()
        if status.st_mtime_ns <= settled_ns and (path.name[:255], status.st_size, status.st_mtime_ns) not in known:
            found.append((status.st_mtime_ns, path.name, path))
    return [path for *_, path in sorted(found)[:MOST_FILES]]


def _folder(source: FeedSource) -> Path:
    if not settings.FEED_FOLDER:
        raise FolderUnknown("FEED_FOLDER is not set: no folder is watched.")
    root = Path(settings.FEED_FOLDER).resolve()
    folder = (root / source.location).resolve()
    if not folder.is_relative_to(root) or not folder.is_dir():
        raise FolderUnknown(f"There is no folder {source.location!r} below FEED_FOLDER.")
    return folder


def _take(source: FeedSource, file: BinaryIO, name: str, by: str, now: datetime) -> UUID:
    file.seek(0)
    run = ingestion.open_run(
        provider=source.provider,
        format=source.format,
        source_name=name,
        content=File(file, name=name),
        delivery=source.delivery,
        by=by,
        now=now,
    )
    return run.pk
