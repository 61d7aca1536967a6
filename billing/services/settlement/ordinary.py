"""The first success of an active subscription's renewal, which nearly all outcomes are, settled in a few statements for all."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from uuid import UUID

from django.db import connection

from billing.gateway import ChargeOutcome, OutcomeKind
from billing.services import ledger, records

# Looked up by key: joined, it might read every subscription there is. Locked first and by key, as everywhere;
# what has changed meanwhile is seen by the statements that follow.
_LOCK_ACTIVE = """
SELECT subscription.id FROM billing_subscription subscription
WHERE subscription.id = ANY(ARRAY(
    SELECT (SELECT subscription_id FROM billing_invoice invoice WHERE invoice.id = attempt.invoice_id)
    FROM billing_paymentattempt attempt WHERE attempt.id = ANY(%(ids)s)
)) AND subscription.status = 'active'
    AND subscription.cancel_at IS NULL AND subscription.parked_at IS NULL
ORDER BY subscription.id FOR UPDATE OF subscription
"""
_PAY_INVOICES = """
UPDATE billing_invoice invoice SET status = 'paid', paid_at = %(now)s
FROM billing_paymentattempt attempt
WHERE attempt.id = ANY(%(ids)s) AND attempt.invoice_id = invoice.id AND attempt.state = 'sent'
    AND invoice.status = 'open' AND invoice.kind = 'period' AND invoice.subscription_id = ANY(%(subscriptions)s)
RETURNING attempt.id, invoice.id, invoice.subscription_id
"""
_CLOSE_ATTEMPTS = """
UPDATE billing_paymentattempt attempt
SET state = 'succeeded', gateway_id = said.gateway_id, decline_code = '', decline_class = '', settled_at = %(now)s
FROM unnest(%(ids)s::uuid[], %(gateway_ids)s::text[]) AS said (id, gateway_id) WHERE attempt.id = said.id
"""


def settle_ordinary(decided: Mapping[UUID, ChargeOutcome], *, now: datetime) -> set[UUID]:
    """Settle set-wise what nearly all outcomes are: the first success of an active subscription's renewal.

    Answers the attempts that were settled. Says the same as `_apply` does one by one, and publishes no events,
    since such a success has none.
    """
    succeeded = [
        key for key, outcome in decided.items() if outcome.kind is OutcomeKind.SUCCEEDED and outcome.payment_intent
    ]
    if not succeeded:
        return set()
    with connection.cursor() as cursor:
        cursor.execute(_LOCK_ACTIVE, {"ids": succeeded})
        active = [key for (key,) in cursor.fetchall()]
        if not active:
            return set()
        cursor.execute(_PAY_INVOICES, {"ids": succeeded, "subscriptions": active, "now": now})
        paid: dict[UUID, UUID] = {}
        moved: dict[UUID, UUID] = {}
        for attempt_id, invoice_id, subscription_id in cursor.fetchall():
            paid[attempt_id] = moved[subscription_id] = invoice_id
        if not paid:
            return set()
        gateway_ids = [decided[key].payment_intent for key in paid]
        cursor.execute(_CLOSE_ATTEMPTS, {"ids": list(paid), "gateway_ids": gateway_ids, "now": now})
    records.move_on(moved, now=now)
    ledger.book_payments(paid.keys(), now=now)
    ledger.schedule_revenue(paid.values(), day=now.astimezone(UTC).date())
    return set(paid)
