"""Delivery of webhooks: signed, retried with back-off, surviving a restart.

A delivery is a row that is written with its event. Waiting and trying again go by real time, since
the receiver is real; the signature's timestamp is the stand-in's clock.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import logging
import random
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import httpx
import orjson

from local.stripe_standin.clock import Clock
from local.stripe_standin.errors import NotFound
from local.stripe_standin.faults import WebhookFaults
from local.stripe_standin.resources import events
from local.stripe_standin.store import Store
from local.stripe_standin.work import Thing, Work, new_id

MOST_ATTEMPTS = 12
"""Tries of one delivery, over about 25 minutes."""

LONGEST_WAIT = 300.0
TIMEOUT = 10.0
AT_ONCE = 8
FOREIGN_SECRET = "whsec_of_somebody_else"  # noqa: S105 - nobody's secret

log = logging.getLogger(__name__)


def sign(payload: bytes, signing_secrets: list[str], moment: int) -> str:
    """Answer a Stripe-Signature header: a time, and a v1 for each active secret."""
    signed = f"{moment}.".encode() + payload
    digests = (hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest() for secret in signing_secrets)
    return ",".join([f"t={moment}", *(f"v1={digest}" for digest in digests)])


def enqueue(work: Work, faults: WebhookFaults, chance: random.Random) -> None:
    """Write down whom to tell of this transaction's events; to be called in the transaction."""
    if not work.events:
        return
    endpoints = [endpoint for endpoint in work.select("kind = 'webhook_endpoint'") if endpoint["status"] == "enabled"]
    state = "dropped" if faults.drop else "held" if faults.hold else "pending"
    for number, event_type, _ in work.events:
        for endpoint in endpoints:
            if not {"*", event_type} & set(endpoint["enabled_events"]):
                continue
            for _ in range(faults.copies):
                due = time.time() + faults.delay + chance.random() * faults.shuffle
                _add(work.store, number, endpoint["id"], state, due)


def resend(store: Store, event_id: str) -> None:
    """Deliver an event once more to every endpoint, however old it is; raises NotFound."""
    row = store.row("SELECT seq FROM events WHERE id = ?", event_id)
    if row is None:
        raise NotFound.of("event", event_id)
    for (endpoint,) in store.rows("SELECT id FROM objects WHERE kind = 'webhook_endpoint'"):
        _add(store, row[0], endpoint, "pending", time.time())


def release(store: Store, order: str, chance: random.Random) -> int:
    """Deliver what is held, one after another, in the order `created`, `reversed` or `shuffled`; answers how many."""
    held = [number for (number,) in store.rows("SELECT seq FROM deliveries WHERE state = 'held' ORDER BY seq")]
    match order:
        case "reversed":
            held.reverse()
        case "shuffled":
            chance.shuffle(held)
        case "created":
            pass
        case _:
            raise ValueError("order is created, reversed or shuffled")
    now = time.time()
    for place, number in enumerate(held):
        # Far enough apart to arrive in this order.
        store.run("UPDATE deliveries SET state = 'pending', due = ? WHERE seq = ?", now + place * 0.05, number)
    return len(held)


def waiting(store: Store) -> int:
    """Answer how many deliveries are still to be made, those that are held aside."""
    return int(store.row("SELECT count(*) FROM deliveries WHERE state = 'pending'")[0])


def _add(store: Store, event: int, endpoint: str, state: str, due: float) -> None:
    store.run("INSERT INTO deliveries (event, endpoint, state, due) VALUES (?, ?, ?, ?)", event, endpoint, state, due)


class Deliverer:
    """Sends what is due, a few at once, beside the API."""

    def __init__(self, store: Store, clock: Clock, faults: Callable[[], WebhookFaults]) -> None:
        self.store = store
        self.clock = clock
        self.faults = faults
        self.woken = asyncio.Event()
        self._under_way: dict[int, asyncio.Task[None]] = {}

    async def run(self) -> None:
        """Deliver for ever."""
        async with httpx.AsyncClient(timeout=TIMEOUT, trust_env=False) as client:
            while True:
                self.woken.clear()
                self._start_due(client)
                try:
                    async with asyncio.timeout(self._wait()):
                        await self.woken.wait()
                except TimeoutError:
                    pass

    def _start_due(self, client: httpx.AsyncClient) -> None:
        free = AT_ONCE - len(self._under_way)
        if free <= 0:
            return
        due = self.store.rows(
            "SELECT seq, event, endpoint, attempts FROM deliveries WHERE state = 'pending' AND due <= ? "
            "ORDER BY due, seq LIMIT ?",
            time.time(),
            AT_ONCE + free,
        )
        for number, event, endpoint, attempts in [row for row in due if row[0] not in self._under_way][:free]:
            task = asyncio.create_task(self._deliver(client, number, event, endpoint, attempts))
            self._under_way[number] = task
            task.add_done_callback(partial(self._finished, number))

    def _finished(self, number: int, _: asyncio.Task[None]) -> None:
        self._under_way.pop(number, None)
        self.woken.set()

    def _wait(self) -> float | None:
        """Answer the seconds until something else is due; None when nothing waits."""
        if len(self._under_way) >= AT_ONCE:
            return None
        rows = self.store.rows(
            "SELECT seq, due FROM deliveries WHERE state = 'pending' ORDER BY due, seq LIMIT ?",
            len(self._under_way) + 1,
        )
        moments = [due for number, due in rows if number not in self._under_way]
        return max(0.0, moments[0] - time.time()) if moments else None

    async def _deliver(
        self, client: httpx.AsyncClient, number: int, event: int, endpoint_id: str, attempts: int
    ) -> None:
        endpoint = Work(self.store, self.clock.now()).find(endpoint_id)
        if endpoint is None:
            self.store.run("DELETE FROM deliveries WHERE seq = ?", number)
            return
        payload = orjson.dumps(events.by_number(self.store, event))
        signing_secrets = [FOREIGN_SECRET] if self.faults().forge else _active_secrets(endpoint, self.clock.now())
        status = await post(client, endpoint["url"], payload, sign(payload, signing_secrets, self.clock.now()))
        if 200 <= status < 300:
            self.store.run("UPDATE deliveries SET state = 'delivered' WHERE seq = ?", number)
        elif attempts + 1 >= MOST_ATTEMPTS:
            log.warning("A webhook was given up after %s tries: %s", MOST_ATTEMPTS, endpoint["url"])
            self.store.run("UPDATE deliveries SET state = 'failed' WHERE seq = ?", number)
        else:
            self.store.run(
                "UPDATE deliveries SET attempts = attempts + 1, due = ? WHERE seq = ?",
                time.time() + min(2.0**attempts, LONGEST_WAIT),
                number,
            )


def _active_secrets(endpoint: Thing, now: int) -> list[str]:
    retired = [secret for secret, until in endpoint.get("_retired", []) if until > now]
    return [*endpoint["_secrets"], *retired]


async def post(client: httpx.AsyncClient, url: str, payload: bytes, signature: str) -> int:
    """Send one webhook; answers the receiver's status, or 0 if there was no answer."""
    headers = {
        "Content-Type": "application/json; charset=utf-8",
        "Stripe-Signature": signature,
        "User-Agent": "Stripe/1.0 (+https://stripe.com/docs/webhooks)",
    }
    try:
        return (await client.post(url, content=payload, headers=headers)).status_code
    except (httpx.HTTPError, httpx.InvalidURL):
        return 0


async def forge(store: Store, now: int, *, event_type: str, thing: Any, flaw: str) -> list[int]:
    """Send an event that never happened to every endpoint; answers their statuses.

    `flaw` says what is wrong: `secret` (somebody else's), `body` (changed after signing), `timestamp`
    (signed an hour ago), `unsigned`, or `none` (a stolen secret).
    """
    event = {
        "id": new_id("event"),
        "object": "event",
        "api_version": events.API_VERSION,
        "created": now,
        "data": {"object": thing},
        "livemode": False,
        "pending_webhooks": 1,
        "request": {"id": None, "idempotency_key": None},
        "type": event_type,
    }
    payload = orjson.dumps(event)
    statuses = []
    async with httpx.AsyncClient(timeout=TIMEOUT, trust_env=False) as client:
        for endpoint in Work(store, now).select("kind = 'webhook_endpoint' ORDER BY seq"):
            own = _active_secrets(endpoint, now)
            match flaw:
                case "secret":
                    sent, signature = payload, sign(payload, [FOREIGN_SECRET], now)
                case "body":
                    sent, signature = payload + b" ", sign(payload, own, now)
                case "timestamp":
                    sent, signature = payload, sign(payload, own, now - 3600)
                case "unsigned":
                    sent, signature = payload, ""
                case "none":
                    sent, signature = payload, sign(payload, own, now)
                case _:
                    raise ValueError("flaw is secret, body, timestamp, unsigned or none")
            statuses.append(await post(client, endpoint["url"], sent, signature))
    return statuses
