"""Every real file of every format: each record counts exactly once, and the second run changes nothing."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from catalog.models import AvailabilityWindow, Credit, IngestRun, Provider, Title
from tests.factories.catalog import ProviderFactory, counts, feed, ingest

DATA = Path(__file__).parents[4] / "shared" / "data"

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.skipif(not DATA.exists(), reason="the folder of shared test data is absent"),
]

FILES = [
    ("kaggle-titles", "titles/amazon_prime_titles.csv", {"read": 9668, "created": 9668}),
    ("roku-search", "roku/advanced-feed-example.json", {"read": 3, "created": 3}),
    ("roku-search", "roku/simple-feed-example.json", {"read": 1, "created": 1}),
    ("firetv", "firetv/cdf_firstlight_v1.11.xml", {"read": 1, "created": 1}),
    ("firetv", "firetv/cdf_minimal_v1.3.xml", {"read": 1, "created": 1}),
    ("tvmaze", "tvmaze/shows.json", {"read": 301, "created": 301}),
    (
        "avails-xml",
        "movielabs/examples/Avails_noErrors_v2.4.xml",
        {"read": 14, "created": 12, "updated": 1, "rejected": 1},
    ),
    ("avails-xml", "movielabs/examples/Avails_Volume_error_v2.5.xml", {"read": 10, "created": 1, "rejected": 9}),
    ("avails-xlsx", "movielabs/examples/Movies_v1.9.xlsx", {"read": 26, "created": 2, "updated": 22, "rejected": 2}),
    ("avails-xlsx", "movielabs/examples/TV_v1.9.xlsx", {"read": 40, "created": 11, "updated": 29}),
]
MEC = (
    "VEEP_Series_mec.xml", "VEEP_Season5_mec.xml", "VEEP_Season5_E1_WithReordering_mec.xml", "VEEP_Season5_E4_mec.xml",
    "VEEP_Season5_E5_mec.xml", "VEEP_Season5_E4_Bonus_mec.xml", "VEEP_Series_Bonus_mec.xml", "VEEP_Bonus_1_mec.xml",
)  # fmt: skip


Record = Callable[[str, object], None]
REPORTED = ("read", "created", "updated", "unchanged", "rejected", "retired", "absent")


@pytest.fixture(autouse=True)
def schemas(settings: Any) -> None:
    settings.MOVIELABS_SCHEMAS = str(DATA / "movielabs" / "xsd")


def reported(content: bytes, provider: Provider, name: str, record_property: Record, **options: Any) -> IngestRun:
    """Ingest a delivery, and put its report into the table with which the tests end."""
    began = time.perf_counter()
    run = ingest(content, provider, **options)
    report = {key: getattr(run, key) for key in REPORTED}
    record_property("report", (name, *report.values(), f"{time.perf_counter() - began:.2f}", _codes(run)))
    return run


def _codes(run: IngestRun) -> str:
    """Answer the problems of a run that need attention, by code."""
    found = Counter(run.problems.exclude(severity="info").values_list("code", flat=True))
    return ", ".join(f"{code} {number}" for code, number in found.most_common(4))


def assert_adds_up(run: IngestRun) -> None:
    assert run.state == "finished", run.failure
    assert run.read == run.created + run.updated + run.unchanged + run.rejected + run.retired


def test_an_episode_whose_licence_names_no_number_of_its_season_says_so() -> None:
    content = (DATA / "movielabs/examples/Avails_Volume_error_v2.5.xml").read_bytes()
    run = ingest(content, ProviderFactory.create(), format="avails-xml")
    said = run.problems.filter(code="unknown_parent").values_list("message", flat=True)
    assert said
    assert {message.partition(": ")[2] for message in said} == {
        (
            "its SeasonNumber is empty or no number, so that the season is not made from this licence."
            " Fill it in, or deliver the season."
        )
    }


@pytest.mark.parametrize(("name", "path", "expected"), FILES, ids=[path for _, path, _ in FILES])
def test_each_record_counts_once_and_is_unchanged_the_second_time(
    name: str, path: str, expected: dict[str, int], record_property: Record
) -> None:
    provider = ProviderFactory.create()
    content = (DATA / path).read_bytes()
    first = reported(content, provider, path, record_property, format=name)
    assert_adds_up(first)
    assert counts(first) == expected
    again = reported(content, provider, f"{path}, again", record_property, format=name)
    assert_adds_up(again)
    unchanged = {"read": first.read, "unchanged": first.created + first.updated, "rejected": first.rejected}
    assert counts(again) == {key: number for key, number in unchanged.items() if number}


def test_full_delivery_of_ten_thousand_retires_little_and_refuses_to_retire_much(record_property: Record) -> None:
    provider = ProviderFactory.create(max_retired_percent=10)

    def deliver(number: int) -> IngestRun:
        films = (
            {
                "id": f"m{index}",
                "kind": "movie",
                "titles": {"en": f"Film {index}"},
                "availability": [{"license_type": "SVOD"}],
            }
            for index in range(number)
        )
        name = f"a full delivery of {number:,} titles"
        return reported(feed(*films), provider, name, record_property, delivery="full")

    assert counts(deliver(10_000)) == {"read": 10_000, "created": 10_000}
    refused = deliver(8_900)
    assert_adds_up(refused)
    assert counts(refused) == {"read": 8_900, "unchanged": 8_900}
    assert refused.problems.get().code == "too_many_absent"
    assert Title.objects.filter(state="published").count() == 10_000
    assert counts(deliver(9_100)) == {"read": 9_100, "unchanged": 9_100, "absent": 900}
    assert Title.objects.filter(state="published").count() == 9_100


def test_mec_of_a_series_hangs_together(record_property: Record) -> None:
    provider = ProviderFactory.create()
    for name in MEC:
        path = f"movielabs/examples/{name}"
        run = reported((DATA / path).read_bytes(), provider, path, record_property, format="movielabs-mec")
        # The file of episode 5 says that it is episode 4, which was there before.
        outcome = "updated" if "E5" in name else "created"
        assert counts(run) == {"read": 1, outcome: 1}, (name, list(run.problems.values_list("code", "message")))
        again = reported(
            (DATA / path).read_bytes(), provider, f"{path}, again", record_property, format="movielabs-mec"
        )
        assert counts(again) == {"read": 1, "unchanged": 1}
    series = Title.objects.get(kind="series")
    season = Title.objects.get(kind="season")
    assert (season.parent, season.number) == (series, 5)
    assert list(Title.objects.filter(kind="episode").order_by("number").values_list("number", "parent")) == [
        (4, season.pk), (5, season.pk),
    ]  # fmt: skip
    assert set(Title.objects.filter(kind="extra").values_list("parent__kind", flat=True)) == {
        "episode",
        "season",
        "series",
    }
    assert series.external_ids.get(namespace="eidr").value == "10.5240/CF5A-AB7E-A4DB-35FA-BAC5-M"
    assert series.texts.get(language="de").name == "Veep"
    assert Credit.objects.filter(title__kind="episode", job="actor", billing=1).count() == 2


def test_tvmaze_episodes_find_their_show_and_make_its_seasons(record_property: Record) -> None:
    provider = ProviderFactory.create()
    ingest((DATA / "tvmaze" / "shows.json").read_bytes(), provider, format="tvmaze")
    content = (DATA / "tvmaze" / "episodes.json").read_bytes()
    run = reported(content, provider, "tvmaze/episodes.json", record_property, format="tvmaze")
    assert counts(run) == {"read": 81, "created": 81}, list(run.problems.values_list("code", "message"))[:5]
    series = Title.objects.get(source_records__external_id="show-82")
    assert Title.objects.filter(kind="episode", series=series).count() == 73
    assert list(Title.objects.filter(parent=series).order_by("number").values_list("number", flat=True)) == list(
        range(1, 9)
    )
    again = reported(content, provider, "tvmaze/episodes.json, again", record_property, format="tvmaze")
    assert counts(again) == {"read": 81, "unchanged": 81}


def test_licences_of_one_title_add_up() -> None:
    provider = ProviderFactory.create()
    ingest((DATA / "movielabs/examples/Movies_v1.9.xlsx").read_bytes(), provider, format="avails-xlsx")
    title = Title.objects.get(external_ids__value="md:cid:eidr-s:1489-49A2-3956-4B2D-ZZ45-6")
    # The licence in HD is pending, and grants nothing yet.
    assert list(title.windows.values_list("license_type", "territories", "formats")) == [("EST", ["US"], ["SD"])]
    dance = Title.objects.get(external_ids__value="md:cid:eidr-s:1489-49A2-3956-4B2D-FE16-A")
    assert dict(dance.texts.values_list("language", "name")) == {
        "en": "The First Dance", "es": "El primer baile", "fr": "La première danse",
    }  # fmt: skip
    assert dance.windows.filter(territories=["ES"]).count() == 8
    assert not AvailabilityWindow.objects.filter(source_id__isnull=True).exists()
