"""Delivery of webhooks: signed, retried, surviving a restart (docs.stripe.com/webhooks)."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import random
import time

import httpx
import orjson

from local.standin.faults import Faults
from local.standin.store import Object
from local.standin.world import World

LONGEST_WAIT = 3600.0
MOST_ATTEMPTS = 16
AT_ONCE = 16
EVERY = 0.05
"""Seconds between looks for what is due."""


def sign(payload: bytes, secrets: list[str], at: int) -> str:
    """Answer the Stripe-Signature header: a time, and a v1 for each active secret."""
    signed = f"{at}.".encode() + payload
    signatures = [hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest() for secret in secrets]
    return ",".join([f"t={at}", *(f"v1={signature}" for signature in signatures)])


class Deliverer:
    """Sends what is due, beside the API."""

    def __init__(self, world: World, faults: Faults) -> None:
        self.world = world
        self.faults = faults

    async def run(self) -> None:
        """Deliver for ever."""
        async with httpx.AsyncClient(timeout=10, trust_env=False) as client:
            while True:
                if not await self._deliver_due(client):
                    await asyncio.sleep(EVERY)

    async def _deliver_due(self, client: httpx.AsyncClient) -> bool:
        if self.faults.webhooks.drop:
            return False
        latest = time.time() - self.faults.webhooks.delay
        rows = self.world.store.db.execute(
            "SELECT id, event, endpoint, attempts FROM delivery WHERE due <= ? ORDER BY due, id LIMIT ?",
            (latest, AT_ONCE),
        ).fetchall()
        if self.faults.webhooks.shuffle:
            random.shuffle(rows)
        endpoints = {endpoint["id"]: endpoint for endpoint in self._endpoints()}
        for row in rows if self.faults.webhooks.shuffle else []:
            await self._deliver(client, endpoints, *row)
        if not self.faults.webhooks.shuffle:
            await asyncio.gather(*(self._deliver(client, endpoints, *row) for row in rows))
        return bool(rows)

    def _endpoints(self) -> list[Object]:
        return [*self.world.endpoints, *self.world.store.everything("webhook_endpoint")]

    async def _deliver(
        self,
        client: httpx.AsyncClient,
        endpoints: dict[str, Object],
        row: int,
        event_id: str,
        endpoint_id: str,
        attempts: int,
    ) -> None:
        event, endpoint = self.world.store.find("event", event_id), endpoints.get(endpoint_id)
        if event is None or endpoint is None:
            self.world.store.db.execute("DELETE FROM delivery WHERE id = ?", (row,))
            return
        payload = orjson.dumps(event)
        secrets = ["whsec_of_somebody_else"] if self.faults.webhooks.forge else endpoint["secret"].split(",")
        arrived = False
        for _ in range(self.faults.webhooks.copies):
            try:
                answer = await client.post(
                    endpoint["url"],
                    content=payload,
                    headers={
                        "Content-Type": "application/json; charset=utf-8",
                        # Each try is signed anew, with the time of this machine: the receiver's tolerance is real.
                        "Stripe-Signature": sign(payload, secrets, int(time.time())),
                    },
                )
                arrived = answer.is_success or arrived
            except httpx.HTTPError:
                continue
        if arrived or attempts + 1 >= MOST_ATTEMPTS:
            self.world.store.db.execute("DELETE FROM delivery WHERE id = ?", (row,))
        else:
            wait = min(2.0**attempts, LONGEST_WAIT)
            self.world.store.db.execute(
                "UPDATE delivery SET attempts = attempts + 1, due = ? WHERE id = ?", (time.time() + wait, row)
            )
