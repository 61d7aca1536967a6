"""What is counted of requests, queries, the cache and tasks.

Labels are few and of few values: a route's template (`api/v1/titles/<uuid:pk>`), never a path or an id.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Any

from celery import Task
from django.core.cache.backends.redis import RedisCache
from django.db.backends.base.base import BaseDatabaseWrapper
from django.http import HttpRequest, HttpResponse
from prometheus_client import Counter, Histogram
from prometheus_client.registry import Collector

REQUESTS = Counter("http_requests", "Requests answered.", ["method", "route", "status"])
REQUEST_SECONDS = Histogram("http_request_seconds", "Time to the answer's head.", ["method", "route"])
QUERY_SECONDS = Histogram("database_query_seconds", "Time of one query.", buckets=(0.001, 0.005, 0.025, 0.1, 0.5, 2.5))
QUERY_ERRORS = Counter("database_query_errors", "Queries that failed.")
CACHE_READS = Counter("cache_reads", "Keys asked of the cache.", ["result"])
TASKS = Counter("celery_tasks", "Task runs that ended.", ["task", "state"])
TASK_SECONDS = Histogram(
    "celery_task_seconds", "Time of one task run.", ["task"], buckets=(0.01, 0.05, 0.25, 1, 5, 30, 120, 600, 3600)
)

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

_scraped: list[Collector] = []


def when_scraped(collector: Collector) -> None:
    """Have a collector asked whenever Prometheus reads a worker's figures; it may ask the database."""
    _scraped.append(collector)


def scraped() -> list[Collector]:
    """Answer the collectors that workers ask."""
    return list(_scraped)


class RequestMetrics:
    """Counts requests and their time by route, method and status."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        started = time.perf_counter()
        response = self.get_response(request)
        method = request.method if request.method in METHODS else "other"
        match = request.resolver_match
        route = (match.route or "/") if match else "unmatched"
        REQUESTS.labels(method, route, response.status_code).inc()
        REQUEST_SECONDS.labels(method, route).observe(time.perf_counter() - started)
        return response


def measure_queries(connection: BaseDatabaseWrapper, **_: Any) -> None:
    """Measure what goes over a connection; receives Django's connection_created."""
    if _measured not in connection.execute_wrappers:
        connection.execute_wrappers.append(_measured)


def _measured(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: dict[str, Any]) -> Any:
    started = time.perf_counter()
    try:
        return execute(sql, params, many, context)
    except Exception:
        QUERY_ERRORS.inc()
        raise
    finally:
        QUERY_SECONDS.observe(time.perf_counter() - started)


_ABSENT = object()


class MeasuredCache(RedisCache):
    """Django's cache in Redis, with its hits and misses counted."""

    def get(self, key: str, default: Any = None, version: int | None = None) -> Any:
        """Answer a key's value."""
        value = super().get(key, _ABSENT, version)
        CACHE_READS.labels("miss" if value is _ABSENT else "hit").inc()
        return default if value is _ABSENT else value

    def get_many(self, keys: Iterable[Any], version: int | None = None) -> dict[Any, Any]:
        """Answer the values of those keys that have one."""
        asked = list(keys)
        found: dict[Any, Any] = super().get_many(asked, version)
        CACHE_READS.labels("hit").inc(len(found))
        CACHE_READS.labels("miss").inc(len(asked) - len(found))
        return found


def begin_task(task: Task[Any, Any], **_: Any) -> None:
    """Note when a task run begins; receives Celery's task_prerun."""
    task.request.update(core_started=time.perf_counter())


def end_task(task: Task[Any, Any], state: str | None = None, **_: Any) -> None:
    """Count a task run that ended; receives Celery's task_postrun."""
    TASKS.labels(task.name, state or "UNKNOWN").inc()
    started = getattr(task.request, "core_started", None)
    if started is not None:
        TASK_SECONDS.labels(task.name).observe(time.perf_counter() - started)
