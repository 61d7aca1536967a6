"""Writing subscriptions: the one place for it, so that no kept entitlement outlives what it is made of.

Everything here runs in the caller's transaction, on rows that the caller has locked or made.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection

from billing import entitlements, rules
from billing.models import Subscription
from billing.services import _rows

# Looked up by key, both: a join alone may read every subscription there is.
_MOVE_ON = """
UPDATE billing_subscription subscription
SET paid_through = period."end", period_index = period.index + 1, claimed_until = NULL, next_step = 'renew',
    next_bill_at = greatest(period."end", %(tomorrow)s), last_charged_at = %(now)s
FROM unnest(%(subscriptions)s::uuid[], %(invoices)s::uuid[]) AS paid (subscription_id, invoice_id),
LATERAL (
    SELECT period."end", period.index FROM billing_invoice invoice JOIN billing_period period
        ON period.id = invoice.period_id
    WHERE invoice.id = paid.invoice_id OFFSET 0
) AS period
WHERE subscription.id = ANY(%(subscriptions)s) AND subscription.id = paid.subscription_id
RETURNING subscription.account_id
"""


def create(**values: Any) -> Subscription:
    """Write a new subscription."""
    made = Subscription.objects.create(**values)
    entitlements.forget_on_commit([made.account_id])
    return made


def save(subscription: Subscription, fields: Sequence[str]) -> None:
    """Write `fields` of one subscription."""
    subscription.save(update_fields=fields)
    _forget([subscription], fields)


def save_all(subscriptions: Sequence[Subscription], fields: Sequence[str]) -> None:
    """Write `fields` of many, each with its own values."""
    _rows.update(subscriptions, fields)
    _forget(subscriptions, fields)


def claim(subscription_ids: Collection[UUID], *, until: datetime) -> None:
    """Keep claimed subscriptions out of the scheduler's scan until then."""
    Subscription.objects.filter(pk__any=subscription_ids).update(claimed_until=until)


def move_on(invoices: Mapping[UUID, UUID], *, now: datetime) -> None:
    """Move each subscription on to the end of the period whose invoice, its value here, was just paid."""
    with connection.cursor() as cursor:
        cursor.execute(
            _MOVE_ON,
            {
                "subscriptions": list(invoices),
                "invoices": list(invoices.values()),
                "tomorrow": now + rules.ONE_DAY,
                "now": now,
            },
        )
        entitlements.forget_on_commit([account for (account,) in cursor.fetchall()])


def _forget(subscriptions: Sequence[Subscription], fields: Sequence[str]) -> None:
    if not entitlements.MADE_OF.isdisjoint(fields):
        entitlements.forget_on_commit([subscription.account_id for subscription in subscriptions])
