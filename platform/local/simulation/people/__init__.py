"""What customers and staff do: each day everybody draws, and the draw's chances depend on where they stand."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from random import Random
from uuid import UUID

import httpx
from django.conf import settings
from django.contrib.auth import get_user_model

from billing import stripe_gateway
from billing.models import PaymentAttempt, Subscription
from billing.rules import Status
from local.client import Browser
from local.simulation import stage
from local.simulation.people.cards import Cards
from local.simulation.people.claims import Claims
from local.simulation.people.gifts import Gifts
from local.simulation.people.person import PLACES, Person
from local.simulation.people.plans import Plans
from local.simulation.people.purchases import Purchases
from local.simulation.world import World

__all__ = ["People", "Person"]

NOBODY, ASKED, LEAVING, PAUSING = "nobody", "asked", "leaving", "pausing"
"""Beside the states of subscriptions: none that lives; one whose bank asks its owner; cancelled or to be paused yet."""
# For each state, how likely a person is to do something on one day.
CHANCES: Mapping[str, Mapping[str, float]] = {
    NOBODY: {"return": 0.006, "redeem": 0.004, "save_card": 0.004},
    ASKED: {"authenticate": 0.35, "save_card": 0.05, "cancel": 0.02},
    LEAVING: {"undo_cancel": 0.03, "save_card": 0.001, "withdraw": 0.002},
    PAUSING: {"undo_pause": 0.02, "cancel": 0.003, "upgrade": 0.003, "downgrade": 0.003},
    Status.INCOMPLETE: {"cancel": 0.1},
    Status.TRIALING: {"cancel": 0.01, "save_card": 0.04, "switch": 0.01, "upgrade": 0.015, "downgrade": 0.005},
    Status.ACTIVE: {
        "cancel": 0.0015,
        "withdraw": 0.0015,
        "upgrade": 0.0015,
        "downgrade": 0.0015,
        "switch": 0.0008,
        "pause": 0.0012,
        "save_card": 0.0015,
        "save_backup": 0.0015,
        "choose_card": 0.001,
        "remove_card": 0.0008,
        "bank_refuses": 0.0025,
        "bank_relents": 0.02,
        "buy_gift": 0.0012,
        "redeem": 0.001,
        "be_refunded": 0.0006,
        "be_credited": 0.0006,
        "dispute": 0.0004,
    },
    Status.PAST_DUE: {"save_card": 0.07, "bank_relents": 0.07, "cancel": 0.01, "choose_card": 0.03},
    Status.ON_HOLD: {"save_card": 0.05, "bank_relents": 0.03, "cancel": 0.01, "redeem": 0.01},
    Status.PAUSED: {"resume": 0.015, "cancel": 0.003, "save_card": 0.01},
}


class People:
    """Everybody."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.all: list[Person] = []
        browser = Browser(api_base=stripe_gateway.api_base(), publishable_key=settings.STRIPE_PUBLISHABLE_KEY)
        dashboard = httpx.Client(
            base_url=stripe_gateway.api_base(),
            headers={"Authorization": f"Bearer {settings.STRIPE_SECRET_KEY}"},
            timeout=60,
            trust_env=False,
        )
        self.cards, self.purchases = Cards(world, browser), Purchases(world)
        self.plans = Plans(world, self.purchases)
        self.gifts, self.claims = Gifts(world), Claims(world, dashboard)
        self._acts: dict[str, Callable[[Person, Random], object]] = {
            "return": self.purchases.come_back,
            "redeem": self.gifts.redeem,
            "save_card": self.cards.save_card,
            "save_backup": self.cards.save_backup,
            "choose_card": self.cards.choose_card,
            "remove_card": self.cards.remove_card,
            "authenticate": self.cards.authenticate,
            "cancel": self.plans.cancel,
            "undo_cancel": self.plans.undo_cancel,
            "withdraw": self.plans.withdraw,
            "upgrade": self.plans.upgrade,
            "downgrade": self.plans.downgrade,
            "switch": self.plans.switch,
            "pause": self.plans.pause,
            "undo_pause": self.plans.undo_pause,
            "resume": self.plans.resume,
            "bank_refuses": self.cards.bank_refuses,
            "bank_relents": self.cards.bank_relents,
            "buy_gift": self.gifts.buy_gift,
            "be_refunded": self.claims.be_refunded,
            "be_credited": self.gifts.be_credited,
            "dispute": self.claims.dispute,
        }

    def decide(self) -> None:
        """Let banks and staff decide what waits for them."""
        self.claims.decide_disputes(self.world.now)
        self.claims.answer_refunds(self.world.now)

    def close(self) -> None:
        """Give their connections back."""
        self.cards.browser.http.close()
        self.claims.dashboard.close()

    def acts_of(self, day: int) -> list[tuple[str, Callable[[], object]]]:
        """Answer what people would do on a day, as they stand now."""
        states = self._states()
        chance = self.world.chance("day", day)
        acts: list[tuple[str, Callable[[], object]]] = []
        for person in self.all:
            state = states.get(person.account_id, NOBODY)
            drawn = chance.random()
            for name, likely in CHANCES.get(state, CHANCES[NOBODY]).items():
                drawn -= likely
                if drawn < 0:
                    acts.append((name, self._of(name, person, day)))
                    break
        return acts

    def _states(self) -> dict[UUID, str]:
        """Answer where everybody stands."""
        latest = Subscription.objects.order_by("account", "-created_at", "-pk").distinct("account")
        states: dict[UUID, str] = {}
        for account_id, status, cancel_at, pause_at in latest.values_list("account", "status", "cancel_at", "pause_at"):
            states[account_id] = status
            if status in {Status.ACTIVE, Status.TRIALING} and (cancel_at or pause_at):
                states[account_id] = LEAVING if cancel_at else PAUSING
        asked = PaymentAttempt.objects.filter(state=PaymentAttempt.State.REQUIRES_ACTION)
        return states | dict.fromkeys(asked.values_list("invoice__account", flat=True), ASKED)

    def _of(self, name: str, person: Person, day: int) -> Callable[[], object]:
        act = self._acts[name]
        return lambda: act(person, self.world.chance("act", day, person.number))

    def sign_up(self) -> None:
        """Let another person open an account and subscribe, or try it."""
        number = len(self.all)
        chance = self.world.chance("person", number)
        country = chance.choice(list(PLACES))
        account = get_user_model().objects.create(email=f"sim{number}@example.com", country=country)
        person = Person(number, account.pk, country, chance.choice(PLACES[country]))
        self.all.append(person)
        if chance.random() < 0.97:
            self.cards.enter_card(person, chance)
        plan = chance.choices(["basic", "standard", "premium", "league"], [4, 4, 2, 2])[0]
        interval = chance.choices(["month", "year"], [9, 1])[0]
        coupon = chance.choice(stage.COUPONS) if chance.random() < 0.3 else ""
        price = self.purchases.price(person, plan, interval) or self.purchases.price(person, "basic", interval)
        if price is not None:
            self.purchases.buy(person, price, coupon, chance)
