"""Months of billing in seconds, and every invariant checked at the end."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from local import paths


@pytest.mark.rule("4.23")
class TestSimulate:
    def test_finds_no_violation(self) -> None:
        # In processes and servers of its own: it makes and drops a database.
        command = ["-m", "local", "with-servers", sys.executable, "manage.py", "simulate"]
        done = subprocess.run(
            [sys.executable, *command, "--accounts", "4", "--months", "2", "--seed", "11"],
            cwd=paths.ROOT,
            env=os.environ | {"PYTHONPATH": "platform"},
            check=False,
            capture_output=True,
            text=True,
            timeout=180,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert done.stdout.splitlines()[-1] == "violations 0"
        table = done.stdout.partition("checked  broken\n")[2].splitlines()[:-2]
        # What a few people in two months do not get to is what is rare.
        assert len(table) == 27
        assert sum(line.split()[-2] != "0" for line in table) >= 18
