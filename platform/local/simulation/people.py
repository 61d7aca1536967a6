"""What customers and staff do: each day everybody draws, and the draw's chances depend on where they stand."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random
from typing import Any
from uuid import UUID

import httpx
from django.conf import settings
from django.contrib.auth import get_user_model

from billing import selectors, stripe_gateway
from billing.models import Dispute, Invoice, PaymentAttempt, PaymentMethod, Price, Refund, Subscription
from billing.places import Place
from billing.rules import Status
from billing.selectors import consumers
from billing.services import (
    card_care,
    cards,
    changes,
    crediting,
    forecasts,
    gift_codes,
    gifts,
    pauses,
    payments,
    refunds,
    returning,
    subscriptions,
    trials,
    withdrawals,
)
from billing.services.consents import Agreement
from billing.services.gifts import Wanted
from core.errors import DomainError
from local.client import Browser, Refused
from local.simulation import stage
from local.simulation.world import World

GOOD = "4242424242424242"
POOR, LOST = "4000000000000341", "4000000000009987"
ALWAYS_ASKS = "4000002760003184"
SLOW_REFUND, FAILED_REFUND = "4000000000007726", "4000000000005126"

# Country, and the zones that its people live in: with and without summer time, north and south of the equator.
PLACES = {
    "US": ("America/New_York", "America/Los_Angeles", "America/Phoenix"),
    "DE": ("Europe/Berlin",),
    "FR": ("Europe/Paris",),
    "JP": ("Asia/Tokyo",),
}

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
DECIDED_AFTER = timedelta(days=20)
WON = 0.4


@dataclass(frozen=True)
class Person:
    """Somebody with an account."""

    number: int
    account_id: UUID
    country: str
    zone: str
    refused: set[str] = field(default_factory=set)
    """The cards, by their id at the gateway, that their bank refuses at present."""

    @property
    def by(self) -> str:
        return f"account:{self.account_id}"


class People:
    """Everybody."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.all: list[Person] = []
        self._browser = Browser(api_base=stripe_gateway.api_base(), publishable_key=settings.STRIPE_PUBLISHABLE_KEY)
        self._dashboard = httpx.Client(
            base_url=stripe_gateway.api_base(),
            headers={"Authorization": f"Bearer {settings.STRIPE_SECRET_KEY}"},
            timeout=60,
            trust_env=False,
        )
        self._codes: list[str] = []
        """Codes of gifts that somebody was given."""
        self._acts: dict[str, Callable[[Person, Random], object]] = {
            "return": self._return,
            "redeem": self._redeem,
            "save_card": self._save_card,
            "save_backup": self._save_backup,
            "choose_card": self._choose_card,
            "remove_card": self._remove_card,
            "authenticate": self._authenticate,
            "cancel": self._cancel,
            "undo_cancel": self._undo_cancel,
            "withdraw": self._withdraw,
            "upgrade": self._upgrade,
            "downgrade": self._downgrade,
            "switch": self._switch,
            "pause": self._pause,
            "undo_pause": self._undo_pause,
            "resume": self._resume,
            "bank_refuses": self._bank_refuses,
            "bank_relents": self._bank_relents,
            "buy_gift": self._buy_gift,
            "be_refunded": self._be_refunded,
            "be_credited": self._be_credited,
            "dispute": self._dispute,
        }

    # ------------------------------------------------ a day

    def close(self) -> None:
        """Give their connections back."""
        self._browser.http.close()
        self._dashboard.close()

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

    # ------------------------------------------------ beginning

    def sign_up(self) -> None:
        """Let another person open an account and subscribe, or try it."""
        number = len(self.all)
        chance = self.world.chance("person", number)
        country = chance.choice(list(PLACES))
        account = get_user_model().objects.create(email=f"sim{number}@example.com", country=country)
        person = Person(number, account.pk, country, chance.choice(PLACES[country]))
        self.all.append(person)
        if chance.random() < 0.97:
            self._enter_card(person, chance)
        plan = chance.choices(["basic", "standard", "premium", "league"], [4, 4, 2, 2])[0]
        interval = chance.choices(["month", "year"], [9, 1])[0]
        coupon = chance.choice(stage.COUPONS) if chance.random() < 0.3 else ""
        price = self._price(person, plan, interval) or self._price(person, "basic", interval)
        if price is not None:
            self._buy(person, price, coupon, chance)

    def _buy(self, person: Person, price: Price, coupon: str, chance: Random) -> object:
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

    def _price(self, person: Person, plan: str, interval: str) -> Price | None:
        found = [
            price
            for offer in selectors.offers(country=person.country)
            if offer.plan.code == plan
            for price in offer.prices
            if price.interval == interval
        ]
        return found[0] if found else None

    def _return(self, person: Person, chance: Random) -> object:
        now = self.world.now
        try:
            offer = returning.offer(account_id=person.account_id, place=Place(person.country), now=now)
        except subscriptions.NoSubscription:
            price = self._price(person, "basic", "month")
            return price is not None and self._buy(person, price, "", chance)
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

    # ------------------------------------------------ cards

    def _enter_card(self, person: Person, chance: Random) -> PaymentMethod:
        drawn = chance.random()
        number = _number(chance)
        if drawn < 0.05:
            number = ALWAYS_ASKS
        elif drawn < 0.1:
            number = chance.choice([SLOW_REFUND, FAILED_REFUND])
        setup = cards.start_setup(
            account_id=person.account_id,
            request_key=self.world.key(person.account_id),
            gateway=self.world.gateway,
            now=self.world.now,
        )
        method = self._browser.enter_card(
            setup_intent=setup.setup_intent, client_secret=setup.client_secret, number=number
        )
        if number == ALWAYS_ASKS:
            self.world.control.authenticate("setup_intent", setup.setup_intent)
        self.world.control.change_card(method, country=person.country)
        return cards.register(
            account_id=person.account_id,
            setup_intent=setup.setup_intent,
            gateway=self.world.gateway,
            now=self.world.now,
        )

    def _save_card(self, person: Person, chance: Random) -> object:
        return self._enter_card(person, chance)

    def _save_backup(self, person: Person, chance: Random) -> object:
        present = PaymentMethod.objects.usable().filter(account=person.account_id, is_default=True).first()
        saved = self._enter_card(person, chance)
        if present is None or present.pk == saved.pk:
            return False
        card_care.make_default(account_id=person.account_id, card_id=present.pk, now=self.world.now)
        return card_care.stand_by(account_id=person.account_id, card_id=saved.pk, backup=True)

    def _other_card(self, person: Person, chance: Random) -> PaymentMethod | None:
        saved = list(PaymentMethod.objects.usable().filter(account=person.account_id).order_by("pk"))
        return chance.choice(saved) if len(saved) > 1 else None

    def _choose_card(self, person: Person, chance: Random) -> object:
        card = self._other_card(person, chance)
        return card is not None and card_care.make_default(
            account_id=person.account_id, card_id=card.pk, now=self.world.now
        )

    def _remove_card(self, person: Person, chance: Random) -> object:
        card = self._other_card(person, chance)
        if card is None:
            return False
        card_care.remove(account_id=person.account_id, card_id=card.pk, gateway=self.world.gateway, now=self.world.now)
        return True

    def _bank_refuses(self, person: Person, chance: Random) -> object:
        card = PaymentMethod.objects.usable().filter(account=person.account_id, is_default=True).first()
        if card is None or card.gateway_id in person.refused:
            return False
        person.refused.add(card.gateway_id)
        self.world.control.change_card(card.gateway_id, behaves_like=chance.choices([POOR, LOST], [4, 1])[0])
        return True

    def _bank_relents(self, person: Person, chance: Random) -> object:
        if not person.refused:
            return False
        for card in person.refused:
            self.world.control.change_card(card, behaves_like=GOOD)
        person.refused.clear()
        return True

    def _authenticate(self, person: Person, chance: Random) -> object:
        """Answer the bank's question about a payment that waits for its customer."""
        attempt = PaymentAttempt.objects.filter(
            invoice__account=person.account_id, state=PaymentAttempt.State.REQUIRES_ACTION
        ).select_related("payment_method").first()  # fmt: skip
        if attempt is None:
            return False
        standing = payments.stand(attempt_id=attempt.pk, gateway=self.world.gateway, now=self.world.now)
        if not standing.client_secret:
            return False
        try:
            status = self._browser.pay(
                payment_intent=attempt.gateway_id,
                client_secret=standing.client_secret,
                payment_method=attempt.payment_method.gateway_id,
            )
            if status == "requires_action":
                self.world.control.authenticate("payment_intent", attempt.gateway_id, passed=chance.random() < 0.8)
        except (Refused, ValueError):
            # The card is declined, or the question was about something that is over.
            pass
        payments.stand(attempt_id=attempt.pk, gateway=self.world.gateway, now=self.world.now)
        return True

    # ------------------------------------------------ leaving and coming back

    def _cancel(self, person: Person, chance: Random) -> object:
        return subscriptions.cancel(
            account_id=person.account_id, gateway=self.world.gateway, now=self.world.now, by=person.by
        )

    def _undo_cancel(self, person: Person, chance: Random) -> object:
        return subscriptions.undo_cancel(account_id=person.account_id, now=self.world.now, by=person.by)

    def _withdraw(self, person: Person, chance: Random) -> object:
        bought_lately = {"account": person.account_id, "created_at__gt": self.world.now - timedelta(days=15)}
        if not Subscription.objects.live().filter(**bought_lately).exists():
            return False
        return withdrawals.withdraw(account_id=person.account_id, now=self.world.now, by=person.by)

    def _pause(self, person: Person, chance: Random) -> object:
        return pauses.pause(
            account_id=person.account_id, months=chance.randrange(1, 4), now=self.world.now, by=person.by
        )

    def _undo_pause(self, person: Person, chance: Random) -> object:
        return pauses.undo(account_id=person.account_id, now=self.world.now, by=person.by)

    def _resume(self, person: Person, chance: Random) -> object:
        return self._return(person, chance)

    # ------------------------------------------------ changing

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
        return self._price(person, plan.code, interval or current.price.interval) if plan else None

    def _upgrade(self, person: Person, chance: Random) -> object:
        price = self._neighbour(person, 1)
        return price is not None and self._accept(person, price)

    def _downgrade(self, person: Person, chance: Random) -> object:
        price = self._neighbour(person, -1)
        return price is not None and changes.downgrade(
            account_id=person.account_id, price_id=price.pk, now=self.world.now, by=person.by
        )

    def _switch(self, person: Person, chance: Random) -> object:
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

    # ------------------------------------------------ gifts and credit

    def _buy_gift(self, person: Person, chance: Random) -> object:
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

    def _redeem(self, person: Person, chance: Random) -> object:
        if not self._codes:
            return False
        code = self._codes.pop(chance.randrange(len(self._codes)))
        try:
            return gifts.redeem(account_id=person.account_id, code=code, now=self.world.now)
        except gifts.GiftOfAnotherCurrency:
            self._codes.append(code)
            return False

    def _be_credited(self, person: Person, chance: Random) -> object:
        return crediting.request_goodwill(
            account_id=person.account_id,
            amount=chance.randrange(100, 900),
            currency=selectors.local_currency(person.country),
            reason="simulated",
            by="staff:1",
            now=self.world.now,
        )

    # ------------------------------------------------ getting money back

    def _paid(self, person: Person) -> Invoice | None:
        paid = Invoice.objects.filter(account=person.account_id, status=Invoice.Status.PAID, total__gt=0)
        return paid.order_by("-pk").first()

    def _be_refunded(self, person: Person, chance: Random) -> object:
        invoice = self._paid(person)
        if invoice is None:
            return False
        # One in four pays it again.
        ask = refunds.request if chance.randrange(4) else refunds.request_owed_again
        asked = ask(
            invoice_id=invoice.pk,
            amount=max(1, invoice.total // chance.randrange(1, 4)),
            reason="simulated",
            by="staff:1",
            now=self.world.now,
        )
        if asked.state == Refund.State.REQUESTED:
            refunds.approve(refund_id=asked.pk, by="staff:2")
        return True

    def _dispute(self, person: Person, chance: Random) -> object:
        charged = PaymentAttempt.objects.filter(
            invoice__account=person.account_id, state=PaymentAttempt.State.SUCCEEDED
        ).exclude(gateway_id="")  # fmt: skip
        attempt = charged.order_by("-pk").first()
        if attempt is None:
            return False
        intent = self._dashboard.get(f"/v1/payment_intents/{attempt.gateway_id}").json()
        try:
            self.world.control.dispute(
                intent["latest_charge"], chance.choices(["fraudulent", "unrecognized", "inquiry"], [2, 1, 1])[0]
            )
        except ValueError:
            # Disputed or given back already.
            return False
        return True

    def decide_disputes(self, now: datetime) -> None:
        """Let banks decide what has been open for weeks."""
        ripe = Dispute.objects.filter(closed_at=None, opened_at__lt=now - DECIDED_AFTER).order_by("pk")
        chance = self.world.chance("disputes", now.date())
        for gateway_id in ripe.values_list("gateway_id", flat=True):
            try:
                self.world.control.decide(gateway_id, won=chance.random() < WON)
            except ValueError:
                continue
            self.world.acts["disputes decided"] += 1


def _number(chance: Random) -> str:
    """Make the number of a card that works, of which there is no other."""
    digits = f"4{chance.randrange(10**14):014d}"
    total = 0
    for position, digit in enumerate(reversed(digits)):
        value = int(digit) * (2 - position % 2)
        total += value - 9 if value > 9 else value
    return digits + str(-total % 10)
