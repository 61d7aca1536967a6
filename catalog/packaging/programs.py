"""Runs ffmpeg, ffprobe and shaka-packager: never by a shell, never longer or larger than allowed, never left behind."""

from __future__ import annotations

import ctypes
import errno
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO

from django.conf import settings

TICK = 0.25  # seconds
_PR_SET_PDEATHSIG = 1
_ENVIRONMENT = {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C.UTF-8"}
"""None of our secrets: a program that a hostile film takes over finds nothing in its environment."""


class ProgramMissing(Exception):
    """A program is not installed where the settings name it."""


class ProgramFailed(Exception):
    """A program ended with an error; `said` is the end of what it said."""

    def __init__(self, name: str, status: int, said: str) -> None:
        super().__init__(f"{name} ended with {status}: {said}")
        self.said = said


class ProgramKilled(Exception):
    """A program was killed by somebody else: mostly by a machine that has no memory left."""


class TookTooLong(Exception):
    """A program was ended because its time was up."""


def run(
    command: Sequence[str | Path],
    *,
    seconds: float,
    max_file_bytes: int,
    on_tick: Callable[[], None] = lambda: None,
    cwd: Path | None = None,
) -> str:
    """Run a program to its end and answer what it wrote to standard output.

    `on_tick` is called a few times a second; what it raises ends the program. The program ends with this process,
    however that ends, and writes no file larger than `max_file_bytes`. Raises ProgramMissing, ProgramFailed,
    TookTooLong; and, for what is no fault of the film, ProgramKilled, or OSError (ENOSPC) where no room was left to write.
    """
    until = time.monotonic() + seconds
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        try:
            process = subprocess.Popen(  # noqa: S603 - a list, no shell; file names are ours
                [str(part) for part in command],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=errors,
                cwd=cwd,
                env=_ENVIRONMENT,
                preexec_fn=lambda: _bound(max_file_bytes),
            )
        except (FileNotFoundError, PermissionError) as error:
            raise ProgramMissing(f"{command[0]} cannot be run: {error.strerror}.") from error
        try:
            while process.poll() is None:
                on_tick()
                if time.monotonic() > until:
                    raise TookTooLong
                with suppress(subprocess.TimeoutExpired):
                    process.wait(TICK)
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
        if process.returncode:
            raise _failure(Path(command[0]).name, process.returncode, _end(errors))
        output.seek(0)
        return output.read().decode("utf-8", "replace")


def _failure(name: str, status: int, said: str) -> Exception:
    if os.strerror(errno.ENOSPC) in said:
        return OSError(errno.ENOSPC, f"{name} has no room left to write")
    return ProgramKilled(f"{name} was killed") if status == -signal.SIGKILL else ProgramFailed(name, status, said)


def ffmpeg() -> str:
    return str(settings.FFMPEG)


def ffprobe() -> str:
    return str(settings.FFPROBE)


def packager() -> str:
    return str(settings.PACKAGER)


def _bound(max_file_bytes: int) -> None:
    """Run in the child before its program does."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (max_file_bytes, max_file_bytes))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        # A killed worker takes its ffmpeg with it.
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _end(file: IO[bytes], size: int = 4000) -> str:
    length = file.seek(0, os.SEEK_END)
    file.seek(max(0, length - size))
    return file.read().decode("utf-8", "replace").strip()
