"""Threads that write while the caller goes on, each over a connection of its own."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

from django.db import connection

LANES = 3
"""So many batches are written at a time, at most."""


def are_there() -> bool:
    """Say whether there may be connections beside the caller's.

    Within a transaction of the caller's, no other connection sees what there is to do. And the pool must have as many as
    are needed: who waits for one that is never given back fails.
    """
    pool = connection.settings_dict["OPTIONS"].get("pool")
    has_room = not isinstance(pool, dict) or (pool.get("max_size") or pool.get("min_size", 4)) > LANES
    return has_room and not connection.in_atomic_block


@contextmanager
def behind() -> Iterator[Callable[[Callable[[], None]], None]]:
    """Answer what calls a function in a lane, while the caller makes ready the next; without lanes it calls it at once.

    One at a time: what a call raises is raised by the next one, or at the end.
    """
    if not are_there():
        yield lambda write: write()
        return
    under_way: deque[Future[None]] = deque()
    with ThreadPoolExecutor(1, thread_name_prefix="write") as lane:

        def write_behind(write: Callable[[], None]) -> None:
            while under_way:
                under_way.popleft().result()
            under_way.append(lane.submit(write))

        try:
            yield write_behind
            while under_way:
                under_way.popleft().result()
        finally:
            lane.submit(hang_up)


def hang_up() -> None:
    """Close this thread's connection: nobody else can."""
    connection.close()
