"""A file that a Celery worker touches as long as its main loop runs.

A worker has no port to probe. An orchestrator looks at the file's age instead: one that is older
than a minute belongs to a worker that hangs. It is gone when the worker ends.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from celery import bootsteps
from django.conf import settings

INTERVAL_SECONDS = 10.0


class Heartbeat(bootsteps.StartStopStep):
    """Touches WORKER_HEARTBEAT_FILE every ten seconds, if it is set."""

    requires = ("celery.worker.components:Timer",)

    def __init__(self, parent: Any, **kwargs: Any) -> None:
        super().__init__(parent, **kwargs)
        self.file = Path(settings.WORKER_HEARTBEAT_FILE) if settings.WORKER_HEARTBEAT_FILE else None
        self.timer: Any = None

    def start(self, parent: Any) -> None:
        """Begin to beat."""
        if self.file:
            self.file.touch()
            self.timer = parent.timer.call_repeatedly(INTERVAL_SECONDS, self.file.touch)

    def stop(self, parent: Any) -> None:
        """Beat no more, and leave no file behind."""
        if self.timer:
            self.timer.cancel()
        if self.file:
            self.file.unlink(missing_ok=True)

    def terminate(self, parent: Any) -> None:
        """The same when the worker is told to end at once."""
        self.stop(parent)
