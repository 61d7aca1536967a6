"""Wakes a relay when something is committed, without a message for every commit."""

from __future__ import annotations

from celery import current_app
from django.core.cache import cache
from django.db import transaction

RELAY_TASK = "core.tasks.relay_outbox"

# While this key stands, a message is on its way to a relay that has not looked yet, and one is enough.
_KEY = "outbox:nudged"
# A lost message costs what beat's period costs.
_SECONDS = 60


def on_commit() -> None:
    """Wake a relay when the current transaction commits, once however often it is asked for.

    A broker that does not answer is logged and costs up to a minute: beat runs the relay in any case.
    """
    if not any(call is _send for _, call, *_ in transaction.get_connection().run_on_commit):
        transaction.on_commit(_send, robust=True)


def heard() -> None:
    """Let later commits send again; a relay calls it before it looks for the first time."""
    cache.delete(_KEY)


def _send() -> None:
    if cache.add(_KEY, True, timeout=_SECONDS):
        current_app.send_task(RELAY_TASK, retry=False)
