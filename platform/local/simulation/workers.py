"""What beat has workers do, and how Stripe's webhooks reach them."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any

from django.db import connections

from billing.gateway import GatewayUnavailable
from billing.models import TieOut
from billing.services import (
    card_care,
    documents,
    figures,
    gifts,
    notices,
    payments,
    recognition,
    refunds,
    renewals,
    tie_out,
    webhooks,
)
from local.simulation.world import Killed, World

MANY = 1_000_000
LATE = 0.03
"""Share of webhooks that come a day late."""
TWICE = 0.1
LOST = 0.02
"""Share that never comes: the nightly poll finds them."""


class Workers:
    """Those who work off what is due."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.handled = 0
        self._heard_until = world.begins
        self._on_their_way: list[tuple[datetime, Mapping[str, Any]]] = []

    # ------------------------------------------------ what runs all day

    def work(self, *, at_once: int = 1, skew: timedelta = timedelta()) -> None:
        """Renew and settle what is due, by `at_once` workers whose clocks are wrong by `skew`."""
        now = self.world.now + skew
        if at_once == 1:
            self._renew(now)
        else:
            with ThreadPoolExecutor(at_once) as pool:
                list(pool.map(lambda _: self._renew_apart(now), range(at_once)))
        for minutes in (2, 4):
            try:
                payments.sweep(gateway=self.world.gateway, now=now + timedelta(minutes=minutes))
            except Killed:
                self.world.acts["workers killed"] += 1
        refunds.sweep(gateway=self.world.gateway, now=self.world.now)
        self.apply_webhooks()

    def _renew(self, now: datetime) -> None:
        try:
            handled = renewals.run(gateway=self.world.gateway, clock=lambda: now, limit=MANY)
        except Killed:
            self.world.acts["workers killed"] += 1
        else:
            self.handled += len(handled)

    def _renew_apart(self, now: datetime) -> None:
        try:
            self._renew(now)
        finally:
            connections.close_all()

    # ------------------------------------------------ what runs once a day

    def work_nightly(self) -> list[TieOut]:
        """Do what runs once a day; answers the reports of the tie-out."""
        now = self.world.now
        notices.announce_prices(now=now, limit=MANY)
        notices.remind(now=now, limit=MANY)
        card_care.warn_of_expiry(now=now)
        gifts.deliver_due(now=now)
        gifts.expire_due(now=now)
        documents.send_receipts(now=now)
        try:
            webhooks.fill_holes(gateway=self.world.gateway, livemode=False, now=now)
            reports = tie_out.tie_out_due(gateway=self.world.gateway, now=now)
        except GatewayUnavailable:
            reports = []
        recognition.recognise_due(now=now)
        figures.record_due(now=now)
        return reports

    # ------------------------------------------------ webhooks

    def receive_webhooks(self) -> None:
        """Take in what Stripe has sent by now: in any order, some twice, some a day late, some never."""
        now = self.world.now
        chance = self.world.chance("webhooks", now.isoformat())
        try:
            sent = list(self.world.gateway.events(since=self._heard_until))
        except GatewayUnavailable:
            return
        self._heard_until = now
        arrived = [event for at, event in self._on_their_way if at <= now]
        self._on_their_way = [(at, event) for at, event in self._on_their_way if at > now]
        for event in sent:
            drawn = chance.random()
            if drawn < LATE:
                self._on_their_way.append((now + timedelta(days=1), event))
            elif drawn >= LATE + LOST:
                arrived += [event] * (2 if chance.random() < TWICE else 1)
        chance.shuffle(arrived)
        for event in arrived:
            webhooks.receive(event=event, livemode=False, now=now)
        self.world.acts["webhooks received"] += len(arrived)

    def apply_webhooks(self) -> None:
        """Work off the events that wait."""
        while webhooks.process_due(gateway=self.world.gateway, now=self.world.now):
            pass
