"""A pytest plugin: every run gets its own PostgreSQL and Valkey before Django reads its settings.

What a run asks of the stand-in for Stripe is recorded, and checked at its end against Stripe's published
API description where that lies beside the checkout: a request that Stripe would not know fails the run.
"""

from __future__ import annotations

import atexit
import os
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

import pytest

from local import paths
from local.throwaway import servers

CHECK = paths.ROOT.parent / "shared" / "stripe" / "check_requests.py"

_running = ExitStack()
_verdict: list[str] = []
"""What the check said, once it has run."""


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> None:
    """Start the servers in the controlling process; workers inherit its environment."""
    if worker := os.environ.get("PYTEST_XDIST_WORKER"):
        # Its own database in Valkey, as it has one in PostgreSQL: caches and queues do not meet.
        number = int(worker.removeprefix("gw")) + 1
        os.environ["REDIS_URL"] = os.environ["REDIS_URL"].removesuffix("/0") + f"/{number}"
        return
    if early_config.known_args_namespace.help:
        return
    # A run that fails while it loads is not unconfigured; without this its servers would stay.
    atexit.register(_running.close)
    os.environ.update(_running.enter_context(servers()))
    os.environ["STRIPE_RECORDINGS"] = _running.enter_context(tempfile.TemporaryDirectory(prefix="stripe-requests-"))


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Check in the controlling process what all workers have recorded."""
    recording = Path(os.environ.get("STRIPE_RECORDINGS", os.devnull)) / "requests.jsonl"
    if "PYTEST_XDIST_WORKER" in os.environ or not CHECK.exists() or not recording.exists():
        return
    check = subprocess.run([sys.executable, CHECK, recording], capture_output=True, text=True, check=False)
    *faults, total = (check.stdout + check.stderr).splitlines()
    _verdict[:] = faults
    if check.returncode:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
    match total.split():
        case [requests, "requests,", count, "faults"]:
            _verdict.append(f"Stripe requests recorded: {requests}, faults: {count}")
        case _:
            _verdict.append(total)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say what the check found."""
    for line in _verdict:
        terminalreporter.write_line(line)


@pytest.hookimpl(trylast=True)
def pytest_unconfigure() -> None:
    """Stop what this process started."""
    _running.close()
