"""Typos, accents, hyphens and people on real catalogues."""

# ruff: noqa: RUF001 - letters of other scripts are what this is about

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

DATA = Path(__file__).parents[3] / "shared" / "data"
LISTS = [DATA / "titles" / name for name in ("netflix_titles.csv", "amazon_prime_titles.csv")]
SHOWS = [DATA / "tvmaze" / name for name in ("shows.json", "episodes.json")]

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.skipif(not DATA.exists(), reason="the folder of shared test data is absent"),
]

NOW = datetime(2026, 3, 4, 12, tzinfo=UTC)
QUERIES = {
    # Typos: letters swapped, left out, doubled, taken for others; in one word or several.
    "strnger thigns": "Stranger Things",
    "sacred gmaes": "Sacred Games",
    "bird bxo": "Bird Box",
    "blak miror": "Black Mirror",
    "the crwon": "The Crown",
    "narcoss": "Narcos",
    "the wihte tiger": "The White Tiger",
    "unorthdox": "Unorthodox",
    "3 idots": "3 Idiots",
    "orange is the new blck": "Orange Is the New Black",
    "marriage storry": "Marriage Story",
    "schitts crek": "Schitt's Creek",
    "the boy from medelin": "The Boy From Medellín",
    "horatio hornblowr": "Horatio Hornblower",
    "кухна": "Кухня",
    "دفعه القاهره": "دفعة القاهرة",
    # Accents, umlauts and other letters, hyphens and apostrophes.
    "pokemon the movie power of us": "Pokémon the Movie: Power of Us",
    "senora acero": "Señora Acero",
    "mobius": "Möbius",
    "moebius": "Möbius",
    "unsere muetter": "Unsere Mütter, unsere Väter",
    "les temoins": "Les Témoins",
    "la revoluton": "La Révolution",
    "hjordis": "Hjørdis",
    "olotre": "Òlòtūré",
    "spider man into the spider verse": "Spider-Man: Into the Spider-Verse",
    "spiderman into": "Spider-Man: Into the Spider-Verse",
    "freaks youre one": "Freaks – You're One of Us",
    "心跳源": "Broker - 心跳源计划",
    "istanbul kirmizisi": "İstanbul Kırmızısı",
    "BABAMIN CEKETİ": "Babamın Ceketi",
    "enfant terrible": "L'Enfant Terrible",
    "angels and demons": "Angels & Demons",
    "the king and i": "The King & I",
    "men in black 2": "Men in Black II",
    "rocky 2": "Rocky II",
    # Scripts without spaces, and Korean with a space more or less.
    "ハットリ": "忍者ハットリくん",
    "はっとりくん 忍者": "忍者ハットリくん",
    "儿子": "海的儿子",
    "海的几子": "海的儿子",
    "마녀 사냥": "마녀사냥",
    "반드시잡는다": "반드시 잡는다",
    "นายเจ้าเล่ห์": "แผนร้ายนายเจ้าเล่ห์",
    # Spaces, and slips that only the other words tell.
    "strangerthings": "Stranger Things",
    "one pice": "ONE PIECE",
    "inglorious basterds": "Inglourious Basterds",
    "better call sal": "Better Call Saul",
    "geme of thrones": "Game of Thrones",
    "star trk": "Star Trek",
    # People, with a word of the title or none; an episode.
    "cuaron roma": "ROMA",
    "quentin tarantno jackie": "Jackie Brown",
    "gillian andersen sex": "Sex Education",
    "katrin sass": "Dogs of Berlin",
    "winter is comming": "Winter is Coming",
}
"""What is typed, and the title that is meant."""


def some_titles(path: Path) -> bytes:
    """Every ninth title of a list, and those that are meant."""
    with path.open(newline="", encoding="utf-8") as file:
        header, *rows = csv.reader(file)
    place = header.index("title")
    chosen = [row for number, row in enumerate(rows) if number % 9 == 0 or row[place] in QUERIES.values()]
    text = io.StringIO()
    csv.writer(text).writerows([header, *chosen])
    return text.getvalue().encode()


def test_what_is_meant_comes_first() -> None:
    """Run it with -s for the table."""
    for path in LISTS:
        ingest(some_titles(path), ProviderFactory.create(), format="kaggle-titles")
    maze = ProviderFactory.create()
    for path in SHOWS:
        ingest(path.read_bytes(), maze, format="tvmaze")
    first = {}
    for query in QUERIES:
        found = search.search(query, Viewer("DE", ("en",)), NOW)
        named = TitleText.objects.filter(title__in=found.title_ids[:1]).order_by("language")
        first[query] = named.values_list("name", flat=True).first()
        print(f"{query:34} {found.corrected or '':30} {first[query]}")  # noqa: T201 - the table
    assert first == QUERIES
