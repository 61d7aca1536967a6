"""A pytest plugin: every run gets its own PostgreSQL and Valkey before Django reads its settings."""

from __future__ import annotations

import os
from contextlib import ExitStack

import pytest

from local.throwaway import servers

_running = ExitStack()


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
    os.environ.update(_running.enter_context(servers()))


@pytest.hookimpl(trylast=True)
def pytest_unconfigure() -> None:
    """Stop what this process started."""
    _running.close()
