"""The state file: what was answered survives a kill, and what was not answered was not done, or done once."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
import stripe

from local import paths
from local.stripe_standin.app import build
from local.stripe_standin.store import StateUnusable
from tests.local.stripe_standin.shop import KEYS, Shop


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Process:
    """A stand-in as `make run` starts it."""

    def __init__(self, state: Path | str, *more: str) -> None:
        self.port = free_port()
        self._arguments = [
            "--state",
            str(state),
            "--secret-key",
            KEYS.secret,
            "--publishable-key",
            KEYS.publishable,
            *more,
        ]

    def command(self) -> list[str]:
        return [sys.executable, "-m", "local.stripe_standin", "--port", str(self.port), *self._arguments]

    def start(self) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            self.command(), env={**os.environ, "PYTHONPATH": str(paths.ROOT / "platform")}, stdout=subprocess.DEVNULL
        )
        until = time.monotonic() + 20
        while time.monotonic() < until:
            try:
                httpx.get(f"http://127.0.0.1:{self.port}/_control/health", trust_env=False)
                return process
            except httpx.TransportError:
                time.sleep(0.05)
        process.kill()
        raise AssertionError("the stand-in did not start")

    @contextmanager
    def running(self, how: int = signal.SIGTERM) -> Iterator[Shop]:
        process = self.start()
        shop = Shop(f"http://127.0.0.1:{self.port}")
        try:
            yield shop
        finally:
            shop.close()
            process.send_signal(how)
            process.wait(20)


class TestKill:
    def test_leaves_charge_and_stored_reply_or_neither(self, tmp_path: Path) -> None:
        standin = Process(tmp_path / "stripe.sqlite3")
        with standin.running() as shop:
            customer, card = shop.customer_with()
        for round_number in range(3):
            process = standin.start()
            answered: list[str] = []

            def charge_on(answered: list[str] = answered, round_number: int = round_number) -> None:
                shop = Shop(f"http://127.0.0.1:{standin.port}")
                try:
                    for number in range(10_000):
                        shop.charge(customer, card, key=f"{round_number} {number}", metadata={"n": str(number)})
                        answered.append(f"{round_number} {number}")
                except stripe.APIConnectionError:
                    pass
                finally:
                    shop.close()

            thread = threading.Thread(target=charge_on)
            thread.start()
            while len(answered) < 5:
                time.sleep(0.01)
            time.sleep(0.037 * round_number)
            process.kill()
            process.wait(20)
            thread.join(30)
            with standin.running() as shop:
                before = len(shop.control.charges())
                # The last request may or may not have been done: asking again settles it, once.
                for number in range(len(answered) + 1):
                    shop.charge(customer, card, key=f"{round_number} {number}", metadata={"n": str(number)})
                charges = shop.control.charges()
                assert len(charges) - before in {0, 1}
                assert len(charges) == len({charge["payment_intent"] for charge in charges})
                events = shop.stripe.events.list({"type": "payment_intent.succeeded", "limit": 100})
                assert len(list(events.auto_paging_iter())) == len(charges)
                assert shop.control.net() == {"usd": 1474 * len(charges)}

    def test_keeps_the_driven_clock_and_what_waits_for_it(self, tmp_path: Path) -> None:
        standin = Process(tmp_path / "stripe.sqlite3")
        with standin.running(signal.SIGKILL) as shop:
            shop.control.set_clock(1_800_000_000)
            refund = shop.stripe.refunds.create({"charge": shop.paid("4000000000007726")}).id
        with standin.running() as shop:
            assert shop.control.now() == 1_800_000_000
            assert shop.stripe.refunds.retrieve(refund).status == "pending"
            shop.control.advance(300)
            assert shop.stripe.refunds.retrieve(refund).status == "succeeded"


class TestStart:
    def test_refuses_a_file_that_another_stand_in_uses(self, tmp_path: Path) -> None:
        standin = Process(tmp_path / "stripe.sqlite3")
        with standin.running():
            second = Process(tmp_path / "stripe.sqlite3")
            done = subprocess.run(second.command(), capture_output=True, text=True, timeout=30, check=False,
                                  env={**os.environ, "PYTHONPATH": str(paths.ROOT / "platform")})  # fmt: skip
        assert done.returncode == 1
        assert "another stand-in" in done.stderr
        assert "Traceback" not in done.stderr

    def test_refuses_a_taken_port(self, tmp_path: Path) -> None:
        standin = Process(":memory:")
        with standin.running():
            done = subprocess.run(standin.command(), capture_output=True, text=True, timeout=30, check=False,
                                  env={**os.environ, "PYTHONPATH": str(paths.ROOT / "platform")})  # fmt: skip
        assert (done.returncode, "Traceback" in done.stderr) == (1, False)
        assert str(standin.port) in done.stderr

    def test_refuses_what_is_no_state(self, tmp_path: Path) -> None:
        (tmp_path / "notes.txt").write_text("not a database, " * 100)
        with pytest.raises(StateUnusable, match="cannot be used"):
            build(str(tmp_path / "notes.txt"))


class TestRecording:
    def test_keeps_what_the_platform_asked_line_by_line(self, tmp_path: Path) -> None:
        record = tmp_path / "requests.jsonl"
        servers = [Process(":memory:", "--record", str(record)) for _ in range(2)]
        with servers[0].running() as first, servers[1].running() as second:
            for _ in range(20):
                first.ask("POST", "/v1/customers", {"name": "A & B"})
                second.ask("GET", "/v1/customers", {"limit": "3"})
            intent = first.stripe.payment_intents.create({"amount": 1549, "currency": "usd"})
            first.as_customer(f"/v1/payment_intents/{intent.id}/confirm", intent.client_secret, "4242424242424242")
            first.control.advance(1)
        lines = [json.loads(line) for line in record.read_text().splitlines()]
        assert lines.count({"method": "POST", "path": "/v1/customers", "query": "", "body": "name=A+%26+B"}) == 20
        assert lines.count({"method": "GET", "path": "/v1/customers", "query": "limit=3", "body": ""}) == 20
        assert len(lines) == 41
