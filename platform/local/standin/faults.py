"""Faults on demand: what a network, a busy Stripe and a bad day can do."""

from __future__ import annotations

import random
import re
from dataclasses import asdict, dataclass, field, fields
from typing import Any

KINDS = (
    "latency",  # wait `seconds`, then go on
    "refused",  # close the connection before anything happens
    "lost_reply",  # do everything, then close the connection
    "error_before",  # 500, nothing done
    "error_after",  # 500, everything done, and the key remembers the 500
    "rate_limited",  # 429, nothing done, nothing remembered
)


@dataclass
class Fault:
    """One rule: what happens to which requests.

    It strikes requests whose method and path match, after the first `skip` of them, at most `times`
    times (0: without end), each with `probability`.
    """

    kind: str
    method: str = "POST"
    path: str = ".*"
    skip: int = 0
    times: int = 1
    probability: float = 1.0
    seconds: float = 0.0
    seen: int = field(default=0, init=False)
    struck: int = field(default=0, init=False)

    @classmethod
    def read(cls, data: dict[str, Any]) -> Fault:
        """Make a rule from JSON; raises ValueError with what is wrong."""
        known = {entry.name for entry in fields(cls) if entry.init}
        if data.get("kind") not in KINDS:
            raise ValueError(f"kind must be one of {', '.join(KINDS)}")
        if unknown := data.keys() - known:
            raise ValueError(f"unknown members: {', '.join(sorted(unknown))}")
        re.compile(data.get("path", ""))
        return cls(**data)

    def strikes(self, method: str, path: str) -> bool:
        """Answer whether it happens to this request, and count it."""
        if method != self.method or not re.fullmatch(self.path, path):
            return False
        self.seen += 1
        if self.seen <= self.skip or (self.times and self.struck >= self.times):
            return False
        if random.random() >= self.probability:  # noqa: S311 - chance, not secrecy
            return False
        self.struck += 1
        return True


@dataclass
class WebhookFaults:
    """What happens to webhooks from now on."""

    copies: int = 1
    """How often each is delivered."""
    delay: float = 0.0
    """Seconds each waits before its first delivery."""
    shuffle: bool = False
    """Deliver what is waiting in random order."""
    drop: bool = False
    """Deliver nothing; the events stay in the list."""
    forge: bool = False
    """Sign with a wrong secret."""


class Faults:
    """The rules in force."""

    def __init__(self) -> None:
        self.rules: list[Fault] = []
        self.webhooks = WebhookFaults()
        self.per_second = 0
        """How many requests a second are let through; 0 lets all through."""

    def of(self, method: str, path: str) -> list[Fault]:
        """Answer what happens to a request."""
        return [rule for rule in self.rules if rule.strikes(method, path)]

    def clear(self) -> None:
        """Forget all rules."""
        self.__init__()  # type: ignore[misc]

    def as_json(self) -> dict[str, Any]:
        """Answer the rules with what they have struck."""
        return {
            "requests": [asdict(rule) for rule in self.rules],
            "webhooks": asdict(self.webhooks),
            "per_second": self.per_second,
        }
