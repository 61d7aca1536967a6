"""Locks by which an editor keeps a title from other editors. Deliveries go on: what is edited, they leave alone anyway."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from django.db import transaction

from accounts import selectors as accounts
from catalog.models import EditLock, Title
from catalog.services import titles
from core.errors import DomainError


class TitleLocked(DomainError):
    code = "title_locked"
    title = "Another editor keeps this title."


def lock(*, title_id: UUID, by: str, now: datetime, reason: str = "") -> EditLock:
    """Keep a title from other editors; one's own lock is taken anew. Raises TitleUnknown, TitleMerged, TitleLocked."""
    with transaction.atomic():
        title = titles.changeable(title_id)
        refuse_others(title, by=by)
        kept, _ = EditLock.objects.update_or_create(title=title, defaults={"by": by, "at": now, "reason": reason[:200]})
    return kept


def unlock(*, title_id: UUID, by: str, may_break: bool = False) -> None:
    """Release a title; somebody else's lock only with `may_break`. A free title is no error.

    Raises TitleUnknown, TitleLocked.
    """
    with transaction.atomic():
        title = titles.locked(title_id)
        if not may_break:
            refuse_others(title, by=by)
        EditLock.objects.filter(title=title).delete()


def refuse_others(title: Title, *, by: str) -> None:
    """Refuse whoever is not the one who keeps this locked row. Raises TitleLocked."""
    if kept := EditLock.objects.filter(title=title).exclude(by=by).first():
        name = accounts.names_of([kept.by])[kept.by]
        since = f"{kept.at:%Y-%m-%d %H:%M} UTC{kept.reason and f': {kept.reason}'}"
        raise TitleLocked(
            f"{name} has kept this title since {since}. "
            "Ask them to release it, or let somebody who may publish break the lock."
        )
