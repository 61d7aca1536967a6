"""Files in folders that others write to."""

from __future__ import annotations

import errno
import os
import shutil
import stat
from contextlib import ExitStack
from pathlib import Path
from typing import BinaryIO


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
