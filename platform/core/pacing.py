"""A rate that all processes keep together: each call is given its turn, and turns are evenly apart.

The schedule is one number in Valkey for each rate, the moment of the next free turn (GCRA), moved forward
in one atomic step. Who takes a turn waits until it has come, so the rate is reached and never passed, by any
number of workers. Without Valkey each process keeps a fraction of the rate by itself, so that some of them
together still stay below it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass

from redis import Redis

from core.valkey import connection

BURST_SECONDS = 0.1
"""How much of a rate may be made up for in one go after a pause: what was not used is lost, as at the other side."""
ALONE = 4
"""Without Valkey a process keeps to this part of a rate: as many processes stay below it together."""

# For each key: take the next turn, `n` turns wide, and answer the microseconds until the last of these first turns.
_TAKE = """
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local wait = 0
for i, key in ipairs(KEYS) do
    local turn = math.max(tonumber(redis.call('GET', key) or 0), now - tonumber(ARGV[2 * i]))
    wait = math.max(wait, turn - now)
    local following = turn + tonumber(ARGV[2 * i - 1])
    redis.call('SET', key, string.format('%.0f', following), 'PX', math.ceil((following - now) / 1000) + 60000)
end
return wait
"""


@dataclass(frozen=True)
class Rate:
    """At most `per_second` calls a second under one name."""

    name: str
    per_second: float


class Pace:
    """Several rates that one kind of call must keep at the same time."""

    def __init__(self, *rates: Rate) -> None:
        self._rates = rates
        self._lock = threading.Lock()
        self._alone = dict.fromkeys(rates, 0.0)

    def wait(self) -> None:
        """Sleep until it is this call's turn."""
        delay = self.take()
        if delay > 0:
            time.sleep(delay)

    def take(self, turns: float = 1) -> float:
        """Take turns without waiting for them: calls that come later wait instead. Answers the seconds until the first."""
        keys = [f"pace:{rate.name}" for rate in self._rates]
        widths = [turns * 1_000_000 / rate.per_second for rate in self._rates]
        arguments = [f"{each:.0f}" for width in widths for each in (width, BURST_SECONDS * 1_000_000)]
        answer = connection().run(lambda valkey: _evaluate(valkey, keys, arguments))
        return answer / 1_000_000 if isinstance(answer, int) else self._take_alone(turns)

    def hold(self, seconds: float) -> None:
        """Let everybody pause, since the other side asks for it."""
        slowest = min(self._rates, key=lambda rate: rate.per_second)
        self.take(seconds * slowest.per_second)

    def _take_alone(self, turns: float) -> float:
        with self._lock:
            moment = time.monotonic()
            wait = 0.0
            for rate in self._rates:
                turn = max(self._alone[rate], moment - BURST_SECONDS)
                wait = max(wait, turn - moment)
                self._alone[rate] = turn + turns * ALONE / rate.per_second
            return wait


def _evaluate(valkey: Redis, keys: Sequence[str], arguments: Sequence[str]) -> object:
    return valkey.eval(_TAKE, len(keys), *keys, *arguments)
