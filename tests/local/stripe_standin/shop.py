"""What tests do with a stand-in: the platform's calls through Stripe's library, and a customer's without it."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import stripe

from local.stripe_standin.api import Keys
from local.stripe_standin.control import Control

KEYS = Keys("sk_test_of_tests", "pk_test_of_tests")
SIGNING_SECRET = "whsec_of_tests"
NO_REDIRECTS: Any = {"enabled": True, "allow_redirects": "never"}


class Shop:
    """A platform that uses the stand-in at `url`."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.control = Control(url)
        self._library_http = stripe.RequestsClient(timeout=20)
        self.stripe = stripe.StripeClient(
            KEYS.secret,
            base_addresses={"api": url},
            max_network_retries=0,
            http_client=self._library_http,
        ).v1
        self.http = httpx.Client(base_url=url, timeout=20, trust_env=False)

    def close(self) -> None:
        self.control.close()
        self.http.close()
        self._library_http.close()  # type: ignore[no-untyped-call]  # not typed by the library

    # ------------------------------------------------ the platform

    def ask(
        self, method: str, path: str, data: dict[str, Any] | None = None, *, key: str | None = None, **headers: str
    ) -> httpx.Response:
        """Send a request as it is, without the library."""
        headers = {"Authorization": f"Bearer {KEYS.secret}", **headers}
        if key is not None:
            headers["Idempotency-Key"] = key
        sent: dict[str, Any] = {"params": data} if method == "GET" else {"data": data}
        return self.http.request(method, path, headers=headers, **sent)

    def customer_with(self, number: str = "4242424242424242") -> tuple[str, str]:
        """Answer a new customer with this card saved by them, and the card."""
        customer = self.stripe.customers.create().id
        return customer, self.save_card(customer, number)

    def save_card(self, customer: str, number: str) -> str:
        intent = self.stripe.setup_intents.create({"customer": customer, "automatic_payment_methods": NO_REDIRECTS})
        confirmed = self.as_customer(f"/v1/setup_intents/{intent.id}/confirm", intent.client_secret, number)
        assert confirmed.status_code == 200, confirmed.text
        if confirmed.json()["status"] == "requires_action":
            self.control.authenticate("setup_intent", intent.id)
        saved = self.stripe.setup_intents.retrieve(intent.id)
        assert saved.status == "succeeded"
        assert isinstance(saved.payment_method, str)
        return saved.payment_method

    def charge(
        self, customer: str, card: str, amount: int = 1549, *, key: str | None = None, **more: Any
    ) -> stripe.PaymentIntent:
        """Charge a saved card while its customer is away."""
        params: Any = {
            "amount": amount,
            "currency": "usd",
            "customer": customer,
            "payment_method": card,
            "automatic_payment_methods": NO_REDIRECTS,
            "confirm": True,
            "off_session": True,
            **more,
        }
        return self.stripe.payment_intents.create(params, {"idempotency_key": key} if key else {})

    def paid(self, number: str = "4242424242424242", amount: int = 1549) -> str:
        """Answer the charge of a new customer who paid with this card."""
        charge = self.charge(*self.customer_with(number), amount).latest_charge
        assert isinstance(charge, str)
        return charge

    # ------------------------------------------------ the customer

    def as_customer(
        self, path: str, client_secret: str | None, number: str | None = None, **more: str
    ) -> httpx.Response:
        """Do what Stripe.js does in a customer's browser."""
        card = {"payment_method_data[type]": "card"}
        if number:
            for name, value in {"number": number, "exp_month": "12", "exp_year": "2034", "cvc": "123"}.items():
                card[f"payment_method_data[card][{name}]"] = value
        data = {**(card if number else {}), **more}
        if client_secret is not None:
            data["client_secret"] = client_secret
        return self.http.post(path, data=data, headers={"Authorization": f"Bearer {KEYS.publishable}"})


class Receiver:
    """A platform's webhook endpoint: keeps what it is told, and answers with `statuses`, the last one for ever."""

    def __init__(self) -> None:
        self.received: list[tuple[bytes, str]] = []
        self.statuses = [200]
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.received.append((body, self.headers.get("Stripe-Signature", "")))
                status = receiver.statuses.pop(0) if len(receiver.statuses) > 1 else receiver.statuses[0]
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/webhooks"

    @property
    def events(self) -> list[dict[str, Any]]:
        return [json.loads(body) for body, _ in self.received]

    @property
    def types(self) -> list[str]:
        return [event["type"] for event in self.events]

    @contextmanager
    def listening(self) -> Iterator[Receiver]:
        thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self._server.shutdown()
            self._server.server_close()
            thread.join()


def refused(call: Any) -> stripe.StripeError:
    """Answer the error that a call of the library ends with."""
    try:
        call()
    except stripe.StripeError as error:
        return error
    raise AssertionError("it was not refused")


def details(error: stripe.StripeError) -> dict[str, Any]:
    """Answer the `error` object of a refusal."""
    assert isinstance(error.json_body, dict)
    found: dict[str, Any] = error.json_body["error"]
    return found
