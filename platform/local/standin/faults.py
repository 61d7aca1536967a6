"""Faults on demand: what a network, a busy Stripe and a bad day can do."""

from __future__ import annotations

import random
import re
from typing import Literal

import msgspec

Kind = Literal[
    "latency",  # wait `seconds`, then go on
    "refused",  # close the connection before anything happens
    "lost_reply",  # do everything, then close the connection
    "error_before",  # 500, nothing done
    "error_after",  # 500, everything done, and the key remembers the 500
    "rate_limited",  # 429, nothing done, nothing remembered
]


class Fault(msgspec.Struct, forbid_unknown_fields=True):
    """One rule: what happens to which requests.

    It strikes requests whose method and path match, after the first `skip` of them, at most `times`
    times (0: without end), each with `probability`.
    """

    kind: Kind
    method: str = "POST"
    path: str = ".*"
    skip: int = 0
    times: int = 1
    probability: float = 1.0
    seconds: float = 0.0

    def __post_init__(self) -> None:
        try:
            re.compile(self.path)
        except re.error as error:
            raise ValueError(f"path is no regular expression: {error}") from error


class WebhookFaults(msgspec.Struct, forbid_unknown_fields=True):
    """What happens to webhooks from now on; what is not named ends."""

    copies: int = 1
    """How often each is delivered."""
    delay: float = 0.0
    """Seconds each waits before its first delivery."""
    shuffle: bool = False
    """Deliver what is waiting one by one in random order."""
    drop: bool = False
    """Deliver nothing; what waits is delivered once this ends."""
    forge: bool = False
    """Sign with a wrong secret."""


class Rule:
    """A fault with its counts."""

    def __init__(self, fault: Fault) -> None:
        self.fault = fault
        self.seen = 0
        self.struck = 0

    def strikes(self, method: str, path: str) -> bool:
        """Answer whether it happens to this request, and count it."""
        if method != self.fault.method or not re.fullmatch(self.fault.path, path):
            return False
        self.seen += 1
        if self.seen <= self.fault.skip or (self.fault.times and self.struck >= self.fault.times):
            return False
        if random.random() >= self.fault.probability:  # noqa: S311 - chance, not secrecy
            return False
        self.struck += 1
        return True


class Faults:
    """The rules in force."""

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Forget all rules."""
        self.rules: list[Rule] = []
        self.webhooks = WebhookFaults()
        self.per_second = 0
        """How many requests a second are let through; 0 lets all through."""

    def add(self, fault: Fault) -> None:
        """Put a rule in force."""
        self.rules.append(Rule(fault))

    def of(self, method: str, path: str) -> dict[str, Fault]:
        """Answer what happens to a request, by kind."""
        return {rule.fault.kind: rule.fault for rule in self.rules if rule.strikes(method, path)}

    def as_json(self) -> dict[str, object]:
        """Answer the rules with what they have struck."""
        return {
            "requests": [
                {**msgspec.to_builtins(rule.fault), "seen": rule.seen, "struck": rule.struck} for rule in self.rules
            ],
            "webhooks": msgspec.to_builtins(self.webhooks),
            "per_second": self.per_second,
        }
