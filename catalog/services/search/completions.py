"""The best titles for the first letters that somebody types."""

from __future__ import annotations

from collections.abc import Collection
from uuid import UUID

from django.db import connection, transaction

from catalog import lexemes

COMMON = 500
"""A beginning that so many titles share has a list; others are searched for."""
KEPT = 300
"""Titles in a list: enough that also who may see few of them finds a page."""

# The beginnings of the words of names, by title.
_PREFIXES = """
    SELECT prefix, document.title_id, document.standing,
           document.name LIKE prefix || '%%' OR strpos(document.names, '/ ' || prefix) > 0 AS begins
    FROM catalog_searchdocument AS document
    CROSS JOIN LATERAL (
        SELECT DISTINCT left(word, size) AS prefix
        FROM unnest(tsvector_to_array(ts_filter(document.words, '{{a}}'))) AS word
        CROSS JOIN generate_series(1, %(short)s) AS size
        WHERE length(word) >= size
    ) AS beginning
    WHERE NOT document.is_part {condition}
"""


def rebuild_completions() -> int:
    """Make all lists anew; answer how many rows they have. Reads every document: for a quiet hour."""
    with transaction.atomic(), connection.cursor() as cursor:
        # Two at once would each write every row.
        cursor.execute("SELECT pg_advisory_xact_lock(hashtext('catalog.search.completions'))")
        cursor.execute("DELETE FROM catalog_searchcompletion")
        cursor.execute(
            f"""
            INSERT INTO catalog_searchcompletion (prefix, title_id, begins, standing)
            SELECT prefix, title_id, begins, standing FROM (
                SELECT prefix, title_id, begins, standing,
                       row_number() OVER (PARTITION BY prefix ORDER BY begins DESC, standing DESC) AS place,
                       count(*) OVER (PARTITION BY prefix) AS titles
                FROM ({_PREFIXES.format(condition="")}) AS found
            ) AS placed WHERE place <= %(kept)s AND titles >= %(common)s
            """,  # noqa: S608 - our own text
            {"short": lexemes.SHORT, "kept": KEPT, "common": COMMON},
        )
        return int(cursor.rowcount)


def complete_anew(title_ids: Collection[UUID]) -> None:
    """Put a few titles into the lists that there are, as they are now, in the caller's transaction."""
    if not title_ids:
        return
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM catalog_searchcompletion WHERE title_id = ANY(%s)", [list(title_ids)])
        cursor.execute(
            f"""
            INSERT INTO catalog_searchcompletion (prefix, title_id, begins, standing)
            SELECT prefix, title_id, begins, standing
            FROM ({_PREFIXES.format(condition="AND document.title_id = ANY(%(ids)s)")}) AS found
            WHERE EXISTS (SELECT FROM catalog_searchcompletion AS listed WHERE listed.prefix = found.prefix)
            ORDER BY prefix, title_id
            ON CONFLICT (prefix, title_id) DO NOTHING
            """,  # noqa: S608 - our own text
            {"short": lexemes.SHORT, "ids": list(title_ids)},
        )
