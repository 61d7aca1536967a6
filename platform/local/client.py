"""A client of the platform's API, as an app would be: it knows the addresses and nothing else."""

from __future__ import annotations

import re
import time
from typing import Any
from uuid import uuid4

import httpx

CARD = {"exp_month": "12", "exp_year": "2034", "cvc": "123"}


class Refused(Exception):
    """The platform answered with an error; the message quotes it."""


class Client:
    """One person's app: signs up, signs in, and asks as them."""

    def __init__(self, url: str, *, language: str = "en") -> None:
        self.http = httpx.Client(base_url=url, headers={"Accept-Language": language}, timeout=60, trust_env=False)

    # ------------------------------------------------ accounts

    def sign_up(self, email: str, password: str, country: str) -> None:
        """Begin an account, agreeing to what nobody has one without; a code goes to its address."""
        agreed = " ".join(document["id"] for document in self.get("policies") if document["is_required"])
        data = {"email": email, "password": password, "country": country, "consents": agreed}
        answer = self._auth("POST", "auth/signup", data)
        self._take_token(answer, expected={401, 200})

    def verify_email(self, code: str) -> None:
        """Prove the address; this signs in."""
        self._take_token(self._auth("POST", "auth/email/verify", {"key": code}), expected={200})

    def sign_in(self, email: str, password: str) -> None:
        """Sign in."""
        self._take_token(self._auth("POST", "auth/login", {"email": email, "password": password}), expected={200})

    def _auth(self, method: str, path: str, data: dict[str, Any]) -> httpx.Response:
        return self.http.request(method, f"/_allauth/app/v1/{path}", json=data)

    def _take_token(self, answer: httpx.Response, *, expected: set[int]) -> None:
        if answer.status_code not in expected:
            raise Refused(_said(answer))
        token = answer.json().get("meta", {}).get("session_token")
        if token:
            self.http.headers["X-Session-Token"] = token

    # ------------------------------------------------ the API

    def get(self, path: str, **query: Any) -> Any:
        """Read /api/v1/`path`."""
        return _read(self.http.get(f"/api/v1/{path}", params=query))

    def post(self, path: str, data: dict[str, Any] | None = None, *, key: str | None = None) -> Any:
        """Write to /api/v1/`path`, as one request however often it is sent with the same `key`."""
        headers = {"Idempotency-Key": key or str(uuid4())}
        return _read(self.http.post(f"/api/v1/{path}", json=data or {}, headers=headers))

    # ------------------------------------------------ billing

    def save_card(self, number: str) -> dict[str, Any]:
        """Save a card: its number goes to Stripe, never to the platform."""
        setup = self.post("payment-methods/setup")
        browser = Browser(api_base=setup["api_base"], publishable_key=setup["publishable_key"])
        browser.enter_card(setup_intent=setup["setup_intent"], client_secret=setup["client_secret"], number=number)
        saved: dict[str, Any] = self.post("payment-methods", {"setup_intent": setup["setup_intent"]})
        return saved

    def subscribe(self, price: dict[str, Any]) -> dict[str, Any]:
        """Buy a plan at a price from `plans`, for what is shown before, credit and debts included."""
        bought: dict[str, Any] = self.post("subscriptions", self.order(price))
        return bought

    def order(self, price: dict[str, Any]) -> dict[str, Any]:
        """Ask what buying costs and charges now; answers what to send with the purchase once a person has seen it."""
        shown = self.post("subscriptions/quote", {"price": price["id"]})
        return {"price": price["id"], "quoted_amount": shown["amount"], "quoted_due": shown["due"]}


class Browser:
    """Stripe.js in a customer's browser: it tells Stripe of cards, and the platform never."""

    def __init__(self, *, api_base: str, publishable_key: str) -> None:
        self.http = httpx.Client(
            base_url=api_base, headers={"Authorization": f"Bearer {publishable_key}"}, timeout=60, trust_env=False
        )

    def enter_card(self, *, setup_intent: str, client_secret: str, number: str) -> str:
        """Enter a card to be saved; answers the id of the payment method that it became."""
        card = {f"payment_method_data[card][{name}]": value for name, value in (CARD | {"number": number}).items()}
        data = {"client_secret": client_secret, "payment_method_data[type]": "card", **card}
        return str(_read(self.http.post(f"/v1/setup_intents/{setup_intent}/confirm", data=data))["payment_method"])

    def pay(self, *, payment_intent: str, client_secret: str, payment_method: str) -> str:
        """Confirm a payment with a saved card while the customer is there; answers the PaymentIntent's status."""
        data = {"client_secret": client_secret, "payment_method": payment_method}
        return str(_read(self.http.post(f"/v1/payment_intents/{payment_intent}/confirm", data=data))["status"])


class Inbox:
    """Reads what the platform has mailed."""

    def __init__(self, url: str) -> None:
        self.http = httpx.Client(base_url=url, timeout=30, trust_env=False)

    def code_for(self, address: str, *, within: float = 30) -> str:
        """Wait for a mail to `address` and answer the code in it."""
        until = time.monotonic() + within
        while time.monotonic() < until:
            for mail in _read(self.http.get("/api/messages", params={"to": address})):
                text = _read(self.http.get(f"/api/messages/{mail['id']}"))["text"]
                if found := re.search(r"^\s*([A-Z0-9]{3,4}-?[A-Z0-9]{3,4})\s*$", text, re.MULTILINE):
                    return found[1]
            time.sleep(0.2)
        raise Refused(f"no mail with a code came for {address} within {within:.0f} s")


def _read(answer: httpx.Response) -> Any:
    if answer.is_error:
        raise Refused(_said(answer))
    return answer.json() if answer.content else None


def _said(answer: httpx.Response) -> str:
    return f"{answer.request.method} {answer.request.url.path} answered {answer.status_code}: {answer.text[:500]}"
