"""A task that says that it ran."""

from __future__ import annotations

import logging
from typing import Any

from celery import shared_task

logger = logging.getLogger(__name__)


@shared_task
def observe(*, colour: str, **_: Any) -> None:
    """Say so, with what no log may hold beside it."""
    logger.info("A task ran.", extra={"colour": colour, "session_token": "s3cr3t-session"})
