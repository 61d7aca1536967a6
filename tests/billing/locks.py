"""In which order a transaction locks."""

from __future__ import annotations

import re

from django.test.utils import CaptureQueriesContext

ORDER = [
    "accounts_user",
    "billing_subscription",
    "billing_quote",
    "billing_invoice",
    "billing_paymentattempt",
    "billing_refund",
    "billing_dispute",
    "billing_gift",
    "billing_coupon",
    "billing_creditgrant",
    "billing_numberseries",
]
"""As `billing.services` says it."""

LOCKING = re.compile(r'FROM "?(\w+)"?.* FOR (?:NO KEY )?UPDATE', re.DOTALL)


def first_locks(queries: CaptureQueriesContext) -> list[str]:
    """Answer the tables of which one transaction locked rows, in the order of their first locks."""
    locked = (match.group(1) for query in queries if (match := LOCKING.search(query["sql"])))
    return list(dict.fromkeys(table for table in locked if table in ORDER))


def in_order(tables: list[str]) -> list[str]:
    """Answer tables in the order in which they are to be locked."""
    return sorted(tables, key=ORDER.index)
