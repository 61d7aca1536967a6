"""What every writing service does to a title: find and lock it, and tell that it changed.

One rule holds for a title that was merged, for which another answers. Whoever changes it is told (`changeable`), since nobody
would see the change. Whoever only names it, as in a collection, means the one that answers (`identities.answering`).
"""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from django.db.models import F, Q

from catalog.models import Title
from catalog.models.titles import State
from catalog.services import kept
from core.errors import DomainError


class TitleUnknown(DomainError):
    code = "title_unknown"
    title = "There is no such title."
    status = 404


class TitleMerged(DomainError):
    code = "title_merged"
    title = "The title was merged into another meanwhile: make your change there."
    status = 409


class TitlePublic(DomainError):
    code = "title_public"
    title = "The title is public: somebody who may publish makes this change."
    status = 403


def locked(title_id: UUID) -> Title:
    """Lock a title, and with it what it belongs to, in the caller's transaction. Raises TitleUnknown."""
    found = Title.objects.filter(pk=title_id).first()
    if found is None:
        raise TitleUnknown(f"There is no title {title_id}.")
    rows = Title.objects.filter(Q(pk=title_id) | Q(pk=found.parent_id) | Q(pk=found.series_id)).locked()
    return next(title for title in rows if title.pk == title_id)


def changeable(title_id: UUID) -> Title:
    """Lock a title that is to be changed, as `locked` does. Raises TitleUnknown, and TitleMerged if another answers for it."""
    title = locked(title_id)
    if title.merged_into_id:
        raise TitleMerged(f"It was merged into the title {title.merged_into_id}: make your change there.")
    return title


def refuse_public(title: Title, *, may_publish: bool) -> None:
    """Refuse whoever may not publish to change a locked title that viewers see. Raises TitlePublic."""
    if title.state == State.PUBLISHED and not may_publish:
        raise TitlePublic


def touch_wholes(title: Title, *, now: datetime) -> None:
    """Raise the revision of what a locked title belongs to, since its answers contain this one."""
    kept.changed()
    wholes = Title.objects.filter(Q(pk=title.parent_id) | Q(pk=title.series_id))
    wholes.update(revision=F("revision") + 1, updated_at=now)
