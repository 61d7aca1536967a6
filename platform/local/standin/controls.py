"""What `/_control` does; the package's docstring lists it."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable
from typing import Any, Literal

import msgspec

from local.standin.api import Api
from local.standin.call import Call
from local.standin.cards import card_of_number
from local.standin.faults import Fault, Faults, WebhookFaults
from local.standin.resources import disputes, payment_intents, payouts, setup_intents
from local.standin.wire import StripeError
from local.standin.world import World

IN_BOOKS = (
    "id",
    "amount",
    "currency",
    "customer",
    "payment_intent",
    "metadata",
    "amount_refunded",
    "disputed",
    "created",
)
WRITING = {"authenticate", "card", "dispute", "fraud_warning", "decide", "payout", "settle_payout"}
"""Acts on objects; each is whole or not at all."""


class Nothing(msgspec.Struct, forbid_unknown_fields=True):
    """No parameters."""


class Rate(msgspec.Struct, forbid_unknown_fields=True):
    """How many requests a second are let through; 0 lets all through."""

    per_second: int


class Clock(msgspec.Struct, forbid_unknown_fields=True):
    """Where to stop the clock: at Unix seconds, or so far on; neither lets it run with the system's."""

    at: int | None = None
    advance: int | None = None
    sign: bool = False


class Authentication(msgspec.Struct, forbid_unknown_fields=True):
    """What the customer tells the bank about an intent."""

    kind: Literal["payment_intent", "setup_intent"]
    id: str
    passed: bool


class CardChange(msgspec.Struct, forbid_unknown_fields=True):
    """What a bank changes of a saved card, or through which wallet it was saved.

    `behaves_like` is the number of a test card: from now on charges of this one end as that one's do.
    """

    payment_method: str
    brand: str | None = None
    last4: str | None = None
    exp_month: int | None = None
    exp_year: int | None = None
    country: str | None = None
    behaves_like: str | None = None
    wallet: Literal["apple_pay", "google_pay", "link", "samsung_pay"] | None = None


class Dispute(msgspec.Struct, forbid_unknown_fields=True):
    """A charge that is disputed."""

    charge: str
    reason: str = "fraudulent"


class FraudWarning(msgspec.Struct, forbid_unknown_fields=True):
    """A charge that its bank warns of."""

    charge: str


class Decision(msgspec.Struct, forbid_unknown_fields=True):
    """How a dispute ends."""

    dispute: str
    won: bool


class Payout(msgspec.Struct, forbid_unknown_fields=True):
    """All that the balance holds in a currency, to be paid out."""

    currency: str


class PayoutOutcome(msgspec.Struct, forbid_unknown_fields=True):
    """Whether a payout arrives."""

    payout: str
    paid: bool


class Controls:
    """The acts by which a test, or a person at the bank's page, drives the stand-in."""

    def __init__(self, world: World, stripe: Api, faults: Faults, *, under_way: Callable[[], int]) -> None:
        self.world = world
        self.stripe = stripe
        self.faults = faults
        self._acts: dict[tuple[str, str], tuple[type[msgspec.Struct], Callable[[Any], dict[str, Any]]]] = {
            ("GET", "faults"): (Nothing, lambda _: faults.as_json()),
            ("POST", "faults"): (Fault, self._add_fault),
            ("POST", "webhooks"): (WebhookFaults, self._disturb_webhooks),
            ("POST", "rate"): (Rate, self._limit_rate),
            ("POST", "clear"): (Nothing, self._clear),
            ("GET", "clock"): (Nothing, self._tell_time),
            ("POST", "clock"): (Clock, self._set_clock),
            ("POST", "authenticate"): (Authentication, self._authenticate),
            ("POST", "card"): (CardChange, self._change_card),
            ("POST", "dispute"): (Dispute, lambda of: disputes.open_on(world, of.charge, reason=of.reason)),
            ("POST", "fraud_warning"): (FraudWarning, lambda of: disputes.warn(world, of.charge)),
            ("POST", "decide"): (Decision, lambda of: disputes.decide(world, of.dispute, won=of.won)),
            ("POST", "payout"): (Payout, lambda of: payouts.pay_out(world, currency=of.currency)),
            ("POST", "settle_payout"): (PayoutOutcome, lambda of: payouts.settle(world, of.payout, paid=of.paid)),
            ("GET", "books"): (Nothing, self._books),
            ("GET", "deliveries"): (Nothing, lambda _: {"waiting": world.store.waiting()}),
            ("GET", "requests"): (Nothing, lambda _: {"under_way": under_way()}),
            ("POST", "reset"): (Nothing, self._reset),
        }

    def act(self, method: str, what: str, body: bytes) -> dict[str, Any]:
        """Carry an act out; raises ValueError with what is wrong with it."""
        if (method, what) not in self._acts:
            known = ", ".join(f"{known} {name}" for known, name in self._acts)
            raise ValueError(f"no such control; there are {known}")
        parameters, act = self._acts[method, what]
        given = msgspec.json.decode(body or b"{}", type=parameters)
        try:
            with self.world.transaction() if what in WRITING else contextlib.nullcontext():
                answer = act(given)
        except StripeError as error:
            raise ValueError(str(error)) from error
        self.stripe.work_off()
        return answer

    def _add_fault(self, fault: Fault) -> dict[str, Any]:
        self.faults.add(fault)
        return self.faults.as_json()

    def _disturb_webhooks(self, webhooks: WebhookFaults) -> dict[str, Any]:
        self.faults.webhooks = webhooks
        return self.faults.as_json()

    def _limit_rate(self, rate: Rate) -> dict[str, Any]:
        self.faults.per_second = rate.per_second
        return self.faults.as_json()

    def _clear(self, _: Nothing) -> dict[str, Any]:
        self.faults.clear()
        return self.faults.as_json()

    def _tell_time(self, _: Nothing) -> dict[str, Any]:
        return {"now": self.world.now(), "driven": self.world.driven()}

    def _set_clock(self, clock: Clock) -> dict[str, Any]:
        at = clock.at if clock.advance is None else self.world.now() + clock.advance
        self.world.set_clock(at, sign=clock.sign)
        return {"now": self.world.now(), "driven": self.world.driven()}

    def _authenticate(self, asked: Authentication) -> dict[str, Any]:
        intents = {"payment_intent": payment_intents, "setup_intent": setup_intents}[asked.kind]
        intent = self.world.get(asked.kind, asked.id)
        customer = Call(self.world, {}, "req_customer")
        finished: dict[str, Any] = intents.finish_authentication(customer, intent, passed=asked.passed)
        return finished

    def _change_card(self, change: CardChange) -> dict[str, Any]:
        """Change a card as its bank does; Stripe tells of what a customer sees of it, as far as it has changed."""
        given = {name: value for name, value in msgspec.structs.asdict(change).items() if value is not None}
        method = self.world.get("payment_method", given.pop("payment_method"), name="PaymentMethod")
        if number := given.pop("behaves_like", None):
            card_of_number(number)
            self.world.store.hide(method["id"], "behaves_like", number)
        if wallet := given.pop("wallet", None):
            method["card"]["wallet"] = {"type": wallet, "dynamic_last4": None, wallet: {}}
        method["card"] |= given
        self.world.store.save(method)
        if given:
            self.world.tell("payment_method.automatically_updated", method)
        return method

    def _books(self, _: Nothing) -> dict[str, Any]:
        """Answer every charge that moved money, and the net by currency: read in full, so for tests alone."""
        charges = [
            {name: charge[name] for name in IN_BOOKS}
            for charge in self.world.store.everything("charge")
            if charge["paid"]
        ]
        net: Counter[str] = Counter()
        for entry in self.world.store.everything("balance_transaction"):
            net[entry["currency"]] += entry["net"]
        return {"charges": charges, "net": dict(net)}

    def _reset(self, _: Nothing) -> dict[str, Any]:
        self.faults.clear()
        self.world.reset()
        return {}
