"""What is done once an outage is over."""

from __future__ import annotations

import time
from collections.abc import Callable

import structlog
from django.db import connection

from core.sweeping import is_outage

logger = structlog.get_logger(__name__)

PATIENCE = 3600.0
"""Seconds for which a process waits for the database to be told what became of its work."""
PAUSE = 2.0
LONGEST_PAUSE = 15.0


def tell_once_back(
    tell: Callable[[], object], *, patience: float = PATIENCE, wait: Callable[[float], None] = time.sleep
) -> None:
    """Write into the database what an outage has kept from being written, now or as soon as it answers again.

    After `patience` seconds, or an error that is no outage, it stays untold, which is logged: what is untold looks as if its process
    had been killed. `wait` waits for so many seconds. Call it outside a transaction.
    """
    waited, pause = 0.0, PAUSE
    while True:
        try:
            if not connection.is_usable():
                connection.close()
            tell()
        except Exception as error:
            if not is_outage(error) or waited >= patience:
                logger.exception("outage_untold")
                return
        else:
            return
        wait(pause)
        waited, pause = waited + pause, min(2 * pause, LONGEST_PAUSE)
