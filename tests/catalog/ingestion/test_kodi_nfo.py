"""Kodi's NFO files."""

from __future__ import annotations

import pytest

from catalog.models import IngestProblem, Title
from tests.factories.catalog import ProviderFactory, counts, ingest

pytestmark = pytest.mark.django_db

MOVIE = """<?xml version="1.0" encoding="UTF-8" standalone="yes"?>
<movie>
  <title>Der müde Tod</title><originaltitle>Der müde Tod</originaltitle>
  <uniqueid type="tmdb">24885</uniqueid><uniqueid type="imdb" default="true">tt0012494</uniqueid>
  <outline>Death gives a woman three chances.</outline>
  <plot>Death gives a woman three chances to win back &lt;b&gt;her love&lt;/b&gt;.</plot>
  <runtime>99</runtime><mpaa>US:PG-13</mpaa><premiered>1921-10-06</premiered>
  <genre>Fantasy</genre><genre>Drama</genre><tag>Death</tag><studio>Decla-Bioscop</studio>
  <director>Fritz Lang</director><credits>Thea von Harbou</credits>
  <actor><name>Lil Dagover</name><role>Young Woman</role><order>0</order></actor>
  <actor><name>Bernhard Goetzke</name><role>Death</role><order>1</order></actor>
  <thumb aspect="poster">https://images.example/poster.jpg</thumb>
  <thumb aspect="banner">https://images.example/banner.jpg</thumb>
</movie>
https://www.imdb.com/title/tt0012494/
"""


def episode(number: int, **fields: str) -> str:
    values = {"title": f"Part {number}", "showtitle": "Tideline", "season": "2", "episode": str(number), **fields}
    return (
        "<episodedetails>" + "".join(f"<{name}>{text}</{name}>" for name, text in values.items()) + "</episodedetails>"
    )


def problems() -> list[tuple[str, str, str]]:
    told = IngestProblem.objects.exclude(code="not_kept").order_by("pk")
    return list(told.values_list("field", "code", "severity"))


class TestMovie:
    def test_is_read_with_all_it_says(self) -> None:
        run = ingest(MOVIE.encode(), ProviderFactory.create(), format="kodi-nfo")
        assert counts(run) == {"read": 1, "created": 1}
        title = Title.objects.get()
        text = title.texts.get()
        assert (title.kind, title.original_title, title.runtime_seconds, str(title.release_date)) == (
            "movie", "Der müde Tod", 99 * 60, "1921-10-06",
        )  # fmt: skip
        assert text.synopsis_short == "Death gives a woman three chances."
        assert "<b>" not in text.synopsis_medium + text.synopsis_long
        assert sorted(title.external_ids.values_list("namespace", "value")) == [
            ("imdb", "tt0012494"),
            ("tmdb", "24885"),
        ]
        assert title.source_records.get().external_id == "movie:imdb:tt0012494"
        assert list(title.title_genres.order_by("position").values_list("genre__name", flat=True)) == [
            "Fantasy",
            "Drama",
        ]
        assert list(title.title_keywords.values_list("keyword__name", flat=True)) == ["death"]
        assert (title.ratings.get().system, title.ratings.get().value, title.ratings.get().minimum_age) == (
            "MPAA", "PG-13", 13,
        )  # fmt: skip
        credited = title.credits.order_by("job", "billing").values_list("job", "person__name", "character", "billing")
        assert list(credited) == [
            ("actor", "Lil Dagover", "Young Woman", 1),
            ("actor", "Bernhard Goetzke", "Death", 2),
            ("director", "Fritz Lang", "", 1),
            ("writer", "Thea von Harbou", "", 1),
        ]
        assert list(title.artwork.values_list("kind", "source")) == [("poster", "https://images.example/poster.jpg")]

    def test_is_unchanged_the_second_time(self) -> None:
        provider = ProviderFactory.create()
        ingest(MOVIE.encode(), provider, format="kodi-nfo")
        assert counts(ingest(MOVIE.encode(), provider, format="kodi-nfo")) == {"read": 1, "unchanged": 1}

    @pytest.mark.parametrize("encoding", ["utf-8-sig", "latin-1", "utf-16"])
    def test_is_read_in_the_encoding_that_it_declares(self, encoding: str) -> None:
        declared = encoding.removesuffix("-sig")
        text = MOVIE.replace('encoding="UTF-8"', f'encoding="{declared}"')
        run = ingest(text.encode(encoding), ProviderFactory.create(), format="kodi-nfo")
        if encoding == "utf-16":
            assert (run.state, "Save it as UTF-8" in run.failure) == ("failed", True)
        else:
            assert Title.objects.get().original_title == "Der müde Tod"

    @pytest.mark.parametrize(
        ("mpaa", "expected"),
        [
            ("Rated PG-13 for peril", [("MPAA", "PG-13")]),
            ("US:R", [("MPAA", "R")]),
            ("FSK 12", [("FSK", "12")]),
            ("DE:16", [("FSK", "16")]),
            ("", []),
        ],
    )
    def test_is_rated_as_it_says(self, mpaa: str, expected: list[tuple[str, str]]) -> None:
        ingest(MOVIE.replace("US:PG-13", mpaa).encode(), ProviderFactory.create(), format="kodi-nfo")
        assert list(Title.objects.get().ratings.values_list("system", "value")) == expected

    def test_without_a_title_is_rejected(self) -> None:
        nameless = MOVIE.replace("<title>Der müde Tod</title>", "")
        run = ingest(nameless.encode(), ProviderFactory.create(), format="kodi-nfo")
        assert counts(run) == {"read": 1, "rejected": 1}
        assert problems() == [("title", "missing", "error")]

    def test_keeps_all_but_a_date_that_is_none(self) -> None:
        wrong = MOVIE.replace("1921-10-06", "1921-13-40")
        run = ingest(wrong.encode(), ProviderFactory.create(), format="kodi-nfo")
        assert counts(run) == {"read": 1, "created": 1}
        assert problems() == [("premiered", "impossible_date", "warning")]


class TestSeries:
    def test_is_put_together_from_several_files_of_one(self) -> None:
        content = "<tvshow><title>Tideline</title></tvshow>" + episode(1) + episode(2)
        run = ingest(content.encode(), ProviderFactory.create(), format="kodi-nfo")
        # The season counts once, although its episodes alone tell of it.
        assert counts(run) == {"read": 4, "created": 4}
        series, season = Title.objects.get(kind="series"), Title.objects.get(kind="season")
        assert (season.parent, season.number) == (series, 2)
        episodes = Title.objects.filter(kind="episode").order_by("number")
        assert [(part.number, part.parent, part.series) for part in episodes] == [
            (1, season, series), (2, season, series),
        ]  # fmt: skip

    def test_that_is_not_known_rejects_its_episodes(self) -> None:
        run = ingest(episode(1).encode(), ProviderFactory.create(), format="kodi-nfo")
        assert counts(run) == {"read": 2, "rejected": 2}

    def test_rejects_an_episode_that_belongs_nowhere(self) -> None:
        content = "<tvshow><title>Tideline</title></tvshow>" + episode(1, season="", title="Lost")
        run = ingest(content.encode(), ProviderFactory.create(), format="kodi-nfo")
        assert run.rejected == 1


class TestFile:
    @pytest.mark.parametrize("content", ["", "hello", "<album><title>X</title></album>", "<movie><title>X</movie>"])
    def test_that_is_none_fails_with_a_reason(self, content: str) -> None:
        run = ingest(content.encode(), ProviderFactory.create(), format="kodi-nfo")
        assert (run.state, Title.objects.count()) == ("failed", 0)
        assert run.failure
