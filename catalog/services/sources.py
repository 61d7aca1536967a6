"""Looking whether a provider has delivered, and taking what is new. Nothing is fetched inside a transaction."""

from __future__ import annotations

import hashlib
import os
import re
import stat
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO
from urllib.parse import unquote, urlsplit
from uuid import UUID

import structlog
from django.conf import settings
from django.core.files.base import File
from django.db import IntegrityError, transaction
from django.utils.translation import gettext_noop as N_

from catalog.ingestion.formats import READERS
from catalog.models import ArrivingFile, FeedSource, TakenFile
from catalog.services import ingestion
from core import outbound
from core.errors import DomainError
from core.files import copy_found

logger = structlog.get_logger(__name__)

GIVEN_UP = timedelta(hours=1)
"""Whoever has had a file in hand for this long was killed; it is taken again."""
MOST_FILES = 100
"""At most so many files of a folder are taken in one look; the next look takes more."""
LONGEST_NAME = 255
"""The longest path of a file below its folder, in characters."""
WORRYING = 3
"""So many failures in a row are an error in the log, which alerts somebody."""

# Hidden, or called as programs call what they are still writing.
_UNFINISHED = re.compile(
    r"(^|/)\.|~$|\.(part|partial|filepart|tmp|temp|crdownload|download|uploading|swp)$", re.IGNORECASE
)
NOTHING_NEW = N_("Nothing new")
OUTCOMES = (
    NOTHING_NEW, N_("%(taken)s taken"), N_("%(taken)s taken; %(arriving)s still arriving"), N_("Nothing new; %(arriving)s still arriving"),
)  # fmt: skip
"""What a look has come to that did not fail."""

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
        raise _own_ending(source)


def _own_ending(source: FeedSource) -> SourceInvalid:
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
        _note(source, _told(len(runs), ArrivingFile.objects.filter(source=source).count()), now=now, failed=False)
    return runs


def _told(taken: int, arriving: int) -> str:
    """Answer what a look has found, in one of OUTCOMES."""
    found = f"{taken} taken" if taken else NOTHING_NEW
    return f"{found}; {arriving} still arriving" if arriving else found


def _note(source: FeedSource, outcome: str, *, now: datetime, failed: bool) -> None:
    source.failures = source.failures + 1 if failed else 0
    rows = FeedSource.objects.filter(pk=source.pk)
    rows.update(outcome=outcome[:500], checked_at=now, failures=source.failures)
    # Where somebody has changed meanwhile what is looked at, nothing of it was taken yet.
    rows.filter(**_looked_at(source)).update(etag=source.etag, last_modified=source.last_modified, digest=source.digest)
    if source.failures == WORRYING:
        logger.error("feed_source_fails", source_id=source.pk, provider=source.provider.code)


def _looked_at(source: FeedSource) -> dict[str, Any]:
    return {name: getattr(source, name) for name in _LOOKED_AT}


def _still_is(source: FeedSource) -> bool:
    """Say whether a source is there and looks at the same, and lock it, in the caller's transaction."""
    return FeedSource.objects.select_for_update().filter(pk=source.pk, **_looked_at(source)).first() is not None


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


@dataclass(frozen=True, slots=True)
class _Found:
    """A file of a folder, as a look has found it."""

    path: Path
    name: str
    """Its path below the folder: files of one name may lie in two folders within."""
    status: os.stat_result

    @property
    def state(self) -> tuple[str, int, int]:
        return self.name, self.status.st_size, self.status.st_mtime_ns


def _watch(source: FeedSource, by: str, now: datetime) -> Iterator[UUID]:
    begun = time.monotonic()
    try:
        folder = _folder(source)
        found = _untaken(source, folder, now)
    except OSError as error:
        raise SourceInvalid(f"{source.location} cannot be read: {error.strerror}.") from error
    whole = _whole(source, found, now)[:MOST_FILES]
    # A large folder is looked at for minutes: how its last file was found counts from then on.
    _remember(source, found, whole, now=now, looked=now + timedelta(seconds=int(time.monotonic() - begun)))
    for file in whole:
        if run_id := _take_file(source, folder, file, by, now):
            yield run_id
    if too_long := next((file.name for file in found if len(file.name) > LONGEST_NAME), None):
        raise SourceInvalid(f"{too_long[:100]}... is a path of more than {LONGEST_NAME} characters: shorten it.")


def _take_file(source: FeedSource, folder: Path, file: _Found, by: str, now: datetime) -> UUID | None:
    name, size, modified_ns = file.state
    try:
        with transaction.atomic():
            if not _still_is(source):
                return None  # the next look takes it for what it is by then
            taken = TakenFile.objects.create(source=source, name=name, size=size, modified_ns=modified_ns, taken_at=now)
    except IntegrityError:
        return None  # another look has taken it meanwhile
    try:
        with tempfile.TemporaryFile() as copy:
            copy_found(folder, file.path, file.status, into=copy)
            run_id = _take(source, copy, name, by, now)
    except OSError as error:
        taken.delete()
        raise SourceInvalid(f"{name} cannot be read: {error.strerror}.") from error
    TakenFile.objects.filter(pk=taken.pk).update(run=run_id)
    ArrivingFile.objects.filter(source=source, name=name).delete()
    return run_id


def _untaken(source: FeedSource, folder: Path, now: datetime) -> list[_Found]:
    """Answer the files that were not taken before, oldest first, without those whose names say that they are on their way.

    Raises OSError, and SourceInvalid where nothing but markers is there.
    """
    os.scandir(folder).close()  # the listing below leaves out what it may not read
    TakenFile.objects.filter(source=source, run__isnull=True, taken_at__lte=now - GIVEN_UP).delete()
    taken = TakenFile.objects.filter(source=source)
    known = set(taken.values_list("name", "size", "modified_ns"))
    known_by_last_name = set(taken.filter(has_path=False).values_list("name", "size", "modified_ns"))
    found, markers = [], False
    for path in folder.glob(source.pattern):
        name = _name_below(folder, path)
        if _UNFINISHED.search(name):
            continue
        status = _status(path)
        # A link could lead out of the folder.
        if status is None or folder not in path.resolve().parents:
            continue
        if source.marker and name.endswith(source.marker):
            markers = True
            continue
        file = _Found(path, name, status)
        if file.state not in known and (path.name, *file.state[1:]) not in known_by_last_name:
            found.append(file)
    if markers and not found and not known:
        raise _own_ending(source)
    return sorted(found, key=lambda file: (file.status.st_mtime_ns, file.name))


def _name_below(folder: Path, path: Path) -> str:
    """Answer a file's path below its folder; bytes that are not UTF-8, which no database keeps as text, as \\xe9."""
    return os.fsencode(path.relative_to(folder).as_posix()).decode(errors="backslashreplace")


def _status(path: Path) -> os.stat_result | None:
    """Answer what the file system says of a file; None of what is none, or is gone by now."""
    try:
        status = path.lstat()
    except OSError:
        return None
    return status if stat.S_ISREG(status.st_mode) else None


def _whole(source: FeedSource, found: list[_Found], now: datetime) -> list[_Found]:
    """Answer the files that nobody writes to any more: by their markers, or because looks `settled_seconds` apart found no change.

    The clock of the file system is not asked: another machine's may be wrong, and a copy may have its original's time.
    """
    found = [file for file in found if len(file.name) <= LONGEST_NAME]
    if source.marker:
        return [file for file in found if _is_marked(file, source.marker)]
    settled = now - timedelta(seconds=source.settled_seconds)
    seen = set(
        ArrivingFile.objects.filter(source=source, since__lte=settled).values_list("name", "size", "modified_ns")
    )
    return [file for file in found if file.state in seen]


def _is_marked(file: _Found, marker: str) -> bool:
    """Say whether a file's marker is there, and no older than the file: then it is that of an earlier delivery."""
    status = _status(file.path.with_name(file.path.name + marker))
    if status is None:
        return False
    second = 10**9
    # Some file systems and protocols know whole seconds alone, perhaps for the one file and not for the other.
    is_coarse = status.st_mtime_ns % second == 0
    return status.st_mtime_ns >= (file.status.st_mtime_ns // second * second if is_coarse else file.status.st_mtime_ns)


@transaction.atomic
def _remember(source: FeedSource, found: list[_Found], whole: list[_Found], *, now: datetime, looked: datetime) -> None:
    """Note how the files were found that are to be looked at again, and have that done soon.

    What is about to be taken stays noted until it is.
    """
    if not _still_is(source):
        return
    found = [file for file in found if len(file.name) <= LONGEST_NAME]
    rows = ArrivingFile.objects.filter(source=source)
    noted = {
        (name, size, modified_ns): pk
        for pk, name, size, modified_ns in rows.values_list("pk", "name", "size", "modified_ns")
    }
    names, to_take = {file.name for file in found}, {file.name for file in whole}
    rows.filter(pk__in=[pk for (name, *_), pk in noted.items() if name not in names]).delete()
    arriving = [file for file in found if file.name not in to_take]
    fresh = [file.state for file in arriving if file.state not in noted]
    ArrivingFile.objects.bulk_create(
        [
            ArrivingFile(source=source, name=name, size=size, modified_ns=modified_ns, since=looked)
            for name, size, modified_ns in fresh
        ],
        batch_size=10_000,
        update_conflicts=True,
        unique_fields=["source", "name"],
        update_fields=["size", "modified_ns", "since"],
    )
    # What is never marked is not waited for.
    is_due = fresh or len(whole) == MOST_FILES if source.marker else arriving
    if is_due:
        soon = now + timedelta(seconds=source.settled_seconds)
        FeedSource.objects.filter(pk=source.pk, next_check_at__gt=soon).update(next_check_at=soon)


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
