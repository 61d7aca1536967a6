"""Answering a search, and remembering what was missed."""

from __future__ import annotations

from datetime import datetime

from catalog.rules import Viewer
from catalog.selectors import search
from catalog.services.search.misses import note_miss


def answer(*, query: str, viewer: Viewer, now: datetime, limit: int) -> search.Found:
    """Find titles as `selectors.search.search` does; what finds nothing is counted."""
    found = search.search(query, viewer, now, limit=limit)
    if not found.title_ids:
        note_miss(query=query, viewer=viewer, today=now.date())
    return found
