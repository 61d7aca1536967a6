"""The port where Prometheus reads this process's figures, apart from the one that the world sees.

gunicorn and a Celery worker are each a parent with children that do the work. The children write
their figures to files that the parent adds up when it is asked; it listens only if METRICS_PORT is
set. Imports Prometheus within functions, because that looks for the files' place when imported.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from wsgiref.simple_server import WSGIServer

if TYPE_CHECKING:
    from prometheus_client import Metric
    from prometheus_client.registry import Collector

DIRECTORY = "PROMETHEUS_MULTIPROC_DIR"


class PortTaken(Exception):
    """METRICS_PORT belongs to another program."""


def share_figures(port: int) -> None:
    """Have this process and its children write their figures to files; before Prometheus is imported."""
    directory = os.environ.setdefault(DIRECTORY, f"{tempfile.gettempdir()}/metrics-{os.getuid()}-{port}")
    Path(directory).mkdir(mode=0o700, exist_ok=True)


def forget_figures() -> None:
    """Remove what an earlier run has left, so that counters begin at zero."""
    for file in Path(os.environ[DIRECTORY]).iterdir():
        file.unlink()


def forget_process(pid: int) -> None:
    """Remove the figures that only make sense while a child lives."""
    from prometheus_client import multiprocess

    multiprocess.mark_process_dead(pid)  # type: ignore[no-untyped-call]


def serve(port: int, collectors: Iterable[Collector] = ()) -> WSGIServer:
    """Answer Prometheus from a thread of this process, the collectors' figures included; raises PortTaken."""
    from prometheus_client import CollectorRegistry, start_http_server
    from prometheus_client.multiprocess import MultiProcessCollector

    registry = CollectorRegistry()
    MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    for collector in collectors:
        registry.register(collector)
    try:
        server, _ = start_http_server(port, registry=registry)
    except OSError as error:
        raise PortTaken(f"METRICS_PORT {port} is taken by another program; choose another.") from error
    return server


def closing_database(collector: Collector) -> Collector:
    """Wrap a collector that asks the database, so that nothing stays open when the parent forks."""
    from prometheus_client.registry import Collector

    class Closing(Collector):
        def describe(self) -> Iterable[Metric]:
            return collector.describe() if hasattr(collector, "describe") else ()

        def collect(self) -> Iterator[Metric]:
            from django.db import connection

            try:
                yield from collector.collect()
            finally:
                connection.close()
                connection.close_pool()  # type: ignore[attr-defined]  # it is PostgreSQL's wrapper

    return Closing()


def remove_directory() -> None:
    """Leave nothing behind."""
    shutil.rmtree(os.environ[DIRECTORY], ignore_errors=True)
