"""Billing in the admin: offers are edited, everything that was charged is only looked at."""

from billing.admin import books, credit, dashboard, invoices, offers, outages, payments, refunds, subscriptions

__all__ = ["books", "credit", "dashboard", "invoices", "offers", "outages", "payments", "refunds", "subscriptions"]
