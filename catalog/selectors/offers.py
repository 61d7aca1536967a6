"""How far what a provider offers has come, in the words of MovieLabs Avails (OfferStatus, ProgressCode).

Live: somebody can watch it now. Ready: public, and its licence has yet to begin. In-Process: with the editors. Issue: it
was rejected, an editor took it back, or it is licensed in no way in which we offer titles, or no longer. An offer whose
licences have all ended has no status any more.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby

from django.db.models import Prefetch
from django.db.models.functions import Collate

from catalog import rules
from catalog.models import AvailabilityWindow, IngestProblem, IngestRun, SourceRecord, Title
from catalog.models.titles import State

FORMATS = frozenset({"avails-xml", "avails-xlsx"})
"""Formats whose deliveries are answered so."""
_OFFER = "avail:"
_CHUNK = 1000


@dataclass(frozen=True)
class OfferStatus:
    """One offer. `start` and `end` bound all its licences; None: since ever, without end."""

    alid: str
    progress: str
    start: datetime | None
    end: datetime | None
    comments: str = ""
    is_known: bool = True
    """False for what was rejected before we knew its licences."""


def offer_statuses(run: IngestRun, now: datetime) -> Iterator[OfferStatus]:
    """Yield a status for each offer (ALID) of the run's provider and format, those that the run rejected first."""
    rejected: dict[str, str] = {}
    errors = IngestProblem.objects.filter(run=run, severity="error", external_id__startswith=_OFFER)
    for external_id, message in (
        errors.order_by("row_number", "pk").values_list("external_id", "message").iterator(_CHUNK)
    ):
        rejected.setdefault(_alid(external_id), message)
    for alid, message in rejected.items():
        yield OfferStatus(alid, "Issue", None, None, message, is_known=False)
    titles = Title.objects.select_related("parent__parent", "series")
    records = (
        SourceRecord.objects.filter(
            provider=run.provider_id, format=run.format, retired_at__isnull=True, external_id__startswith=_OFFER
        )
        # Byte by byte, so that the rows of one offer are neighbours whatever the database's language.
        .order_by(Collate("external_id", "C"))
        .prefetch_related(
            Prefetch("title", titles), Prefetch("title__windows", AvailabilityWindow.objects.order_by("pk"))
        )
    )
    for alid, rows in groupby(records.iterator(_CHUNK), lambda record: _alid(record.external_id)):
        if alid not in rejected and (status := _status(alid, list(rows), now)):
            yield status


def _status(alid: str, records: Sequence[SourceRecord], now: datetime) -> OfferStatus | None:
    granted = [
        (record.title, window)
        for record in records
        for window in record.title.windows.all()
        if window.source_id == record.pk
    ]
    if not granted:
        return None
    bounds = [bound for _, window in granted for bound in _bounds(window)]
    starts, ends = [start for start, _ in bounds], [end for _, end in bounds]
    start = None if None in starts else min(filter(None, starts))
    end = None if None in ends else max(filter(None, ends))
    if end is not None and end <= now:
        return None
    states = {_state(title) for title, _ in granted}
    if State.PUBLISHED not in states:
        if State.DRAFT in states:
            return OfferStatus(alid, "In-Process", start, end)
        return OfferStatus(alid, "Issue", start, end, "An editor has taken the title back.")
    ours = [
        window
        for title, window in granted
        if _state(title) == State.PUBLISHED and window.license_type in rules.SUBSCRIPTION_LICENCES
    ]
    if not ours:
        types = ", ".join(sorted({window.license_type for _, window in granted}))
        return OfferStatus(
            alid, "Issue", start, end, f"It is licensed for {types}; titles are offered by subscription."
        )
    left = [opens for window in ours for opens, closes in _bounds(window) if closes is None or closes > now]
    if not left:
        return OfferStatus(alid, "Issue", start, end, "Its licence for subscription has ended.")
    is_open = any(opens is None or opens <= now for opens in left)
    return OfferStatus(alid, "Live" if is_open else "Ready", start, end)


def _state(title: Title) -> str:
    """Answer the state of a title with what it belongs to: public only with all of it."""
    parent = title.parent
    wholes = (title, parent, parent.parent if parent else None, title.series)
    states = [whole.state for whole in wholes if whole is not None]
    return next((state for state in (State.WITHDRAWN, State.DRAFT) if state in states), State.PUBLISHED)


def _bounds(window: AvailabilityWindow) -> list[tuple[datetime | None, datetime | None]]:
    """Answer when a window begins and ends in each of its territories, whose days begin at their own midnight.

    Of the world, and of the world but for some, the days are those of UTC.
    """
    countries = window.territories if window.territories and not window.excluded else [""]
    return [(rules.start_of(window, country), rules.end_of(window, country)) for country in countries]


def _alid(external_id: str) -> str:
    """Answer the offer that a licence is part of: rows of a spreadsheet name what tells them apart after a bar."""
    return external_id.removeprefix(_OFFER).partition("|")[0]
