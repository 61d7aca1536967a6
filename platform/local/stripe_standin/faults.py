"""Faults on demand: what a network, a busy Stripe and a bad day can do."""

from __future__ import annotations

import random
import re
import time
from collections import defaultdict
from dataclasses import asdict, dataclass, field, fields
from typing import Any

KINDS = {
    "latency": "wait `seconds`, then go on",
    "refused": "close the connection before anything happens",
    "lost_reply": "do everything, then close the connection",
    "error_before": "500 with nothing done; the idempotency key remembers the 500",
    "error_after": "500 with everything done; the idempotency key remembers the 500",
    "rate_limited": "429 with nothing done and nothing remembered",
}


@dataclass
class Fault:
    """One rule: what happens to which requests.

    It strikes requests whose method and path match, after the first `skip` of them, at most `times`
    times (0: without end), each with `probability`.
    """

    kind: str
    method: str = "POST"
    path: str = ".*"
    """A regular expression for the whole path."""
    skip: int = 0
    times: int = 1
    probability: float = 1.0
    seconds: float = 0.0
    seen: int = field(default=0, init=False)
    struck: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"kind is one of {', '.join(KINDS)}")
        try:
            self._path = re.compile(self.path)
        except re.error as error:
            raise ValueError(f"path is no regular expression: {error}") from error

    def strikes(self, method: str, path: str, chance: random.Random) -> bool:
        """Answer whether it happens to this request, and count it."""
        if self.method != method or not self._path.fullmatch(path):
            return False
        self.seen += 1
        if self.seen <= self.skip or (self.times and self.struck >= self.times):
            return False
        if chance.random() >= self.probability:
            return False
        self.struck += 1
        return True


@dataclass
class WebhookFaults:
    """What happens to webhooks from now on."""

    copies: int = 1
    """How often each is delivered."""
    delay: float = 0.0
    """Seconds that each waits before its first delivery."""
    shuffle: float = 0.0
    """Seconds within which each is delivered at a random moment, so that they arrive in any order."""
    drop: bool = False
    """Deliver none; events stay in the list."""
    hold: bool = False
    """Deliver none until released (see webhooks.py)."""
    forge: bool = False
    """Sign with a secret that is not the endpoint's."""


class RateLimit:
    """So many requests a second, in all and for each endpoint; 0 is without limit."""

    def __init__(self, per_second: int = 0, per_endpoint: int = 0) -> None:
        self.per_second = per_second
        self.per_endpoint = per_endpoint
        self._second = 0
        self._counts: dict[str, int] = defaultdict(int)

    def admits(self, endpoint: str) -> bool:
        """Count a request, and answer whether it is let through."""
        if not self.per_second and not self.per_endpoint:
            return True
        second = int(time.monotonic())
        if second != self._second:
            self._second = second
            self._counts.clear()
        for name, limit in (("", self.per_second), (endpoint, self.per_endpoint)):
            if limit and self._counts[name] >= limit:
                return False
        self._counts[""] += 1
        self._counts[endpoint] += 1
        return True


class Faults:
    """Everything that goes wrong at present. It lives in memory: a restarted server does nothing wrong."""

    def __init__(self) -> None:
        self.clear()

    def clear(self, seed: int = 0) -> None:
        """Let nothing go wrong; what is random begins anew from `seed`."""
        self.rules: list[Fault] = []
        self.webhooks = WebhookFaults()
        self.rate = RateLimit()
        self.chance = random.Random(seed)  # noqa: S311 - chance, not secrecy

    def add(self, rule: dict[str, Any]) -> None:
        """Add a rule; raises ValueError or TypeError with what is wrong with it."""
        self.rules.append(Fault(**_known(Fault, rule)))

    def disturb_webhooks(self, change: dict[str, Any]) -> None:
        """Change what happens to webhooks; raises ValueError for what cannot."""
        self.webhooks = WebhookFaults(**{**asdict(self.webhooks), **_known(WebhookFaults, change)})

    def striking(self, method: str, path: str) -> dict[str, Fault]:
        """Answer what happens to a request, by kind."""
        return {rule.kind: rule for rule in self.rules if rule.strikes(method, path, self.chance)}

    def as_json(self) -> dict[str, Any]:
        return {
            "requests": [asdict(rule) for rule in self.rules],
            "webhooks": asdict(self.webhooks),
            "rate": {"per_second": self.rate.per_second, "per_endpoint": self.rate.per_endpoint},
        }


def _known(kind: type[Fault | WebhookFaults], given: dict[str, Any]) -> dict[str, Any]:
    if unknown := given.keys() - {entry.name for entry in fields(kind) if entry.init}:
        raise ValueError(f"unknown: {', '.join(sorted(unknown))}")
    return given
