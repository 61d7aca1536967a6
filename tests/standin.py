"""The stand-in for Stripe as a process of its own, for any test that needs Stripe's API."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import httpx

from local import paths
from local.standin.control import Control
from local.throwaway import free_port

SECRET_KEY = "sk_test_throwaway"
PUBLISHABLE_KEY = "pk_test_throwaway"
WEBHOOK_SECRET = "whsec_throwaway"
CARD = {"exp_month": "12", "exp_year": "2034", "cvc": "123"}


class Standin:
    """A running stand-in: its address, and its control.

    What it is asked with the secret key is recorded and checked at the end of the run; a test that sends
    wrong requests on purpose says `record=False`.
    """

    def __init__(
        self,
        *,
        port: int | None = None,
        state: str = ":memory:",
        webhook_url: str | None = None,
        webhook_secret: str = WEBHOOK_SECRET,
        record: bool = True,
    ) -> None:
        self.port = port or free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.control = Control(self.url)
        self._arguments = ["--port", str(self.port), "--state", state, "--webhook-secret", webhook_secret]
        self._arguments += ["--secret-key", SECRET_KEY, "--publishable-key", PUBLISHABLE_KEY]
        if webhook_url:
            self._arguments += ["--webhook-url", webhook_url]
        if record and "STRIPE_RECORDINGS" in os.environ:
            self._arguments += ["--record", str(Path(os.environ["STRIPE_RECORDINGS"]) / "requests.jsonl")]

    def start(self, output: IO[str] | None = None) -> None:
        """Start it and wait until it answers; what it says goes to `output`."""
        self.process = subprocess.Popen(
            [sys.executable, "-m", "local.standin", *self._arguments],
            cwd=paths.ROOT,
            env=os.environ | {"PYTHONPATH": "platform"},
            stdout=output,
            stderr=output,
        )
        until = time.monotonic() + 20
        while time.monotonic() < until and self.process.poll() is None:
            try:
                httpx.get(f"{self.url}/_control/clock", trust_env=False)
                return
            except httpx.TransportError:
                time.sleep(0.05)
        self.stop(signal.SIGKILL)
        raise AssertionError("the stand-in did not start")

    def stop(self, how: int = signal.SIGTERM) -> None:
        """End it; one that has ended already stays so."""
        self.process.send_signal(how)
        self.process.wait(20)

    def close(self) -> None:
        """End it, with its connections."""
        self.stop()
        self.control.close()

    def confirm_setup(self, client_secret: str, number: str = "4242424242424242") -> httpx.Response:
        """Enter a card as a client's Stripe.js does: with the publishable key and the SetupIntent's secret."""
        intent = client_secret.split("_secret_")[0]
        return self._as_client(f"/v1/setup_intents/{intent}/confirm", client_secret, number)

    def confirm_payment(self, client_secret: str, number: str = "4242424242424242") -> httpx.Response:
        """Pay on session, as a client does."""
        intent = client_secret.split("_secret_")[0]
        return self._as_client(f"/v1/payment_intents/{intent}/confirm", client_secret, number)

    def _as_client(self, path: str, client_secret: str, number: str) -> httpx.Response:
        card = {f"payment_method_data[card][{name}]": value for name, value in (CARD | {"number": number}).items()}
        return httpx.post(
            self.url + path,
            data={"client_secret": client_secret, "payment_method_data[type]": "card", **card},
            headers={"Authorization": f"Bearer {PUBLISHABLE_KEY}"},
            trust_env=False,
        )


@contextmanager
def running(*, state: str = ":memory:", webhook_url: str | None = None, record: bool = True) -> Iterator[Standin]:
    """Yield a stand-in, ended afterwards."""
    standin = Standin(state=state, webhook_url=webhook_url, record=record)
    standin.start()
    try:
        yield standin
    finally:
        standin.close()
