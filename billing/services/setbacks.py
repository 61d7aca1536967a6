"""Sweeping rows one by one: what cannot be handled is set aside, tried again later each time, and shown to staff.

Nothing is given up, since it is about money: a mended deployment finishes by itself what a faulty one could not.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from functools import partial
from typing import Any, ClassVar, TypeVar
from uuid import UUID

from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet

from billing.models import Setback, Subscription
from core import sweeping
from core.errors import DomainError

logger = logging.getLogger(__name__)

FIRST_WAIT, LONGEST_WAIT = timedelta(minutes=1), timedelta(hours=6)
STUCK = 12
"""After so many failures in a row, about a day, it is said that somebody must look."""
FORGOTTEN_AFTER = timedelta(hours=3)
"""What was due for another try so long ago has had it and not failed, or is asked for by no sweep any more."""

Sweep = Setback.Sweep
KNOWN_HERE_ALONE = (Sweep.RECEIPTS,)
"""Sweeps that do not meet again what they failed at: forgotten here, after workers were away for hours, it would be lost."""

Result = TypeVar("Result")
Rows = TypeVar("Rows", bound=QuerySet[Any])


class NoSetback(DomainError):
    """It has been handled meanwhile."""

    code: ClassVar[str] = "no_setback"
    title: ClassVar[str] = "This has been handled meanwhile."
    status: ClassVar[int] = 409


def each(
    sweep: Sweep,
    rows: Iterable[UUID],
    handle: Callable[[UUID], Result],
    *,
    now: datetime,
    held: Callable[..., object] | None = None,
) -> list[Result]:
    """Handle each row; answers the results. What one raises sets it aside and keeps none of the others from its turn.

    `held` is told the row and `until` when, by a sweep whose rows say for themselves that they wait.
    """
    keys = list(rows)
    failed: set[UUID] = set()

    def set_aside(row: UUID, error: Exception) -> None:
        failed.add(row)
        until = note(sweep, row, error, now=now)
        if held is not None:
            # Of a row that takes no change at all, even this is refused.
            sweeping.one_by_one(sweep, [row], partial(held, until=until), failed=lambda *_: None)

    handled = sweeping.one_by_one(sweep, keys, handle, failed=set_aside)
    Setback.objects.filter(sweep=sweep, row__in=set(keys) - failed).delete()
    return handled


def without(sweep: Sweep, rows: Rows, *, now: datetime) -> Rows:
    """Leave out what is set aside and not due for another try."""
    aside = Setback.objects.filter(sweep=sweep, row=OuterRef("pk"), next_try_at__gt=now)
    return rows.filter(~Exists(aside))


def due(sweep: Sweep, *, now: datetime, limit: int) -> list[UUID]:
    """Answer rows that are due for another try, for a sweep that does not meet them again by itself."""
    found = Setback.objects.filter(sweep=sweep, next_try_at__lte=now).order_by("next_try_at")
    return list(found.values_list("row", flat=True)[:limit])


@transaction.atomic
def note(sweep: Sweep, row: UUID, error: Exception, *, now: datetime) -> datetime:
    """Set a row aside, after the transaction that failed; answers when it is tried again."""
    said = sweeping.told(error, length=500)
    times = {"first_at": now, "last_at": now, "next_try_at": now + FIRST_WAIT}
    setback, new = Setback.objects.select_for_update().get_or_create(
        sweep=sweep, row=row, defaults={"failures": 1, "error": said, **times}
    )
    if not new:
        setback.failures += 1
        setback.error, setback.last_at = said, now
        setback.next_try_at = now + min(FIRST_WAIT * 2 ** min(setback.failures - 1, 16), LONGEST_WAIT)
        setback.save(update_fields=["failures", "error", "last_at", "next_try_at"])
    if setback.failures >= STUCK:
        logger.error("A row fails again and again.", extra={"sweep": sweep, "row": str(row), "tries": setback.failures})
    return setback.next_try_at


def forget(sweep: Sweep) -> None:
    """Forget all of a sweep that is no longer asked for."""
    Setback.objects.filter(sweep=sweep).delete()


def prune(*, now: datetime) -> int:
    """Forget what was handled among others, or in another way; answers how many."""
    over = Setback.objects.filter(next_try_at__lt=now - FORGOTTEN_AFTER)
    return over.exclude(sweep__in=KNOWN_HERE_ALONE).delete()[0]


@transaction.atomic
def retry(*, setback_id: int, now: datetime) -> Setback:
    """Have a row tried again by the next run of its sweep, for staff who have mended what it failed at. Raises NoSetback."""
    setback = Setback.objects.select_for_update().filter(pk=setback_id).first()
    if setback is None:
        raise NoSetback
    if setback.sweep == Sweep.RENEWALS:
        # Its own mark keeps it out of the scan, which reads no other table.
        held = Subscription.objects.filter(pk=setback.row, claimed_until=setback.next_try_at)
        held.update(claimed_until=None)
    setback.next_try_at = now
    setback.save(update_fields=["next_try_at"])
    return setback
