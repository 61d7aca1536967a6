"""The ways to write a name: accents, letters, scripts, spaces, numbers, small words, and slips; on titles of our own."""

# ruff: noqa: RUF001 - letters of other scripts are what this is about

from __future__ import annotations

from typing import Any

import pytest

from catalog import lexemes, spellings
from catalog.models import TitleText
from catalog.rules import Viewer
from catalog.selectors import search
from catalog.services import search as services
from tests.factories.catalog import NOW, ProviderFactory, feed, ingest, movie

VIEWER = Viewer("DE", ("en",))
NAMES: list[tuple[str, str]] = [
    ("fr", "Œufs à la neige"),
    ("fr", "L'Écume des ports"),
    ("de", "Die Straße ans Meer"),
    ("de", "Zwei-Mast-Kutter"),
    ("de", "Das Floß"),
    ("da", "Søren og månen"),
    ("ja", "月夜の灯台守"),
    ("ja", "カモメ荘のひみつ"),
    ("zh", "北方河流往事"),
    ("ko", "바다의 등대지기"),
    ("th", "ประภาคารกลางทะเล"),
    ("ru", "Ёлка над морем"),
    ("el", "Ο Φάρος της Νύχτας"),
    ("tr", "Kış Işığı"),
    ("en", "Salt & Smoke"),
    ("en", "Lantern and Tide"),
    ("en", "The Ferryman"),
    ("en", "The Ferryman's Daughter"),
    ("en", "Deep Harbour II"),
    ("en", "Deep Harbour 3"),
    ("en", "Starfall"),
    ("en", "Glass Orchard"),
    ("en", "Salt Piece"),
    ("en", "Valourous Company"),
    ("en", "The Real Valorous Camp"),
    ("en", "O'Connell's Gate"),
    ("en", "Keeper Saul"),
    *(("en", f"The Price of Ash {number}") for number in range(1, 8)),
    *(("en", f"{word} Tide") for word in ("Sale", "Sail", "Seal", "Pal", "Gal", "Sally", "Sam", "Sad", "Say", "Soul")),
]
QUERIES = {
    # Letters that are two, or one, or spelt otherwise.
    "œufs a la neige": "Œufs à la neige",
    "oeufs": "Œufs à la neige",
    "strasse ans meer": "Die Straße ans Meer",
    "STRAẞE ANS MEER": "Die Straße ans Meer",
    "das floss": "Das Floß",
    "flos": "Das Floß",
    "soren og manen": "Søren og månen",
    "soeren og maanen": "Søren og månen",
    # Signs: hyphens, apostrophes, "&".
    "zwei mast kutter": "Zwei-Mast-Kutter",
    "zweimastkutter": "Zwei-Mast-Kutter",
    "lecume des ports": "L'Écume des ports",
    "l ecume": "L'Écume des ports",
    "ecume": "L'Écume des ports",
    "oconnells gate": "O'Connell's Gate",
    "o connells gate": "O'Connell's Gate",
    "O\u2019Connell\u2019s gate": "O'Connell's Gate",
    "salt and smoke": "Salt & Smoke",
    "salt smoke": "Salt & Smoke",
    "salt und smoke": "Salt & Smoke",
    "lantern & tide": "Lantern and Tide",
    # Articles, numbers.
    "ferryman": "The Ferryman",
    "a ferryman": "The Ferryman",
    "deep harbour 2": "Deep Harbour II",
    "deep harbour iii": "Deep Harbour 3",
    # Spaces too many and too few.
    "star fall": "Starfall",
    "glassorchard": "Glass Orchard",
    "glassorch": "Glass Orchard",
    # Other scripts; some are written without spaces.
    "灯台守": "月夜の灯台守",
    "月夜 灯台": "月夜の灯台守",
    "灯台月夜": "月夜の灯台守",
    "月夜の灯代守": "月夜の灯台守",
    "かもめ荘": "カモメ荘のひみつ",
    "秘密 カモメ": "カモメ荘のひみつ",
    "河流": "北方河流往事",
    "河流北方": "北方河流往事",
    "등대지기": "바다의 등대지기",
    "바다의등대지기": "바다의 등대지기",
    "กลางทะเล": "ประภาคารกลางทะเล",
    "елка над морем": "Ёлка над морем",
    "ёлка над мрем": "Ёлка над морем",
    "φαρος της νυχτας": "Ο Φάρος της Νύχτας",
    "ΦΆΡΟΣ": "Ο Φάρος της Νύχτας",
    "kis isigi": "Kış Işığı",
    "KIŞ IŞIĞI": "Kış Işığı",
    "kış ışıgı": "Kış Işığı",
    # Slips that only the other words tell: each of these words is in the vocabulary, or near to many that are.
    "salt pice": "Salt Piece",
    "valorous company": "Valourous Company",
    "keeper sal": "Keeper Saul",
    "lantern tdie": "Lantern and Tide",
}
"""What is typed, and the title that is meant."""


@pytest.mark.django_db
def test_what_is_meant_comes_first_in_every_script() -> None:
    """Run it with -s for the table."""
    lines: list[dict[str, Any]] = [
        movie(number, titles={language: name}, original_language=language)
        for number, (language, name) in enumerate(NAMES)
    ]
    ingest(feed(*lines), ProviderFactory.create())
    services.refresh_vocabulary()
    first = {}
    for query in QUERIES:
        found = search.search(query, VIEWER, NOW)
        first[query] = TitleText.objects.filter(title__in=found.title_ids[:1]).values_list("name", flat=True).first()
        print(f"{query:24} {found.corrected or '':24} {first[query]}")  # noqa: T201 - the table
    assert first == QUERIES


class TestSpellings:
    @pytest.mark.parametrize(
        ("language", "name", "spelt"),
        [
            ("en", "Salt & Smoke", ["salt smoke", "salt and smoke"]),
            ("de", "Salz & Rauch", ["salz rauch", "salz und rauch", "salz and rauch"]),
            ("en", "Lantern and Tide", ["lantern and tide", "lantern tide"]),
            ("en", "The Ferryman", ["the ferryman", "ferryman"]),
            ("de-AT", "Das Floß", ["das floss", "floss"]),
            ("en", "Die Hard", ["die hard"]),
            ("en", "Deep Harbour II", ["deep harbour ii", "deep harbour 2"]),
            ("en", "Deep Harbour 3", ["deep harbour 3", "deep harbour iii"]),
            ("en", "V for Vortex", ["v for vortex"]),
            ("it", "L'Onda", ["londa", "l onda", "onda"]),
            ("tr", "Işık", ["isik"]),
            ("ja", "カモメ", ["かもめ"]),
            ("en", "…", []),
            ("", "Tide", ["tide"]),
        ],
    )
    def test_are_those_that_people_look_for(self, language: str, name: str, spelt: list[str]) -> None:
        assert spellings.spellings(name, language) == spelt

    def test_are_bounded(self) -> None:
        name = "The L'un & d'Été-Über ø II " * 100
        found = spellings.spellings(name, "fr")
        assert len(found) <= spellings.MOST
        assert max(map(len, found)) <= spellings.LONGEST

    def test_of_a_korean_name_begin_with_whole_syllables(self) -> None:
        assert [len(piece) for piece in spellings.pieces(spellings.fold("바다의"))] == [4, 2]


class TestDocument:
    def test_has_all_names_with_their_languages(self) -> None:
        made = lexemes.document(
            names=[("de", "Kupfermond"), ("en-GB", "Copper Moon")], other_names=[("", "The Moon & I")]
        )
        assert made.name == "kupfermond"
        assert made.names() == (
            "/de/ kupfermond /en/ copper moon // the moon i // the moon and i // moon i // moon and i /"
        )
        assert made.lexemes["=copper_moon"] == made.lexemes["=the_moon_i"] == "D"
        assert "=kupfermond" not in made.lexemes

    def test_of_a_part_has_no_whole_names(self) -> None:
        made = lexemes.document(names=[("de", "Folge 1"), ("en", "Episode 1")], is_part=True)
        assert set(made.lexemes) == {"folge", "1", "episode", "episod", "folg"}
