"""What the tests of the stand-in share: a shop on Stripe's own library, and the API without HTTP."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any, cast

import orjson
import stripe

from local.standin.api import Answer, Api, Request
from local.standin.store import Store
from local.standin.world import World
from tests.standin import PUBLISHABLE_KEY, SECRET_KEY, Standin

NO_REDIRECTS: Any = {"enabled": True, "allow_redirects": "never"}
VISA = "4242424242424242"
ALWAYS_AUTHENTICATES = "4000002760003184"
FAILS_LATER = "4000000000000341"


class Shop:
    """A merchant's view: Stripe's library against the stand-in, with the requests that a shop makes."""

    def __init__(self, standin: Standin) -> None:
        self.standin = standin
        self.control = standin.control
        self.v1 = client(standin).v1

    def customer(self, **params: Any) -> str:
        return self.v1.customers.create(cast("Any", params)).id

    def enter_card(self, number: str) -> str:
        """Answer a payment method for a number, as a client makes it."""
        card = {"number": number, "exp_month": 12, "exp_year": 2034, "cvc": "123"}
        return self.v1.payment_methods.create(cast("Any", {"type": "card", "card": card})).id

    def attach(self, customer: str, number: str = VISA) -> str:
        return self.v1.payment_methods.attach(self.enter_card(number), {"customer": customer}).id

    def set_up(self, customer: str, number: str = VISA, *, passed: bool = True) -> stripe.SetupIntent:
        """Save a card with a SetupIntent, and answer the bank's question if there is one."""
        made = self.v1.setup_intents.create(
            cast("Any", {"customer": customer, "automatic_payment_methods": NO_REDIRECTS})
        )
        assert made.client_secret is not None
        self.standin.confirm_setup(made.client_secret, number)
        found = self.v1.setup_intents.retrieve(made.id)
        if found.status == "requires_action":
            self.control.authenticate("setup_intent", made.id, passed=passed)
            found = self.v1.setup_intents.retrieve(made.id)
        return found

    def charge(
        self, method: str = "pm_card_visa", *, amount: int = 1549, key: str | None = None, **params: Any
    ) -> stripe.PaymentIntent:
        """Make and confirm a PaymentIntent: one call, one charge."""
        wanted = {
            "amount": amount,
            "currency": "usd",
            "payment_method": method,
            "confirm": True,
            "automatic_payment_methods": NO_REDIRECTS,
        }
        return self.v1.payment_intents.create(cast("Any", wanted | params), {"idempotency_key": key} if key else None)

    def renew(self, customer: str, method: str, **params: Any) -> stripe.PaymentIntent:
        """Charge a customer who is not there."""
        return self.charge(method, customer=customer, off_session=True, **params)

    def types(self) -> list[str]:
        """Answer the types of all events, oldest first."""
        events = self.v1.events.list({"limit": 100}).auto_paging_iter()
        return [str(event.type) for event in events][::-1]


def client(standin: Standin, key: str = SECRET_KEY) -> stripe.StripeClient:
    """Answer the official library, without retries of its own."""
    return stripe.StripeClient(key, base_addresses={"api": standin.url}, max_network_retries=0)


def error_of(failure: stripe.StripeError) -> dict[str, Any]:
    """Answer the error as it came over the wire."""
    body: Any = failure.json_body
    error: dict[str, Any] = body["error"]
    return error


def eventually(ask: Callable[[], Any], wanted: Any) -> None:
    """Wait until something is so; says what it was otherwise."""
    until = time.monotonic() + 10
    while (found := ask()) != wanted:
        assert time.monotonic() < until, f"still {found!r}, not {wanted!r}"
        time.sleep(0.02)


class Direct:
    """The API in this process, without HTTP, for tests that ask it thousands of times."""

    def __init__(self, path: str = ":memory:") -> None:
        self.world = World(Store(path))
        self.api = Api(self.world, secret_key=SECRET_KEY, publishable_key=PUBLISHABLE_KEY)

    def send(
        self,
        method: str,
        path: str,
        params: dict[str, Any] | None = None,
        *,
        key: str | None = None,
        by: str = SECRET_KEY,
    ) -> Answer:
        """Send one request; answer what came back."""
        text = "&".join(f"{name}={value}" for name, value in _flat(params or {}))
        given = {"body": text} if method == "POST" else {"query": text}
        request = Request(method, path, authorization=f"Bearer {by}", key=key, base="http://stand-in", **given)
        answer = self.api.answer(request)
        self.api.work_off()
        return answer

    def ask(self, method: str, path: str, params: dict[str, Any] | None = None, **options: Any) -> dict[str, Any]:
        """Send one request; answer the object that came back, which may be an error."""
        found: dict[str, Any] = orjson.loads(self.send(method, path, params, **options).body)
        return found

    def post(self, path: str, **params: Any) -> dict[str, Any]:
        return self.ask("POST", f"/v1/{path}", params)

    def get(self, path: str, **params: Any) -> dict[str, Any]:
        return self.ask("GET", f"/v1/{path}", params)

    def charge(self, method: str = "pm_card_visa", **params: Any) -> dict[str, Any]:
        """Make and confirm a PaymentIntent."""
        wanted = {
            "amount": 1549,
            "currency": "usd",
            "payment_method": method,
            "confirm": "true",
            "automatic_payment_methods": {"enabled": "true", "allow_redirects": "never"},
        }
        return self.post("payment_intents", **(wanted | params))


def _flat(params: dict[str, Any], within: str = "") -> Iterator[tuple[str, str]]:
    for name, value in params.items():
        where = f"{within}[{name}]" if within else name
        if isinstance(value, dict):
            yield from _flat(value, where)
        elif isinstance(value, list):
            yield from _flat({str(position): entry for position, entry in enumerate(value)}, where)
        else:
            yield where, str(value)
