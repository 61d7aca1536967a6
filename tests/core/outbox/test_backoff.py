"""The wait after failures."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.outbox import backoff


class TestDelay:
    @pytest.mark.parametrize(
        ("failures", "seconds"), [(1, 30), (2, 60), (3, 120), (7, 1920), (8, 3600), (9, 3600), (32_767, 3600)]
    )
    def test_doubles_from_half_a_minute_to_an_hour(self, failures: int, seconds: int) -> None:
        assert backoff.delay(failures, jitter=0) == timedelta(seconds=seconds)

    @given(st.integers(1, 100), st.floats(0, 1))
    def test_takes_away_at_most_half(self, failures: int, jitter: float) -> None:
        full = backoff.delay(failures, jitter=0)
        assert full / 2 <= backoff.delay(failures, jitter=jitter) <= full
