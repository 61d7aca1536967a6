"""What people look for and we do not have: counted, bounded, and without who it was."""

from __future__ import annotations

import re
from collections.abc import Collection
from datetime import date, datetime, timedelta
from threading import Lock

from catalog import lexemes
from catalog.models import SearchMiss
from catalog.rules import Viewer
from catalog.selectors import search
from core import prepared

MOST = 20_000
"""About so many rows at most: what comes when they are full is not counted until the night has made room."""
COUNTED_EACH = 500
"""A process counts the rows before it adds the first one, and again after so many: to count takes longer than to add."""
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
    miss: dict[str, str | date] = {
        "query": folded,
        "language": (viewer.languages[0] if viewer.languages else "").lower()[:20],
        "country": viewer.country,
        "today": today,
    }
    with prepared.cursor() as cursor:
        cursor.execute(
            "UPDATE catalog_searchmiss SET times = times + 1, last_on = %(today)s::date"
            " WHERE query = %(query)s::text AND language = %(language)s::text AND country = %(country)s::text",
            miss,
        )
        if cursor.rowcount or not _room.take():
            return
        cursor.execute(
            """
            INSERT INTO catalog_searchmiss AS missed (query, language, country, times, first_on, last_on)
            VALUES (%(query)s::text, %(language)s::text, %(country)s::text, 1, %(today)s::date, %(today)s::date)
            ON CONFLICT (query, language, country) DO UPDATE SET times = missed.times + 1, last_on = EXCLUDED.last_on
            """,
            miss,
        )


class _Room:
    """Whether there is room for more rows, as this process knows it."""

    def __init__(self) -> None:
        self._is_left = False
        self._asked_again_after = 0
        self._lock = Lock()

    def take(self) -> bool:
        """Say whether a row may be added."""
        with self._lock:
            if not self._asked_again_after:
                left = MOST - SearchMiss.objects.count()
                self._is_left = left > 0
                self._asked_again_after = min(left, COUNTED_EACH) if left > 0 else COUNTED_EACH
            self._asked_again_after -= 1
            return self._is_left


_room = _Room()


def forget_misses(*, ids: Collection[int]) -> int:
    """Delete what staff have dealt with; answer how many."""
    return SearchMiss.objects.filter(pk__in=ids).delete()[0]


def forget_found(*, ids: Collection[int], now: datetime) -> tuple[int, int]:
    """Search again for what was missed, as an adult in its country; delete what is found; answer how many are, and are not."""
    missed = list(SearchMiss.objects.filter(pk__in=ids))
    found = []
    for miss in missed:
        viewer = Viewer(miss.country, (miss.language,) if miss.language else ())
        if search.search(miss.query, viewer, now, limit=1).title_ids:
            found.append(miss.pk)
    forget_misses(ids=found)
    return len(found), len(missed) - len(found)


def purge_misses(*, today: date) -> int:
    """Delete what was not missed for long, and, of what is missed least, so much that half the room is free."""
    number = SearchMiss.objects.filter(last_on__lt=today - KEPT).delete()[0]
    too_many = SearchMiss.objects.order_by("-times", "-last_on", "pk").values_list("pk", flat=True)[MOST // 2 :]
    return number + SearchMiss.objects.filter(pk__in=list(too_many)).delete()[0]
