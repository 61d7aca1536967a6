"""A shop's webhook endpoint: keeps what arrives, and answers as told."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

import stripe


class Arrival(NamedTuple):
    """One webhook as it came."""

    payload: bytes
    signature: str

    @property
    def event(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.payload)
        return found

    def is_signed_with(self, secret: str, *, tolerance: int = 300) -> bool:
        """Answer what the official library says of the signature."""
        try:
            return bool(stripe.WebhookSignature.verify_header(self.payload, self.signature, secret, tolerance))
        except stripe.SignatureVerificationError:
            return False


class Receiver:
    """What arrived, oldest first, and the answers to give: the first `statuses`, then 200."""

    def __init__(self) -> None:
        self.arrivals: list[Arrival] = []
        self.statuses: list[int] = []
        self.seconds = 0.0
        self.url = ""

    def ids(self) -> list[str]:
        return [arrival.event["id"] for arrival in self.arrivals]

    def types(self) -> list[str]:
        return [arrival.event["type"] for arrival in self.arrivals]


class _Server(ThreadingHTTPServer):
    # A burst of webhooks must not be refused for want of a queue.
    request_queue_size = 128


@contextmanager
def receiving() -> Iterator[Receiver]:
    """Yield an endpoint that listens."""
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            payload = self.rfile.read(int(self.headers["Content-Length"]))
            time.sleep(receiver.seconds)
            receiver.arrivals.append(Arrival(payload, self.headers["Stripe-Signature"]))
            self.send_response(receiver.statuses.pop(0) if receiver.statuses else 200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with _Server(("127.0.0.1", 0), Handler) as server:
        receiver.url = f"http://127.0.0.1:{server.server_port}/webhooks"
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield receiver
        finally:
            server.shutdown()
            thread.join()
