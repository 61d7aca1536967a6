"""How statements read their tables: by an index, or as a whole because there is none."""

from __future__ import annotations

import re
from collections.abc import Callable

from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

WHOLE = re.compile(r"Seq Scan on (\w+)")
SMALL = {
    "billing_consumerlaw",
    "billing_coupon",
    "billing_numberseries",
    "billing_outage",
    "billing_plan",
    "billing_planfamily",
    "billing_price",
    "billing_recognisedday",
    "billing_taxrate",
}
"""Tables that do not grow with the number of subscribers."""


def read_as_a_whole(act: Callable[[], object]) -> set[str]:
    """Answer the tables that grow and that statements of an act, made on this connection, can only read as a whole."""
    with CaptureQueriesContext(connection) as queries:
        act()
    statements = [
        query["sql"]
        for query in queries.captured_queries
        if query["sql"].lstrip().startswith(("SELECT", "UPDATE", "INSERT", "WITH", "DELETE"))
    ]
    assert statements
    found: set[str] = set()
    with transaction.atomic(), connection.cursor() as cursor:
        # A table of a few rows is read as a whole otherwise, whatever indexes it has.
        cursor.execute("SET LOCAL enable_seqscan = off")
        for statement in statements:
            cursor.execute(f"EXPLAIN {statement}")
            found.update(WHOLE.findall("\n".join(row for (row,) in cursor.fetchall())))
    return found - SMALL
