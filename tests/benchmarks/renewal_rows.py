"""The rows of renewals, copied by SQL alone: the least that a renewal must write, with every constraint and trigger.

Each copy belongs to the same subscription and lies a thousand years later, so that no guard refuses it.
"""

from __future__ import annotations

from django.db import connection

STATEMENTS = (
    """CREATE TEMP TABLE taken ON COMMIT DROP AS
    SELECT id, gen_random_uuid() AS copy, gen_random_uuid() AS attempt, period_id, nextval('billing_period_id_seq') AS period,
        subscription_id, sequence FROM billing_invoice WHERE sequence >= %(first)s AND sequence < %(last)s""",
    "UPDATE billing_subscription SET claimed_until = now() WHERE id IN (SELECT subscription_id FROM taken)",
    """INSERT INTO billing_period (id, subscription_id, cycle, index, start, "end")
    SELECT taken.period, source.subscription_id, source.cycle + 1, source.index, source.start + interval '1000 years',
        source."end" + interval '1000 years'
    FROM taken JOIN billing_period source ON source.id = taken.period_id""",
    "UPDATE billing_numberseries SET last = last WHERE code = 'INV'",
    """INSERT INTO billing_invoice (id, account_id, subscription_id, period_id, kind, status, currency, total,
        credit_applied, line_count, series_id, sequence, number, created_at, finalised_at)
    SELECT taken.copy, source.account_id, source.subscription_id, taken.period, source.kind, 'open', source.currency,
        source.total, source.credit_applied, source.line_count, source.series_id, source.sequence + 10000000,
        'X' || source.number, source.created_at, source.finalised_at
    FROM taken JOIN billing_invoice source ON source.id = taken.id""",
    """INSERT INTO billing_invoiceline (invoice_id, position, kind, price_id, description, amount, discount, tax, tax_rate,
        service_start, service_end, derivation)
    SELECT taken.copy, position, kind, price_id, description, amount, discount, tax, tax_rate, service_start,
        service_end, derivation FROM taken JOIN billing_invoiceline source ON source.invoice_id = taken.id""",
    """WITH made AS (
        INSERT INTO billing_journalentry (source_key, kind, currency, booked_at, reference, invoice_id)
        SELECT 'copy:' || source.source_key, source.kind, source.currency, source.booked_at, source.reference, taken.copy
        FROM taken JOIN billing_journalentry source ON source.invoice_id = taken.id
        RETURNING id, source_key
    )
    INSERT INTO billing_journalline (entry_id, account, country, amount)
    SELECT made.id, line.account, line.country, line.amount FROM made
    JOIN billing_journalentry source ON 'copy:' || source.source_key = made.source_key
    JOIN billing_journalline line ON line.entry_id = source.id
    WHERE source.invoice_id IN (SELECT id FROM taken)""",
    """INSERT INTO billing_paymentattempt (id, invoice_id, n, payment_method_id, state, idempotency_key, params, gateway_id,
        decline_code, decline_class, created_at, claimed_until)
    SELECT taken.attempt, taken.copy, n, payment_method_id, 'created', 'x' || idempotency_key, params, '',
        decline_code, decline_class, created_at, claimed_until
    FROM taken JOIN billing_paymentattempt source ON source.invoice_id = taken.id""",
    "UPDATE billing_paymentattempt SET state = 'sent', sent_at = now() WHERE id IN (SELECT attempt FROM taken)",
    """UPDATE billing_paymentattempt SET state = 'succeeded', settled_at = now(), gateway_id = 'x' || id
    WHERE id IN (SELECT attempt FROM taken)""",
    "UPDATE billing_invoice SET status = 'paid', paid_at = now() WHERE id IN (SELECT copy FROM taken)",
    """UPDATE billing_subscription SET claimed_until = NULL, period_index = period_index + 1,
        next_bill_at = next_bill_at + interval '1 month' WHERE id IN (SELECT subscription_id FROM taken)""",
    """INSERT INTO billing_revenueschedule (source_key, line_id, plan_id, country, currency, amount, start, "end", first_day)
    SELECT 'copy:' || line.id, line.id, price.plan_id, '', 'USD', line.amount, line.service_start, line.service_end,
        line.service_start
    FROM taken JOIN billing_invoiceline line ON line.invoice_id = taken.copy JOIN billing_price price ON price.id = line.price_id""",
)


def copy_batch(first: int, last: int) -> None:
    """Write the rows of the renewals whose invoices have these numbers once more, in the caller's transaction."""
    with connection.cursor() as cursor:
        for statement in STATEMENTS:
            cursor.execute(statement, {"first": first, "last": last})
