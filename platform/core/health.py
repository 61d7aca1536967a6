"""What an orchestrator asks: is this process alive, is it up, may it have traffic?

`/health/live` checks nothing: a database that is down is no reason to kill the process.
`/health/startup` is true once the database has every migration of this release.
`/health/ready` also asks whether database and cache answer. The broker is left out: without it
requests are still answered, and what they start is picked up by the next sweep.

The answers are for machines within the cluster. They come before host, scheme and session are looked
at, since a probe knows none of them, and tell nothing that an outsider could use.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import psycopg
import redis
import structlog
from django.conf import settings
from django.db import connection, connections
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, JsonResponse

logger = structlog.get_logger(__name__)

Check = Callable[[], None]

PATIENCE_SECONDS = 2


class NotMigrated(Exception):
    """The database lacks migrations of this release."""


def database() -> None:
    """Fail unless the database answers at once, on a connection of its own.

    Not on one of the pool: waiting for a busy one says nothing about the database.
    """
    parameters: dict[str, Any] = connections["default"].get_connection_params()
    parameters.pop("pool", None)
    parameters["connect_timeout"] = PATIENCE_SECONDS
    parameters["options"] = f"-c statement_timeout={1000 * PATIENCE_SECONDS}"
    with psycopg.connect(**parameters) as probe:
        probe.execute("SELECT 1")


def cache() -> None:
    """Fail unless the cache answers at once."""
    client = redis.Redis.from_url(
        settings.REDIS_URL,
        socket_timeout=PATIENCE_SECONDS,
        socket_connect_timeout=PATIENCE_SECONDS,
        retry=None,
    )
    with client:
        client.ping()


class Migrations:
    """Fails while the database lacks a migration of this release; once it has all, it keeps them."""

    def __init__(self) -> None:
        self._applied = False

    def __call__(self) -> None:
        if not self._applied:
            database()  # fails at once where the pool would wait
            executor = MigrationExecutor(connection)
            if executor.migration_plan(executor.loader.graph.leaf_nodes()):
                raise NotMigrated
            self._applied = True


class HealthProbes:
    """Middleware that answers /health/live, /health/startup and /health/ready."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response
        migrations = Migrations()
        self.probes: dict[str, dict[str, Check]] = {
            "/health/live": {},
            "/health/startup": {"migrations": migrations},
            "/health/ready": {"database": database, "cache": cache, "migrations": migrations},
        }

    def __call__(self, request: HttpRequest) -> HttpResponse:
        checks = self.probes.get(request.path)
        if checks is None:
            return self.get_response(request)
        if request.method not in {"GET", "HEAD"}:
            return HttpResponseNotAllowed(["GET", "HEAD"])
        return _answer({name: _passes(name, check) for name, check in checks.items()})


def _passes(name: str, check: Check) -> bool:
    try:
        check()
    except Exception:
        logger.exception("health_check_failed", check=name)
        return False
    return True


def _answer(passed: dict[str, bool]) -> HttpResponse:
    well = all(passed.values())
    body = {
        "status": "ok" if well else "failed",
        "checks": {name: "ok" if passes else "failed" for name, passes in passed.items()},
    }
    return JsonResponse(body, status=200 if well else 503, headers={"Cache-Control": "no-store"})
