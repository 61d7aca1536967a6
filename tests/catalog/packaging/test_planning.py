"""What is made of a source."""

from __future__ import annotations

import math
from fractions import Fraction
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from catalog.packaging import planning
from catalog.packaging.planning import Bounds, Picture, Rung, Sound, Source, SourceRefused, Words

HOUR = Bounds(longest=3600)
SIDES = some.integers(32, 8000)
RATES = some.fractions(1, 240, max_denominator=1001)
ASPECTS = some.sampled_from([Fraction(1), Fraction(64, 45), Fraction(8, 9), Fraction(4, 3)])
PICTURES = some.builds(
    Picture, index=some.just(0), codec=some.just("h264"), width=SIDES, height=SIDES, sample_aspect=ASPECTS,
    rotation=some.sampled_from([0, 90, 180, 270]), frame_rate=RATES, interlaced=some.booleans(),
)  # fmt: skip


def source(**changes: Any) -> Source:
    picture = Picture(index=0, codec="h264", width=1920, height=1080)
    return Source(**{"container": "mov", "duration": 600.0, "picture": picture, **changes})


class TestLadder:
    @given(PICTURES)
    def test_never_makes_more_than_the_source_has(self, picture: Picture) -> None:
        width, height = planning.displayed_size(picture)
        for rung in planning.ladder(picture):
            assert 2 <= rung.width <= width
            assert 2 <= rung.height <= height

    @given(PICTURES)
    def test_makes_even_sizes_as_wide_to_their_height_as_the_source(self, picture: Picture) -> None:
        width, height = planning.displayed_size(picture)
        for rung in planning.ladder(picture):
            assert (rung.width % 2, rung.height % 2) == (0, 0)
            # Each side is the exact one, less at most what makes it even.
            scale = max(Fraction(rung.width) / width, Fraction(rung.height) / height)
            assert rung.width > 2 or width * scale < 4
            assert width * scale - rung.width < 2 + 2 * width / height
            assert height * scale - rung.height < 2 + 2 * height / width

    @given(PICTURES)
    def test_falls_in_size_and_rate_under_names_of_their_own(self, picture: Picture) -> None:
        rungs = planning.ladder(picture)
        pixels = [rung.width * rung.height for rung in rungs]
        assert pixels == sorted(pixels, reverse=True)
        assert [rung.max_kbps for rung in rungs] == sorted((rung.max_kbps for rung in rungs), reverse=True)
        assert len({rung.name for rung in rungs}) == len(rungs) >= 1
        assert all(lower <= 0.75 * upper for upper, lower in pairwise(pixels))

    @pytest.mark.parametrize(
        ("picture", "sizes"),
        [
            ({"width": 1920, "height": 1080}, [(1920, 1080), (1280, 720), (960, 540), (640, 360), (384, 216)]),
            # Cinema's wide format: as wide as HD, and not as high.
            ({"width": 1920, "height": 804}, [(1920, 804), (1280, 536), (960, 402), (640, 268), (384, 160)]),
            ({"width": 1080, "height": 1920}, [(1080, 1920), (720, 1280), (540, 960), (360, 640), (216, 384)]),
            ({"width": 1920, "height": 1080, "rotation": 90}, [(1080, 1920), (720, 1280), (540, 960), (360, 640), (216, 384)]),
            # Of a DVD, whose pixels are wider than high.
            ({"width": 720, "height": 576, "sample_aspect": Fraction(64, 45)}, [(1024, 576), (640, 360), (384, 216)]),
            ({"width": 853, "height": 481}, [(852, 480), (638, 360), (382, 216)]),
            ({"width": 7680, "height": 4320}, [(3840, 2160), (2560, 1440), (1920, 1080), (1280, 720), (960, 540), (640, 360), (384, 216)]),
            ({"width": 320, "height": 180}, [(320, 180)]),
        ],
    )  # fmt: skip
    def test_suits_the_source(self, picture: dict[str, Any], sizes: list[tuple[int, int]]) -> None:
        rungs = planning.ladder(Picture(index=0, codec="h264", **picture))
        assert [(rung.width, rung.height) for rung in rungs] == sizes

    def test_allows_more_for_fast_pictures(self) -> None:
        slow, fast = (
            planning.ladder(Picture(0, "h264", 1920, 1080, frame_rate=Fraction(rate)))[0].max_kbps for rate in (25, 50)
        )
        assert (slow, fast) == (6000, 8400)

    @given(some.lists(some.floats(1, 20_000), min_size=1, max_size=7))
    def test_keeps_the_largest_and_the_smallest_and_what_saves_enough(self, rates: list[float]) -> None:
        kept = planning.worth_keeping(rates)
        assert kept[0] == 0
        assert kept[-1] == len(rates) - 1
        assert kept == sorted(set(kept))
        # All but the smallest, which stays in any case.
        assert all(rates[lower] <= 0.8 * rates[upper] for upper, lower in pairwise(kept[:-1]))

    def test_drops_a_size_that_saves_little(self) -> None:
        assert planning.worth_keeping([5000, 2500, 2300, 900]) == [0, 1, 3]


class TestSteadyRate:
    @given(RATES)
    def test_is_at_most_sixty_and_never_more_than_the_source(self, rate: Fraction) -> None:
        steady = planning.steady_rate(rate)
        assert 0 < steady <= 60
        assert steady <= rate * Fraction(102, 100)

    @pytest.mark.parametrize(
        ("rate", "steady"),
        [
            (Fraction(24000, 1001), Fraction(24000, 1001)),
            (Fraction(2997, 100), Fraction(30000, 1001)),
            (Fraction(120), Fraction(60)),
            (Fraction(240), Fraction(60)),
            (Fraction(15), Fraction(15)),
            (Fraction(25), Fraction(25)),
        ],
    )
    def test_is_a_standard_one_where_it_is_near(self, rate: Fraction, steady: Fraction) -> None:
        assert planning.steady_rate(rate) == steady


class TestPlan:
    @pytest.mark.parametrize(
        ("changes", "code"),
        [
            ({"picture": None, "sounds": (Sound(0, "aac", 2),)}, "no_picture"),
            ({"picture": None}, "no_picture"),
            ({"duration": 0.0}, "no_duration"),
            ({"duration": math.nan}, "no_duration"),
            ({"duration": 3601.0}, "source_too_long"),
            ({"encrypted": True}, "source_protected"),
            ({"picture": Picture(0, "h264", 16, 16)}, "size_unsupported"),
            ({"picture": Picture(0, "h264", 40_000, 100)}, "size_unsupported"),
            ({"picture": Picture(0, "png", 640, 480, frame_rate=Fraction(0))}, "no_frame_rate"),
        ],
    )
    def test_refuses_what_cannot_be_shown(self, changes: dict[str, Any], code: str) -> None:
        with pytest.raises(SourceRefused) as refused:
            planning.plan(source(**changes), HOUR)
        assert refused.value.code == code

    def test_notes_what_an_editor_should_know(self) -> None:
        picture = Picture(0, "hevc", 1920, 1080, interlaced=True, transfer="smpte2084", frame_rate=Fraction(100))
        plan = planning.plan(source(picture=picture, words=(Words(3, "hdmv_pgs_subtitle"),)), HOUR)
        assert (plan.hdr, plan.deinterlace, plan.text) == ("HDR10 (PQ)", True, ())
        assert [note.split()[0:3] for note in plan.notes] == [
            ["100.000", "frames", "a"], ["The", "source", "is"], ["The", "source", "is"], ["The", "source", "has"],
            ["Subtitles", "that", "are"],
        ]  # fmt: skip

    def test_puts_the_main_sound_first_and_names_each_in_its_own_language(self) -> None:
        sounds = (
            Sound(1, "aac", 2, "en", describes_video=True),
            Sound(2, "aac", 6, "de"),
            Sound(3, "aac", 1, "en", is_default=True),
            Sound(4, "aac", 2, "en"),
            Sound(5, "aac", 2),
        )
        plan = planning.plan(source(sounds=sounds), HOUR)
        assert [(track.index, track.label, track.channels, track.role) for track in plan.audio] == [
            (3, "English", 1, "main"), (2, "Deutsch", 2, "main"), (2, "Deutsch 5.1", 6, "main"), (4, "English 2", 2, "main"),
            (5, "Original", 2, "main"), (1, "English [AD]", 2, "description"),
        ]  # fmt: skip

    def test_takes_the_file_beside_for_the_stream_inside(self) -> None:
        words = (Words(3, "subrip", "en"), Words(4, "subrip", "de", "forced"))
        plan = planning.plan(source(words=words), HOUR, [("en", "subtitles"), ("fr", "sdh")])
        assert [(text.language, text.role, text.index, text.label) for text in plan.text] == [
            ("en", "subtitles", None, "English"), ("de", "forced", 4, "Deutsch [forced]"), ("fr", "sdh", None, "Français [SDH]"),
        ]  # fmt: skip


class TestPreview:
    @given(some.floats(0.1, 20_000), some.integers(1, 1000), some.integers(1, 1000))
    def test_has_a_place_for_each_interval(self, duration: float, width: int, height: int) -> None:
        preview = planning.preview(duration, Rung("v", 2 * width, 2 * height, 1))
        assert 1 <= preview.interval <= 10
        assert (preview.count - 1) * preview.interval < duration <= preview.count * preview.interval
        places = {planning.sheet_of(preview, number) for number in range(preview.count)}
        assert len(places) == preview.count
        assert max(sheet for sheet, _, _ in places) == preview.sheets
        assert preview.width <= 2 * width
        for _, x, y in places:
            assert x + preview.width <= preview.width * preview.columns
            assert y + preview.height <= preview.height * preview.rows


class TestLabel:
    @given(some.text(max_size=20), some.sampled_from(["main", "description", "sdh", "forced", "subtitles"]))
    def test_has_no_sign_that_the_packager_reads(self, language: str, role: str) -> None:
        label = planning.label(language, role)
        assert label
        assert not set(label) & set(',=\n"')
