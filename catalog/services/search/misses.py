"""What people look for and we do not have: counted, bounded, and without who it was."""

from __future__ import annotations

import re
from collections.abc import Collection
from datetime import date, timedelta

from django.db import connection

from catalog import lexemes
from catalog.models import SearchMiss
from catalog.rules import Viewer

MOST = 20_000
"""Rows at most: what comes when they are full is not counted until the night has made room."""
KEPT = timedelta(days=90)
"""How long a query is remembered after it was last missed."""
LONGEST = 60
# A telephone number, a card's or a post code: whoever pastes such a thing by mistake has not told us.
_PERSONAL = re.compile(r"[0-9]{5,}|[0-9](?: ?[0-9]){6,}")


def note_miss(*, query: str, viewer: Viewer, today: date) -> None:
    """Count a search that found nothing. What may be somebody's own, such as a long text or number, is not kept."""
    folded = " ".join(lexemes.query_words(query))
    if len(folded) < 3 or max(len(query), len(folded)) > LONGEST or "@" in query or _PERSONAL.search(folded):
        return
    language = viewer.languages[0] if viewer.languages else ""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO catalog_searchmiss AS missed (query, language, country, times, first_on, last_on)
            SELECT %(query)s, %(language)s, %(country)s, 1, %(today)s, %(today)s
            WHERE (SELECT count(*) FROM (SELECT FROM catalog_searchmiss LIMIT %(most)s) AS kept) < %(most)s
               OR EXISTS (SELECT FROM catalog_searchmiss WHERE query = %(query)s AND language = %(language)s
                          AND country = %(country)s)
            ON CONFLICT (query, language, country) DO UPDATE SET times = missed.times + 1, last_on = EXCLUDED.last_on
            """,
            {
                "query": folded,
                "language": language.lower()[:20],
                "country": viewer.country,
                "today": today,
                "most": MOST,
            },
        )


def forget_misses(*, ids: Collection[int]) -> int:
    """Delete what staff have dealt with; answer how many."""
    return SearchMiss.objects.filter(pk__in=ids).delete()[0]


def purge_misses(*, today: date) -> int:
    """Delete what was not missed for long, and, of what is missed least, so much that half the room is free."""
    number = SearchMiss.objects.filter(last_on__lt=today - KEPT).delete()[0]
    too_many = SearchMiss.objects.order_by("-times", "-last_on", "pk").values_list("pk", flat=True)[MOST // 2 :]
    return number + SearchMiss.objects.filter(pk__in=list(too_many)).delete()[0]
