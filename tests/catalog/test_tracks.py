"""Sound and subtitles of a title: stated by deliveries and editors, found in films by packaging."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from hypothesis import given
from hypothesis import strategies as some

from catalog import tracks
from catalog.models import MediaPackage, MediaSource, Title
from catalog.selectors import gaps
from tests.catalog.test_admin import form_of, staff
from tests.factories.catalog import NOW, ProviderFactory, TitleFactory, feed, ingest, movie

__all__ = ["staff"]

AUDIO = {"type": "audio", "language": "de"}
LINES = some.fixed_dictionaries(
    {"type": some.sampled_from(["audio", "subtitle"]), "language": some.sampled_from(["de", "pt-BR", "zh-Hant"])},
    optional={
        **{name: some.booleans() for name in tracks.FLAGS},
        "channels": some.sampled_from(["", *tracks.CHANNELS]),
    },
)


class TestReading:
    @given(LINES)
    def test_reads_what_it_has_read_as_the_same(self, line: dict[str, Any]) -> None:
        try:
            track = tracks.read_track(line)
        except tracks.TrackInvalid:
            return
        assert tracks.read_track(track) == track
        assert all(value is not False for value in track.values())

    @pytest.mark.parametrize(
        ("line", "why"),
        [
            ({"type": "video", "language": "de"}, "audio or subtitle"),
            ({"type": "audio", "language": "deutsch!"}, "no language tag"),
            ({**AUDIO, "sdh": True}, "SDH is said of subtitles alone"),
            ({**AUDIO, "forced": True}, "Forced is said of subtitles alone"),
            ({"type": "subtitle", "language": "de", "audio_description": True}, "said of audio alone"),
            ({"type": "subtitle", "language": "de", "channels": "5.1"}, "Channels are those of audio"),
            ({**AUDIO, "channels": "9.9"}, "Channels are those of audio"),
        ],
    )
    def test_refuses_what_cannot_be(self, line: dict[str, Any], why: str) -> None:
        with pytest.raises(tracks.TrackInvalid, match=why):
            tracks.read_tracks([line])

    def test_refuses_the_same_twice(self) -> None:
        with pytest.raises(tracks.TrackInvalid, match="The same twice: de, audio"):
            tracks.read_tracks([AUDIO, {**AUDIO, "original": False}])


def lines(*given: dict[str, Any]) -> dict[str, Any]:
    """Answer what a browser sends of the table."""
    sent: dict[str, Any] = {"tracks-rows": str(len(given))}
    for number, line in enumerate(given):
        sent |= {f"tracks-{number}-{name}": value for name, value in line.items()}
    return sent


@pytest.mark.django_db
class TestEditors:
    def test_correct_what_a_delivery_says_and_the_next_one_leaves_it_alone(self, staff: Client) -> None:
        provider = ProviderFactory.create()
        ingest(feed(movie(1, tracks=[AUDIO])), provider)
        title = Title.objects.get()
        address = reverse("admin:catalog_title_change", args=[title.pk])
        page = staff.get(address)
        assert 'name="tracks-0-language" value="de"' in page.content.decode()
        corrected = [
            {"type": "audio", "language": "de", "channels": "5.1", "original": "on"},
            {"type": "subtitle", "language": "en", "sdh": "on"},
            {"type": "audio", "language": ""},
        ]
        answer = staff.post(address, form_of(page) | lines(*corrected))
        assert answer.status_code == 302, answer.context["errors"]
        wanted = [
            {"type": "audio", "language": "de", "original": True, "channels": "5.1"},
            {"type": "subtitle", "language": "en", "sdh": True},
        ]
        title.refresh_from_db()
        assert (title.tracks, title.edited) == (wanted, ["tracks"])
        ingest(feed(movie(1, tracks=[{"type": "audio", "language": "fr"}])), provider)
        title.refresh_from_db()
        assert title.tracks == wanted
        shown = staff.get(reverse("admin:catalog_title_history_one", args=[title.pk])).content.decode()
        assert "Tracks" in shown
        assert "audio, 5.1, original; en, subtitles, SDH" in shown

    def test_who_change_nothing_of_them_leave_them_to_deliveries(self, staff: Client) -> None:
        title = TitleFactory.create(tracks=[AUDIO])
        address = reverse("admin:catalog_title_change", args=[title.pk])
        data = form_of(staff.get(address)) | lines({"type": "audio", "language": "de"}) | {"runtime_seconds": "60"}
        assert staff.post(address, data).status_code == 302
        title.refresh_from_db()
        assert (title.tracks, title.edited) == ([AUDIO], ["runtime_seconds"])

    def test_are_told_what_cannot_be(self, staff: Client) -> None:
        title = TitleFactory.create(tracks=[AUDIO])
        address = reverse("admin:catalog_title_change", args=[title.pk])
        answer = staff.post(address, form_of(staff.get(address)) | lines({**AUDIO, "forced": "on"}))
        assert "Forced is said of subtitles alone." in answer.content.decode()
        title.refresh_from_db()
        assert title.tracks == [AUDIO]


def packaged(title: Title) -> MediaPackage:
    """Give a title a film with sound in German, described in German, and English subtitles for the deaf."""
    source = MediaSource.objects.create(title=title, name="a.mp4", file="a.mp4", size=1, is_ours=False, digest="0" * 64, attached_by="x", attached_at=NOW)  # fmt: skip
    named = {"label": "", "name": "x"}
    facts = {
        "audio": [{"language": "de", "role": role, **named} for role in ("main", "description", "commentary")],
        "text": [{"language": "en", "role": "sdh", **named}],
        "rungs": [],
    }
    return MediaPackage.objects.create(
        title=title, source=source, key="k", state="live", folder="f", duration_seconds=1, size=1, finished_at=NOW,
        facts=facts, created_by="x", created_at=NOW,
    )  # fmt: skip


@pytest.mark.django_db
class TestTheFilm:
    def test_is_what_packaging_says_and_nobody_edits(self, staff: Client) -> None:
        title = TitleFactory.create(tracks=[AUDIO])
        packaged(title)
        shown = staff.get(reverse("admin:catalog_title_change", args=[title.pk])).content.decode()
        assert "<div>de, audio</div>" in shown
        assert "de, audio, audio description (not stated above)" in shown
        assert "en, subtitles, SDH (not stated above)" in shown

    @pytest.mark.parametrize(
        ("gap", "language", "is_missing"),
        [
            ("dub", "de", False), ("dub", "en", True), ("audio_description", "de", False),
            ("audio_description", "en", True), ("subtitle", "en", False), ("subtitle", "de", True),
        ],
    )  # fmt: skip
    def test_fills_gaps(self, gap: str, language: str, is_missing: bool) -> None:
        title = TitleFactory.create()
        packaged(title)
        assert list(gaps.lacking(gap, country="DE", language=language, now=NOW)) == ([title] if is_missing else [])
