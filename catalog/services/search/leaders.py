"""The best titles, among which words that very many titles share are looked for."""

from __future__ import annotations

from collections.abc import Collection
from uuid import UUID

from django.db import connection, transaction

LEADERS = 20_000
"""So many lead: of what one title in a hundred has, still some pages."""


def choose_leaders() -> int:
    """Choose anew who leads; answer how many have changed. Reads every document: for a quiet hour."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            """
            WITH best AS MATERIALIZED (
                SELECT title_id FROM catalog_searchdocument ORDER BY standing DESC, title_id LIMIT %s
            )
            SELECT title_id FROM catalog_searchdocument WHERE NOT leads AND title_id IN (SELECT title_id FROM best)
            UNION ALL
            SELECT title_id FROM catalog_searchdocument WHERE leads AND title_id NOT IN (SELECT title_id FROM best)
            """,
            [LEADERS],
        )
        changing = [row[0] for row in cursor.fetchall()]
        # In order, as everybody writes documents.
        cursor.execute(
            "SELECT FROM catalog_searchdocument WHERE title_id = ANY(%s) ORDER BY title_id FOR UPDATE", [changing]
        )
        cursor.execute("UPDATE catalog_searchdocument SET leads = NOT leads WHERE title_id = ANY(%s)", [changing])
        return len(changing)


def lead_anew(title_ids: Collection[UUID]) -> None:
    """Let a few titles lead at once that have risen so high, in the caller's transaction; who falls waits for the night."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT title_id FROM catalog_searchdocument WHERE title_id = ANY(%s) AND NOT leads
            AND standing >= (SELECT min(standing) FROM catalog_searchdocument WHERE leads)
            ORDER BY title_id FOR UPDATE
            """,
            [list(title_ids)],
        )
        risen = [row[0] for row in cursor.fetchall()]
        if risen:
            cursor.execute("UPDATE catalog_searchdocument SET leads = true WHERE title_id = ANY(%s)", [risen])
