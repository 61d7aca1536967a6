"""Letting the days of a simulation pass."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from django.conf import settings
from django.db import transaction

from billing import selectors
from billing.gateway import Gateway
from billing.models import Invoice, JournalEntry, Subscription, TieOut
from billing.stripe_gateway import StripeGateway, api_base
from local.simulation import mishaps, stage
from local.simulation.invariants import Finding, Invariants
from local.simulation.mishaps import Mishaps, Promises
from local.simulation.people import People
from local.simulation.workers import Workers
from local.simulation.world import World
from local.standin.control import Control

BEGINS = datetime(2027, 1, 29, tzinfo=UTC)
"""Ahead of the machine's clock, and before a month's end that is short."""
DAYS_A_MONTH = 30.4
RUSH = 0.5
"""Share of the people who sign up in the first month."""
RUSH_DAYS = 30
LAST_SIGN_UP = 0.8
"""Of all days: whoever comes later would see too little."""
TURNS = 2
"""How often a day what is due is worked off: beat does it each minute."""
ASKED_A_DAY = 5
SETTLING_DAYS = 4
PATIENCE = 1.0
"""Seconds that this gateway waits for an answer."""


class Simulation:
    """One run."""

    def __init__(self, control: Control, *, accounts: int, months: int, seed: int) -> None:
        self.days = round(months * DAYS_A_MONTH)
        self.world = World(control, _impatient(), seed=seed, begins=BEGINS)
        self.people = People(self.world)
        self.workers = Workers(self.world)
        self.mishaps = Mishaps(self.world)
        self.promises = Promises()
        self.reports: list[TieOut] = []
        self._signing_up = self._arrivals(accounts)
        self._asked = 0
        self._stale: list[str] = []

    def close(self) -> None:
        """Give the connections to the stand-in back; the control's are its owner's."""
        self.people.close()

    def _arrivals(self, accounts: int) -> Counter[int]:
        """Answer how many sign up on each day."""
        chance = self.world.chance("arrivals")
        last = max(1, int(self.days * LAST_SIGN_UP))
        return Counter(
            chance.randrange(min(RUSH_DAYS, last)) if chance.random() < RUSH else chance.randrange(last)
            for _ in range(accounts)
        )

    def run(self, *, tell: Callable[[str], None] = lambda _: None) -> None:
        """Live through all days; `tell` hears of each month."""
        self.world.move(BEGINS)
        stage.offer(now=BEGINS)
        day = told = 0
        while day < self.days:
            if jumped := self.mishaps.jump(day):
                self.world.move(self._at(day + jumped, hours=6))
                caught_up = self.promises.keep(self.world, self.workers)
                for passed in range(day, day + jumped + caught_up):
                    # Who would have come meanwhile comes afterwards, and so do new prices.
                    self._signing_up[day + jumped + caught_up] += self._signing_up.pop(passed, 0)
                    stage.raise_prices(passed, now=self.world.now)
                day += jumped + caught_up
            self._live(day)
            day += 1
            if day // 30 > told:
                told = day // 30
                tell(f"day {day}: {Invoice.objects.count():,} invoices")
        self._settle(day)

    def _at(self, day: int, *, hours: float = 0) -> datetime:
        return BEGINS + timedelta(days=day, hours=hours)

    def _live(self, day: int) -> None:
        """Let a day pass: turns of the workers, and between them what people do."""
        self.world.move(self._at(day))
        self.mishaps.begin_day(day)
        self.world.acts["new prices"] += stage.raise_prices(day, now=self.world.now)
        acts = self.people.acts_of(day)
        acts += [("sign_up", self.people.sign_up)] * self._signing_up[day]
        chance = self.world.chance("times", day)
        moments = [(chance.uniform(0, 24), name, act) for name, act in acts]
        turns = [((turn + chance.random()) * 24 / TURNS, "", self._take_turn) for turn in range(TURNS)]
        for hours, name, act in sorted([*moments, *turns], key=lambda each: each[0]):
            self.world.move(self._at(day, hours=hours))
            if name:
                self.world.attempt(name, act)
            else:
                act()
        self.world.move(self._at(day + 1) - timedelta(minutes=5))
        self._ask_who_may_watch(day)
        self.people.decide()
        if not self.mishaps.workers_away:
            self.reports += self.workers.work_nightly()

    def _ask_who_may_watch(self, day: int) -> None:
        """Ask for some what they may do, as it is kept, and hold it to what it is."""
        asked = self.world.chance("watch", day).sample(self.people.all, min(ASKED_A_DAY, len(self.people.all)))
        for person in asked:
            kept = selectors.entitlement(account_id=person.account_id, now=self.world.now)
            with transaction.atomic():
                # Inside a transaction nothing is kept.
                present = selectors.entitlement(account_id=person.account_id, now=self.world.now)
            self._asked += 1
            if (kept.access, kept.plan) != (present.access, present.plan):
                self._stale.append(f"account {person.account_id}: {kept.access}, not {present.access}")

    def _take_turn(self) -> None:
        # Webhooks reach the web, not the workers.
        self.workers.receive_webhooks()
        if self.mishaps.workers_away:
            return
        chance = self.world.chance("turn", self.world.now.isoformat())
        at_once = 2 if chance.random() < mishaps.TWO_AT_ONCE else 1
        self.world.acts["turns of two at once"] += at_once - 1
        skewed = chance.random() < mishaps.SKEWED
        self.world.acts["turns by a wrong clock"] += skewed
        self.workers.work(at_once=at_once, skew=timedelta(minutes=chance.randrange(-90, 90) if skewed else 0))

    def _settle(self, day: int) -> None:
        """Let everything be well for some days, so that what is under way ends."""
        self.mishaps.end()
        for more in range(SETTLING_DAYS):
            for hours in (6, 18):
                self.world.move(self._at(day + more, hours=hours))
                self.workers.receive_webhooks()
                self.workers.work()
            self.world.move(self._at(day + more + 1) - timedelta(minutes=5))
            self.reports += self.workers.work_nightly()
        self.world.move(self._at(day + SETTLING_DAYS, hours=4))
        self.workers.work()
        self.reports += self.workers.work_nightly()
        self.workers.apply_webhooks()

    def findings(self) -> list[Finding]:
        """Answer each invariant with how much of it was looked at and how much is broken."""
        return Invariants(
            now=self.world.now,
            charges=self.world.control.charges(),
            reports=self.reports,
            named=(self.promises.checked, self.promises.broken),
            entitlements=(self._asked, self._stale),
        ).findings()

    def figures(self) -> dict[str, int]:
        """Answer what was done and how much there is of what."""
        return dict(sorted(self.world.acts.items())) | {
            "days": self.days,
            "subscriptions": Subscription.objects.count(),
            "invoices": Invoice.objects.count(),
            "journal entries": JournalEntry.objects.count(),
        }


def _impatient() -> Gateway:
    """Answer a gateway that does not wait half a minute for an answer: here nobody is slow but on purpose."""
    return StripeGateway(
        settings.STRIPE_SECRET_KEY,
        api_base(),
        settings.STRIPE_REQUESTS_PER_SECOND,
        settings.STRIPE_CHARGES_PER_SECOND,
        read_timeout=PATIENCE,
    )
