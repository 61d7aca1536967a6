"""Whether a person signs up: a check that the operator chooses, by naming its class in SIGNUP_BOT_CHECK.

Nothing here knows of a request: a client sends what the check's widget gave it as `bot_token`.
"""

from __future__ import annotations

import logging
from typing import Protocol

import httpx
from django.conf import settings
from django.utils.module_loading import import_string

logger = logging.getLogger(__name__)

TIMEOUT = 3.0
"""Seconds. A service that takes longer lets the sign-up pass."""


class BotCheck(Protocol):
    """A way to tell people from programs."""

    def passes(self, *, token: str, address: str | None) -> bool:
        """Answer whether a token was given to a person; `address` is where the request came from.

        Must answer within a few seconds and never raise: without an answer of the service it says yes, since the
        rate limits hold all the same.
        """
        ...


class SiteVerify:
    """The protocol that hCaptcha, Cloudflare Turnstile and reCAPTCHA share: the token is verified by a POST."""

    def passes(self, *, token: str, address: str | None) -> bool:
        """Ask the service at BOT_CHECK_URL."""
        if not token:
            return False
        asked = {"secret": settings.BOT_CHECK_SECRET, "response": token}
        if address:
            asked["remoteip"] = address
        try:
            answer = httpx.post(settings.BOT_CHECK_URL, data=asked, timeout=TIMEOUT)
            answer.raise_for_status()
            verdict = answer.json()
        except (httpx.HTTPError, ValueError):
            logger.warning("The bot check does not answer; a sign-up passes without it.", exc_info=True)
            return True
        return isinstance(verdict, dict) and verdict.get("success") is True


def configured() -> BotCheck | None:
    """Answer the operator's check; None if there is none."""
    if not settings.SIGNUP_BOT_CHECK:
        return None
    check: BotCheck = import_string(settings.SIGNUP_BOT_CHECK)()
    return check
