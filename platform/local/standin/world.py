"""What every resource stands on: the clock, new ids, events, and what happens later by itself."""

from __future__ import annotations

import secrets
import time
from typing import Any

from local.standin.store import Object, Store
from local.standin.wire import missing

API_VERSION = "2026-10-28.endive"


class World:
    """The stand-in's state and time."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.endpoints: list[Object] = []
        """Webhook endpoints given at the start, beside those made over the API."""

    # ------------------------------------------------ time

    def now(self) -> int:
        """Answer the present in Unix seconds: the driven clock's, else the system's."""
        driven = self.store.note("clock")
        return int(driven) if driven else int(time.time())

    def set_clock(self, at: int | None) -> None:
        """Stop the clock at an instant, or let it run with the system's again."""
        with self.store.transaction():
            self.store.write_note("clock", None if at is None else str(at))

    # ------------------------------------------------ objects

    def new_id(self, prefix: str) -> str:
        """Make an id in Stripe's manner."""
        return f"{prefix}_{secrets.token_hex(12)}"

    def get(self, kind: str, object_id: str, *, param: str = "id", name: str | None = None) -> Object:
        """Answer an object, or raise resource_missing."""
        found = self.store.find(kind, object_id)
        if found is None or found.get("deleted"):
            raise missing(name or kind, object_id, param)
        return found

    # ------------------------------------------------ events

    def tell(self, kind: str, subject: Object, *, request: Object | None = None) -> None:
        """Append an event about an object and queue its webhooks."""
        event = {
            "id": self.new_id("evt"),
            "object": "event",
            "api_version": API_VERSION,
            "created": self.now(),
            "data": {"object": subject},
            "livemode": False,
            "pending_webhooks": 0,
            "request": request or {"id": None, "idempotency_key": None},
            "type": kind,
        }
        targets = [
            endpoint
            for endpoint in [*self.endpoints, *self.store.everything("webhook_endpoint")]
            if {"*", kind} & set(endpoint["enabled_events"])
        ]
        event["pending_webhooks"] = len(targets)
        self.store.add(event)
        self.store.db.executemany(
            "INSERT INTO delivery (event, endpoint, due) VALUES (?, ?, ?)",
            [(event["id"], endpoint["id"], time.time()) for endpoint in targets],
        )

    # ------------------------------------------------ later

    def later(self, what: str, object_id: str, *, seconds: int) -> None:
        """Put something on the to-do list of the clock."""
        self.store.db.execute(
            "INSERT INTO todo (due, what, object) VALUES (?, ?, ?)", (self.now() + seconds, what, object_id)
        )

    def take_due(self) -> list[tuple[str, str]]:
        """Take what is due off the list."""
        rows = self.store.db.execute(
            "DELETE FROM todo WHERE due <= ? RETURNING id, what, object", (self.now(),)
        ).fetchall()
        return [(what, object_id) for _, what, object_id in sorted(rows)]

    # ------------------------------------------------ money

    def book(self, *, kind: str, amount: int, fee: int, currency: str, source: str, category: str) -> Object:
        """Append a balance transaction: what `source` did to the balance."""
        now = self.now()
        details: list[dict[str, Any]] = []
        if fee:
            details = [
                {
                    "amount": fee,
                    "application": None,
                    "currency": currency,
                    "description": "Stripe processing fees",
                    "type": "stripe_fee",
                }
            ]
        return self.store.add(
            {
                "id": self.new_id("txn"),
                "object": "balance_transaction",
                "amount": amount,
                "available_on": now + 2 * 86_400,
                "created": now,
                "currency": currency,
                "description": None,
                "exchange_rate": None,
                "fee": fee,
                "fee_details": details,
                "net": amount - fee,
                "reporting_category": category,
                "source": source,
                "status": "pending",
                "type": kind,
            },
            parent=source,
        )
