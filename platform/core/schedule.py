"""What the beat remembers of when each job ran last, in a file."""

from __future__ import annotations

import logging
from contextlib import suppress

from celery.beat import PersistentScheduler

logger = logging.getLogger(__name__)


class Scheduler(PersistentScheduler):
    """Celery's own, which forgets what it cannot read: half a file, as a killed beat leaves it, ended every later one."""

    def setup_schedule(self) -> None:
        """Read the file, or begin a new one."""
        try:
            super().setup_schedule()
        except Exception:
            logger.warning("The schedule's file cannot be read; a new one is begun.")
            with suppress(Exception):
                self._store.close()  # type: ignore[attr-defined]  # unknown to the library's types
            self._remove_db()  # type: ignore[attr-defined]
            super().setup_schedule()
