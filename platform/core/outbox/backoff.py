"""How long to leave a failing delivery alone. Pure."""

from __future__ import annotations

from datetime import timedelta

FIRST = timedelta(seconds=30)
LONGEST = timedelta(hours=1)


def delay(failures: int, *, jitter: float) -> timedelta:
    """Answer the wait after the `failures`-th failure in a row: doubling from 30 seconds up to an hour.

    `jitter` from 0 to 1 takes away up to half, so that what failed together does not return together.
    """
    doublings = min(failures - 1, 16)  # beyond the longest anyway, and far from overflow
    full = min(FIRST * int(2**doublings), LONGEST)
    return full * (1 - jitter / 2)
