"""Gifts, and credit out of goodwill."""

from __future__ import annotations

from datetime import timedelta
from random import Random

from billing import selectors
from billing.services import crediting, gift_codes, gifts
from billing.services.gifts import Wanted
from local.simulation.people.person import Person
from local.simulation.world import World


class Gifts:
    """What people give, redeem, and are given."""

    def __init__(self, world: World) -> None:
        self.world = world
        self._codes: list[str] = []
        """Codes of gifts that somebody was given."""

    def buy_gift(self, person: Person, chance: Random) -> object:
        currency = selectors.local_currency(person.country)
        bought = gifts.buy(
            account_id=person.account_id,
            wanted=Wanted(
                amount=chance.choice([1000, 2500, 5000]),
                currency=currency,
                language="en",
                deliver_at=self.world.now + timedelta(days=chance.randrange(10)),
                recipient_email="friend@example.com",
            ),
            country=person.country,
            request_key=self.world.key(person.account_id),
            gateway=self.world.gateway,
            now=self.world.now,
        )
        self._codes.append(gift_codes.code_of(bought.gift))
        if chance.random() < 0.1:
            gifts.give_back(gift_id=bought.gift.pk, by=person.by, now=self.world.now, account_id=person.account_id)
        return True

    def redeem(self, person: Person, chance: Random) -> object:
        if not self._codes:
            return False
        code = self._codes.pop(chance.randrange(len(self._codes)))
        try:
            return gifts.redeem(account_id=person.account_id, code=code, now=self.world.now)
        except gifts.GiftOfAnotherCurrency:
            self._codes.append(code)
            return False

    def be_credited(self, person: Person, chance: Random) -> object:
        return crediting.request_goodwill(
            account_id=person.account_id,
            amount=chance.randrange(100, 900),
            currency=selectors.local_currency(person.country),
            reason="simulated",
            by="staff:1",
            now=self.world.now,
        )
