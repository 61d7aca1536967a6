"""Events of the tests, and handlers whose effects are rows that can be counted.

Import it in a process of its own as well: faults there come from the environment.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Iterable
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from django.db import DatabaseError, connection, transaction

from core import outbox

if TYPE_CHECKING:
    from collections.abc import Iterator

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)

# Plain SQL: the handlers' writes must be rows, and no app of ours has a table for tests.
CREATE = """
CREATE TABLE probe_effect (
    id bigserial PRIMARY KEY,
    handler text NOT NULL,
    lane text NOT NULL,
    number int NOT NULL,
    cause bigint REFERENCES probe_effect DEFERRABLE INITIALLY DEFERRED
)
"""
DROP = "DROP TABLE probe_effect"

# "stall at this number of this lane", for processes that are to be killed there
STALL = os.environ.get("PROBE_STALL", "")


@dataclass(frozen=True)
class Happened:
    """The `number`-th thing that happened in a lane."""

    lane: str
    number: int


@dataclass(frozen=True)
class Unheard:
    """Nobody subscribes to this."""

    number: int


@dataclass(frozen=True)
class Odd:
    """Its handler does one of several wrong things."""

    fault: str


@dataclass(frozen=True)
class Continued:
    """Its handler publishes the next, down to nought."""

    remaining: int


# how often a handler is still to fail at (lane, number)
faults: Counter[tuple[str, int]] = Counter()


class Broken(Exception):
    """What a handler of ours raises."""


@outbox.subscribe(Happened, name="probe.record")
def record(event: Happened, *, now: datetime) -> None:
    """Write a row; fail, after writing, as often as `faults` says."""
    _write("probe.record", event)
    if faults[event.lane, event.number] > 0:
        faults[event.lane, event.number] -= 1
        raise Broken(f"{event.lane} {event.number}")
    if f"{event.lane} {event.number}" == STALL:
        print("stalled", flush=True)  # noqa: T201 - tells the test that kills this process
        time.sleep(600)


@outbox.subscribe(Happened, name="probe.record_too")
def record_too(event: Happened, *, now: datetime) -> None:
    """Write a row."""
    _write("probe.record_too", event)


@outbox.subscribe(Odd, name="probe.misbehave")
def misbehave(event: Odd, *, now: datetime) -> None:
    """Do what the event says."""
    with connection.cursor() as cursor:
        match event.fault:
            case "breaks a deferred constraint":
                cursor.execute("INSERT INTO probe_effect (handler, lane, number, cause) VALUES ('odd', '', 0, -1)")
            case "swallows a database error":
                with suppress(DatabaseError):
                    cursor.execute("SELECT 1 / 0")
            case "marks the transaction for rollback":
                transaction.set_rollback(True)
            case "raises a text with a NUL and no end":
                raise Broken("\0" + "x" * 5_000)


@outbox.subscribe(Continued, name="probe.go_on")
def go_on(event: Continued, *, now: datetime) -> None:
    """Publish the following event."""
    if event.remaining:
        outbox.publish(Continued(event.remaining - 1), aggregate=f"chain:{event.remaining - 1}", now=now)


def _write(handler: str, event: Happened) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO probe_effect (handler, lane, number) VALUES (%s, %s, %s)", [handler, event.lane, event.number]
        )


def publish(lane: str, numbers: Iterable[int], *, now: datetime = NOW) -> None:
    """Publish things that happened, in one transaction."""
    with transaction.atomic():
        for number in numbers:
            outbox.publish(Happened(lane, number), aggregate=f"lane:{lane}", now=now)


def effects(handler: str = "probe.record") -> dict[str, list[int]]:
    """Answer each lane's numbers in the order in which they took effect."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT lane, number FROM probe_effect WHERE handler = %s ORDER BY id", [handler])
        seen: dict[str, list[int]] = {}
        for lane, number in cursor.fetchall():
            seen.setdefault(lane, []).append(number)
    return seen


@contextmanager
def table() -> Iterator[None]:
    """Have the handlers' table."""
    with connection.cursor() as cursor:
        cursor.execute(CREATE)
    try:
        yield
    finally:
        faults.clear()
        with connection.cursor() as cursor:
            cursor.execute(DROP)
