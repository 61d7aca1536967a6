"""Stripe's resources, a module each. Importing this package registers their endpoints and jobs."""

from local.stripe_standin.resources import (
    balance,
    charges,
    customers,
    disputes,
    early_fraud_warnings,
    events,
    payment_intents,
    payment_methods,
    refunds,
    setup_intents,
    webhook_endpoints,
)

__all__ = [
    "balance",
    "charges",
    "customers",
    "disputes",
    "early_fraud_warnings",
    "events",
    "payment_intents",
    "payment_methods",
    "refunds",
    "setup_intents",
    "webhook_endpoints",
]
