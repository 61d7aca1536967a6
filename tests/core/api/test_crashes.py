"""A server that is killed between the steps of a payment, and the client that sends its request again."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from django.db import connection

from accounts.models import User
from core.models import IdempotencyKey
from local.throwaway import free_port
from tests.core.api.test_idempotency import books, outside
from tests.core.outbox.processes import ROOT, environment
from tests.factories.accounts import AccountFactory, sign_in

# What each death leaves behind: intents, and effects outside with how often they were asked for.
LEFT_BEHIND = {
    "claimed": ([], []),
    "intent committed": ([(5, "open")], []),
    "outside effect done": ([(5, "open")], [(5, 1)]),
    "settled": ([(5, "paid")], [(5, 1)]),
}


class Server:
    """gunicorn with one worker, which its master replaces when it dies."""

    def __init__(self, log: Path) -> None:
        self.log = log
        self.port = free_port()
        with log.open("wb") as out:
            self.process = subprocess.Popen(
                [
                    Path(sys.executable).with_name("gunicorn"),
                    *("--config", "python:tests.core.api.gunicorn_config"),
                    *("--bind", f"127.0.0.1:{self.port}", "tests.core.api.server:application"),
                ],
                cwd=ROOT,
                env=environment(),
                stdout=out,
                stderr=out,
            )
        self.until_it_answers()

    def until_it_answers(self) -> None:
        """Wait for a worker."""
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            assert self.process.poll() is None, self.log.read_text()
            try:
                if httpx.get(f"http://127.0.0.1:{self.port}/api/v1/sample/versions/1", timeout=60).status_code == 200:
                    return
            except httpx.TransportError:
                time.sleep(0.1)
        raise AssertionError(f"the server did not start: {self.log.read_text()}")

    def pay(self, token: str, key: str, **headers: str) -> httpx.Response:
        """Send a payment."""
        return httpx.post(
            f"http://127.0.0.1:{self.port}/api/v1/sample/payments",
            json={"amount": 5},
            headers={"X-Session-Token": token, "Idempotency-Key": key} | headers,
            timeout=60,
        )


@pytest.fixture
def server(tables_for_real: None, tmp_path: Path) -> Iterator[Server]:
    """A server on the test's database."""
    server = Server(tmp_path / "gunicorn.log")
    yield server
    server.process.terminate()
    server.process.wait(60)


def _signed_in() -> str:
    account: User = AccountFactory.create()
    return sign_in(account)


class TestRetry:
    def test_goes_on_from_wherever_the_server_was_killed(self, server: Server) -> None:
        for point, (intents, effects) in LEFT_BEHIND.items():
            self._kill_and_retry(server, point, intents, effects)
            IdempotencyKey.objects.all().delete()
            self._clear()

    def _kill_and_retry(self, server: Server, point: str, intents: Any, effects: Any) -> None:
        token, key = _signed_in(), point.replace(" ", "-")
        with pytest.raises(httpx.TransportError):
            server.pay(token, key, **{"X-Kill-At": point})
        server.until_it_answers()
        assert (books(), outside()) == (intents, effects), point

        if point != "claimed":
            # The claim was committed, so its lease holds until it ends.
            refused = server.pay(token, key)
            assert (refused.status_code, refused.json()["code"]) == (409, "idempotency_in_progress"), point
            assert (books(), outside()) == (intents, effects), point
            IdempotencyKey.objects.update(leased_until=datetime(2026, 1, 1, tzinfo=UTC))

        answer = server.pay(token, key)
        assert (answer.status_code, answer.json()["state"]) == (201, "paid"), (point, answer.text)
        assert "Idempotency-Replayed" not in answer.headers, point
        [(amount, asked)] = outside()
        assert (books(), amount) == ([(5, "paid")], 5), point
        # Each time with the intent's own key: the other side counts it once.
        assert asked == (2 if effects else 1), point

        again = server.pay(token, key)
        assert (again.status_code, again.content) == (201, answer.content), point
        assert again.headers["Idempotency-Replayed"] == "true", point
        assert outside() == [(5, asked)], point

    def _clear(self) -> None:
        with connection.cursor() as cursor:
            cursor.execute("TRUNCATE sample_intent, sample_outside")
