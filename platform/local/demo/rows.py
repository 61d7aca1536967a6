"""The demo's rows: what a viewer sees first, each an example of what a collection's rule can say."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from catalog.models import Collection, EditorialRow
from catalog.services import collections
from core.ids import new_id

EVERYBODY, KIDS = EditorialRow.Audience.EVERYBODY, EditorialRow.Audience.KIDS

# slug, names by language, rule, order, before whom
ROWS: tuple[tuple[str, dict[str, str], dict[str, Any], str, str], ...] = (
    (
        "new-here",
        {"en": "New here", "de": "Neu bei uns"},
        {"kinds": ["movie", "series"], "added_within_days": 30},
        Collection.Order.RELEASED,
        EVERYBODY,
    ),
    (
        "series-to-begin",
        {"en": "Series to begin tonight", "de": "Serien für heute Abend"},
        {"kinds": ["series"]},
        Collection.Order.RELEASED,
        EVERYBODY,
    ),
    (
        "for-small-ones",
        {"en": "For the small ones", "de": "Für die Kleinen"},
        {"made_for_kids": True},
        Collection.Order.ADDED,
        KIDS,
    ),
    (
        "before-sound",
        {"en": "Before sound", "de": "Vor dem Ton"},
        {"kinds": ["movie"], "year_to": 1928},
        Collection.Order.RELEASED,
        EVERYBODY,
    ),
    (
        "laughs",
        {"en": "Laughs in black and white", "de": "Lachen in Schwarz-Weiß"},
        {"genres": ["comedy"], "year_to": 1960},
        Collection.Order.RELEASED,
        EVERYBODY,
    ),
)


def arrange(*, now: datetime) -> None:
    """Make the collections that are not there, each with one row; what an editor has changed stays as it is."""
    there = set(Collection.objects.values_list("slug", flat=True))
    for position, (slug, names, rule, order, audience) in enumerate(ROWS, 1):
        if slug not in there:
            fields = {"slug": slug, "kind": Collection.Kind.RULE, "names": names, "rule": rule, "order": order}
            row = {"position": 10 * position, "audience": audience}
            collections.save(collection_id=new_id(), fields=fields, rows=[row], now=now)
