"""Files in folders that others write to, and in a storage that may be away."""

from __future__ import annotations

import errno
import io
import os
import shutil
import stat
import sys
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack, contextmanager
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, cast

from django.core.files.storage import Storage

_AWAY = frozenset({
    errno.ECONNABORTED, errno.ECONNREFUSED, errno.ECONNRESET, errno.EHOSTDOWN, errno.EHOSTUNREACH, errno.EIO, errno.ENETDOWN,
    errno.ENETUNREACH, errno.ENOTCONN, errno.EPIPE, errno.ESTALE, errno.ETIMEDOUT,
})  # fmt: skip
"""What a file system of another machine says that cannot be reached."""


class StorageAway(Exception):
    """The storage of files does not answer: nothing is wrong with what was asked, and it may be asked again later."""


def is_storage_away(error: BaseException) -> bool:
    """Answer whether what went wrong with a file of a storage is that the storage does not answer, or cannot just now."""
    if isinstance(error, StorageAway):
        return True
    # A bucket's library is there where it is in use. Some of its errors are an OSError, too, of no number.
    boto, transfer = (sys.modules.get(name) for name in ("botocore.exceptions", "s3transfer.exceptions"))
    if boto and isinstance(error, boto.ClientError):
        answer = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        return bool(answer >= 500 or error.response.get("Error", {}).get("Code") in {"RequestTimeout", "SlowDown"})
    if boto and isinstance(error, (boto.HTTPClientError, boto.ConnectionError)):
        return True
    if transfer and isinstance(error, transfer.RetriesExceededError):
        return True
    return isinstance(error, OSError) and error.errno in _AWAY


@contextmanager
def reaching_storage() -> Iterator[None]:
    """Raise StorageAway for what is raised within because the storage does not answer."""
    try:
        yield
    except Exception as error:
        if not is_storage_away(error):
            raise
        raise StorageAway(f"The storage of files does not answer: {error}") from error


def open_stored(storage: Storage, name: str) -> BinaryIO:
    """Open a file of a storage, to read it. What opens and reads it raises StorageAway when the storage does not answer."""
    with reaching_storage():
        return cast("BinaryIO", io.BufferedReader(_Stored(cast("BinaryIO", storage.open(name))), 1 << 20))


class _Stored(io.RawIOBase):
    """A file of a storage."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        with reaching_storage():
            return self._file.seekable()

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        with reaching_storage():
            self._file.seek(offset, whence)
            return self._file.tell()

    def tell(self) -> int:
        with reaching_storage():
            return self._file.tell()

    def readinto(self, buffer: Any, /) -> int:
        view = memoryview(buffer).cast("B")
        with reaching_storage():
            read = self._file.read(len(view))
        view[: len(read)] = read
        return len(read)

    def close(self) -> None:
        if not self.closed:
            self._file.close()
        super().close()


def look_through(
    folder: Path,
    pattern: str,
    *,
    passed_over: Callable[[str], object],
    unread: Callable[[Path, OSError], object],
) -> Iterator[tuple[Path, os.stat_result]]:
    """Yield each file below a folder whose path matches a pattern, as `Path.glob` understands it, with what lstat says of it.

    `passed_over` is asked of each path below the folder, of folders with a slash at the end: what it says yes to is
    none. What cannot be looked at is given to `unread`, where `Path.glob` leaves it out or ends, and the rest goes
    on. So is a link, which is never followed, unless what it leads to is looked at anyway.
    """
    parts = PurePosixPath(pattern).parts
    waiting = [(folder, _reached(parts, {0}))]
    links: list[tuple[Path, bool]] = []
    seen: set[Path] = set()
    while waiting:
        at, places = waiting.pop()
        seen.add(at)
        for entry in _entries(at, unread):
            path, after = at / entry.name, _reached(parts, places, entry.name)
            below = path.relative_to(folder).as_posix()
            try:
                status = entry.stat(follow_symlinks=False)
            except FileNotFoundError:
                continue  # gone by now
            except OSError as error:
                if after and not passed_over(below):
                    unread(path, error)
                continue
            is_folder = stat.S_ISDIR(status.st_mode)
            if not after or passed_over(f"{below}/" if is_folder else below):
                continue
            if stat.S_ISLNK(status.st_mode):
                links.append((path, len(parts) in after))
            elif is_folder:
                if after != {len(parts)}:
                    waiting.append((path, after))
            elif stat.S_ISREG(status.st_mode) and len(parts) in after:
                seen.add(path)
                yield path, status
    for link, matches in links:
        if (reason := _unfollowed(link, matches, seen)) is not None:
            unread(link, reason)


def _entries(folder: Path, unread: Callable[[Path, OSError], object]) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except OSError as error:
        unread(folder, error)
        return []


def _reached(parts: tuple[str, ...], places: Collection[int], name: str | None = None) -> set[int]:
    """Answer which parts of a pattern may come next, after a name or at the beginning; beyond the last one, it matches."""
    after = set(places)
    if name is not None:
        known = [place for place in places if place < len(parts)]
        after = {place for place in known if parts[place] == "**"}
        after |= {place + 1 for place in known if parts[place] != "**" and fnmatchcase(name, parts[place])}
    for place in sorted(after):
        # Any number of folders is also none.
        while place < len(parts) and parts[place] == "**":
            place += 1
            after.add(place)
    return after


def _unfollowed(link: Path, matches: bool, seen: Collection[Path]) -> OSError | None:
    """Answer why what a link leads to is not looked at; None where it is, by its own name, or is a file that was not meant."""
    try:
        target = Path(os.path.realpath(link, strict=True))
        if target in seen or not (matches or target.is_dir()):
            return None
    except OSError as error:
        return error
    return OSError(errno.ELOOP, "it is a link, and links are not followed")


def open_found(folder: Path, path: Path, found: os.stat_result) -> BinaryIO:
    """Open the very file that was `found` (by lstat) at a path below a folder, to read it.

    Between finding and opening, somebody may put a link, a pipe or another file there. Raises OSError for all of
    these, and follows no link on the way.
    """
    *folders, name = path.relative_to(folder).parts
    with ExitStack() as opened:
        at = _opened(folder, os.O_DIRECTORY)
        opened.callback(os.close, at)
        for part in folders:
            at = _opened(part, os.O_DIRECTORY, at)
            opened.callback(os.close, at)
        file = os.fdopen(_opened(name, 0, at), "rb")
    if not _is_still(file, found):
        file.close()
        raise OSError(errno.ESTALE, "it was replaced meanwhile; the next look takes it")
    return file


def copy_found(folder: Path, path: Path, found: os.stat_result, *, into: BinaryIO) -> None:
    """Copy the very file that was `found`, as `open_found` opens it. Raises OSError, too, when somebody writes to it meanwhile."""
    with open_found(folder, path, found) as file:
        shutil.copyfileobj(file, into, 1 << 20)
        if not _is_still(file, found):
            raise OSError(errno.ESTALE, "it was changed while it was read; a later look takes it")


def _is_still(file: BinaryIO, found: os.stat_result) -> bool:
    now = os.fstat(file.fileno())
    return stat.S_ISREG(now.st_mode) and _identity(now) == _identity(found)


def _opened(name: str | Path, flags: int, below: int | None = None) -> int:
    # Without waiting, as a pipe would have us do.
    return os.open(name, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC | flags, dir_fd=below)


def _identity(status: os.stat_result) -> tuple[int, int, int, int]:
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns
