"""What an event of Stripe's tells, and of whom."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from billing.models import PaymentAttempt, PaymentCustomer, PaymentMethod, WebhookEvent

SECRETS = frozenset({"client_secret", "secret"})
"""Whoever has one of these may act at Stripe as the customer or as we do."""
REMOVED = "removed"


def without_secrets(value: Any) -> Any:
    """Answer what Stripe sent without what lets its reader act upon it."""
    if isinstance(value, dict):
        return {
            key: REMOVED if key in SECRETS and isinstance(inner, str) and inner else without_secrets(inner)
            for key, inner in value.items()
        }
    if isinstance(value, list):
        return [without_secrets(inner) for inner in value]
    return value


def accounts_of(event: WebhookEvent) -> set[UUID]:
    """Answer whom an event tells of: by the customer that it names, its payment, or its card."""
    data = event.payload.get("data")
    about = data.get("object") if isinstance(data, dict) else None
    said = about if isinstance(about, dict) else {}
    named = {name: str(said[name]) for name in ("id", "customer", "payment_intent") if said.get(name)}
    found: set[UUID] = set()
    if "customer" in named:
        found.update(PaymentCustomer.objects.filter(gateway_id=named["customer"]).values_list("account", flat=True))
    payments = [named[name] for name in ("id", "payment_intent") if name in named]
    if payments:
        attempts = PaymentAttempt.objects.filter(gateway_id__in=payments).exclude(gateway_id="")
        found.update(attempts.values_list("invoice__account", flat=True))
    if "id" in named:
        found.update(PaymentMethod.objects.filter(gateway_id=named["id"]).values_list("account", flat=True))
    return found
