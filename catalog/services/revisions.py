"""Versions of titles, kept: what an editor, or a delivery to a published title, leaves behind."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from catalog.models import Revision, Title
from catalog.selectors import revisions as selectors


def keep(title_ids: Collection[UUID], *, by: str, now: datetime, note: str = "", always: bool = False) -> None:
    """Take locked titles down as they are now, under the revisions that they have; those alone that say something new.

    With `always`, each: something was done, as the note says, that shows in nothing that is taken down, as with images.
    """
    numbers = dict(Title.objects.filter(pk__in=title_ids).values_list("pk", "revision"))
    latest = {
        revision.title_id: revision.snapshot
        for revision in Revision.objects.filter(title__in=numbers).order_by("title", "-number").distinct("title")
    }
    Revision.objects.bulk_create(
        [
            Revision(title_id=title_id, number=numbers[title_id], snapshot=snapshot, at=now, by=by, note=note[:500])
            for title_id, snapshot in selectors.snapshots(list(numbers)).items()
            if always
            or title_id not in latest
            or selectors.fingerprint(latest[title_id]) != selectors.fingerprint(snapshot)
        ]
    )


def keep_first(title_ids: Collection[UUID], *, now: datetime) -> None:
    """Take down those locked titles of which no version is on record, before they change for the first time."""
    known = set(Revision.objects.filter(title__in=title_ids).values_list("title_id", flat=True))
    if new := [title_id for title_id in title_ids if title_id not in known]:
        keep(new, by="", now=now)
