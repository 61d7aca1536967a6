"""Periods, trials and pauses: when each begins and ends, by the calendar of a subscription."""

from __future__ import annotations

import calendar
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo


class Interval(StrEnum):
    """How long one period lasts."""

    MONTH = "month"
    YEAR = "year"

    @property
    def months(self) -> int:
        return 12 if self is Interval.YEAR else 1


def boundary_date(anchor: date, interval: Interval, index: int) -> date:
    """Answer the local date on which period `index` starts.

    Counted from the anchor each time and clamped to the month's last day, so that day 31 stays 31:
    stepping from the boundary before loses it for good (Kill Bill #127).
    """
    months = anchor.year * 12 + (anchor.month - 1) + index * interval.months
    year, month = divmod(months, 12)
    month += 1
    return date(year, month, min(anchor.day, calendar.monthrange(year, month)[1]))


def to_instant(day: date, at: time, zone: ZoneInfo) -> datetime:
    """Answer the UTC instant of a local wall time.

    A wall time that the clocks skip moves forward by the length of the gap; one that they repeat
    means its first occurrence (PEP 495, fold 0).
    """
    return datetime.combine(day, at.replace(fold=0), zone).astimezone(UTC)


@dataclass(frozen=True)
class Anchor:
    """What all boundaries of a cycle are computed from. Never changes within the cycle."""

    date: date
    time: time
    zone: ZoneInfo
    interval: Interval

    @classmethod
    def at(cls, now: datetime, zone: ZoneInfo, interval: Interval) -> Anchor:
        """Answer the anchor of a cycle that begins now, by the calendar of `zone`."""
        local = now.astimezone(zone)
        return cls(local.date(), local.time().replace(microsecond=0, fold=0), zone, interval)

    def boundary(self, index: int) -> datetime:
        """Answer the UTC instant at which period `index` starts and the one before ends."""
        return to_instant(boundary_date(self.date, self.interval, index), self.time, self.zone)


PAUSE_MONTHS = range(1, 4)
"""How long a pause may last."""
TRIAL_PAUSE_MONTHS = 3
"""How long a trial that ended without a card waits for one."""


def trial_end(now: datetime, *, days: int, zone: ZoneInfo) -> datetime:
    """Answer when a trial of `days` that begins now ends: the same local time of day on its last day.

    That local date is the anchor of everything that follows.
    """
    local = now.astimezone(zone)
    return to_instant(local.date() + timedelta(days=days), local.time().replace(microsecond=0, fold=0), zone)


def pause_end(start: datetime, *, months: int, zone: ZoneInfo) -> datetime:
    """Answer when a pause of some months ends: the same day of the month, clamped, at the same local time."""
    local = start.astimezone(zone)
    return to_instant(boundary_date(local.date(), Interval.MONTH, months), local.time().replace(fold=0), zone)
