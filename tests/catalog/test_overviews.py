"""The calendar of licences, and what is missing where."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from accounts.maturity import Audience
from catalog.models import Artwork, SourceRecord, Title
from catalog.rules import Viewer
from catalog.selectors import ages, calendar, gaps
from core import clock
from tests.catalog.test_admin import staff
from tests.factories.catalog import (
    NOW,
    EpisodeFactory,
    ProviderFactory,
    RatingFactory,
    SeasonFactory,
    TextFactory,
    TitleFactory,
    WindowFactory,
    feed,
    ingest,
    movie,
)

pytestmark = pytest.mark.django_db

__all__ = ["staff"]
FAR = NOW + timedelta(weeks=13)


def shown(country: str = "DE", since: datetime = NOW, until: datetime = FAR) -> list[tuple[str, str, datetime, bool]]:
    found, was_cut = calendar.boundaries(country, since, until)
    assert not was_cut
    return [(item.title.texts.get().name, item.kind, item.at, item.changes) for item in found]


def at(month: int, day: int, hour: int = 0) -> datetime:
    return datetime(2026, month, day, hour, tzinfo=UTC)


class TestCalendar:
    def test_names_what_begins_and_ends_in_order(self) -> None:
        TitleFactory.create(name="Leaving", window={"ends_at": at(4, 1)})
        TitleFactory.create(name="Coming", window={"starts_at": at(3, 20)})
        TitleFactory.create(name="Both", window={"starts_at": at(3, 10), "ends_at": at(5, 1)})
        assert shown() == [
            ("Both", "begins", at(3, 10), True),
            ("Coming", "begins", at(3, 20), True),
            ("Leaving", "ends", at(4, 1), True),
            ("Both", "ends", at(5, 1), True),
        ]

    def test_counts_days_at_the_countrys_own_midnight(self) -> None:
        TitleFactory.create(name="Days", window={"ends_on": date(2026, 4, 1)})
        assert shown("DE") == [("Days", "ends", at(3, 31, 22), True)]
        assert shown("JP") == [("Days", "ends", at(3, 31, 15), True)]

    def test_takes_the_first_instant_and_not_the_last(self) -> None:
        TitleFactory.create(name="Edge", window={"ends_at": FAR})
        assert shown() == []
        assert shown(since=FAR, until=FAR + timedelta(seconds=1)) == [("Edge", "ends", FAR, True)]

    def test_says_whether_viewers_notice(self) -> None:
        title = TitleFactory.create(name="Renewed", window={"ends_at": at(4, 1)})
        WindowFactory.create(title=title, starts_at=at(4, 1))
        assert shown() == [("Renewed", "begins", at(4, 1), False), ("Renewed", "ends", at(4, 1), False)]

    def test_leaves_out_other_countries_licences_and_what_is_not_public(self) -> None:
        TitleFactory.create(name="Elsewhere", window={"ends_at": at(4, 1), "territories": ["FR"]})
        TitleFactory.create(name="Rental", window={"ends_at": at(4, 1), "license_type": "VOD"})
        TitleFactory.create(name="Draft", window={"ends_at": at(4, 1)}, state="draft", published_at=None)
        assert shown("DE") == []
        assert [name for name, *_ in shown("FR")] == ["Elsewhere"]

    def test_costs_the_same_queries_however_many(self, django_assert_max_num_queries: Any) -> None:
        TitleFactory.create_batch(5, window={"ends_at": at(4, 1)})
        with django_assert_max_num_queries(3):
            calendar.boundaries("DE", NOW, FAR)

    def test_says_when_there_is_more(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(calendar, "MOST", 2)
        TitleFactory.create_batch(3, window={"ends_at": at(4, 1)})
        found, was_cut = calendar.boundaries("DE", NOW, FAR)
        assert (len(found), was_cut) == (2, True)


def image(title: Title, kind: str, file: str = "a.webp") -> None:
    Artwork.objects.create(title=title, kind=kind, file=file, source="a")


class TestGaps:
    @pytest.mark.parametrize(
        ("gap", "tracks", "is_missing"),
        [
            ("dub", [], True),
            ("dub", [{"type": "audio", "language": "de"}], False),
            ("dub", [{"type": "audio", "language": "de-AT"}], False),
            ("dub", [{"type": "audio", "language": "den"}], True),
            ("dub", [{"type": "audio", "language": "de", "audio_description": True}], True),
            ("subtitle", [{"type": "audio", "language": "de"}], True),
            ("subtitle", [{"type": "subtitle", "language": "DE"}], False),
            ("subtitle", [{"type": "subtitle", "language": "de", "forced": True}], True),
            ("audio_description", [{"type": "audio", "language": "de"}], True),
            ("audio_description", [{"type": "audio", "language": "de", "audio_description": True}], False),
        ],
    )
    def test_of_sound_and_subtitles(self, gap: str, tracks: list[dict[str, Any]], is_missing: bool) -> None:
        title = TitleFactory.create(tracks=tracks)
        TitleFactory.create(kind="series")
        found = list(gaps.lacking(gap, country="DE", language="de", now=NOW))
        assert found == ([title] if is_missing else [])

    def test_of_words(self) -> None:
        title = TitleFactory.create(name="Tideline")
        assert [list(gaps.lacking(gap, country="DE", language="de", now=NOW)) for gap in ("name", "synopsis")] == [
            [title], [title],
        ]  # fmt: skip
        TextFactory.create(title=title, language="de-CH", name="Flutlinie", synopsis_medium="Es steigt.")
        assert [list(gaps.lacking(gap, country="DE", language="de", now=NOW)) for gap in ("name", "synopsis")] == [
            [], [],
        ]  # fmt: skip
        assert list(gaps.lacking("name", country="DE", language="de-AT", now=NOW)) == [title]

    def test_of_images_that_have_not_arrived(self) -> None:
        title = TitleFactory.create()
        image(title, "poster", file="")
        image(title, "backdrop")
        assert list(gaps.lacking("poster", country="DE", language="de", now=NOW)) == [title]
        assert list(gaps.lacking("backdrop", country="DE", language="de", now=NOW)) == []

    def test_of_ratings_by_country(self) -> None:
        title = TitleFactory.create()
        RatingFactory.create(title=title, country="US")
        assert list(gaps.lacking("rating", country="US", language="en", now=NOW)) == []
        assert list(gaps.lacking("rating", country="DE", language="de", now=NOW)) == [title]

    def test_matter_only_where_a_title_can_be_watched(self) -> None:
        TitleFactory.create(window={"territories": ["FR"]})
        TitleFactory.create(state="draft", published_at=None)
        assert list(gaps.lacking("poster", country="DE", language="de", now=NOW)) == []


class TestPages:
    def test_show_the_calendar(self, staff: Client) -> None:
        end = datetime.now(UTC) + timedelta(days=3)
        TitleFactory.create(name="Tideline", window={"ends_at": end})
        text = staff.get(reverse("admin:catalog_title_calendar_page")).content.decode()
        assert "Tideline" in text
        assert "Leaves" in text

    def test_is_of_one_provider_where_one_is_asked_for(self, staff: Client) -> None:
        for number, code in enumerate(("acme", "other"), 1):
            ingest(feed(movie(number, id=f"{code}-1", titles={"en": code.title()})), ProviderFactory.create(code=code, publish="on_ingest"))  # fmt: skip
        now = clock.now()
        assert len(gaps.lacking("poster", country="DE", language="de", now=now)) == 2
        [found] = gaps.lacking("poster", country="DE", language="de", now=now, provider="acme")
        SourceRecord.objects.filter(provider__code="acme").update(retired_at=now)
        assert not gaps.lacking("poster", country="DE", language="de", now=now, provider="acme")
        asked = {"country": "DE", "language": "de", "gap": "poster"}
        page = reverse("admin:catalog_title_gaps_page")
        assert [row[1] for row in staff.get(page, asked | {"provider": "other"}).context["rows"]] == ["Other"]
        assert "rows" in staff.get(page, asked | {"provider": "nobody"}).context
        assert found.texts.get().name == "Acme"

    def test_names_what_has_no_synopsis_at_all(self) -> None:
        told, silent = TitleFactory.create(name="Told"), TitleFactory.create(name="Silent")
        TextFactory.create(title=told, language="fr", name="Dit", synopsis_long="Un film.")
        assert list(gaps.lacking("any_synopsis", country="DE", language="de", now=NOW)) == [silent]

    def test_show_what_is_missing(self, staff: Client) -> None:
        TitleFactory.create(name="Tideline")
        address = reverse("admin:catalog_title_gaps_page")
        text = staff.get(address, {"gap": "synopsis", "country": "de", "language": "de"}).content.decode()
        assert "1 published title that can be watched there lacks it." in text
        assert "Tideline" in text

    def test_say_that_nothing_is_missing_or_hidden(self, staff: Client) -> None:
        TextFactory.create(title=TitleFactory.create(name="Tideline"), language="de", name="Die Flutlinie")
        text = staff.get(reverse("admin:catalog_title_gaps_page"), {"gap": "name", "language": "de"}).content.decode()
        assert "No published title that can be watched there lacks it." in text
        text = staff.get(reverse("admin:catalog_title_ages_page"), {"country": "DE", "age": "12"}).content.decode()
        assert "No published title that can be watched there is hidden from such a profile." in text

    @pytest.mark.parametrize("asked", [{"country": "XX"}, {"language": "d'e"}, {"gap": "taste"}])
    def test_say_what_is_wrong_with_what_was_asked(self, staff: Client, asked: dict[str, str]) -> None:
        answer = staff.get(reverse("admin:catalog_title_gaps_page"), asked)
        assert answer.status_code == 200
        assert not answer.context["form"].is_valid()

    def test_are_linked_from_the_list(self, staff: Client) -> None:
        text = staff.get(reverse("admin:catalog_title_changelist")).content.decode()
        assert reverse("admin:catalog_title_calendar_page") in text
        assert reverse("admin:catalog_title_gaps_page") in text


class TestAges:
    def test_list_what_a_bound_hides_by_the_rating_that_decides(self, staff: Client) -> None:
        hidden, shown, unrated = (TitleFactory.create(name=name) for name in ("Nosferatu", "Safety Last!", "Häxan"))
        RatingFactory.create(title=hidden, country="DE", system="FSK", value="16", minimum_age=16)
        RatingFactory.create(title=hidden, country="US", system="MPAA", value="G", minimum_age=0)
        RatingFactory.create(title=shown, country="DE", system="FSK", value="6", minimum_age=6)
        address = reverse("admin:catalog_title_ages_page")
        text = staff.get(address, {"country": "DE", "age": "12"}).content.decode()
        assert [name in text for name in ("Nosferatu", "DE FSK 16 (16)", "Safety Last!", "Häxan")] == [
            True,
            True,
            False,
            False,
        ]
        assert "18 (18)" in text
        text = staff.get(address, {"country": "DE", "age": "12", "rated_only": "on"}).content.decode()
        assert ["Häxan" in text, "Nobody has rated it" in text] == [True, True]
        assert unrated.ratings.count() == 0

    @pytest.mark.parametrize("allows_unrated", [True, False])
    @pytest.mark.parametrize("age", [0, 12, 18])
    def test_hide_what_a_profile_of_the_age_does_not_see(self, age: int, allows_unrated: bool) -> None:
        for number, bound in enumerate((None, 0, 6, 13, 18)):
            title = TitleFactory.create()
            if bound is not None:
                RatingFactory.create(title=title, country="DE", system=f"S{number}", value="x", minimum_age=bound)
        audience = Audience(age, allows_unrated)
        seen = set(Title.objects.browsable_by(Viewer("DE", ("de",), audience), NOW))
        assert set(ages.hidden("DE", audience, NOW)) == set(Title.objects.all()) - seen


class TestWhoSeesATitle:
    def test_says_every_reason_and_the_rating(self, staff: Client) -> None:
        series = TitleFactory.create(kind="series", window={"territories": ["AT"]})
        RatingFactory.create(title=series, country="AT", system="JMK", value="16", minimum_age=16)
        episode = EpisodeFactory.create(parent=SeasonFactory.create(parent=series))
        address = reverse("admin:catalog_title_viewers_one", args=[episode.pk])
        text = staff.get(address, {"country": "AT", "age": "18"}).content.decode()
        assert "Such a profile sees it." in text
        text = staff.get(address, {"country": "DE", "age": "12"}).content.decode()
        assert "No licence covers DE, only AT." in text
        assert "It is for people of 16 years and more (AT JMK 16); this profile sees up to 12." in text
        text = staff.get(
            address, {"country": "AT", "age": "18", "at_0": "1999-01-01", "at_1": "00:00:00"}
        ).content.decode()
        assert "Such a profile sees it." in text
