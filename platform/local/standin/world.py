"""What every resource stands on: the clock, new ids, events, and what happens later by itself."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from local.standin.store import Object, Store
from local.standin.wire import missing

API_VERSION = "2026-10-28.endive"


class World:
    """The stand-in's state and time.

    `endpoints` are webhook endpoints given at the start, beside those made over the API.
    """

    def __init__(self, store: Store, endpoints: list[Object] | None = None) -> None:
        self.store = store
        self._given = endpoints or []
        self._read_notes()

    def _read_notes(self) -> None:
        clock = self.store.note("clock")
        self._clock = int(clock) if clock else None
        self._signs = self.store.note("sign") is not None
        self._endpoints: dict[str, Object] | None = None

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Commit what is done inside, or nothing of it."""
        try:
            with self.store.transaction():
                yield
        except BaseException:
            self._read_notes()
            raise

    def reset(self) -> None:
        """Forget everything."""
        self.store.reset()
        self._read_notes()

    # ------------------------------------------------ time

    def now(self) -> int:
        """Answer the present in Unix seconds: the driven clock's, else the system's."""
        return int(time.time()) if self._clock is None else self._clock

    def signing_time(self) -> int:
        """Answer the time that webhooks are signed with: the system's, unless the clock drives that too."""
        return self.now() if self._signs else int(time.time())

    def driven(self) -> bool:
        """Answer whether the clock is stopped at an instant."""
        return self._clock is not None

    def set_clock(self, at: int | None, *, sign: bool = False) -> None:
        """Stop the clock at an instant, or let it run with the system's again; `sign` says whose time webhooks bear."""
        with self.store.transaction():
            self.store.write_note("clock", None if at is None else str(at))
            self.store.write_note("sign", "yes" if sign and at is not None else None)
        self._read_notes()

    # ------------------------------------------------ objects

    def new_id(self, prefix: str) -> str:
        """Make an id in Stripe's manner."""
        return f"{prefix}_{secrets.token_hex(12)}"

    def get(self, kind: str, object_id: str, *, param: str = "id", name: str | None = None) -> Object:
        """Answer an object, or raise resource_missing."""
        found = self.store.find(kind, object_id)
        if found is None:
            raise missing(name or kind, object_id, param)
        return found

    # ------------------------------------------------ events

    def endpoints(self) -> dict[str, Object]:
        """Answer the webhook endpoints by id, each with its secret."""
        if self._endpoints is None:
            made = [
                endpoint | {"secret": self.store.hidden(endpoint["id"], "secret")}
                for endpoint in self.store.everything("webhook_endpoint")
            ]
            self._endpoints = {endpoint["id"]: endpoint for endpoint in [*self._given, *made]}
        return self._endpoints

    def endpoints_changed(self) -> None:
        """Read the endpoints anew when they are needed next."""
        self._endpoints = None

    def tell(self, kind: str, subject: Object, *, request: Object | None = None) -> None:
        """Append an event about an object and queue its webhooks."""
        targets = [
            endpoint["id"] for endpoint in self.endpoints().values() if {"*", kind} & set(endpoint["enabled_events"])
        ]
        event = {
            "id": self.new_id("evt"),
            "object": "event",
            "api_version": API_VERSION,
            "created": self.now(),
            "data": {"object": subject},
            "livemode": False,
            "pending_webhooks": len(targets),
            "request": request or {"id": None, "idempotency_key": None},
            "type": kind,
        }
        self.store.add(event, parent=kind)
        self.store.db.executemany(
            "INSERT INTO delivery (event, endpoint, due) VALUES (?, ?, ?)",
            [(event["id"], target, time.time()) for target in targets],
        )

    # ------------------------------------------------ later

    def later(self, what: str, object_id: str) -> None:
        """Put something on the list of what happens next, after this request."""
        self.store.db.execute("INSERT INTO todo (what, object) VALUES (?, ?)", (what, object_id))

    def take_todo(self) -> list[tuple[str, str]]:
        """Take everything off the list."""
        rows = self.store.db.execute("DELETE FROM todo RETURNING id, what, object").fetchall()
        return [(what, object_id) for _, what, object_id in sorted(rows)]

    def has_todo(self) -> bool:
        """Answer whether something is on the list."""
        return self.store.db.execute("SELECT 1 FROM todo LIMIT 1").fetchone() is not None

    # ------------------------------------------------ money

    def book(self, *, kind: str, amount: int, fee: int, currency: str, source: str, category: str) -> Object:
        """Append a balance transaction: what `source` did to the balance."""
        now = self.now()
        details: list[dict[str, Any]] = []
        if fee:
            details = [{"amount": fee, "application": None, "currency": currency,
                        "description": "Stripe processing fees", "type": "stripe_fee"}]  # fmt: skip
        self.store.add_to_balance(currency, amount - fee)
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
