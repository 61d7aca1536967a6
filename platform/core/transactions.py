"""How far the transactions of this database have ended: for readers that go on where they stopped, in their order."""

from __future__ import annotations

from django.db import connection

# The transactions of other databases of the server write nothing here: one of them that takes long holds nothing back. What the
# snapshot says is running and nobody owns to is taken for ours. No two of those alive have the same 32 bits.
_FIRST_OPEN = """
SELECT least(
    coalesce(min(running.number), pg_snapshot_xmax(pg_current_snapshot())::text::bigint),
    pg_current_xact_id_if_assigned()::text::bigint
)
FROM (SELECT pg_snapshot_xip(pg_current_snapshot())::text::bigint) AS running(number)
WHERE NOT EXISTS (
    SELECT FROM pg_stat_activity AS other
    WHERE other.datname <> current_database() AND other.backend_xid::text::bigint = running.number & 4294967295
) AND NOT EXISTS (
    SELECT FROM pg_prepared_xacts AS other
    WHERE other.database <> current_database() AND other.transaction::text::bigint = running.number & 4294967295
)
"""


def first_open() -> int:
    """Answer the number of a transaction before which all that write to this database have ended; it only grows.

    What a later statement reads of those before it is whole. Its own transaction has not ended.
    """
    with connection.cursor() as cursor:
        cursor.execute(_FIRST_OPEN)
        return int(cursor.fetchone()[0])
