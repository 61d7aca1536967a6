"""In which pictures and languages a licence lets a title be played."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog import terms


@dataclass
class Licence:
    formats: list[str] = field(default_factory=list)
    languages: list[str] = field(default_factory=list)
    holdback_languages: list[str] = field(default_factory=list)


ALL = ["SD", "HD", "UHD", "SD-HDR", "HD-HDR", "UHD-HDR", "3DHD"]


class TestFormat:
    @pytest.mark.parametrize(
        ("granted", "allowed"),
        [
            ([], ALL),
            (["SD"], ["SD"]),
            (["HD"], ["SD", "HD"]),
            (["UHD"], ["SD", "HD", "UHD"]),
            (["HD-HDR"], ["SD", "HD", "SD-HDR", "HD-HDR"]),
            (["HDR"], ["SD", "HD", "UHD", "SD-HDR", "HD-HDR", "UHD-HDR"]),
            (["UHD", "HD-HDR"], ["SD", "HD", "UHD", "SD-HDR", "HD-HDR"]),
            (["3DHD"], ["3DHD"]),
        ],
    )
    def test_includes_smaller_ones_and_the_standard_range(self, granted: list[str], allowed: list[str]) -> None:
        assert [name for name in ALL if terms.allows(Licence(formats=granted), format=name)] == allowed

    @pytest.mark.parametrize(
        ("width", "height", "expected"),
        [
            (640, 360, "SD"), (720, 576, "SD"), (1024, 576, "SD"), (1280, 534, "HD"), (1280, 720, "HD"), (1920, 1080, "HD"),
            (1080, 1920, "HD"), (2048, 858, "HD"), (1440, 1088, "UHD"), (3840, 1600, "UHD"), (3840, 2160, "UHD"),
        ],
    )  # fmt: skip
    def test_of_a_picture_follows_both_sides(self, width: int, height: int, expected: str) -> None:
        assert terms.format_of(width, height) == expected
        assert terms.format_of(width, height, high_range=True) == f"{expected}-HDR"


class TestLanguage:
    @pytest.mark.parametrize(
        ("languages", "held_back", "audio", "subtitle"),
        [
            ([], [], {"de", "de-AT", "es", "es-MX", "und"}, {"de", "de-AT", "es", "es-MX", "und"}),
            (["de"], [], {"de", "de-AT"}, {"de", "de-AT"}),
            (["de:audio"], [], {"de", "de-AT"}, set()),
            (["de:audio", "es-MX:subtitle"], [], {"de", "de-AT"}, {"es-MX"}),
            (["ES-mx"], [], {"es-MX"}, {"es-MX"}),
            ([], ["es"], {"de", "de-AT", "und"}, {"de", "de-AT", "und"}),
            ([], ["es-MX:audio"], {"de", "de-AT", "es", "und"}, {"de", "de-AT", "es", "es-MX", "und"}),
            (["de", "es"], ["es-MX"], {"de", "de-AT", "es"}, {"de", "de-AT", "es"}),
            (["d"], [], set(), set()),
        ],
    )
    def test_is_limited_and_held_back(
        self, languages: list[str], held_back: list[str], audio: set[str], subtitle: set[str]
    ) -> None:
        licence = Licence(languages=languages, holdback_languages=held_back)
        asked = ("de", "de-AT", "es", "es-MX", "und")
        assert {tag for tag in asked if terms.allows(licence, audio=tag)} == audio
        assert {tag for tag in asked if terms.allows(licence, subtitle=tag)} == subtitle

    @given(
        st.lists(st.sampled_from(["de", "es", "es-MX", "de:audio", "es:subtitle"])),
        st.lists(st.sampled_from(["de", "es", "es-MX", "de:audio", "es:subtitle"])),
        st.sampled_from(["de", "es", "es-MX", "fr"]),
        st.sampled_from(["HD", "UHD"]),
    )
    def test_asked_together_is_each_by_itself(
        self, languages: list[str], held_back: list[str], tag: str, picture: str
    ) -> None:
        licence = Licence(["HD"], languages, held_back)
        together = terms.allows(licence, format=picture, audio=tag, subtitle=tag)
        assert together == all(
            (
                terms.allows(licence, format=picture),
                terms.allows(licence, audio=tag),
                terms.allows(licence, subtitle=tag),
            )
        )
        assert not (terms.allows(licence, audio=tag) and tag in held_back)
