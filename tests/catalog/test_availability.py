"""Where and when a title may be watched, why it may not, what comes and what goes."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import product
from typing import Any

import psycopg
import pytest
from django.db import connection, transaction

from accounts.maturity import Audience
from catalog.models import Title
from catalog.rules import Viewer
from catalog.selectors import availability
from core import transactions
from tests.factories import catalog as make

pytestmark = pytest.mark.django_db

NOW = make.NOW
GERMAN = Viewer("DE", ("de",))
CHILD = Viewer("DE", ("de",), Audience(6, allows_unrated=False))


def codes(title: Title, viewer: Viewer = GERMAN) -> list[str]:
    return [reason.code for reason in availability.explain(title.pk, viewer, NOW)]


class TestExplain:
    @pytest.mark.parametrize(
        ("window", "expected"),
        [
            ({}, []),
            (False, ["no_licence"]),
            ({"territories": ["AT", "CH"]}, ["territory"]),
            ({"territories": ["DE"], "excluded": True}, ["territory"]),
            ({"license_type": "EST"}, ["licence_type"]),
            ({"starts_at": NOW + timedelta(seconds=1)}, ["not_yet"]),
            ({"starts_on": date(2026, 3, 5)}, ["not_yet"]),
            ({"ends_at": NOW}, ["expired"]),
            ({"ends_on": date(2026, 3, 4)}, ["expired"]),
        ],
    )
    def test_names_what_the_licence_lacks(self, window: Any, expected: list[str]) -> None:
        title = make.TitleFactory.create(window=window)
        assert codes(title) == expected
        assert Title.objects.visible_to(GERMAN, NOW).filter(pk=title.pk).exists() is not bool(expected)

    def test_says_when_it_begins(self) -> None:
        title = make.TitleFactory.create(window={"starts_on": date(2026, 4, 1)})
        make.WindowFactory.create(title=title, starts_on=date(2026, 5, 1))
        reason = availability.explain(title.pk, GERMAN, NOW)[0]
        assert reason.at == datetime(2026, 3, 31, 22, tzinfo=UTC)
        assert "2026-03-31 22:00 UTC" in reason.message

    def test_names_every_obstacle_at_once(self) -> None:
        title = make.TitleFactory.create(window=False, state="withdrawn", withdrawn_at=NOW)
        assert codes(title, CHILD) == ["withdrawn", "no_licence", "unrated"]

    def test_lays_it_at_the_door_of_the_whole(self) -> None:
        series = make.TitleFactory.create(kind="series", window={"territories": ["FR"]})
        season = make.SeasonFactory.create(parent=series, state="draft", published_at=None)
        episode = make.EpisodeFactory.create(parent=season)
        make.RatingFactory.create(title=series, value="R", minimum_age=17)
        reasons = availability.explain(episode.pk, CHILD, NOW)
        assert [(reason.code, reason.title_id) for reason in reasons] == [
            ("draft", season.pk), ("territory", series.pk), ("age", series.pk),
        ]  # fmt: skip

    def test_has_a_reason_exactly_when_the_title_is_not_shown(self) -> None:
        windows: list[Any] = [{}, False, {"territories": ["FR"]}, {"license_type": "VOD"}, {"ends_at": NOW}]
        for window, age, state, viewer in product(windows, [None, 6, 17], ["published", "draft"], [GERMAN, CHILD]):
            values = {} if state == "published" else {"state": "draft", "published_at": None}
            title = make.TitleFactory.create(window=window, **values)
            if age is not None:
                make.RatingFactory.create(title=title, minimum_age=age)
            shown = Title.objects.visible_to(viewer, NOW).filter(pk=title.pk).exists()
            assert shown is not bool(codes(title, viewer)), (window, age, state, viewer)


class TestOpenWindows:
    def test_are_those_of_the_nearest_level_that_has_any(self) -> None:
        series = make.TitleFactory.create(kind="series", window={"formats": ["HD"]})
        make.WindowFactory.create(title=series, ends_at=NOW, formats=["UHD"])
        season = make.SeasonFactory.create(parent=series)
        episode = make.EpisodeFactory.create(parent=season)
        assert [window.formats for window in availability.open_windows(episode.pk, "DE", NOW)] == [["HD"]]
        make.WindowFactory.create(title=season, formats=["SD"])
        assert [window.formats for window in availability.open_windows(episode.pk, "DE", NOW)] == [["SD"]]


class TestOffer:
    def test_allows_what_one_open_licence_allows_at_once(self) -> None:
        title = make.TitleFactory.create(window={"formats": ["HD"]})
        make.WindowFactory.create(title=title, formats=["UHD"], languages=["de"])
        make.WindowFactory.create(title=title, formats=["UHD-HDR"], ends_at=NOW)
        make.WindowFactory.create(title=title, formats=["UHD-HDR"], territories=["AT"])
        make.WindowFactory.create(title=title, formats=["UHD-HDR"], license_type="EST")
        offer = availability.offer(title.pk, "DE", NOW)
        assert offer.allows()
        assert offer.allows(format="HD", audio="fr", subtitle="en")
        assert offer.allows(format="UHD", audio="de-CH", subtitle="de")
        assert not offer.allows(format="UHD", audio="fr")
        assert not offer.allows(format="UHD", audio="de", subtitle="en")
        assert not offer.allows(format="UHD-HDR")
        assert availability.offer(title.pk, "AT", NOW).allows(format="UHD-HDR", audio="fr")

    def test_of_an_episode_is_that_of_what_it_belongs_to(self) -> None:
        series = make.TitleFactory.create(kind="series", window={"formats": ["SD"], "holdback_languages": ["de:audio"]})
        episode = make.EpisodeFactory.create(parent=make.SeasonFactory.create(parent=series))
        offer = availability.offer(episode.pk, "DE", NOW)
        assert (offer.allows(format="SD"), offer.allows(format="HD")) == (True, False)
        assert (offer.allows(audio="de"), offer.allows(subtitle="de")) == (False, True)

    def test_without_an_open_licence_allows_nothing(self) -> None:
        title = make.TitleFactory.create(window={"ends_at": NOW})
        assert not availability.offer(title.pk, "DE", NOW).allows()


class TestMerged:
    def test_is_said_before_all_else(self) -> None:
        kept = make.TitleFactory.create()
        title = make.TitleFactory.create(window=False, state="withdrawn", withdrawn_at=NOW, merged_into=kept)
        [reason] = availability.explain(title.pk, CHILD, NOW)
        assert (reason.code, reason.title_id) == ("merged", kept.pk)


class TestOverlappingLicences:
    def test_combine(self) -> None:
        title = make.TitleFactory.create(window={"territories": ["AT"]})
        assert codes(title) == ["territory"]
        make.WindowFactory.create(title=title, territories=["DE"], ends_at=NOW + timedelta(days=1))
        make.WindowFactory.create(title=title, territories=["FR"], excluded=True, ends_at=NOW + timedelta(days=9))
        assert codes(title) == []
        assert not availability.leaving_soon("DE", NOW, within=timedelta(days=5)).exists()
        assert availability.leaving_soon("DE", NOW, within=timedelta(days=10)).get() == title


class TestOpeningSoon:
    def test_shows_what_is_announced_and_not_yet_open(self) -> None:
        soon = make.TitleFactory.create(window={"announce_on": date(2026, 3, 1), "starts_on": date(2026, 3, 20)})
        make.TitleFactory.create(window={"announce_on": date(2026, 3, 10), "starts_on": date(2026, 3, 20)})
        make.TitleFactory.create(window={"starts_on": date(2026, 3, 20)})
        make.TitleFactory.create(window={"announce_on": date(2026, 3, 1), "starts_on": date(2026, 6, 1)})
        running = make.TitleFactory.create(window={"announce_on": date(2026, 3, 1), "starts_on": date(2026, 3, 20)})
        make.WindowFactory.create(title=running)
        assert list(availability.opening_soon("DE", NOW)) == [soon]


@pytest.mark.django_db(transaction=True)
class TestTombstones:
    def test_are_what_was_withdrawn_since(self) -> None:
        make.TitleFactory.create(state="withdrawn", withdrawn_at=NOW - timedelta(days=2))
        late = make.TitleFactory.create(state="withdrawn", withdrawn_at=NOW)
        make.TitleFactory.create()
        assert list(availability.tombstones(transactions.first_open(), NOW - timedelta(days=1))) == [late]

    def test_are_read_by_an_index_in_their_order(self) -> None:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SET LOCAL enable_seqscan = off; SET LOCAL enable_sort = off")
            assert "title_withdrawn_in" in availability.tombstones(transactions.first_open())[:50].explain()

    def test_end_before_what_is_being_written_to_this_database_and_no_other(self) -> None:
        with _another_connection("postgres") as elsewhere, _another_connection() as here:
            _number_of_its_transaction(elsewhere)
            first = make.TitleFactory.create(state="withdrawn", withdrawn_at=NOW)
            assert list(availability.tombstones(transactions.first_open())) == [first]
            writing = _number_of_its_transaction(here)
            second = make.TitleFactory.create(state="withdrawn", withdrawn_at=NOW)
            assert transactions.first_open() == writing
            assert list(availability.tombstones(writing)) == [first]
            here.rollback()
            assert list(availability.tombstones(transactions.first_open())) == [first, second]

    def test_end_before_what_is_being_written_by_who_asks(self) -> None:
        with transaction.atomic():
            title = make.TitleFactory.create(state="withdrawn", withdrawn_at=NOW)
            title.refresh_from_db()
            assert transactions.first_open() <= title.withdrawn_in


def _another_connection(database: str = "") -> psycopg.Connection[Any]:
    """Connect to this database, or to another one of the server."""
    settings = connection.settings_dict
    return psycopg.connect(
        dbname=database or settings["NAME"],
        host=settings["HOST"],
        port=settings["PORT"],
        user=settings["USER"],
        password=settings["PASSWORD"],
    )


def _number_of_its_transaction(writing: psycopg.Connection[Any]) -> int:
    [number] = writing.execute("SELECT pg_current_xact_id()::text::bigint").fetchone() or [0]
    return int(number)
