"""Files that are left in a folder, each taken once it is whole."""

from __future__ import annotations

import errno
import os
import re
import stat
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from uuid import UUID

from django.conf import settings
from django.db import IntegrityError, transaction

from catalog.models import ArrivingFile, FeedSource, TakenFile
from catalog.services.sources.saving import SourceInvalid, own_ending
from catalog.services.sources.taking import NotStored, still_is, take
from core.errors import DomainError
from core.files import copy_found, look_through

GIVEN_UP = timedelta(hours=1)
"""Whoever has had a file in hand for this long was killed; it is taken again."""
MOST_FILES = 100
"""At most so many files of a folder are taken in one look; the next look takes more."""
LONGEST_NAME = 255
"""The longest path of a file below its folder, in characters."""
MOST_TOLD = 3
"""So many places of a folder that cannot be read are named; of the others, how many they are."""

# Hidden, or called as programs call what they are still writing, or a file system what it has found of damaged files.
_UNFINISHED = re.compile(
    r"(^|/)(\.|lost\+found/)|~$|\.(part|partial|filepart|tmp|temp|crdownload|download|uploading|swp)$", re.IGNORECASE
)


class FolderUnknown(DomainError):
    code = "feed_folder_unknown"
    title = "There is no such folder to watch."
    status = 422


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


def watch(source: FeedSource, by: str, now: datetime) -> Iterator[UUID]:
    begun, unread = time.monotonic(), _Unread()
    try:
        folder = _folder(source)
        found = _untaken(source, folder, unread, now)
    except OSError as error:
        raise SourceInvalid(f"{source.location} cannot be read: {error.strerror}.") from error
    whole = _whole(source, found, now)[:MOST_FILES]
    # A large folder is looked at for minutes: how its last file was found counts from then on.
    _remember(source, found, whole, now=now, looked=now + timedelta(seconds=int(time.monotonic() - begun)))
    for file in whole:
        if run_id := _take_file(source, folder, file, unread, by, now):
            yield run_id
    if unread.places:
        raise SourceInvalid(
            f"Not everything in {source.location} can be read: {unread.told()}. What else is there is looked at."
        )
    if too_long := next((file.name for file in found if len(file.name) > LONGEST_NAME), None):
        raise SourceInvalid(f"{too_long[:100]}... is a path of more than {LONGEST_NAME} characters: shorten it.")


class _Unread:
    """What of a folder could not be read, and why: the rest is taken all the same."""

    def __init__(self) -> None:
        self.places: dict[str, str] = {}

    def add(self, name: str, error: OSError) -> None:
        self.places[name] = error.strerror or type(error).__name__

    def told(self) -> str:
        first = [f"{name[:100]} ({reason})" for name, reason in sorted(self.places.items())[:MOST_TOLD]]
        more = len(self.places) - len(first)
        return ", ".join(first) + (f", +{more}" if more else "")


def _take_file(source: FeedSource, folder: Path, file: _Found, unread: _Unread, by: str, now: datetime) -> UUID | None:
    name, size, modified_ns = file.state
    with tempfile.TemporaryFile() as copy:
        try:
            with transaction.atomic():
                if not still_is(source):
                    return None  # the next look takes it for what it is by then
                taken = TakenFile.objects.create(
                    source=source, name=name, size=size, modified_ns=modified_ns, taken_at=now
                )
        except IntegrityError:
            return None  # another look has taken it meanwhile
        try:
            copy_found(folder, file.path, file.status, into=copy)
        except OSError as error:
            taken.delete()
            if error.errno in {errno.ENOSPC, errno.EDQUOT}:
                raise SourceInvalid(f"{name} cannot be read: {error.strerror}.") from error
            unread.add(name, error)
            return None
        try:
            run_id = take(source, copy, name, by, now)
        except NotStored:
            taken.delete()
            raise
    TakenFile.objects.filter(pk=taken.pk).update(run=run_id)
    ArrivingFile.objects.filter(source=source, name=name).delete()
    return run_id


def _untaken(source: FeedSource, folder: Path, unread: _Unread, now: datetime) -> list[_Found]:
    """Answer the files that were not taken before, oldest first, without those whose names say that they are on their way.

    What cannot be looked into is added to `unread`. Raises OSError where that is the folder itself, and SourceInvalid
    where nothing but markers is there.
    """
    os.scandir(folder).close()
    TakenFile.objects.filter(source=source, run__isnull=True, taken_at__lte=now - GIVEN_UP).delete()
    taken = TakenFile.objects.filter(source=source)
    known = set(taken.values_list("name", "size", "modified_ns"))
    known_by_last_name = set(taken.filter(has_path=False).values_list("name", "size", "modified_ns"))
    found, markers = [], False
    for path, status in look_through(
        folder,
        source.pattern,
        passed_over=_UNFINISHED.search,
        unread=lambda path, error: unread.add(_name_below(folder, path), error),
    ):
        name = _name_below(folder, path)
        if source.marker and name.endswith(source.marker):
            markers = True
            continue
        file = _Found(path, name, status)
        if file.state not in known and (path.name, *file.state[1:]) not in known_by_last_name:
            found.append(file)
    if markers and not found and not known:
        raise own_ending(source)
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
    if not still_is(source):
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
