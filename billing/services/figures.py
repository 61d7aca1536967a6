"""Recording monthly recurring revenue, a day at a time and set-wise.

A subscription counts while it is active or past due: the list price of its price version, a month's share of
it when it is paid by the year, without the tax of its country on that day; coupons and gifts do not lessen it.
Trials, pauses and holds count nothing. Currencies are never added together.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

from django.db import connection, transaction
from django.db.models import Max

from billing.models import RecurringRevenueDay

_LOCK = 7_340_021
"""Of the day's run, among PostgreSQL's advisory locks."""

_RECORD = """
WITH present AS (
    SELECT subscription.id, subscription.account_id, price.currency,
        CASE WHEN subscription.status IN ('active', 'past_due') THEN
            round(price.amount / (CASE price.interval WHEN 'year' THEN 12.0 ELSE 1.0 END)
                / (CASE price.tax_behavior WHEN 'inclusive' THEN 1 + coalesce(tax.rate, 0) ELSE 1 END))
        ELSE 0 END::bigint AS amount
    FROM billing_subscription subscription
    JOIN billing_price price ON price.id = subscription.price_id
    LEFT JOIN billing_taxrate tax ON tax.country = coalesce(nullif(subscription.territory, ''), subscription.country)
        AND tax.starts <= %(day)s AND (tax.ends IS NULL OR %(day)s < tax.ends)
), changed AS (
    SELECT present.*, coalesce(known.amount, 0) AS was, coalesce(known.currency, present.currency) AS was_in,
        EXISTS (
            SELECT 1 FROM billing_recurringrevenue former WHERE former.account_id = present.account_id
        ) AS counted_before
    FROM present LEFT JOIN billing_recurringrevenue known ON known.subscription_id = present.id
    WHERE present.amount <> coalesce(known.amount, 0)
        OR (present.amount <> 0 AND present.currency <> known.currency)
), moved AS (
    SELECT currency, amount - CASE WHEN was_in = currency THEN was ELSE 0 END AS delta,
        CASE
            WHEN was = 0 AND counted_before THEN 'reactivation'
            WHEN was = 0 THEN 'new'
            WHEN amount = 0 THEN 'churn'
            WHEN was_in <> currency OR amount > was THEN 'expansion'
            ELSE 'contraction'
        END AS kind
    FROM changed
    UNION ALL
    -- What goes on in another currency has left this one.
    SELECT was_in, -was, 'contraction' FROM changed WHERE was_in <> currency AND was <> 0
), kept AS (
    INSERT INTO billing_recurringrevenue (subscription_id, account_id, currency, amount)
    SELECT id, account_id, currency, amount FROM changed
    ON CONFLICT (subscription_id) DO UPDATE SET currency = excluded.currency, amount = excluded.amount
), sums AS (
    SELECT currency, kind, sum(delta)::bigint AS delta FROM moved GROUP BY currency, kind
), before AS (
    SELECT DISTINCT ON (currency) currency, closing FROM billing_recurringrevenueday ORDER BY currency, day DESC
), counting AS (
    SELECT currency, count(*) AS subscribers FROM present WHERE amount > 0 GROUP BY currency
), totals AS (
    SELECT currency, coalesce(before.closing, 0) AS opening,
        coalesce(sum(delta) FILTER (WHERE kind = 'new'), 0)::bigint AS new,
        coalesce(sum(delta) FILTER (WHERE kind = 'expansion'), 0)::bigint AS expansion,
        coalesce(sum(delta) FILTER (WHERE kind = 'contraction'), 0)::bigint AS contraction,
        coalesce(sum(delta) FILTER (WHERE kind = 'churn'), 0)::bigint AS churn,
        coalesce(sum(delta) FILTER (WHERE kind = 'reactivation'), 0)::bigint AS reactivation
    FROM sums FULL JOIN before USING (currency)
    GROUP BY currency, before.closing
)
INSERT INTO billing_recurringrevenueday
    (day, currency, opening, new, expansion, contraction, churn, reactivation, closing, subscribers, made_at)
SELECT %(day)s, currency, opening, new, expansion, contraction, churn, reactivation,
    opening + new + expansion + contraction + churn + reactivation, coalesce(subscribers, 0), %(now)s
FROM totals LEFT JOIN counting USING (currency)
"""


def record_due(*, now: datetime) -> date | None:
    """Record the day that is over, if it is not recorded; answers it.

    A day on which this did not run is part of the next one that did: no movement is lost.
    """
    day = now.astimezone(UTC).date() - timedelta(days=1)
    return day if record(day=day, now=now) else None


@transaction.atomic
def record(*, day: date, now: datetime) -> bool:
    """Record recurring revenue as it stands now for a day; answers False for one that is recorded or passed."""
    with connection.cursor() as cursor:
        # One run at a time: the second sees the day of the first.
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
        last = RecurringRevenueDay.objects.aggregate(day=Max("day"))["day"]
        if last is not None and last >= day:
            return False
        cursor.execute(_RECORD, {"day": day, "now": now})
        return bool(cursor.rowcount)
