"""The demo catalogue keeps what the feed format promises, and what a person who browses it may expect."""

import datetime as dt
import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import jsonschema
import pycountry
import pytest

ROOT = Path(__file__).resolve().parents[3]
FEED = ROOT / "platform/local/demo/catalog.jsonl"
SCHEMA = json.loads((ROOT / "catalog/ingestion/schema/feed.schema.json").read_text(encoding="utf-8"))
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA, format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER)
LINES = FEED.read_text(encoding="utf-8").splitlines()
HEADER, *TITLES = map(json.loads, LINES)
BY_ID = {title["id"]: title for title in TITLES}
TOP = [title for title in TITLES if title["kind"] in ("movie", "series")]

Record = dict[str, Any]


def faults(record: Record) -> list[str]:
    return [f"{record.get('id')} {error.json_path}: {error.message}" for error in VALIDATOR.iter_errors(record)]


def of_kind(*kinds: str) -> list[Record]:
    return [title for title in TITLES if title["kind"] in kinds]


def texts(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        return [text for part in value.values() for text in texts(part)]
    if isinstance(value, list):
        return [text for part in value for text in texts(part)]
    return []


class TestTheFeed:
    def test_satisfies_the_schema_in_every_line(self) -> None:
        assert [fault for record in (HEADER, *TITLES) for fault in faults(record)] == []

    def test_opens_with_a_header_for_a_full_delivery(self) -> None:
        assert (HEADER["kind"], HEADER["version"], HEADER["delivery"]) == ("feed", 1, "full")
        assert not of_kind("feed")

    def test_is_written_as_people_read_it(self) -> None:
        # UTF-8 without escapes for letters, one space after each separator, keys in the schema's order
        order = list(SCHEMA["$defs"]["title"]["properties"])
        for line, record in zip(LINES[1:], TITLES, strict=True):
            assert line == json.dumps(record, ensure_ascii=False)
            assert list(record) == sorted(record, key=order.index), record["id"]

    def test_names_each_id_once(self) -> None:
        assert [key for key, count in Counter(title["id"] for title in TITLES).items() if count > 1] == []

    def test_names_parents_of_the_right_kind_before_their_children(self) -> None:
        allowed = {
            "series": {"series"},
            "season": {"season"},
            "of": {"movie", "series", "season", "episode", "special"},
        }
        seen: dict[str, str] = {}
        for title in TITLES:
            for field, kinds in allowed.items():
                if field in title:
                    assert seen.get(title[field]) in kinds, f"{title['id']} names {field} {title[field]}"
            seen[title["id"]] = title["kind"]

    def test_numbers_seasons_and_episodes_without_gaps(self) -> None:
        children: dict[tuple[str, str], list[int]] = {}
        for title in of_kind("season", "episode"):
            parent = title.get("season") or title["series"]
            children.setdefault((parent, title["kind"]), []).append(title["number"])
        assert {key: found for key, found in children.items() if found != list(range(1, len(found) + 1))} == {}
        assert {title["id"] for title in of_kind("season")} <= {
            parent for parent, kind in children if kind == "episode"
        }
        assert {title["id"] for title in of_kind("series")} <= {parent for parent, _ in children}

    def test_counts_through_all_seasons_in_the_absolute_order(self) -> None:
        orders: dict[str, list[int]] = {}
        for episode in of_kind("episode"):
            for place in episode.get("alternate_numbers", ()):
                if place["order"] == "absolute":
                    orders.setdefault(BY_ID[episode["season"]]["series"], []).append(place["number"])
        assert len(orders) >= 3
        assert {key: found for key, found in orders.items() if found != list(range(1, len(found) + 1))} == {}

    def test_has_windows_that_open_before_they_close(self) -> None:
        for title in TITLES:
            for window in title.get("availability", ()):
                start, end = (
                    dt.datetime.fromisoformat(window.get(key, fallback))
                    for key, fallback in (("start", "0001-01-01"), ("end", "9999-12-31"))
                )
                assert start.replace(tzinfo=None) < end.replace(tzinfo=None), title["id"]
                if "announce" in window:
                    assert dt.date.fromisoformat(window["announce"]) < start.date(), title["id"]

    def test_has_dates_that_exist(self) -> None:
        for title in TITLES:
            days = [
                title[key] + "-01-01"[: 10 - len(title[key])]
                if len(title[key]) == 4
                else title[key] + "-01" * (len(title[key]) == 7)
                for key in ("release_date", "end_date")
                if key in title
            ]
            parsed = [dt.date.fromisoformat(day) for day in days]
            assert parsed == sorted(parsed), title["id"]
            assert all(dt.date(1890, 1, 1) < day < dt.date(2032, 1, 1) for day in parsed), title["id"]

    def test_uses_countries_and_languages_that_exist(self) -> None:
        def known(tag: str) -> bool:
            language, *rest = tag.split("-")
            field = "alpha_2" if len(language) == 2 else "alpha_3"
            return pycountry.languages.get(**{field: language}) is not None and all(
                pycountry.countries.get(alpha_2=part) is not None for part in rest
            )

        tags = {tag for title in TITLES for field in ("titles", "synopses") for tag in title.get(field, ())}
        tags |= {
            part["language"]
            for title in TITLES
            for field in ("artwork", "tracks", "alternate_titles")
            for part in title.get(field, ())
            if "language" in part
        }
        tags |= {title["original_language"] for title in TITLES if "original_language" in title}
        countries = {code for title in TITLES for code in title.get("countries", ())}
        countries |= {rating["country"] for title in TITLES for rating in title.get("ratings", ())}
        countries |= {
            code
            for title in TITLES
            for window in title.get("availability", ())
            for field in ("territories", "territories_excluded")
            for code in window.get(field, ())
        }
        assert {tag for tag in tags if not known(tag)} == set()
        assert {code for code in countries if pycountry.countries.get(alpha_2=code) is None} == set()
        assert len({title["original_language"] for title in TOP}) >= 10

    def test_has_running_times_that_a_person_would_believe(self) -> None:
        minutes = {
            "movie": (10, 280),
            "series": (10, 70),
            "episode": (9, 70),
            "special": (60, 80),
            "trailer": (1, 2),
            "extra": (3, 15),
        }
        for title in TITLES:
            if "runtime_seconds" in title:
                low, high = minutes[title["kind"]]
                assert low * 60 <= title["runtime_seconds"] <= high * 60, title["id"]

    def test_numbers_the_billing_of_each_job_from_one(self) -> None:
        for title in TITLES:
            jobs: dict[str, list[int]] = {}
            for credit in title.get("people", ()):
                jobs.setdefault(credit["job"], []).append(credit["billing"])
            assert all(found == list(range(1, len(found) + 1)) for found in jobs.values()), title["id"]

    def test_holds_clean_plain_text(self) -> None:
        # spaces at the ends or doubled, invisible characters, markup, UTF-8 once read as Latin-1
        dirty = re.compile(
            r"^\s|\s$|  |[\x00-\x09\x0b-\x1f\x7f\u200b-\u200f\ufeff\ufffd]|</?[A-Za-z]|&[A-Za-z#0-9]+;|[\xc2\xc3][\x80-\xbf]"
        )
        assert [(title["id"], text) for title in TITLES for text in texts(title) if dirty.search(text)] == []


class TestTheCatalogue:
    def test_has_at_least_sixty_titles_that_stand_for_themselves(self) -> None:
        assert len(TOP) >= 60
        assert Counter(title["kind"] for title in TITLES) == {
            "movie": 53, "series": 20, "season": 25, "episode": 142, "special": 2, "trailer": 6, "extra": 2,
        }  # fmt: skip

    def test_says_in_english_what_each_of_them_is_about(self) -> None:
        assert [
            title["id"] for title in (*TOP, *of_kind("episode", "special")) if "short" not in title["synopses"]["en"]
        ] == []

    def test_never_says_the_same_thing_twice(self) -> None:
        said = Counter(
            text for title in TITLES for lengths in title.get("synopses", {}).values() for text in lengths.values()
        )
        assert [text for text, count in said.items() if count > 1] == []
        episodes = Counter(title["titles"]["en"] for title in of_kind("episode"))
        assert [name for name, count in episodes.items() if count > 1] == []

    def test_credits_who_made_every_film_and_series_and_who_is_in_it(self) -> None:
        makers = {"director", "creator"}
        performers = {"actor", "voice_actor", "narrator", "presenter", "self"}
        jobs = {title["id"]: {credit["job"] for credit in title["people"]} for title in TOP}
        assert [key for key, found in jobs.items() if not found & makers] == []
        # whose cast is cut from paper
        assert [key for key, found in jobs.items() if not found & performers] == [
            "the-adventures-of-prince-achmed-1926"
        ]

    def test_holds_each_case_that_a_gap_report_or_a_calendar_should_find(self) -> None:
        def those(condition: Any) -> set[str]:
            return {title["id"] for title in TOP if condition(title)}

        def windows(title: Record, key: str) -> list[str]:
            return [window[key] for window in title.get("availability", ()) if key in window]

        assert those(lambda t: "artwork" not in t) == {"nothing-sacred-1937", "the-understudies"}
        assert those(lambda t: "artwork" in t and not any(a["kind"] == "backdrop" for a in t["artwork"])) == {
            "the-hitch-hiker-1953"
        }
        assert those(lambda t: "de" not in t["synopses"]) == {"the-freshman-1925"}
        assert those(lambda t: "availability" not in t) == {"the-freshman-1925"}
        assert those(
            lambda t: t.get("availability") and all(w["license_type"] != "SVOD" for w in t["availability"])
        ) == {"the-hitch-hiker-1953"}
        assert those(
            lambda t: (
                windows(t, "end")
                and len(windows(t, "end")) == len(t["availability"])
                and max(windows(t, "end")) < "2025"
            )
        ) == {"white-zombie-1932", "the-golden-thread"}
        assert those(lambda t: windows(t, "start") and min(windows(t, "start")) >= "2031") == {
            "faust-1926",
            "deep-time",
        }
        assert len(those(lambda t: "ratings" not in t)) >= 15
        assert len(those(lambda t: windows(t, "territories"))) >= 5
        assert those(lambda t: windows(t, "territories_excluded")) == {"blackmail-1929", "charade-1963", "ice-watch"}
        assert those(lambda t: t.get("made_for_kids")) == {"puddle-and-finch", "the-cloud-workshop"}

    def test_names_each_drawn_file_once(self) -> None:
        files = [entry["file"] for title in TITLES for entry in title.get("artwork", ())]
        assert len(files) == len(set(files)) > 120


class TestTheSchema:
    GOOD: Record = BY_ID["nosferatu-1922"]

    def test_accepts_the_example_of_the_documentation(self) -> None:
        text = (ROOT / "docs/feed-format.md").read_text(encoding="utf-8")
        example = [json.loads(line) for line in re.findall(r"```json\n(.*?)```", text, re.DOTALL)[0].splitlines()]
        assert len(example) == 6
        assert [fault for record in example for fault in faults(record)] == []

    @pytest.mark.parametrize(
        "change",
        [
            {"tilte": "Nosferatu"},
            {"kind": "film"},
            {"id": ""},
            {"titles": {}},
            {"titles": {"EN": "Nosferatu"}},
            {"season": "x"},
            {"number": 1},
            {"release_date": "1922-13"},
            {"runtime_seconds": "94 min"},
            {"runtime_seconds": 0},
            {"countries": ["Germany"]},
            {"synopses": {"en": {"short": "x" * 191}}},
            {"people": [{"name": "F. W. Murnau", "job": "directer"}]},
            {"people": [{"name": "Willis O'Brien", "job": "other"}]},
            {"availability": [{"territories": ["US"], "territories_excluded": ["DE"], "license_type": "SVOD"}]},
            {"availability": [{"territories": ["US"]}]},
            {"availability": [{"start": "2020", "license_type": "SVOD"}]},
            {"availability": [{"start": "2020-01-01T00:00:00", "license_type": "SVOD"}]},
            {"artwork": [{"kind": "poster"}]},
            {"artwork": [{"kind": "poster", "file": "../secret.webp"}]},
            {"artwork": [{"kind": "poster", "file": "/etc/passwd"}]},
            {"artwork": [{"kind": "poster", "url": "file:///etc/passwd"}]},
            {"artwork": [{"kind": "poster", "url": "https://example.com/a.jpg", "file": "a.jpg"}]},
            {"artwork": [{"kind": "poster", "file": "a.jpg", "focal_point": {"x": 1.2, "y": 0}}]},
        ],
        ids=lambda change: json.dumps(change)[:60],
    )
    def test_refuses(self, change: Record) -> None:
        assert faults(self.GOOD) == []
        assert faults({**self.GOOD, **change}) != []

    @pytest.mark.parametrize(
        "record",
        [
            {"id": "a", "kind": "movie"},
            {"id": "a", "kind": "season", "series": "b"},
            {"id": "a", "kind": "episode", "number": 1},
            {"id": "a", "kind": "episode", "number": 1, "series": "b", "season": "c"},
            {"id": "a", "kind": "special", "titles": {"en": "A"}, "series": "b", "season": "c"},
            {"id": "a", "kind": "trailer"},
            {"kind": "movie", "withdrawn": True},
            {"id": "a", "kind": "movie", "withdrawn": False},
        ],
        ids=lambda record: json.dumps(record)[:60],
    )
    def test_refuses_a_title_without_what_its_kind_needs(self, record: Record) -> None:
        assert faults(record) != []

    def test_needs_nothing_but_id_and_kind_of_a_withdrawn_title(self) -> None:
        assert faults({"id": "a", "kind": "episode", "withdrawn": True}) == []
