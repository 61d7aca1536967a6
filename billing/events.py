"""Facts about money that other apps react to. Ids and plain scalars only."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class SubscriptionActivated:
    """A payment opened access: the first one, or one that ended a hold."""

    account_id: str
    subscription_id: str
    plan: str


@dataclass(frozen=True)
class SubscriptionLapsed:
    """Access ended. `reason` is `on_hold` (unpaid, may return), `paused` or `canceled`."""

    account_id: str
    subscription_id: str
    reason: str


@dataclass(frozen=True)
class InvoicePaymentFailed:
    """A charge of an existing subscriber did not go through; `attempt` counts from 1."""

    account_id: str
    subscription_id: str
    invoice_id: str
    attempt: int
    decline_code: str
