"""What everything in a simulation shares: the clock, the gateway, chance, and the count of what was done."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from datetime import datetime
from typing import Any
from uuid import UUID

from billing.gateway import ChargeOutcome, Gateway
from core.errors import DomainError
from core.idempotency import RequestKey
from local.standin.control import Control


class Killed(BaseException):
    """A process dies in the middle of its work: nothing catches this, as nothing catches SIGKILL."""


class Mortal:
    """A gateway whose caller may be killed: after the charge was made, and before its outcome is known to anybody."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self.calls_left: int | None = None
        """How many charges are made before the next caller dies with its charge; None lets all live."""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._gateway, name)

    def charge(self, *, params: Any, idempotency_key: str) -> ChargeOutcome:
        outcome = self._gateway.charge(params=params, idempotency_key=idempotency_key)
        if self.calls_left is not None:
            self.calls_left -= 1
            if self.calls_left < 0:
                self.calls_left = None
                raise Killed
        return outcome


class World:
    """One simulated world."""

    def __init__(self, control: Control, gateway: Gateway, *, seed: int, begins: datetime) -> None:
        self.control = control
        self.mortal = Mortal(gateway)
        self.gateway: Gateway = self.mortal
        self.seed = seed
        self.begins = begins
        self.now = begins
        self.acts: Counter[str] = Counter()
        self._keys = 0

    def chance(self, *of: object) -> random.Random:
        """Answer the chance that belongs to something: the same for the same seed, whatever else happens."""
        return random.Random(":".join(map(str, (self.seed, *of))))  # noqa: S311 - chance, not secrecy

    def move(self, now: datetime) -> None:
        """Let it be `now`, here and at the stand-in.

        Calls that nobody waits for any more arrive before: no network keeps one for as long as simulated hours last.
        """
        self.control.wait_for_requests()
        self.now = now
        self.control.set_clock(int(now.timestamp()))

    def attempt(self, what: str, act: Callable[[], object]) -> None:
        """Do something and count it; what the platform refuses is counted by its code."""
        try:
            done = act()
        except DomainError as refusal:
            self.acts[f"refused: {refusal.code}"] += 1
        except Killed:
            self.acts["killed while serving"] += 1
        else:
            self.acts[what] += done is not False

    def key(self, account_id: UUID) -> RequestKey:
        """Answer the key of one more request of an account."""
        self._keys += 1
        return RequestKey.of(account_id=account_id, operation="simulate", key=str(self._keys), body=None)
