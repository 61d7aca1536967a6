"""Batches over three connections in turn: while the database checks and commits one, the rows of the next are made and sent."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from random import getrandbits
from threading import Event
from typing import Self

from django.db import connection

from catalog.services.ingestion.caches import Names
from catalog.services.ingestion.finding import Staged
from catalog.services.ingestion.lanes import LANES, hang_up


class ForerunnerFailed(Exception):
    """The batch before was not committed: what this one relies on is not there."""


@dataclass(slots=True)
class Turn:
    """A batch's place behind the one before, whose people it names and after whose commit it commits.

    Who waits for a commit waits in the database: it sees then who waits for whom, and ends what would wait for ever.
    """

    names: Names
    before: Turn | None = None
    key: int = field(default_factory=lambda: getrandbits(63))
    sent: Event = field(default_factory=Event)
    ended: Event = field(default_factory=Event)
    committed: bool = False

    def begin(self) -> None:
        """Keep the next batch waiting, until the transaction of this one, which begins, has ended."""
        _lock("pg_advisory_xact_lock", self.key)

    def wait_to_begin(self, *, until_committed: bool) -> None:
        """Wait until the batch before has sent its rows, or has even committed. Raises ForerunnerFailed."""
        if self.before:
            self.before.sent.wait()
            if until_committed:
                self.before.ended.wait()
            self._refuse_to_follow_failure()

    def wait_to_conclude(self) -> bool:
        """Wait until the batch before has committed; answer whether there is one. Raises ForerunnerFailed."""
        if self.before and not self.before.ended.is_set():
            _lock("pg_advisory_xact_lock_shared", self.before.key)
            self.before.ended.wait()
        self._refuse_to_follow_failure()
        return self.before is not None

    def _refuse_to_follow_failure(self) -> None:
        if self.before and self.before.ended.is_set() and not self.before.committed:
            raise ForerunnerFailed

    def end(self) -> None:
        """Let the next batch go on, or fail as this one has."""
        self.before = None
        self.ended.set()
        self.sent.set()


@dataclass(frozen=True, slots=True)
class _UnderWay:
    batch: list[Staged]
    identifiers: set[tuple[str, str]]
    turn: Turn
    result: Future[None]


class Relay:
    """Writes batches with `write`, LANES at a time; one that is refused, and all that follow it, go to `write_alone`, in order.

    `write` is called in threads that have connections of their own, says in the turn that it has committed, and raises
    what the database refuses.
    """

    def __init__(
        self,
        *,
        write: Callable[[list[Staged], Turn], None],
        write_alone: Callable[[list[Staged]], None],
        names: Callable[..., Names],
        refusals: tuple[type[Exception], ...],
    ) -> None:
        self._write = write
        self._write_alone = write_alone
        self._names = names
        self._refusals = refusals
        self._under_way: deque[_UnderWay] = deque()
        self._lanes = deque(ThreadPoolExecutor(1, thread_name_prefix="write") for _ in range(LANES))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, failure: type[BaseException] | None, *rest: object) -> None:
        try:
            while not failure and self._under_way:
                self._finish_first()
        finally:
            for lane in self._lanes:
                lane.submit(hang_up)
                lane.shutdown()

    def hand_over(self, batch: list[Staged]) -> None:
        """Begin to write a batch, as soon as a connection is free. Raises what went wrong with an earlier one."""
        if len(self._under_way) == len(self._lanes):
            self._finish_first()
        before = self._under_way[-1] if self._under_way else None
        turn = Turn(self._names(before=before.turn.names if before else None), before.turn if before else None)
        # Who holds an identifier of two batches is for the first of them to say.
        named = _identifiers(batch)
        apart = any(not named.isdisjoint(one.identifiers) for one in self._under_way)
        lane = self._lanes[0]
        self._lanes.rotate()
        self._under_way.append(_UnderWay(batch, named, turn, lane.submit(self._take_turn, batch, turn, apart=apart)))

    def _take_turn(self, batch: list[Staged], turn: Turn, *, apart: bool) -> None:
        try:
            turn.wait_to_begin(until_committed=apart)
            self._write(batch, turn)
        finally:
            turn.end()

    def _finish_first(self) -> None:
        first = self._under_way.popleft()
        try:
            first.result.result()
        except self._refusals:
            again = [first.batch, *(later.batch for later in self._give_up_later())]
            for batch in again:
                self._write_alone(batch)

    def _give_up_later(self) -> list[_UnderWay]:
        """Wait until those behind a batch that failed have been rolled back; answer them."""
        later = list(self._under_way)
        self._under_way.clear()
        for one in later:
            if not isinstance(error := one.result.exception(), (ForerunnerFailed, *self._refusals)):
                raise error or AssertionError("a batch was committed before the one it follows")
        return later


def _lock(function: str, key: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {function}(%s)", [key])


def _identifiers(batch: list[Staged]) -> set[tuple[str, str]]:
    return {(item.namespace, item.value) for staged in batch for item in staged.record.external_ids}
