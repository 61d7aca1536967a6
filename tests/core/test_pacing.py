"""A rate that is kept by all together, and by each alone while Valkey is away."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import pytest
from pytest_django import Settings

from core.pacing import ALONE, BURST_SECONDS, Pace, Rate
from local.throwaway import free_port


def pace(per_second: float, *, name: str | None = None) -> Pace:
    return Pace(Rate(name or uuid4().hex, per_second))


class TestPace:
    def test_gives_turns_that_are_evenly_apart(self) -> None:
        paced = pace(10)
        first, *following = [paced.take() for _ in range(20)]
        assert first == pytest.approx(-BURST_SECONDS, abs=0.001) or first == 0
        assert following[-1] == pytest.approx(19 / 10 - BURST_SECONDS, abs=0.1)

    def test_is_kept_by_many_together(self) -> None:
        name = uuid4().hex
        workers = [pace(1000, name=name) for _ in range(4)]
        with ThreadPoolExecutor(4) as pool:
            delays = list(pool.map(lambda worker: max(worker.take() for _ in range(250)), workers))
        assert max(delays) == pytest.approx(1 - BURST_SECONDS, abs=0.5)
        assert workers[0].take() > 0.3

    def test_is_reached(self) -> None:
        paced = pace(200)
        began = time.monotonic()
        for _ in range(100):
            paced.wait()
        assert time.monotonic() - began == pytest.approx(0.5 - BURST_SECONDS, abs=0.2)

    def test_of_two_rates_is_the_slower(self) -> None:
        paced = Pace(Rate(uuid4().hex, 1000), Rate(uuid4().hex, 5))
        assert [paced.take() for _ in range(6)][-1] == pytest.approx(1 - BURST_SECONDS, abs=0.1)

    def test_lets_everybody_pause_when_asked_to(self) -> None:
        name = uuid4().hex
        pace(50, name=name).hold(2)
        assert pace(50, name=name).take() == pytest.approx(2 - BURST_SECONDS, abs=0.1)

    def test_saves_no_turns_that_were_not_used(self) -> None:
        paced = pace(100)
        paced.take()
        time.sleep(0.3)
        waits = [paced.take() for _ in range(30)]
        assert waits[-1] == pytest.approx(0.3 - BURST_SECONDS, abs=0.1)


class TestWithoutValkey:
    def test_each_process_keeps_a_part_of_the_rate(self, settings: Settings) -> None:
        settings.REDIS_URL = f"redis://127.0.0.1:{free_port()}/0"
        paced = pace(100)
        assert [paced.take() for _ in range(26)][-1] == pytest.approx(25 * ALONE / 100 - BURST_SECONDS, abs=0.1)
