"""Calling the gateway with what an attempt's row holds."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from functools import partial
from uuid import UUID

from django.db import connection, transaction

from billing.gateway import Gateway
from billing.services import calls, setbacks, settlement
from billing.services.calls import Call, Outcomes
from billing.services.invoicing import CALL_LEASE
from billing.services.setbacks import Sweep
from core import sweeping

TRUST_IN_CLOCKS = timedelta(hours=12)
"""What was sent longer ago is looked for before it is sent again: by a clock that is wrong by hours, the gateway may
have forgotten a key that is young."""


def send(attempt_ids: Collection[UUID], *, gateway: Gateway, now: datetime) -> Outcomes:
    """Charge attempts that are not final yet, and settle the outcomes; answers them by attempt.

    Called again for the same attempt it repeats the same call, which charges nothing twice as long as
    the gateway knows the key. What is final already, or was sent too long ago for that, is left out of the answer.
    """
    marked = mark_sent(attempt_ids, now=now)
    if len(attempt_ids) > 1:
        return calls.make(marked, gateway=gateway, settle=partial(settle_each, now=now))
    return call(marked, gateway=gateway, now=now)


def call(marked: Sequence[Call], *, gateway: Gateway, now: datetime) -> Outcomes:
    """Make calls one after the other, and settle their outcomes."""
    outcomes = {
        call.attempt_id: gateway.charge(params=call.params, idempotency_key=call.idempotency_key) for call in marked
    }
    settlement.settle(outcomes, now=now)
    return outcomes


def settle_each(outcomes: Outcomes, *, now: datetime) -> None:
    """Settle outcomes; one that cannot be settled is set aside for the sweep, which asks for it again."""
    sweeping.together_or_apart(
        Sweep.PAYMENTS,
        partial(settlement.settle, outcomes, now=now),
        partial(
            setbacks.each,
            Sweep.PAYMENTS,
            outcomes,
            lambda key: settlement.settle({key: outcomes[key]}, now=now),
            now=now,
        ),
    )


# Stripe may have forgotten the key of what was sent long ago: the sweep looks for its charge first.
_MARK_SENT = """
WITH wanted AS (
    SELECT id FROM billing_paymentattempt
    WHERE id = ANY(%(ids)s) AND (state = 'created' OR (state = 'sent' AND sent_at > coalesce(%(forgotten)s, '-infinity'::timestamptz)))
    ORDER BY id FOR UPDATE
)
UPDATE billing_paymentattempt attempt
SET state = 'sent', sent_at = coalesce(attempt.sent_at, %(now)s), claimed_until = %(lease)s
FROM wanted WHERE attempt.id = wanted.id
RETURNING attempt.id, attempt.params::text, attempt.idempotency_key
"""


@transaction.atomic
def mark_sent(
    attempt_ids: Collection[UUID], *, now: datetime, sent_within: timedelta | None = TRUST_IN_CLOCKS
) -> list[Call]:
    """Record that attempts may reach the gateway from now on; answers their calls, to be made after the commit.

    Left out are those that are final, and those that were sent already, but not within `sent_within` if it is given.
    """
    if not attempt_ids:
        return []
    forgotten = now - sent_within if sent_within is not None else None
    times = {"now": now, "forgotten": forgotten, "lease": now + CALL_LEASE}
    with connection.cursor() as cursor:
        cursor.execute(_MARK_SENT, {"ids": list(attempt_ids), **times})
        return [Call(key, json.loads(params), idempotency_key) for key, params, idempotency_key in cursor.fetchall()]
