"""Typos, accents and hyphens on a real catalogue."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime
from pathlib import Path

import pytest

from catalog.models import TitleText
from catalog.rules import Viewer
from catalog.selectors import search
from tests.factories.catalog import ProviderFactory, ingest

DATA = Path(__file__).parents[3] / "shared" / "data" / "titles" / "netflix_titles.csv"

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.skipif(not DATA.exists(), reason="the folder of shared test data is absent"),
]

NOW = datetime(2026, 3, 4, 12, tzinfo=UTC)
QUERIES = {
    "strnger thigns": "Stranger Things",
    "sacred gmaes": "Sacred Games",
    "bird bxo": "Bird Box",
    "blak miror": "Black Mirror",
    "the crwon": "The Crown",
    "narcoss": "Narcos",
    "dereck": "Derek",
    "elite": "Elite",
    "the wihte tiger": "The White Tiger",
    "pokemon the movie power of us": "Pokémon the Movie: Power of Us",
    "unorthdox": "Unorthodox",
    "spider man into the spider verse": "Spider-Man: Into the Spider-Verse",
    "spiderman into": "Spider-Man: Into the Spider-Verse",
    "3 idots": "3 Idiots",
    "inglorious basterds": "Inglourious Basterds",
    "orange is the new blck": "Orange Is the New Black",
    "cuaron roma": "ROMA",
    "quentin tarantno jackie": "Jackie Brown",
    "marriage storry": "Marriage Story",
    "senora acero": "Señora Acero",
    "schitts crek": "Schitt's Creek",
    "gillian andersen sex": "Sex Education",
}
"""What is typed, and the title that is meant."""


@pytest.fixture(scope="module")
def some_titles() -> bytes:
    """Every ninth title of the file, and those that are meant."""
    with DATA.open(newline="", encoding="utf-8") as file:
        header, *rows = csv.reader(file)
    place = header.index("title")
    chosen = [row for number, row in enumerate(rows) if number % 9 == 0 or row[place] in QUERIES.values()]
    text = io.StringIO()
    csv.writer(text).writerows([header, *chosen])
    return text.getvalue().encode()


def test_what_is_meant_comes_first(some_titles: bytes) -> None:
    ingest(some_titles, ProviderFactory.create(), format="kaggle-titles")
    first = {}
    for query in QUERIES:
        found = search.search(query, Viewer("DE", ("en",)), NOW).title_ids
        first[query] = TitleText.objects.filter(title__in=found[:1]).values_list("name", flat=True).first()
    assert first == QUERIES
