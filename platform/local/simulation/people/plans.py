"""Plans: changed, paused, left and taken up again."""

from __future__ import annotations

from datetime import timedelta
from random import Random

from billing.models import Price, Subscription
from billing.services import changes, pauses, subscriptions, withdrawals
from local.simulation.people.person import Person
from local.simulation.people.purchases import Purchases
from local.simulation.world import World


class Plans:
    """What people do with the subscription that they have."""

    def __init__(self, world: World, purchases: Purchases) -> None:
        self.world = world
        self.purchases = purchases

    def cancel(self, person: Person, chance: Random) -> object:
        return subscriptions.cancel(
            account_id=person.account_id, gateway=self.world.gateway, now=self.world.now, by=person.by
        )

    def undo_cancel(self, person: Person, chance: Random) -> object:
        return subscriptions.undo_cancel(account_id=person.account_id, now=self.world.now, by=person.by)

    def withdraw(self, person: Person, chance: Random) -> object:
        bought_lately = {"account": person.account_id, "created_at__gt": self.world.now - timedelta(days=15)}
        if not Subscription.objects.live().filter(**bought_lately).exists():
            return False
        return withdrawals.withdraw(account_id=person.account_id, now=self.world.now, by=person.by)

    def pause(self, person: Person, chance: Random) -> object:
        return pauses.pause(
            account_id=person.account_id, months=chance.randrange(1, 4), now=self.world.now, by=person.by
        )

    def undo_pause(self, person: Person, chance: Random) -> object:
        return pauses.undo(account_id=person.account_id, now=self.world.now, by=person.by)

    def resume(self, person: Person, chance: Random) -> object:
        return self.purchases.come_back(person, chance)

    def _current(self, person: Person) -> Subscription | None:
        return Subscription.objects.live().select_related("price__plan").filter(account=person.account_id).first()

    def _accept(self, person: Person, price: Price) -> object:
        quote = changes.quote(account_id=person.account_id, price_id=price.pk, now=self.world.now)
        return changes.accept(
            account_id=person.account_id,
            quote_id=quote.pk,
            request_key=self.world.key(person.account_id),
            gateway=self.world.gateway,
            now=self.world.now,
        )

    def _neighbour(self, person: Person, step: int, interval: str | None = None) -> Price | None:
        """Answer the price of the plan so many tiers away."""
        current = self._current(person)
        if current is None:
            return None
        plan = current.price.plan.family.plans.filter(tier=current.price.plan.tier + step).first()
        return self.purchases.price(person, plan.code, interval or current.price.interval) if plan else None

    def upgrade(self, person: Person, chance: Random) -> object:
        price = self._neighbour(person, 1)
        return price is not None and self._accept(person, price)

    def downgrade(self, person: Person, chance: Random) -> object:
        price = self._neighbour(person, -1)
        return price is not None and changes.downgrade(
            account_id=person.account_id, price_id=price.pk, now=self.world.now, by=person.by
        )

    def switch(self, person: Person, chance: Random) -> object:
        """Change the interval, now or with the next period."""
        current = self._current(person)
        if current is None:
            return False
        interval = "year" if current.price.interval == "month" else "month"
        price = self._neighbour(person, 0, interval)
        if price is None:
            return False
        if chance.random() < 0.4:
            return changes.downgrade(account_id=person.account_id, price_id=price.pk, now=self.world.now, by=person.by)
        return self._accept(person, price)
