"""Turning what is due into documents: period, numbered invoice, lines, first attempt.

`pricing` works out what a period comes to, `periods` writes it; a change of plan (`changes`) and a gift (`gifts`) have
invoices of their own. All take their `numbers` last and charge by `attempts`.
"""

from billing.services.invoicing.attempts import CALL_LEASE, new_attempt
from billing.services.invoicing.changes import bill_change, quote_lines
from billing.services.invoicing.gifts import bill_gift
from billing.services.invoicing.numbers import CREDIT_NOTES, INVOICES, number_of, reserve_numbers
from billing.services.invoicing.periods import Billed, bill
from billing.services.invoicing.pricing import Charge, Forecast, Rates, forecast

__all__ = [
    "CALL_LEASE",
    "CREDIT_NOTES",
    "INVOICES",
    "Billed",
    "Charge",
    "Forecast",
    "Rates",
    "bill",
    "bill_change",
    "bill_gift",
    "forecast",
    "new_attempt",
    "number_of",
    "quote_lines",
    "reserve_numbers",
]
