"""Booking documents and payments, set-wise and in the transaction that makes them.

Everything is read from the rows that were just written, so what is booked is what the documents say. Each
cause is booked once: the same again violates `journal_entry_source_unique`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import date, datetime
from uuid import UUID

from django.db import connection

from billing.models import JournalEntry, JournalLine

Account = JournalLine.Account
Kind = JournalEntry.Kind

# An invoice is owed, its service is owed by us, its tax belongs to the state. `sign` 1 books it, -1 takes it back.
_INVOICES = """
WITH made AS (
    INSERT INTO billing_journalentry (source_key, kind, currency, booked_at, reference, invoice_id)
    SELECT %(kind)s || ':' || invoice.id, %(kind)s, invoice.currency, %(now)s, '', invoice.id
    FROM billing_invoice invoice
    WHERE invoice.id = ANY(%(ids)s) AND EXISTS (
        SELECT 1 FROM billing_invoiceline line
        WHERE line.invoice_id = invoice.id AND line.invoice_id = ANY(%(ids)s)
        -- Lines that make up for each other, as of a change to what costs the same, owe nothing.
        HAVING sum(line.amount) <> 0 OR sum(line.tax) <> 0
    )
    RETURNING id, invoice_id
), parts AS (
    SELECT made.id AS entry_id, invoice.country,
        sum(line.amount)::bigint AS gross, sum(line.tax)::bigint AS tax
    FROM made
    JOIN billing_invoice invoice ON invoice.id = made.invoice_id
    JOIN billing_invoiceline line ON line.invoice_id = invoice.id
    WHERE invoice.id = ANY(%(ids)s) AND line.invoice_id = ANY(%(ids)s)
    GROUP BY made.id, invoice.country
)
INSERT INTO billing_journalline (entry_id, account, country, amount)
SELECT entry_id, side.account, side.country, side.amount * %(sign)s
FROM parts, LATERAL (VALUES
    ('receivable:user', '', gross),
    ('deferred_revenue', '', tax - gross),
    ('tax_payable', parts.country, -tax)
) AS side (account, country, amount)
WHERE side.amount <> 0
"""

_PAYMENTS = """
WITH made AS (
    INSERT INTO billing_journalentry (source_key, kind, currency, booked_at, reference, invoice_id)
    SELECT 'payment:' || attempt.id, 'payment', invoice.currency, %(now)s, attempt.gateway_id, invoice.id
    FROM billing_paymentattempt attempt JOIN billing_invoice invoice ON invoice.id = attempt.invoice_id
    WHERE attempt.id = ANY(%(ids)s)
    RETURNING id, invoice_id
)
INSERT INTO billing_journalline (entry_id, account, country, amount)
SELECT made.id, side.account, '', side.amount
FROM made
JOIN billing_invoice invoice ON invoice.id = made.invoice_id,
LATERAL (VALUES
    ('cash:stripe_clearing', invoice.total - invoice.credit_applied),
    (%(against)s, invoice.credit_applied - invoice.total)
) AS side (account, amount)
"""

# What an invoice takes of gifts and of credit, apart. `sign` 1 books all of it, -1 takes back what has not come back.
_CREDIT = """
WITH parts AS (
    SELECT taken.invoice_id, side.account, sum(taken.amount - taken.returned)::bigint * %(sign)s AS amount
    FROM billing_credituse taken JOIN billing_creditgrant given ON given.id = taken.grant_id,
    LATERAL (
        VALUES (CASE given.kind WHEN 'gift' THEN 'gift_liability' ELSE 'customer_credit' END)
    ) AS side (account)
    WHERE taken.invoice_id = ANY(%(ids)s)
    GROUP BY taken.invoice_id, side.account HAVING sum(taken.amount - taken.returned) <> 0
), made AS (
    INSERT INTO billing_journalentry (source_key, kind, currency, booked_at, reference, invoice_id)
    SELECT %(cause)s || ':' || invoice.id, 'credit', invoice.currency, %(now)s, '', invoice.id
    FROM billing_invoice invoice WHERE invoice.id IN (SELECT invoice_id FROM parts)
    RETURNING id, invoice_id
)
INSERT INTO billing_journalline (entry_id, account, country, amount)
SELECT made.id, parts.account, '', parts.amount FROM made JOIN parts ON parts.invoice_id = made.invoice_id
UNION ALL
SELECT made.id, 'receivable:user', '', -sum(parts.amount) FROM made JOIN parts ON parts.invoice_id = made.invoice_id
GROUP BY made.id HAVING sum(parts.amount) <> 0
"""

# What was posted late is made up for on the first day that is still open.
_SCHEDULES = """
INSERT INTO billing_revenueschedule
    (source_key, line_id, plan_id, country, currency, amount, start, "end", first_day)
SELECT 'line:' || line.id, line.id, price.plan_id, invoice.country, invoice.currency, line.amount - line.tax,
    line.service_start, line.service_end,
    greatest(line.service_start, %(day)s, (SELECT max(day) + 1 FROM billing_recognisedday))
FROM billing_invoiceline line
JOIN billing_invoice invoice ON invoice.id = line.invoice_id
JOIN billing_price price ON price.id = line.price_id
WHERE invoice.subscription_id IS NOT NULL AND invoice.id = ANY(%(ids)s) AND line.invoice_id = ANY(%(ids)s) AND line.amount <> line.tax AND line.service_start < line.service_end
"""


def book_invoices(invoice_ids: Collection[UUID], *, now: datetime) -> None:
    """Book invoices that were just finalised."""
    _book_invoices(invoice_ids, kind=Kind.INVOICE, sign=1, now=now)


def close_invoices(invoice_ids: Collection[UUID], *, now: datetime) -> None:
    """Take back what was booked for invoices that nobody will pay: nothing of them was revenue yet."""
    _book_invoices(invoice_ids, kind=Kind.CLOSED, sign=-1, now=now)


def reopen_invoices(invoice_ids: Collection[UUID], *, now: datetime) -> None:
    """Book again invoices that were closed and are paid after all."""
    _book_invoices(invoice_ids, kind=Kind.REOPENED, sign=1, now=now)


def _book_invoices(invoice_ids: Collection[UUID], *, kind: Kind, sign: int, now: datetime) -> None:
    if invoice_ids:
        with connection.cursor() as cursor:
            cursor.execute(_INVOICES, {"ids": list(invoice_ids), "kind": kind, "sign": sign, "now": now})


def book_payments(attempt_ids: Collection[UUID], *, now: datetime, against: Account = Account.RECEIVABLE) -> None:
    """Book charges that succeeded; `against` customers' credit where the invoice was not owed any more."""
    if attempt_ids:
        with connection.cursor() as cursor:
            cursor.execute(_PAYMENTS, {"ids": list(attempt_ids), "against": against, "now": now})


def book_credit(invoice_ids: Collection[UUID], *, now: datetime) -> None:
    """Book what invoices that were just finalised take of gifts and credit."""
    _book_credit(invoice_ids, cause="credit", sign=1, now=now)


def release_credit(invoice_ids: Collection[UUID], *, now: datetime) -> None:
    """Take back what was booked of it and has not come back yet; before it does."""
    _book_credit(invoice_ids, cause="credit_released", sign=-1, now=now)


def _book_credit(invoice_ids: Collection[UUID], *, cause: str, sign: int, now: datetime) -> None:
    if invoice_ids:
        with connection.cursor() as cursor:
            cursor.execute(_CREDIT, {"ids": list(invoice_ids), "cause": cause, "sign": sign, "now": now})


def schedule_revenue(invoice_ids: Collection[UUID], *, day: date) -> None:
    """Let the lines of invoices that were just paid become revenue over the days they pay for."""
    if invoice_ids:
        with connection.cursor() as cursor:
            cursor.execute(_SCHEDULES, {"ids": list(invoice_ids), "day": day})


def book(
    *,
    source_key: str,
    kind: Kind,
    currency: str,
    lines: Mapping[tuple[Account, str], int],
    now: datetime,
    reference: str = "",
    invoice_id: UUID | None = None,
) -> None:
    """Book one entry from amounts by (account, country), debits positive; amounts of nothing are left out.

    In the caller's transaction, at whose end the database refuses what does not balance.
    """
    said = {side: amount for side, amount in lines.items() if amount}
    if not said:
        return
    entry = JournalEntry(
        source_key=source_key,
        kind=kind,
        currency=currency,
        booked_at=now,
        reference=reference,
        invoice_id=invoice_id,
    )
    entry.save(force_insert=True)
    JournalLine.objects.bulk_create(
        JournalLine(entry=entry, account=account, country=country, amount=amount)
        for (account, country), amount in said.items()
    )
