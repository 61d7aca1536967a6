"""What goes wrong in a simulation: services, workers, the gateway and clocks."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from billing.models import Outage, Period, Subscription
from billing.rules import CatchUp, Status
from billing.services import outages, renewals
from billing.services.renewals import CatchUp as Named
from local.simulation.workers import MANY, Workers
from local.simulation.world import World

FAULTS = ("lost_reply", "error_before", "error_after", "rate_limited", "refused", "latency")
BEYOND_PATIENCE = 1.5
"""Seconds: longer than the simulation's gateway waits for an answer."""

# How likely each is to begin on one day.
SERVICE_AWAY = 0.008
WORKERS_AWAY = 0.015
GATEWAY_AWAY = 0.01
GATEWAY_FAULTS = 0.15
DEATH = 0.08
TWO_AT_ONCE = 0.08
SKEWED = 0.05
JUMP = 0.01
LONGEST_AWAY = 4
JUMPS = (1, 1, 2, 5, 12, 31, 40)
"""Days."""


class Mishaps:
    """What is wrong at present."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.workers_away = 0
        """For how many more days nobody works off what is due."""
        self.gateway_away = 0
        self._outage: Outage | None = None
        self._outage_ends: datetime = world.now

    def begin_day(self, day: int) -> None:
        """Let the gateway, the workers and the service go away and come back."""
        chance = self.world.chance("mishaps", day)
        self.workers_away = max(0, self.workers_away - 1)
        if not self.workers_away and chance.random() < WORKERS_AWAY:
            self.workers_away = chance.randrange(1, LONGEST_AWAY + 1)
            self.world.acts["days without workers"] += self.workers_away
        self.world.control.clear()
        self.gateway_away = max(0, self.gateway_away - 1)
        if not self.gateway_away and chance.random() < GATEWAY_AWAY:
            self.gateway_away = chance.randrange(1, 3)
            self.world.acts["days without gateway"] += self.gateway_away
        if self.gateway_away:
            self.world.control.fault("refused", path="/v1/payment_intents", times=0)
        elif chance.random() < GATEWAY_FAULTS:
            kind = chance.choice(FAULTS)
            self.world.control.fault(
                kind, path="/v1/payment_intents", times=chance.randrange(1, 4), seconds=BEYOND_PATIENCE
            )
            self.world.acts[f"gateway: {kind}"] += 1
        if chance.random() < DEATH:
            self.world.mortal.calls_left = chance.randrange(3)
        self._begin_or_end_outage(
            chance.random() < SERVICE_AWAY, hours=chance.randrange(3, 90), country=chance.choice(("", "DE", "US"))
        )

    def end(self) -> None:
        """Let everything be well again."""
        self.world.control.clear()
        self.world.mortal.calls_left = None
        self.workers_away = self.gateway_away = 0
        self._outage_ends = self.world.now
        self._begin_or_end_outage(begins=False, hours=0, country="")

    def _begin_or_end_outage(self, begins: bool, *, hours: int, country: str) -> None:
        if self._outage is None and begins:
            self._outage = self._record(self.world.now, None, country=country)
            self._outage_ends = self.world.now + timedelta(hours=hours)
            self.world.acts["service outages"] += 1
        elif self._outage is not None and self.world.now >= self._outage_ends:
            outages.record(
                outage_id=self._outage.pk,
                starts_at=self._outage.starts_at,
                ends_at=self.world.now,
                country=self._outage.country,
                reason=self._outage.reason,
                by="staff:1",
                now=self.world.now,
            )
            self._outage = None

    def _record(self, starts_at: datetime, ends_at: datetime | None, *, country: str) -> Outage:
        return outages.record(
            starts_at=starts_at, ends_at=ends_at, country=country, reason="simulated", by="staff:1", now=self.world.now
        )

    # ------------------------------------------------ clocks

    def jump(self, day: int) -> int:
        """Answer by how many days the clock jumps now; mostly by none."""
        chance = self.world.chance("jump", day)
        if self._outage is not None or self.workers_away or self.gateway_away or chance.random() >= JUMP:
            return 0
        days = chance.choice(JUMPS)
        self.world.acts["clock jumps"] += 1
        if days > 28 and chance.random() < 0.7:
            # While nobody was there, the service was away for some days too.
            begins = self.world.now + timedelta(days=chance.randrange(1, days - 5))
            self._record(begins, begins + timedelta(days=3), country=chance.choice(("", "FR")))
        return days


@dataclass
class Promises:
    """What the policy of catching up named after clock jumps, and how much of it came true."""

    checked: int = 0
    broken: list[str] = field(default_factory=list)

    def keep(self, world: World, workers: Workers) -> int:
        """Catch up at the world's present: one run a day, while nobody does anything; answers the days it took."""
        named: dict[UUID, list[Named]] = {}
        for step in renewals.catch_up_report(now=world.now, limit=MANY):
            named.setdefault(step.subscription_id, []).append(step)
        periods = {key: [step for step in steps if step.action is CatchUp.BILL] for key, steps in named.items()}
        days = max((len(each) for each in periods.values()), default=0) + 1
        began = world.now
        for _ in range(days):
            workers.receive_webhooks()
            workers.work()
            workers.work_nightly()
            world.move(world.now + timedelta(days=1, minutes=1))
        self._compare(periods, began)
        return days

    def _compare(self, named: dict[UUID, list[Named]], began: datetime) -> None:
        """Hold what was billed to what was named: all of it where all was paid, a beginning of it elsewhere."""
        subscriptions = Subscription.objects.in_bulk(list(named))
        billed: dict[UUID, list[tuple[datetime, datetime]]] = {}
        found = Period.objects.filter(subscription__in=list(named), invoices__finalised_at__gte=began)
        for key, start, end in found.order_by("start").values_list("subscription", "start", "end"):
            billed.setdefault(key, []).append((start, end))
        for key, steps in named.items():
            wanted = [(step.start, step.end) for step in steps]
            made = [each for each in billed.get(key, []) if each[0] <= wanted[-1][0]]
            subscription = subscriptions[key]
            paid = subscription.status == Status.ACTIVE and subscription.parked_at is None
            self.checked += len(wanted)
            if made != (wanted if paid else wanted[: len(made)]):
                self.broken.append(f"subscription {key}: {made} billed, {wanted} named")
