"""What browsing costs over HTTP: a title's page and a list of fifty cards, beside bare views that answer the same bytes.

One gunicorn worker runs as in production; every request is of somebody who is signed in, over eight connections. Bare
is a DRF view with the same authentication that answers a file. The kinds take turns, and the median of the
rounds counts, since this machine may have other work. Each round asks for many titles, each of them cold once
a minute. Then the catalogue grows, and all of it is measured again. FEW (10000) and MANY (1000000) say how many titles.
The last line is one JSON object:

detail_ratio  requests a second of pages beside bare answers of as many bytes
list_ratio    the same of lists
p99_ms        of both at eight connections, with MANY titles
growth_ratio  the cost beside the bare view, with MANY titles to with FEW; the greater of page and list
cold_*_ms     the median of answers that are made anew, one at a time, with MANY titles
*_queries     of answers that are made, and of kept ones
"""

from __future__ import annotations

import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from local import paths
from local.throwaway import free_port, servers

FEW = int(os.environ.get("FEW", "10000"))
MANY = int(os.environ.get("MANY", "1000000"))
ROUNDS = 7
REQUESTS = 800
CONNECTIONS = 8
DETAILS = 50
LIST = "/api/v1/titles?page_size=50"
KINDS = ("bare/detail", "detail", "bare/list", "list")


def main() -> None:
    """Print the figures."""
    import django

    django.setup()
    from django.core.management import call_command

    from catalog.services import ingestion
    from core.clock import now
    from tests.benchmarks import titles
    from tests.factories.accounts import AccountFactory, ProfileFactory, sign_in
    from tests.factories.catalog import ProviderFactory

    call_command("migrate", verbosity=0)
    account = AccountFactory.create()
    token = sign_in(account, profile=ProfileFactory.create(account=account))
    with tempfile.TemporaryDirectory() as folder:
        feed = Path(folder) / "feed.jsonl"
        titles.write_feed(feed, FEW)
        run = ingestion.open_run(
            provider=ProviderFactory.create(), format="jsonl", source_name="feed", by="benchmark", now=now()
        )
        with feed.open("rb") as stream:
            ingestion.execute(run_id=run.pk, open_delivery=lambda _: stream, clock=now)
        titles.settle()
        details = _details()
        queries = _queries(token, details[0])
        for name, address in (("detail", details[0]), ("list", LIST)):
            (Path(folder) / name).write_bytes(_fetched(token, address))
        with gunicorn(folder) as port:
            few, _ = measure(port, token, details)
            report(FEW, few)
            print(f"Adding titles up to {MANY:,} ...")
            titles.fill_up(titles.names(MANY - FEW))
            titles.settle()
            (Path(folder) / "list").write_bytes(_fetched(token, LIST))
        with gunicorn(folder) as port:
            many, p99 = measure(port, token, details)
            report(MANY, many)
            cold = {kind: _cold(port, token, address) for kind, address in (("detail", details[0]), ("list", LIST))}

    def cost(rates: dict[str, float], kind: str) -> float:
        return rates[f"bare/{kind}"] / rates[kind]

    figures = {
        "detail_per_second": round(many["detail"]),
        "list_per_second": round(many["list"]),
        "detail_ratio": round(1 / cost(many, "detail"), 2),
        "list_ratio": round(1 / cost(many, "list"), 2),
        "p99_ms": round(p99 * 1000, 1),
        "growth_ratio": round(max(cost(many, kind) / cost(few, kind) for kind in ("detail", "list")), 2),
        **{f"cold_{kind}_ms": round(seconds * 1000, 1) for kind, seconds in cold.items()},
        **queries,
    }
    print(json.dumps(figures))


def _details() -> list[str]:
    from catalog.models import Title

    return [f"/api/v1/titles/{key}" for key in Title.objects.order_by("pk").values_list("pk", flat=True)[:DETAILS]]


def _fetched(token: str, address: str) -> bytes:
    from django.test import Client

    answer = Client(headers={"X-Session-Token": token}).get(address)
    assert answer.status_code == 200, answer.content
    return answer.content


def _queries(token: str, detail: str) -> dict[str, int]:
    """Answer how many queries are made for an answer, and for one that is kept."""
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    counted = {"cold_queries": 0, "warm_queries": 0}
    _fetched(token, "/api/v1/genres")
    for address in (detail, LIST):
        for temperature in counted:
            with CaptureQueriesContext(connection) as captured:
                _fetched(token, address)
            counted[temperature] = max(counted[temperature], len(captured))
    return counted


@contextmanager
def gunicorn(folder: str) -> Iterator[int]:
    """Run one worker as production does, and yield its port."""
    port = free_port()
    process = subprocess.Popen(
        [
            Path(sys.executable).with_name("gunicorn"),
            *("--bind", f"127.0.0.1:{port}", "--workers", "1", "--max-requests", "0", "--log-level", "warning"),
            "tests.benchmarks.browse_server:application",
        ],
        cwd=paths.ROOT,
        env=os.environ
        | {
            "BARE_ANSWERS": folder,
            "LOG_LEVEL": "WARNING",
            "PYTHONPATH": f"{paths.ROOT}{os.pathsep}{paths.ROOT / 'platform'}",
        },
    )
    try:
        deadline = time.monotonic() + 60
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                assert process.poll() is None, "gunicorn ended"
                assert time.monotonic() < deadline, "gunicorn did not come up"
                time.sleep(0.1)
        yield port
    finally:
        process.terminate()
        process.wait(30)


def measure(port: int, token: str, details: Sequence[str]) -> tuple[dict[str, float], float]:
    """Answer requests a second of each kind, the median of the rounds, and the 99th percentile of ours in seconds."""
    rates: dict[str, list[float]] = {kind: [] for kind in KINDS}
    p99s: list[float] = []
    for number in range(ROUNDS + 1):
        latest: list[float] = []
        for kind in KINDS:
            rate, latencies = _rate(port, token, kind, details)
            if number:  # the first round warms up
                rates[kind].append(rate)
                latest += [] if kind.startswith("bare") else latencies
        if latest:
            p99s.append(sorted(latest)[len(latest) * 99 // 100])
    return {kind: statistics.median(found) for kind, found in rates.items()}, statistics.median(p99s)


def report(titles: int, rates: dict[str, float]) -> None:
    """Print what was measured."""
    print(f"{titles:>9,} titles: " + ", ".join(f"{kind} {rate:,.0f}/s" for kind, rate in rates.items()))


def _rate(port: int, token: str, kind: str, details: Sequence[str]) -> tuple[float, list[float]]:
    addresses = list(details) if kind == "detail" else [LIST if kind == "list" else f"/{kind}"]
    asked = [_request(addresses[number % len(addresses)], token) for number in range(REQUESTS)]
    latencies: list[float] = []
    threads = [
        threading.Thread(target=_send, args=[port, asked[number::CONNECTIONS], latencies])
        for number in range(CONNECTIONS)
    ]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(latencies) == REQUESTS, "a request was refused"
    return REQUESTS / (time.perf_counter() - began), latencies


def _cold(port: int, token: str, address: str) -> float:
    """Answer how long an answer takes that is made anew: the median of some."""
    from catalog.services import kept

    latencies: list[float] = []
    for _ in range(20):
        kept._forget()
        _send(port, [_request(address, token)], latencies)
    return statistics.median(latencies)


def _request(address: str, token: str) -> bytes:
    return f"GET {address} HTTP/1.1\r\nHost: localhost\r\nX-Session-Token: {token}\r\n\r\n".encode()


def _send(port: int, requests: Sequence[bytes], latencies: list[float]) -> None:
    # A bare socket: a real client would cost as much as the server, and hide the difference.
    with socket.create_connection(("127.0.0.1", port)) as connection:
        for request in requests:
            began = time.perf_counter()
            connection.sendall(request)
            answer = connection.recv(65_536)
            while b"\r\n\r\n" not in answer:
                answer += connection.recv(65_536)
            head, _, body = answer.partition(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200"), head[:200]
            length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
            received = len(body)
            while received < length:
                received += len(connection.recv(1 << 18))
            latencies.append(time.perf_counter() - began)


if __name__ == "__main__":
    with servers() as environment:
        os.environ.update(environment, DJANGO_SETTINGS_MODULE="config.settings")
        main()
