"""Buying: for the first time, and again."""

from __future__ import annotations

from random import Random
from typing import Any

from billing import selectors
from billing.models import Price
from billing.places import Place
from billing.selectors import consumers
from billing.services import forecasts, returning, subscriptions, trials
from billing.services.consents import Agreement
from core.errors import DomainError
from local.simulation.people.person import Person
from local.simulation.world import World


class Purchases:
    """What people buy."""

    def __init__(self, world: World) -> None:
        self.world = world

    def buy(self, person: Person, price: Price, coupon: str, chance: Random) -> object:
        said: dict[str, Any] = {
            "account_id": person.account_id,
            "price_id": price.pk,
            "billing_tz": person.zone,
        }
        there = Place(person.country)
        bought: dict[str, Any] = said | {
            "country": person.country,
            "seen": person.country,
            "agreement": self._agreement(person, chance),
            "request_key": self.world.key(person.account_id),
            "now": self.world.now,
            "by": person.by,
        }
        if price.trial_days and subscriptions.is_new(person.account_id) and chance.random() < 0.6:
            self.world.acts["trials"] += 1
            return trials.start(**bought, coupon=coupon)
        try:
            quoted = forecasts.purchase(**said, place=there, coupon=coupon, now=self.world.now)
        except DomainError:
            coupon = ""
            quoted = forecasts.purchase(**said, place=there, coupon="", now=self.world.now)
        self.world.acts["coupons"] += bool(coupon)
        return subscriptions.subscribe(
            **bought,
            coupon=coupon,
            quoted_amount=quoted.first.total,
            quoted_due=quoted.tender.due,
            gateway=self.world.gateway,
        )

    def _agreement(self, person: Person, chance: Random) -> Agreement:
        documents = consumers.documents_for(country=person.country)
        kinds = {"terms"} | ({"immediate_performance"} if chance.random() < 0.6 else set())
        return Agreement(documents=[document.pk for document in documents if document.kind in kinds])

    def price(self, person: Person, plan: str, interval: str) -> Price | None:
        found = [
            price
            for offer in selectors.offers(country=person.country)
            if offer.plan.code == plan
            for price in offer.prices
            if price.interval == interval
        ]
        return found[0] if found else None

    def come_back(self, person: Person, chance: Random) -> object:
        now = self.world.now
        try:
            offer = returning.offer(account_id=person.account_id, place=Place(person.country), now=now)
        except subscriptions.NoSubscription:
            price = self.price(person, "basic", "month")
            return price is not None and self.buy(person, price, "", chance)
        return returning.reactivate(
            account_id=person.account_id,
            quoted_amount=offer.amount,
            quoted_due=offer.tender.due,
            country=person.country,
            seen=person.country,
            request_key=self.world.key(person.account_id),
            gateway=self.world.gateway,
            now=now,
            by=person.by,
            agreement=self._agreement(person, chance),
        )
