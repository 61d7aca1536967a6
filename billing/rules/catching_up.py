"""What becomes of time that billing is late for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from billing.rules.calendars import Anchor

FORGIVEN_FROM = timedelta(days=1)
"""Interruptions that took less of a period than this give nothing away."""


@dataclass(frozen=True)
class Stretch:
    """Time without service, `[start, end)`."""

    start: datetime
    end: datetime


class CatchUp(StrEnum):
    """What is done about a stretch of time that billing is late for."""

    BILL = "bill"
    FORGIVE = "forgive"
    RE_ANCHOR = "re_anchor"


@dataclass(frozen=True)
class CatchUpStep:
    """One step: the period to bill or the stretch to forgive, `[start, end)`, by the boundaries of `anchor`."""

    action: CatchUp
    start: datetime
    end: datetime
    anchor: Anchor


def forgiven_until(*, start: datetime, end: datetime, without_service: Iterable[Stretch]) -> datetime | None:
    """Answer until when a missed period `[start, end)` is given away; None if it is billed.

    It is billed only where service was available: a day without service is enough to give away all of it up to
    the end of that.
    """
    ends = [
        stretch.end for stretch in without_service if min(end, stretch.end) - max(start, stretch.start) >= FORGIVEN_FROM
    ]
    return max(ends, default=None)


def catch_up(
    *, anchor: Anchor, index: int, start: datetime, without_service: Iterable[Stretch], now: datetime
) -> Iterator[CatchUpStep]:
    """Answer what becomes of the time from `start` up to the period that holds `now`, oldest first.

    Only periods that are over are looked at for forgiving; after a stretch that is forgiven, billing begins a new
    cycle where service began again. Nothing is answered for a cycle that begins in the future.
    """
    stretches = list(without_service)
    while start <= now:
        end = anchor.boundary(index + 1)
        until = forgiven_until(start=start, end=end, without_service=stretches) if end <= now else None
        if until is None:
            yield CatchUpStep(CatchUp.BILL, start, end, anchor)
            start, index = end, index + 1
        else:
            yield CatchUpStep(CatchUp.FORGIVE, start, until, anchor)
            anchor, index = Anchor.at(until, anchor.zone, anchor.interval), 0
            start = anchor.boundary(0)
            yield CatchUpStep(CatchUp.RE_ANCHOR, start, anchor.boundary(1), anchor)
