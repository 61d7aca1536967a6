"""The demo's rows have something for grown-ups and for children, and leave editors' work alone."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from accounts.maturity import Audience
from catalog.models import Collection, EditorialRow
from catalog.rules import Viewer
from catalog.selectors import collections as selectors
from catalog.services import collections
from local.demo import rows, titles

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 7, 1, 12, tzinfo=UTC)


def shown(viewer: Viewer, *, is_kids: bool) -> list[str]:
    return [row.collection.slug for row in selectors.rows_for(viewer, NOW, is_kids=is_kids)]


def test_no_row_of_the_demo_is_empty() -> None:
    titles.ingest(now=NOW)
    rows.arrange(now=NOW)
    for_everybody = ["new-here", "series-to-begin", "before-sound", "laughs"]
    assert shown(Viewer("US", ("en",)), is_kids=False) == for_everybody
    child = Viewer("US", ("en",), Audience(12, allows_unrated=False))
    assert sorted(shown(child, is_kids=True)) == sorted([*for_everybody, "for-small-ones"])


def test_a_second_start_leaves_what_an_editor_has_changed() -> None:
    rows.arrange(now=NOW)
    laughs = Collection.objects.get(slug="laughs")
    collections.save(collection_id=laughs.pk, fields={"names": {"en": "Giggles"}}, rows=[], now=NOW)
    rows.arrange(now=NOW)
    laughs.refresh_from_db()
    assert laughs.names == {"en": "Giggles"}
    assert (Collection.objects.count(), EditorialRow.objects.count()) == (len(rows.ROWS), len(rows.ROWS) - 1)
