"""Delivery of webhooks: signed, retried, surviving a restart (docs.stripe.com/webhooks)."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import random
import time
from typing import NamedTuple

import httpx
import orjson

from local.standin.faults import Faults
from local.standin.store import Object
from local.standin.world import World

LONGEST_WAIT = 3600.0
MOST_ATTEMPTS = 16
AT_ONCE = 32
"""Deliveries in flight: at 300 ms a receiver gets some hundred a second, and the API keeps its turn."""
EVERY = 0.05
"""Seconds between looks for what is due."""
PATIENCE = 10.0
"""Seconds that a receiver may take."""


class Delivery(NamedTuple):
    """A webhook on its way."""

    id: int
    event: str
    endpoint: str
    attempts: int


def sign(payload: bytes, secrets: list[str], at: int) -> str:
    """Answer the Stripe-Signature header: a time, and a v1 for each active secret."""
    signed = f"{at}.".encode() + payload
    signatures = [hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest() for secret in secrets]
    return ",".join([f"t={at}", *(f"v1={signature}" for signature in signatures)])


class Deliverer:
    """Sends what is due, beside the API; a slow receiver holds up its own deliveries alone."""

    def __init__(self, world: World, faults: Faults) -> None:
        self.world = world
        self.faults = faults
        self._in_flight: dict[int, asyncio.Task[None]] = {}
        # One client a slot: a pool shared by many looks through all of its connections for each request.
        trust = httpx.create_ssl_context()
        self._clients = [httpx.AsyncClient(timeout=PATIENCE, trust_env=False, verify=trust) for _ in range(AT_ONCE)]

    async def run(self) -> None:
        """Deliver for ever."""
        async with asyncio.TaskGroup() as deliveries:
            while True:
                for delivery in self._due():
                    self._in_flight[delivery.id] = deliveries.create_task(self._deliver(delivery))
                if self._in_flight:
                    await asyncio.wait(self._in_flight.values(), timeout=EVERY, return_when=asyncio.FIRST_COMPLETED)
                else:
                    await asyncio.sleep(EVERY)

    def _due(self) -> list[Delivery]:
        """Answer what to send now, as many as there is room for."""
        room = (1 if self.faults.webhooks.shuffle else AT_ONCE) - len(self._in_flight)
        if self.faults.webhooks.drop or room <= 0:
            return []
        rows = self.world.store.db.execute(
            "SELECT id, event, endpoint, attempts FROM delivery WHERE due <= ? ORDER BY due, id LIMIT ?",
            (time.time() - self.faults.webhooks.delay, AT_ONCE + len(self._in_flight)),
        )
        waiting = [Delivery(*row) for row in rows if row[0] not in self._in_flight]
        if self.faults.webhooks.shuffle:
            random.shuffle(waiting)
        return waiting[:room]

    async def _deliver(self, delivery: Delivery) -> None:
        client = self._clients.pop()
        try:
            await self._try(client, delivery)
        finally:
            self._clients.append(client)
            del self._in_flight[delivery.id]

    async def _try(self, client: httpx.AsyncClient, delivery: Delivery) -> None:
        event = self.world.store.find("event", delivery.event)
        endpoint = self.world.endpoints().get(delivery.endpoint)
        if event is None or endpoint is None:
            self._forget(delivery)
            return
        arrived = False
        for _ in range(self.faults.webhooks.copies):
            arrived = await self._post(client, endpoint, orjson.dumps(event)) or arrived
        if arrived:
            self._forget(delivery)
        else:
            self._put_off(delivery)

    async def _post(self, client: httpx.AsyncClient, endpoint: Object, payload: bytes) -> bool:
        secrets = ["whsec_of_somebody_else"] if self.faults.webhooks.forge else endpoint["secret"].split(",")
        headers = {
            "Content-Type": "application/json; charset=utf-8",
            # Each try is signed anew.
            "Stripe-Signature": sign(payload, secrets, self.world.signing_time()),
        }
        try:
            return (await client.post(endpoint["url"], content=payload, headers=headers)).is_success
        except (httpx.HTTPError, httpx.InvalidURL):
            return False

    def _forget(self, delivery: Delivery) -> None:
        self.world.store.db.execute("DELETE FROM delivery WHERE id = ?", (delivery.id,))

    def _put_off(self, delivery: Delivery) -> None:
        """Try again later, each time after twice as long; after the last try the event counts as undelivered."""
        due = time.time() + min(2.0**delivery.attempts, LONGEST_WAIT) if delivery.attempts + 1 < MOST_ATTEMPTS else None
        self.world.store.db.execute(
            "UPDATE delivery SET attempts = attempts + 1, due = ? WHERE id = ?", (due, delivery.id)
        )
