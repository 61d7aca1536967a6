"""Stripe, and the only place that speaks to it.

What leaves here is billing's own vocabulary (billing.gateway); no exception of the library's does.
The library retries nothing by itself: its retries live in one process, ours in the attempt's row.
"""

from billing.stripe_gateway.client import API_VERSION, StripeGateway
from billing.stripe_gateway.connection import api_base, browser_policy, connect, is_standin, livemode
from billing.stripe_gateway.parameters import charge_params
from billing.stripe_gateway.webhooks import InvalidWebhook, verify_webhook

__all__ = [
    "API_VERSION",
    "InvalidWebhook",
    "StripeGateway",
    "api_base",
    "browser_policy",
    "charge_params",
    "connect",
    "is_standin",
    "livemode",
    "verify_webhook",
]
