"""Billing in the admin: offers are edited, everything that was charged is only looked at."""

from billing.admin import (
    books,
    consumers,
    credit,
    dashboard,
    disputes,
    fraud_warnings,
    invoices,
    offers,
    outages,
    payments,
    refunds,
    setbacks,
    subscriptions,
)

__all__ = [
    "books",
    "consumers",
    "credit",
    "dashboard",
    "disputes",
    "fraud_warnings",
    "invoices",
    "offers",
    "outages",
    "payments",
    "refunds",
    "setbacks",
    "subscriptions",
]
