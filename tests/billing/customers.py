"""A customer as a client acts for one: over our API, and over Stripe's with the publishable key."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import uuid4

from rest_framework.test import APIClient

from accounts.models import User
from billing.models import Price
from core.clock import now
from tests.factories.accounts import AccountFactory, sign_in
from tests.standin import Standin

CARDS = {"DE": "4000002760000016", "GB": "4000008260000000", "JP": "4000003920000003"}
"""Good ones by where they were issued."""

SEEN_FROM = "HTTP_X_SEEN_FROM"
"""The header that says where a request comes from: by default, where its customer says to live."""


class Customer:
    """An account, signed in."""

    def __init__(self, standin: Standin, account: User | None = None, **fields: Any) -> None:
        self.standin = standin
        self.account = account or AccountFactory.create(**({"country": "US"} | fields))
        self.http = APIClient()
        self.http.defaults[SEEN_FROM] = self.account.country
        self.sign_in()

    def sign_in(self) -> None:
        """Sign in, which proves a moment ago who it is."""
        self.http.credentials(HTTP_X_SESSION_TOKEN=sign_in(self.account))
        self.signed_in_at = now()

    def _stay_signed_in(self) -> None:
        """Sign in again where the test has travelled: a session of another time has run out, or is none yet."""
        if not timedelta(0) <= now() - self.signed_in_at <= timedelta(days=1):
            self.sign_in()

    def get(self, path: str) -> Any:
        """Answer the response of GET."""
        self._stay_signed_in()
        return self.http.get(f"/api/v1/{path}")

    def delete(self, path: str) -> Any:
        """Answer the response of DELETE."""
        self._stay_signed_in()
        return self.http.delete(f"/api/v1/{path}")

    def post(self, path: str, data: object | None = None, *, key: str | None = None) -> Any:
        """Answer the response of POST, with an Idempotency-Key if one is given."""
        self._stay_signed_in()
        headers = {"Idempotency-Key": key} if key else {}
        return self.http.post(f"/api/v1/{path}", data if data is not None else {}, format="json", headers=headers)

    def save_card(self, number: str = "4242424242424242") -> Any:
        """Save a card after a new sign-in; answers the response of its registration."""
        self.sign_in()
        setup = self.post("payment-methods/setup", key=str(uuid4()))
        assert setup.status_code == 201, setup.content
        confirmed = self.standin.confirm_setup(setup.json()["client_secret"], number)
        if confirmed.json().get("status") == "requires_action":
            self.standin.control.authenticate("setup_intent", setup.json()["setup_intent"])
        return self.post("payment-methods", {"setup_intent": setup.json()["setup_intent"]})

    def subscribe(self, price: Price, /, *, key: str | None = None, **changes: Any) -> Any:
        """Answer the response of buying."""
        wanted = {"price": str(price.pk), "quoted_amount": price.amount, "time_zone": "America/New_York"} | changes
        return self.post("subscriptions", wanted, key=key or str(uuid4()))
