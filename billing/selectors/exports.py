"""The books as rows for finance: exact, in the order they were written, read as they are sent.

Amounts are major units as decimals with all digits of their currency, debits positive. Days are UTC's.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta
from types import MappingProxyType
from typing import Any

from django.db import connection, transaction
from django.utils.translation import gettext_lazy

from core.money import Money

EXPORTS = MappingProxyType(
    {
        "journal": gettext_lazy("The journal, line by line"),
        "tax": gettext_lazy("Tax by country and quarter"),
        "deferred": gettext_lazy("Deferred revenue at the end of the last day, by plan and country"),
        "payouts": gettext_lazy("Movements of the gateway's balance, and payouts"),
    }
)
CHUNK = 2_000

_JOURNAL = """
SELECT entry.id, entry.booked_at, entry.kind, entry.source_key, line.account, line.country, entry.currency,
    line.amount, entry.reference, coalesce(invoice.number, '')
FROM billing_journalentry entry
JOIN billing_journalline line ON line.entry_id = entry.id
LEFT JOIN billing_invoice invoice ON invoice.id = entry.invoice_id
WHERE entry.booked_at >= %(begins)s AND entry.booked_at < %(ends)s
ORDER BY entry.id, line.id
"""

# What was taxed is the rest of the entry but for who owes it or paid it.
_TAX = """
WITH taxed AS (
    SELECT DISTINCT line.entry_id, line.country FROM billing_journalline line
    JOIN billing_journalentry entry ON entry.id = line.entry_id
    WHERE line.account = 'tax_payable' AND entry.booked_at >= %(begins)s AND entry.booked_at < %(ends)s
)
SELECT taxed.country, to_char(entry.booked_at AT TIME ZONE 'UTC', 'YYYY-"Q"Q'), entry.currency,
    coalesce(sum(-line.amount) FILTER (WHERE line.account IN ('deferred_revenue', 'refunds')), 0)::bigint,
    coalesce(sum(-line.amount) FILTER (WHERE line.account = 'tax_payable'), 0)::bigint
FROM taxed
JOIN billing_journalentry entry ON entry.id = taxed.entry_id
JOIN billing_journalline line ON line.entry_id = entry.id
GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
"""

# Drawn from the schedules, by what of each is not revenue yet after the last day that was closed; and what nobody has paid
# yet, which has none. Together they are the ledger's balance.
_DEFERRED = """
WITH closed AS (
    SELECT coalesce(max(day), '-infinity'::date) AS day FROM billing_recognisedday WHERE closed_at < %(ends)s
), running AS (
    SELECT s.*, CASE WHEN s.first_day > closed.day THEN 0
        ELSE least(greatest(closed.day + 1 - s.start, 0), s."end" - s.start) END AS days
    FROM billing_revenueschedule s CROSS JOIN closed
    JOIN billing_invoiceline line ON line.id = s.line_id
    JOIN billing_invoice invoice ON invoice.id = line.invoice_id
    WHERE (s."end" > closed.day OR s.first_day > closed.day) AND invoice.paid_at < %(ends)s
), parts AS (
    SELECT currency, plan_id, country, sum(amount)::bigint AS scheduled,
        sum(sign(amount) * div(2 * abs(amount) * days + ("end" - start), 2 * ("end" - start)))::bigint AS earned
    FROM running GROUP BY currency, plan_id, country
)
SELECT parts.currency, plan.code, parts.country, parts.scheduled, parts.earned, parts.scheduled - parts.earned
FROM parts JOIN billing_plan plan ON plan.id = parts.plan_id
UNION ALL
SELECT invoice.currency, '(not paid yet)', invoice.country, sum(line.amount - line.tax)::bigint, 0,
    sum(line.amount - line.tax)::bigint
FROM billing_invoice invoice JOIN billing_invoiceline line ON line.invoice_id = invoice.id
WHERE invoice.status = 'open' AND invoice.finalised_at < %(ends)s
GROUP BY invoice.currency, invoice.country HAVING sum(line.amount - line.tax) <> 0
ORDER BY 1, 2, 3
"""

_PAYOUTS = """
SELECT made_at, gateway_id, kind, currency, amount, fee, amount - fee, reference, verdict
FROM billing_gatewaytransaction
WHERE made_at >= %(begins)s AND made_at < %(ends)s
ORDER BY made_at, id
"""

_HEADS: dict[str, tuple[str, tuple[str, ...], str, tuple[int, ...]]] = {
    "journal": (
        _JOURNAL,
        ("entry", "booked_at", "kind", "cause", "account", "country", "currency", "amount", "reference", "invoice"),
        "currency",
        (7,),
    ),
    "tax": (_TAX, ("country", "quarter", "currency", "net", "tax"), "currency", (3, 4)),
    "deferred": (
        _DEFERRED,
        ("currency", "plan", "country", "scheduled", "earned", "deferred"),
        "currency",
        (3, 4, 5),
    ),
    "payouts": (
        _PAYOUTS,
        ("made_at", "movement", "kind", "currency", "amount", "fee", "net", "reference", "verdict"),
        "currency",
        (4, 5, 6),
    ),
}


def rows(what: str, *, begins: date, ends: date) -> Iterator[Sequence[Any]]:
    """Answer an export's head and rows, for the days from `begins` to `ends` with both.

    Raises ValueError for an export that there is not, or days in the wrong order.
    """
    if what not in _HEADS or ends < begins:
        raise ValueError(f"There is no export {what!r} from {begins} until {ends}.")
    return _read(what, begins, ends)


def _read(what: str, begins: date, ends: date) -> Iterator[Sequence[Any]]:
    statement, head, currency, amounts = _HEADS[what]
    at = head.index(currency)
    yield head
    values = {
        "begins": datetime.combine(begins, time(), UTC),
        "ends": datetime.combine(ends + timedelta(days=1), time(), UTC),
    }
    # A cursor of the server: the journal of a year is read as it is sent.
    with transaction.atomic(), connection.chunked_cursor() as cursor:
        cursor.execute(statement, values)
        while chunk := cursor.fetchmany(CHUNK):
            for row in chunk:
                yield [_written(value, position, amounts, row[at]) for position, value in enumerate(row)]


def _written(value: Any, position: int, amounts: Sequence[int], currency: str) -> Any:
    if position in amounts:
        return f"{Money(int(value), currency).major:f}"
    return value.astimezone(UTC).isoformat() if isinstance(value, datetime) else value


class _Echo:
    def write(self, line: str) -> str:
        return line


def as_csv(read: Iterator[Sequence[Any]]) -> Iterator[str]:
    """Write rows as CSV, a line at a time. Text that a spreadsheet would run as a formula is kept from it."""
    writer = csv.writer(_Echo())
    for row in read:
        yield writer.writerow([_inert(value) for value in row])


def _inert(value: Any) -> Any:
    is_formula = isinstance(value, str) and value[:1] in {"=", "+", "@", "\t", "\r"}
    return f"'{value}" if is_formula else value
