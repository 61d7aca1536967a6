"""The beat starts whatever a killed one has left of its file."""

from __future__ import annotations

from pathlib import Path

import pytest
from celery import current_app

from core.schedule import Scheduler


def begun(file: Path) -> set[str]:
    """Start on a file, and answer the jobs that are scheduled."""
    scheduler = Scheduler(current_app, schedule_filename=str(file))
    names = set(scheduler.schedule)
    scheduler.close()
    return names


class TestScheduler:
    @pytest.mark.parametrize("part", [0, 1, 30])
    def test_begins_anew_on_half_a_file(self, tmp_path: Path, part: int) -> None:
        file = tmp_path / "schedule"
        jobs = begun(file)
        assert "renew-subscriptions" in jobs
        for left in tmp_path.iterdir():
            if left.suffix != ".dir":
                left.write_bytes(left.read_bytes()[:part])
        assert begun(file) == jobs
        assert begun(file) == jobs
