"""Limits of requests, counted in Valkey.

A limit holds across processes and machines: each request is counted in one atomic step, over a
window that slides. DRF's own classes read, decide and write in three, so that requests at once pass
together. While Valkey is away nothing is limited, which a log line says.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from functools import cache
from typing import TYPE_CHECKING

import structlog
from django.conf import settings
from limits import RateLimitItem, parse
from limits.storage import RedisStorage
from limits.strategies import SlidingWindowCounterRateLimiter
from redis.exceptions import RedisError
from rest_framework.request import Request
from rest_framework.settings import api_settings
from rest_framework.throttling import BaseThrottle

from core.geo import client_address

if TYPE_CHECKING:
    # which itself imports this module, as DRF's settings name it
    from rest_framework.views import APIView

logger = structlog.get_logger(__name__)

# A Valkey that hangs may cost a request this many seconds, and no more.
_PATIENCE = 0.5


@cache
def _limiter(url: str) -> SlidingWindowCounterRateLimiter:
    storage = RedisStorage(url, key_prefix="throttle", socket_timeout=_PATIENCE, socket_connect_timeout=_PATIENCE)
    return SlidingWindowCounterRateLimiter(storage)


@cache
def _limit(rate: str) -> RateLimitItem:
    return parse(rate)


class Throttle(BaseThrottle, ABC):
    """Counts a request towards the rate of its scope.

    Rates stand in REST_FRAMEWORK["DEFAULT_THROTTLE_RATES"], such as `60/minute`; a scope without one
    is not limited. Who is signed in is counted by account, anybody else by address.
    """

    wait_seconds: float | None = None

    @abstractmethod
    def scope(self, request: Request, view: APIView) -> str | None:
        """Answer the scope of a request; None if this limit is not its concern."""

    def allow_request(self, request: Request, view: APIView) -> bool:
        """Count a request; False if it is one too many."""
        scope = self.scope(request, view)
        rate = api_settings.DEFAULT_THROTTLE_RATES.get(scope) if scope else None
        if scope is None or rate is None:
            return True
        limit, who = _limit(rate), _who(request)
        try:
            limiter = _limiter(settings.REDIS_URL)
            if limiter.hit(limit, scope, who):
                return True
            self.wait_seconds = limiter.get_window_stats(limit, scope, who).reset_time - time.time()
        except RedisError:
            logger.warning("throttling_unavailable", scope=scope, exc_info=True)
            return True
        return False

    def wait(self) -> float | None:
        """Answer for how many seconds a refused client should wait."""
        return self.wait_seconds


class Anonymous(Throttle):
    """Requests of who is not signed in."""

    def scope(self, request: Request, view: APIView) -> str | None:
        """Answer `anon`."""
        return None if request.user.is_authenticated else "anon"


class Account(Throttle):
    """Requests of an account."""

    def scope(self, request: Request, view: APIView) -> str | None:
        """Answer `account`."""
        return "account" if request.user.is_authenticated else None


class Scoped(Throttle):
    """Requests to views that share a `throttle_scope`, beside the general limits."""

    def scope(self, request: Request, view: APIView) -> str | None:
        """Answer the view's `throttle_scope`."""
        return getattr(view, "throttle_scope", None)


def _who(request: Request) -> str:
    if request.user.is_authenticated:
        return f"account:{request.user.pk}"
    address = client_address(request)
    # The hosts of one IPv6 customer share a /64, and each may use all of its addresses.
    if address is not None and address.version == 6:
        return f"address:{address.exploded[:19]}"
    return f"address:{address}"
