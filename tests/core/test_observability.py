"""Logs, figures, traces and the heartbeat of the platform's own gunicorn and worker, seen from outside."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import httpx
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from local.throwaway import free_port

ROOT = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.xdist_group("observability")


class Collector(ThreadingHTTPServer):
    """An OTLP/HTTP receiver that keeps the spans it is sent."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Receive)
        self.spans: list[dict[str, Any]] = []


class _Receive(BaseHTTPRequestHandler):
    server: Collector

    def do_POST(self) -> None:
        request = ExportTraceServiceRequest.FromString(self.rfile.read(int(self.headers["Content-Length"])))
        for resource in request.resource_spans:
            service = next(
                item.value.string_value for item in resource.resource.attributes if item.key == "service.name"
            )
            self.server.spans += [
                {
                    "service": service,
                    "trace": span.trace_id,
                    "name": span.name,
                    "kind": span.kind,
                    "attributes": {item.key: str(item.value) for item in span.attributes},
                }
                for scope in resource.scope_spans
                for span in scope.spans
            ]
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


class Deployment:
    """A running gunicorn and a running worker, with what they wrote."""

    def __init__(self, folder: Path, collector: Collector) -> None:
        self.folder, self.collector = folder, collector
        self.web_port, self.web_metrics, self.worker_metrics = free_port(), free_port(), free_port()
        self.heartbeat = folder / "heartbeat"
        self.environment = {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "tests.core.observed.settings",
            "PYTHONPATH": f"{ROOT}:{ROOT / 'platform'}",
            # its own database number: a worker of another test must not take our tasks
            "REDIS_URL": re.sub(r"/\d+$", "/9", os.environ["REDIS_URL"]),
            "TMPDIR": str(folder),
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{collector.server_port}",
            "OTEL_BSP_SCHEDULE_DELAY": "100",
            "WEB_CONCURRENCY": "2",
        }

    def start(self, name: str, *command: str, **environment: str) -> subprocess.Popen[bytes]:
        with (self.folder / f"{name}.log").open("wb") as log:
            return subprocess.Popen(
                [sys.executable, "-m", *command],
                cwd=ROOT,
                env=self.environment | environment,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def start_web(self) -> subprocess.Popen[bytes]:
        bind = f"127.0.0.1:{self.web_port}"
        return self.start("web", "gunicorn", "--bind", bind, METRICS_PORT=str(self.web_metrics))

    def start_worker(self) -> subprocess.Popen[bytes]:
        return self.start(
            "worker", "celery", "--quiet", "--app", "config", "worker", "--concurrency", "1",
            METRICS_PORT=str(self.worker_metrics), WORKER_HEARTBEAT_FILE=str(self.heartbeat),
        )  # fmt: skip

    def get(self, path: str, **headers: str) -> httpx.Response:
        return httpx.get(f"http://127.0.0.1:{self.web_port}{path}", headers=headers)

    def metrics(self, port: int) -> str:
        return httpx.get(f"http://127.0.0.1:{port}/metrics").text

    def raw(self, name: str) -> str:
        return (self.folder / f"{name}.log").read_text()

    def lines(self, name: str) -> list[dict[str, Any]]:
        """Answer the lines of the log; what a server says of its own start is no JSON outside production."""
        return [json.loads(line) for line in self.raw(name).splitlines() if line.startswith("{")]


def eventually(condition: Callable[[], Any], *, within: float = 120) -> Any:
    """Answer the first true answer of the condition; whatever it raises meanwhile is not yet."""
    deadline = time.monotonic() + within
    while True:
        try:
            if answer := condition():
                return answer
        except (httpx.HTTPError, StopIteration):
            pass
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.1)


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    with Collector() as collector:
        Thread(target=collector.serve_forever, daemon=True).start()
        running = Deployment(tmp_path_factory.mktemp("observed"), collector)
        web, worker = running.start_web(), running.start_worker()
        try:
            eventually(lambda: running.get("/health/live").status_code == 200)
            eventually(running.heartbeat.exists)
            yield running
        finally:
            for process in (web, worker):
                process.send_signal(signal.SIGTERM)
            for process in (web, worker):
                process.wait(30)
            collector.shutdown()


def _line(deployment: Deployment, name: str, **members: str) -> dict[str, Any]:
    return next(line for line in deployment.lines(name) if members.items() <= line.items())


class TestLogs:
    def test_carry_the_request_id_of_the_answer_into_the_task(self, deployment: Deployment) -> None:
        answer = deployment.get("/colours/green?q=private", authorization="Bearer s3cr3t-bearer")
        request_id = answer.headers["X-Request-ID"]

        line = _line(deployment, "web", message="request_finished", request_id=request_id)
        assert (line["request"], line["code"], line["level"]) == ("GET /colours/green", 200, "info")
        assert line["duration_ms"] >= 0
        assert _line(deployment, "web", logger="tests.core.observed.urls", request_id=request_id)

        ran = eventually(lambda: _line(deployment, "worker", message="A task ran.", request_id=request_id))
        ended = eventually(lambda: _line(deployment, "worker", message="task_succeeded", request_id=request_id))
        assert ran["task_id"] == ended["task_id"]
        assert ran["colour"] == "green"

    def test_do_not_take_over_an_id_from_outside(self, deployment: Deployment) -> None:
        answer = deployment.get("/colours/green", **{"x-request-id": "mine"})
        assert answer.headers["X-Request-ID"] != "mine"

    def test_hold_nothing_secret_or_personal(self, deployment: Deployment) -> None:
        deployment.get("/colours/blue?q=private", authorization="Bearer s3cr3t-bearer", cookie="sessionid=s3cr3t")
        deployment.get("/colours/red")
        eventually(lambda: _line(deployment, "worker", message="A task ran.", colour="blue"))
        written = deployment.raw("web") + deployment.raw("worker")
        assert "s3cr3t" not in written
        assert "private" not in written
        assert "somebody@example.com" not in written
        assert "sk_test_4eC39" not in written
        assert "127.0.0.1" not in json.dumps(deployment.lines("web"))

    def test_show_a_failure_once_with_its_traceback(self, deployment: Deployment) -> None:
        request_id = deployment.get("/colours/red").headers["X-Request-ID"]
        lines = [line for line in deployment.lines("web") if line.get("request_id") == request_id]
        assert [(line["message"], line["level"]) for line in lines] == [
            ("A view ran for [redacted] with None.", "info"),
            ("request_failed", "error"),
        ]
        assert "RuntimeError: [redacted]" in lines[1]["exception"]

    def test_say_nothing_of_healthy_probes(self, deployment: Deployment) -> None:
        request_id = deployment.get("/health/live").headers["X-Request-ID"]
        deployment.get("/colours/green")
        assert request_id not in deployment.raw("web")


class TestMetrics:
    def test_add_up_requests_of_all_workers_by_route(self, deployment: Deployment) -> None:
        def count() -> float:
            found = re.search(
                r'http_requests_total\{method="GET",route="colours/<str:colour>",status="200"\} (\S+)',
                deployment.metrics(deployment.web_metrics),
            )
            return float(found[1]) if found else 0

        before = count()
        for _ in range(8):
            deployment.get("/colours/green")
        assert count() == before + 8

    def test_know_routes_and_no_paths(self, deployment: Deployment) -> None:
        deployment.get("/colours/mauve")
        deployment.get("/nowhere/at/all")
        text = deployment.metrics(deployment.web_metrics)
        assert 'route="unmatched",status="404"' in text
        assert "mauve" not in text
        assert "nowhere" not in text

    def test_measure_queries_and_the_cache(self, deployment: Deployment) -> None:
        deployment.get("/colours/green")
        text = deployment.metrics(deployment.web_metrics)
        for name in ("database_query_seconds_count", 'cache_reads_total{result="miss"}'):
            found = re.search(rf"^{re.escape(name)} (\S+)$", text, re.MULTILINE)
            assert found
            assert float(found[1]) >= 1

    def test_count_tasks_in_the_worker(self, deployment: Deployment) -> None:
        deployment.get("/colours/green")
        eventually(
            lambda: re.search(
                r'celery_tasks_total\{state="SUCCESS",task="tests.core.observed.tasks.observe"\} [1-9]',
                deployment.metrics(deployment.worker_metrics),
            )
        )
        assert "celery_task_seconds_bucket" in deployment.metrics(deployment.worker_metrics)

    def test_are_not_public(self, deployment: Deployment) -> None:
        assert deployment.get("/metrics").status_code == 404


class TestTraces:
    def test_reach_the_collector(self, deployment: Deployment) -> None:
        # The task continues the trace of the request that started it.
        wanted = {"GET colours/<str:colour>", "SELECT", "run/tests.core.observed.tasks.observe"}
        deployment.get("/colours/green?q=private")
        traces: defaultdict[str, set[str]] = defaultdict(set)

        def whole_trace() -> bool:
            for span in deployment.collector.spans:
                assert span["service"] == "streaming"
                traces[span["trace"]].add(span["name"])
            return any(names >= wanted for names in traces.values())

        eventually(whole_trace)

    def test_leave_out_the_person(self, deployment: Deployment) -> None:
        deployment.get("/colours/green?q=private", user_agent="Somebody/1.0")
        eventually(lambda: [span for span in deployment.collector.spans if span["name"].startswith("GET")])
        written = json.dumps([span["attributes"] for span in deployment.collector.spans])
        assert "private" not in written
        assert "Somebody" not in written

    def test_cost_nothing_when_they_are_off(self) -> None:
        code = "import sys, config.wsgi\nprint(sorted(name for name in sys.modules if name.startswith(('opentelemetry.instr', 'opentelemetry.exp', 'opentelemetry.sdk.trace'))))"
        environment = {**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'platform'}"}
        done = subprocess.run(
            [sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
        )
        assert done.stdout.strip() == "[]"


class TestHeartbeat:
    def test_beats_while_the_worker_runs(self, deployment: Deployment) -> None:
        before = deployment.heartbeat.stat().st_mtime_ns
        eventually(lambda: deployment.heartbeat.stat().st_mtime_ns > before)
