"""Cards: saved, chosen, removed, refused by their banks, and asked about."""

from __future__ import annotations

from random import Random

from billing.models import PaymentAttempt, PaymentMethod
from billing.services import card_care, cards, payments
from local.client import Browser, Refused
from local.simulation.people.person import Person
from local.simulation.world import World

GOOD = "4242424242424242"
POOR, LOST = "4000000000000341", "4000000000009987"
ALWAYS_ASKS = "4000002760003184"
SLOW_REFUND, FAILED_REFUND = "4000000000007726", "4000000000005126"


class Cards:
    """What people do with their cards, and banks with theirs."""

    def __init__(self, world: World, browser: Browser) -> None:
        self.world = world
        self.browser = browser

    def enter_card(self, person: Person, chance: Random) -> PaymentMethod:
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
        method = self.browser.enter_card(
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

    def save_card(self, person: Person, chance: Random) -> object:
        return self.enter_card(person, chance)

    def save_backup(self, person: Person, chance: Random) -> object:
        present = PaymentMethod.objects.usable().filter(account=person.account_id, is_default=True).first()
        saved = self.enter_card(person, chance)
        if present is None or present.pk == saved.pk:
            return False
        card_care.make_default(account_id=person.account_id, card_id=present.pk, now=self.world.now)
        return card_care.stand_by(account_id=person.account_id, card_id=saved.pk, backup=True)

    def _other_card(self, person: Person, chance: Random) -> PaymentMethod | None:
        saved = list(PaymentMethod.objects.usable().filter(account=person.account_id).order_by("pk"))
        return chance.choice(saved) if len(saved) > 1 else None

    def choose_card(self, person: Person, chance: Random) -> object:
        card = self._other_card(person, chance)
        return card is not None and card_care.make_default(
            account_id=person.account_id, card_id=card.pk, now=self.world.now
        )

    def remove_card(self, person: Person, chance: Random) -> object:
        card = self._other_card(person, chance)
        if card is None:
            return False
        card_care.remove(account_id=person.account_id, card_id=card.pk, gateway=self.world.gateway, now=self.world.now)
        return True

    def bank_refuses(self, person: Person, chance: Random) -> object:
        card = PaymentMethod.objects.usable().filter(account=person.account_id, is_default=True).first()
        if card is None or card.gateway_id in person.refused:
            return False
        person.refused.add(card.gateway_id)
        self.world.control.change_card(card.gateway_id, behaves_like=chance.choices([POOR, LOST], [4, 1])[0])
        return True

    def bank_relents(self, person: Person, chance: Random) -> object:
        if not person.refused:
            return False
        for card in person.refused:
            self.world.control.change_card(card, behaves_like=GOOD)
        person.refused.clear()
        return True

    def authenticate(self, person: Person, chance: Random) -> object:
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
            status = self.browser.pay(
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


def _number(chance: Random) -> str:
    """Make the number of a card that works, of which there is no other."""
    digits = f"4{chance.randrange(10**14):014d}"
    total = 0
    for position, digit in enumerate(reversed(digits)):
        value = int(digit) * (2 - position % 2)
        total += value - 9 if value > 9 else value
    return digits + str(-total % 10)
