"""What Stripe sends by itself: only what it signed is taken."""

from __future__ import annotations

import json
from typing import Any, ClassVar

import stripe
from django.conf import settings

from core.errors import DomainError

WEBHOOK_TOLERANCE = 300
"""Seconds between a webhook's signature and its arrival."""


class InvalidWebhook(DomainError):
    """What arrived is not from Stripe, is too old, or is no event."""

    code: ClassVar[str] = "invalid_signature"
    title: ClassVar[str] = "This is no event that Stripe signed for us within the last five minutes."
    status: ClassVar[int] = 400


def verify_webhook(raw: bytes, signature: str | None) -> dict[str, Any]:
    """Answer the event in a webhook's raw body; raises InvalidWebhook.

    Any of the configured secrets will do, so that one can be rotated.
    """
    for secret in settings.STRIPE_WEBHOOK_SECRETS:
        try:
            stripe.WebhookSignature.verify_header(raw, signature, secret, WEBHOOK_TOLERANCE)
            event = json.loads(raw)
        # A signature in letters other than ASCII is a TypeError, a body that is not UTF-8 or JSON a ValueError.
        except (stripe.SignatureVerificationError, TypeError, ValueError):
            continue
        if isinstance(event, dict) and event.get("object") == "event" and isinstance(event.get("id"), str):
            return event
    raise InvalidWebhook
