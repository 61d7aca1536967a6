"""When licences begin and end, for those who must renew them or fill what they leave."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from django.db.models import Q, QuerySet

from catalog import rules
from catalog.models import AvailabilityWindow, Title
from catalog.models.titles import State

MOST = 500
"""So many boundaries are shown at once; a longer answer says that it was cut."""


@dataclass(frozen=True)
class Boundary:
    """A licence of a title begins or ends in a country at an instant.

    `changes` says that it makes a difference to viewers: no other licence is open on its far side.
    """

    at: datetime
    kind: Literal["begins", "ends"]
    title: Title
    window: AvailabilityWindow
    changes: bool


def boundaries(country: str, since: datetime, until: datetime) -> tuple[list[Boundary], bool]:
    """Answer where licences for subscribers in `country` begin and end in [since, until), in order, and whether some were cut.

    Of published titles alone; of a title whose boundaries fall into the period, all licences are weighed.
    """
    touching = _touching(country, since, until).filter(title__state=State.PUBLISHED)
    windows = list(
        touching.select_related("title__parent", "title__series")
        .prefetch_related("title__texts", "title__parent__texts", "title__series__texts")
        .order_by("pk")[: MOST + 1]
    )
    siblings: dict[object, list[AvailabilityWindow]] = {}
    for window in AvailabilityWindow.objects.filter(title__in={window.title_id for window in windows}):
        siblings.setdefault(window.title_id, []).append(window)
    found = [
        boundary
        for window in windows[:MOST]
        for boundary in _of(window, siblings[window.title_id], country)
        if since <= boundary.at < until
    ]
    return sorted(found, key=lambda boundary: (boundary.at, boundary.kind, str(boundary.title))), len(windows) > MOST


def _touching(country: str, since: datetime, until: datetime) -> QuerySet[AvailabilityWindow]:
    # A day begins somewhere up to a day before or after it does in UTC; `boundaries` looks again.
    first, last = (since - timedelta(days=1)).date(), (until + timedelta(days=1)).date()
    near = Q()
    for end in ("starts", "ends"):
        near |= Q(**{f"{end}_at__gte": since, f"{end}_at__lt": until})
        near |= Q(**{f"{end}_on__gte": first, f"{end}_on__lte": last})
    return AvailabilityWindow.objects.covering(country).filter(near)


def _of(window: AvailabilityWindow, siblings: Iterable[AvailabilityWindow], country: str) -> Iterable[Boundary]:
    others = [other for other in siblings if other.pk != window.pk]
    if (start := rules.start_of(window, country)) is not None:
        before = start - timedelta(microseconds=1)
        changes = not any(rules.is_open(other, country, before) for other in others)
        yield Boundary(start, "begins", window.title, window, changes)
    if (end := rules.end_of(window, country)) is not None:
        changes = not any(rules.is_open(other, country, end) for other in others)
        yield Boundary(end, "ends", window.title, window, changes)
