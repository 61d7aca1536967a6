"""Which Stripe the settings name, and what browsers must know of it."""

from __future__ import annotations

from functools import lru_cache

from django.conf import settings

from billing.gateway import Gateway
from billing.stripe_gateway.client import StripeGateway

API_BASE = "https://api.stripe.com"


def connect() -> Gateway:
    """Answer the gateway that the settings name."""
    return _connect(
        settings.STRIPE_SECRET_KEY,
        settings.STRIPE_API_BASE or API_BASE,
        settings.STRIPE_REQUESTS_PER_SECOND,
        settings.STRIPE_CHARGES_PER_SECOND,
    )


def api_base() -> str:
    """Answer where clients confirm what they are handed a secret for."""
    return settings.STRIPE_API_BASE or API_BASE


def is_standin() -> bool:
    """Answer whether the gateway is a stand-in, where no money moves."""
    return bool(settings.STRIPE_API_BASE)


def browser_policy() -> dict[str, list[str]]:
    """Answer what a page's Content-Security-Policy must also allow for a payment to be confirmed on it.

    https://docs.stripe.com/security/guide#content-security-policy
    """
    if is_standin():
        return {"connect-src": [api_base()]}
    return {
        "script-src": ["https://js.stripe.com", "https://*.js.stripe.com"],
        "frame-src": ["https://js.stripe.com", "https://*.js.stripe.com", "https://hooks.stripe.com"],
        "connect-src": [API_BASE],
    }


def livemode() -> bool:
    """Answer whether our key moves real money."""
    return settings.STRIPE_SECRET_KEY.startswith(("sk_live_", "rk_live_"))


@lru_cache(maxsize=4)
def _connect(secret_key: str, base: str, per_second: float, charges_per_second: float) -> StripeGateway:
    return StripeGateway(secret_key, base, per_second, charges_per_second)
