"""A process that packages a film and is killed at a named point: `python -m tests.catalog.media.killed POINT PACKAGE`."""

from __future__ import annotations

import os
import signal
import sys
from typing import Any
from uuid import UUID

import django

POINTS = ("while_encoding", "after_a_track", "while_storing", "before_publishing")


def strike(*_: Any, **__: Any) -> None:
    """End this process as the kernel does."""
    os.kill(os.getpid(), signal.SIGKILL)


def arm(point: str) -> None:
    """Put SIGKILL where `point` says."""
    from catalog.packaging import encoding
    from catalog.services.media import execution, jobs

    match point:
        case "while_encoding":
            # Asked while ffmpeg runs.
            encoding._reached = strike  # type: ignore[assignment] # the point
        case "after_a_track":
            keep = execution._Job._keep

            def kept(*arguments: Any) -> None:
                keep(*arguments)
                strike()

            execution._Job._keep = kept  # type: ignore[method-assign,assignment] # the point
        case "while_storing":
            chunks, begun = execution._Content.chunks, []

            def third_kills(file: Any, *arguments: Any) -> Any:
                begun.append(file)
                return strike() if len(begun) == 3 else chunks(file, *arguments)

            execution._Content.chunks = third_kills  # type: ignore[method-assign,assignment] # the point
        case "before_publishing":
            jobs.succeed = strike


def main() -> None:
    """Do what the command line says."""
    point, package_id = sys.argv[1:]
    django.setup()
    from catalog.services import media
    from core import clock

    arm(point)
    media.execute(package_id=UUID(package_id), clock=clock.now)


if __name__ == "__main__":
    main()
