"""An outbox with a past, written in bulk."""

from __future__ import annotations

from django.db import connection

from tests.core.outbox.probe import NOW

_DELIVERIES = """
INSERT INTO core_outboxdelivery (
    event_id, occurred_at, handler, aggregate, state, failures, error, settled_at,
    decision, decided_by, decision_reason
)
SELECT
    id, occurred_at, 'probe.record', aggregate, %(state)s, 0, '', %(settled_at)s, '', '', ''
FROM core_outboxevent
WHERE id > %(after)s
"""
_EVENTS = """
INSERT INTO core_outboxevent (occurred_at, type, aggregate, payload)
SELECT
    %(now)s::timestamptz - number * interval '1 second', 'tests.Happened', 'lane:' || number %% %(lanes)s,
    jsonb_build_object('lane', (number %% %(lanes)s)::text, 'number', number)
FROM generate_series(1, %(count)s) AS number
"""


def fill(*, delivered: int, pending: int, lanes: int) -> None:
    """Write delivered deliveries and then pending ones, over so many lanes, and let PostgreSQL know."""
    with connection.cursor() as cursor:
        for count, state, settled_at in ((delivered, "delivered", NOW), (pending, "pending", None)):
            cursor.execute("SELECT coalesce(max(id), 0) FROM core_outboxevent")
            (last,) = cursor.fetchone()
            cursor.execute(_EVENTS, {"now": NOW, "lanes": lanes, "count": count})
            cursor.execute(_DELIVERIES, {"state": state, "settled_at": settled_at, "after": last})
        cursor.execute("ANALYZE core_outboxdelivery, core_outboxevent")
