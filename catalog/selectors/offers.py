"""How far what a provider offers has come, in the words of MovieLabs Avails (OfferStatus, ProgressCode).

Live: somebody can watch it now. Ready: public, and its licence has yet to begin. In-Process: with the editors. Issue: it
was rejected, or an editor took it back. An offer whose licences have all ended has no status any more.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, time

from django.db.models import Prefetch

from catalog.models import AvailabilityWindow, IngestProblem, IngestRun, SourceRecord, Title
from catalog.models.titles import State

FORMATS = frozenset({"avails-xml", "avails-xlsx"})
"""Formats whose deliveries are answered so."""
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
    """Yield a status for each offer of the run's provider and format, those that the run rejected first, in constant memory."""
    rejected: dict[str, str] = {}
    errors = (
        IngestProblem.objects.filter(run=run, severity="error").exclude(external_id="").order_by("row_number", "pk")
    )
    for external_id, message in errors.values_list("external_id", "message").iterator(_CHUNK):
        rejected.setdefault(external_id, message)
    for external_id, message in rejected.items():
        yield OfferStatus(_alid(external_id), "Issue", None, None, message, is_known=False)
    records = (
        SourceRecord.objects.filter(provider=run.provider_id, format=run.format, retired_at__isnull=True)
        .order_by("pk")
        .prefetch_related(
            Prefetch("title", Title.objects.only("state", "withdrawn_at")),
            Prefetch("title__windows", AvailabilityWindow.objects.order_by("pk")),
        )
    )
    for record in records.iterator(_CHUNK):
        windows = [window for window in record.title.windows.all() if window.source_id == record.pk]
        if windows and record.external_id not in rejected and (status := _status(record, windows, now)):
            yield status


def _status(record: SourceRecord, windows: list[AvailabilityWindow], now: datetime) -> OfferStatus | None:
    starts, ends = [_start(window) for window in windows], [_end(window) for window in windows]
    start = None if None in starts else min(filter(None, starts))
    end = None if None in ends else max(filter(None, ends))
    if end is not None and end <= now:
        return None
    if record.title.state == State.WITHDRAWN:
        return OfferStatus(_alid(record.external_id), "Issue", start, end, "An editor has taken the title back.")
    if record.title.state == State.DRAFT:
        return OfferStatus(_alid(record.external_id), "In-Process", start, end)
    is_open = any((s is None or s <= now) and (e is None or e > now) for s, e in zip(starts, ends, strict=True))
    return OfferStatus(_alid(record.external_id), "Live" if is_open else "Ready", start, end)


def _start(window: AvailabilityWindow) -> datetime | None:
    return window.starts_at or (datetime.combine(window.starts_on, time(), UTC) if window.starts_on else None)


def _end(window: AvailabilityWindow) -> datetime | None:
    return window.ends_at or (datetime.combine(window.ends_on, time(), UTC) if window.ends_on else None)


def _alid(external_id: str) -> str:
    return external_id.removeprefix("avail:")
