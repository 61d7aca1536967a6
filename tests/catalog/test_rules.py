"""Ages, windows, languages, words."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog import rules

NOON = datetime(2026, 3, 4, 12, tzinfo=UTC)
LICENSED = ["DE", "US", "NZ", "BR"]


@dataclass
class Window:
    territories: list[str] = field(default_factory=list)
    excluded: bool = False
    starts_at: datetime | None = None
    starts_on: date | None = None
    ends_at: datetime | None = None
    ends_on: date | None = None
    license_type: str = "SVOD"


class TestIsOpen:
    @pytest.mark.parametrize(
        ("window", "expected"),
        [
            (Window(), True),
            (Window(territories=["DE"]), True),
            (Window(territories=["US"]), False),
            (Window(territories=["DE"], excluded=True), False),
            (Window(territories=["US"], excluded=True), True),
            (Window(license_type="EST"), False),
            (Window(starts_at=NOON), True),
            (Window(starts_at=NOON + timedelta(microseconds=1)), False),
            (Window(ends_at=NOON), False),
            (Window(ends_at=NOON + timedelta(microseconds=1)), True),
            (Window(starts_on=date(2026, 3, 4)), True),
            (Window(starts_on=date(2026, 3, 5)), False),
            (Window(ends_on=date(2026, 3, 4)), False),
            (Window(ends_on=date(2026, 3, 5)), True),
        ],
    )
    def test_holds_from_its_start_until_its_end(self, window: Window, expected: bool) -> None:
        assert rules.is_open(window, "DE", NOON) is expected

    def test_begins_a_day_when_the_last_zone_of_the_country_has_reached_it(self) -> None:
        window = Window(starts_on=date(2026, 3, 4))
        # Honolulu is ten hours behind UTC, the Aleutians are too.
        assert not rules.is_open(window, "US", datetime(2026, 3, 4, 9, 59, 59, tzinfo=UTC))
        assert rules.is_open(window, "US", datetime(2026, 3, 4, 10, tzinfo=UTC))

    def test_ends_a_day_when_the_first_zone_of_the_country_reaches_it(self) -> None:
        window = Window(ends_on=date(2026, 3, 4))
        # New York is five hours behind UTC in winter.
        assert rules.is_open(window, "US", datetime(2026, 3, 4, 4, 59, 59, tzinfo=UTC))
        assert not rules.is_open(window, "US", datetime(2026, 3, 4, 5, tzinfo=UTC))

    @given(
        country=st.sampled_from(LICENSED),
        day=st.dates(date(2020, 1, 2), date(2030, 1, 1)),
        seconds=st.integers(-90_000, 90_000),
    )
    def test_agrees_with_the_end_that_is_announced(self, country: str, day: date, seconds: int) -> None:
        window = Window(ends_on=day)
        now = datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(seconds=seconds)
        end = rules.end_of(window, country)
        assert end is not None
        assert rules.is_open(window, country, now) is (now < end)


class TestMidnights:
    """A licence by days begins with the last zone of a country and ends with the first, summer time or not."""

    @pytest.mark.parametrize(
        ("country", "begins", "ends"),
        [
            # Kaliningrad is last, Kamchatka first.
            ("RU", datetime(2026, 3, 3, 22, tzinfo=UTC), datetime(2026, 3, 3, 12, tzinfo=UTC)),
            # Perth; Sydney, in its summer.
            ("AU", datetime(2026, 3, 3, 16, tzinfo=UTC), datetime(2026, 3, 3, 13, tzinfo=UTC)),
            # Rio Branco; Fernando de Noronha.
            ("BR", datetime(2026, 3, 4, 5, tzinfo=UTC), datetime(2026, 3, 4, 2, tzinfo=UTC)),
            # Honolulu; New York.
            ("US", datetime(2026, 3, 4, 10, tzinfo=UTC), datetime(2026, 3, 4, 5, tzinfo=UTC)),
            ("DE", datetime(2026, 3, 3, 23, tzinfo=UTC), datetime(2026, 3, 3, 23, tzinfo=UTC)),
            # Nobody keeps a calendar on Bouvet Island.
            ("BV", datetime(2026, 3, 4, tzinfo=UTC), datetime(2026, 3, 4, tzinfo=UTC)),
        ],
    )
    def test_of_several_zones(self, country: str, begins: datetime, ends: datetime) -> None:
        day = date(2026, 3, 4)
        assert rules.start_of(Window(starts_on=day), country) == begins
        assert rules.end_of(Window(ends_on=day), country) == ends

    @pytest.mark.parametrize(
        ("country", "day", "begins"),
        [
            ("DE", date(2026, 3, 29), datetime(2026, 3, 28, 23, tzinfo=UTC)),
            ("DE", date(2026, 3, 30), datetime(2026, 3, 29, 22, tzinfo=UTC)),
            # Lebanon's clocks go forward at midnight: its day begins at one.
            ("LB", date(2026, 3, 29), datetime(2026, 3, 28, 22, tzinfo=UTC)),
            # Paraguay's went back at midnight: eleven at night came twice before the day.
            ("PY", date(2024, 3, 24), datetime(2024, 3, 24, 4, tzinfo=UTC)),
            # Cuba's go back at one: midnight comes twice, and the first counts.
            ("CU", date(2026, 11, 1), datetime(2026, 11, 1, 4, tzinfo=UTC)),
        ],
    )
    def test_on_days_when_clocks_change(self, country: str, day: date, begins: datetime) -> None:
        assert rules.start_of(Window(starts_on=day), country) == begins

    @given(
        st.sampled_from([*LICENSED, "RU", "AU", "CL", "LB", "CU", "PY", "EG"]),
        st.dates(date(2024, 1, 1), date(2027, 12, 31)),
    )
    def test_open_and_close_exactly_then(self, country: str, day: date) -> None:
        starting, ending = Window(starts_on=day), Window(ends_on=day)
        begins, ends = rules.start_of(starting, country), rules.end_of(ending, country)
        assert begins is not None
        assert ends is not None
        before = timedelta(seconds=1)
        assert (rules.is_open(starting, country, begins - before), rules.is_open(starting, country, begins)) == (
            False,
            True,
        )
        assert (rules.is_open(ending, country, ends - before), rules.is_open(ending, country, ends)) == (True, False)
        assert rules.next_midnight(country, ends - before) == ends


class TestAvailableUntil:
    def test_is_the_last_end_of_the_open_windows(self) -> None:
        windows = [
            Window(ends_at=NOON + timedelta(days=1)),
            Window(ends_at=NOON + timedelta(days=3)),
            Window(starts_at=NOON + timedelta(days=2), ends_at=NOON + timedelta(days=9)),
        ]
        assert rules.available_until(windows, "DE", NOON) == (True, NOON + timedelta(days=3))

    def test_is_unknown_while_an_open_window_has_no_end(self) -> None:
        assert rules.available_until([Window(), Window(ends_at=NOON + timedelta(1))], "DE", NOON) == (True, None)

    def test_says_when_no_window_is_open(self) -> None:
        assert rules.available_until([Window(ends_at=NOON)], "DE", NOON) == (False, None)


class TestLanguages:
    @pytest.mark.parametrize(
        ("wanted", "original", "offered", "best"),
        [
            (["de-AT"], "fr", ["de", "de-AT", "en"], "de-AT"),
            (["de-at"], "fr", ["de", "en"], "de"),
            (["de"], "fr", ["de-AT", "en"], "de-AT"),
            (["it"], "fr", ["fr", "en"], "en"),
            (["it"], "fr", ["fr", "ja"], "fr"),
            (["it"], "", ["ja", "ko"], "ja"),
            ([], "", ["zh-Hant"], "zh-Hant"),
            (["zh-hant-tw"], "", ["zh-Hans", "zh-Hant"], "zh-Hant"),
        ],
    )
    def test_falls_back_from_region_to_language_to_english_to_the_original(
        self, wanted: list[str], original: str, offered: list[str], best: str
    ) -> None:
        assert rules.best_language(offered, rules.language_chain(wanted, original)) == best

    @pytest.mark.parametrize(
        ("wanted", "country", "offered", "best"),
        [
            (["pt"], "BR", ["pt", "pt-BR", "pt-PT"], "pt-BR"),
            (["pt"], "PT", ["pt-BR", "pt-PT"], "pt-PT"),
            (["pt-PT"], "BR", ["pt", "pt-BR"], "pt"),
            (["pt"], "DE", ["pt", "pt-BR"], "pt"),
            (["it"], "GB", ["en", "en-GB"], "en-GB"),
        ],
    )
    def test_take_the_viewers_country_where_no_region_is_asked_for(
        self, wanted: list[str], country: str, offered: list[str], best: str
    ) -> None:
        assert rules.best_language(offered, rules.language_chain(wanted, "", country)) == best

    def test_has_nothing_to_choose_from_nothing(self) -> None:
        assert rules.best_language([], ["en"]) is None


class TestFold:
    @pytest.mark.parametrize(
        ("text", "folded"),
        [
            ("Amélie", "amelie"),
            ("ŒUVRES d'art", "oeuvres dart"),
            ("Straße", "strasse"),
            ("Spider-Man: Far—Away", "spider man far away"),
            ("L\u2019\u00c9t\u00e9", "lete"),
            ("  9½ Weeks ", "91 2 weeks"),
            ("東京物語", "東京物語"),
            ("Łódź", "lodz"),
            ("!!!", ""),
        ],
    )
    def test_leaves_what_people_type(self, text: str, folded: str) -> None:
        assert rules.fold(text) == folded

    @given(st.text())
    def test_changes_nothing_the_second_time(self, text: str) -> None:
        assert rules.fold(rules.fold(text)) == rules.fold(text)

    @given(st.text(st.characters(max_codepoint=127)))
    def test_reads_plain_text_letter_by_letter(self, text: str) -> None:
        letters = (letter.lower() if letter.isalnum() else "" if letter in "'`" else " " for letter in text)
        assert rules.fold(text) == " ".join("".join(letters).split())

    @given(st.text())
    def test_leaves_words_of_letters_and_digits(self, text: str) -> None:
        assert all(word.isalnum() for word in rules.fold(text).split())


class TestClean:
    @given(st.text())
    def test_changes_nothing_the_second_time(self, text: str) -> None:
        assert rules.clean(rules.clean(text)) == rules.clean(text)

    def test_keeps_the_joiners_that_words_and_emoji_need(self) -> None:
        assert rules.clean("\u0645\u06cc\u200c\u0634\u0648\u062f \U0001f468\u200d\U0001f469") == (
            "\u0645\u06cc\u200c\u0634\u0648\u062f \U0001f468\u200d\U0001f469"
        )
