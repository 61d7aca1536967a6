"""A film from its file to what players read."""

from __future__ import annotations

import errno
import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import m3u8
import pytest
from django.conf import settings
from django.core.files.base import ContentFile
from django.core.files.storage import FileSystemStorage, storages
from lxml import etree
from mpegdash.parser import MPEGDASHParser
from PIL import Image

from catalog.events import MediaReady
from catalog.models import MediaPackage, MediaRendition, MediaSource, MediaSubtitles, Title
from catalog.packaging import planning, probing
from catalog.packaging.encoding import encode_picture, encode_sound
from catalog.packaging.programs import ProgramMissing
from catalog.selectors import media as selectors
from catalog.services import media, titles
from core.ids import new_id
from core.models import OutboxEvent
from core.outbox import encoding
from local import video
from tests import clips
from tests.catalog.media.conftest import LATER, attach, packaged
from tests.factories.catalog import NOW, TitleFactory

pytestmark = pytest.mark.django_db


def folder_of(package: MediaPackage) -> Path:
    return Path(storages["packages"].path(package.folder))


def size_of(picture: Path) -> tuple[int, int]:
    with Image.open(picture) as image:
        return image.size


def stored_films() -> set[str]:
    try:
        return set(storages["private"].listdir("media")[0])
    except FileNotFoundError:
        return set()


class TestExecute:
    def test_makes_a_ladder_with_sound_subtitles_and_pictures(self, package: MediaPackage) -> None:
        facts = package.facts
        assert [(rung["width"], rung["height"]) for rung in facts["rungs"]] == [(640, 360), (384, 216)]
        assert [(track["language"], track["label"]) for track in facts["audio"]] == [
            ("en", "English"),
            ("de", "Deutsch"),
        ]
        assert [(text["language"], text["role"]) for text in facts["text"]] == [("en", "subtitles")]
        assert package.duration_seconds == pytest.approx(2, abs=0.1)
        folder = folder_of(package)
        assert package.size == sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
        assert [size_of(folder / name) for name in facts["posters"]] == [(640, 360)] * 4

    def test_writes_hls_that_names_only_what_is_there(self, package: MediaPackage) -> None:
        folder = folder_of(package)
        master = m3u8.load(str(folder / "master.m3u8"))
        assert [variant.stream_info.resolution for variant in master.playlists] == [(640, 360), (384, 216)]
        assert [variant.stream_info.codecs.split(".")[0] for variant in master.playlists] == ["avc1", "avc1"]
        assert [(item.type, item.language, item.default) for item in master.media] == [
            ("AUDIO", "en", "YES"), ("AUDIO", "de", "NO"), ("SUBTITLES", "en", "NO"),
        ]  # fmt: skip
        assert [item.image_stream_info.resolution for item in master.image_playlists] == [(320, 180)]
        lists = [item.uri for item in (*master.playlists, *master.media, *master.image_playlists)]
        for name in lists:
            playlist = m3u8.load(str(folder / name))
            assert playlist.is_endlist
            # The last segment of subtitles is a whole one, whatever there is left to say.
            lasts = 6 if name.startswith("t") else 2
            assert sum(segment.duration for segment in playlist.segments) == pytest.approx(lasts, abs=0.2)
            for uri in (
                *(part.uri for part in playlist.segments),
                *(part.uri for part in playlist.segment_map if part),
            ):
                assert ((folder / name).parent / uri).stat().st_size > 0

    def test_writes_dash_of_the_same_segments(self, package: MediaPackage) -> None:
        folder = folder_of(package)
        manifest = MPEGDASHParser.parse(str(folder / "manifest.mpd"))
        sets = manifest.periods[0].adaptation_sets
        assert [(item.content_type, item.lang) for item in sets] == [
            ("video", None), ("audio", "en"), ("audio", "de"), ("text", "en"), ("image", None),
        ]  # fmt: skip
        for item in sets[:3]:
            for representation in item.representations:
                template = representation.segment_templates[0]
                assert (folder / template.initialization).exists()
                assert (folder / template.media.replace("$Number$", "1")).exists()
        assert (folder / sets[3].representations[0].base_urls[0].base_url_value).read_text().startswith("WEBVTT")
        template = sets[4].segment_templates[0]
        assert size_of(folder / template.media.replace("$Number$", "1")) == (640, 180)
        # The schema's order: what describes a set comes before its representations.
        root = etree.parse(str(folder / "manifest.mpd")).getroot()
        names = [etree.QName(child).localname for child in root[0][3]]
        assert names == ["Role", "Label", "Representation"]

    def test_makes_segments_that_decode_whole(self, package: MediaPackage) -> None:
        """The segments of each track, one after the other as a player feeds them, hold every frame without a fault."""
        counted = {}
        for track in sorted(folder_of(package).glob("[av]*/")):
            parts = [track / "init.mp4", *sorted(track.glob("*.m4s"), key=lambda part: int(part.stem))]
            whole = track.with_suffix(".whole.mp4")
            whole.write_bytes(b"".join(part.read_bytes() for part in parts))
            command = [
                settings.FFPROBE, "-v", "error", "-count_frames", "-show_entries", "stream=codec_name,nb_read_frames",
                "-of", "json", str(whole),
            ]  # fmt: skip
            done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
            whole.unlink()
            [stream] = json.loads(done.stdout)["streams"]
            assert done.stderr == ""
            counted[track.name] = (stream["codec_name"], int(stream["nb_read_frames"]))
        assert {name: codec for name, (codec, _) in counted.items()} == {
            "a1-en": "aac", "a2-de": "aac", "v216-2": "h264", "v360-1": "h264",
        }  # fmt: skip
        assert [counted[name][1] for name in ("v360-1", "v216-2")] == [50, 50]
        # A frame of AAC has 1024 samples, at 48,000 a second.
        assert all(94 <= counted[name][1] <= 96 for name in ("a1-en", "a2-de"))

    def test_puts_key_frames_at_the_same_instants_in_every_size(self, package: MediaPackage) -> None:
        folder = folder_of(package)
        master = m3u8.load(str(folder / "master.m3u8"))
        lengths = {
            tuple(part.duration for part in m3u8.load(str(folder / item.uri)).segments) for item in master.playlists
        }
        assert len(lengths) == 1

    def test_takes_a_film_that_does_not_say_its_languages(self, tmp_path: Path) -> None:
        film = clips.film(tmp_path / "plain.mp4", sounds=("und", "deu"), words=("und",), seconds=1)
        package = packaged(TitleFactory.create(), film)
        assert (package.state, [track["language"] for track in package.facts["audio"]]) == ("live", ["und", "de"])
        master = m3u8.load(str(folder_of(package) / "master.m3u8"))
        tracks = [(item.type, item.name, item.language, item.autoselect) for item in master.media]
        assert tracks == [
            ("AUDIO", "Original", None, "YES"), ("AUDIO", "Deutsch", "de", "YES"), ("SUBTITLES", "Original", None, "YES"),
        ]  # fmt: skip
        sets = MPEGDASHParser.parse(str(folder_of(package) / "manifest.mpd")).periods[0].adaptation_sets
        assert [(item.content_type, item.lang) for item in sets] == [
            ("video", None), ("audio", None), ("audio", "de"), ("text", "und"), ("image", None),
        ]  # fmt: skip

    def test_leaves_out_subtitles_that_have_no_lines(self, tmp_path: Path) -> None:
        late = tmp_path / "late.srt"
        late.write_text(clips.SRT.replace("00:00:0", "00:01:0"), encoding="utf-8")
        plain = clips.film(tmp_path / "plain.mkv", seconds=1, sounds=("eng",), words=("eng",))
        film = tmp_path / "film.mkv"
        clips.ffmpeg(
            "-i", str(plain), "-i", str(late), "-map", "0", "-map", "1", "-c", "copy", "-t", "1",
            "-metadata:s:s:1", "language=deu", "-disposition:s:1", "forced", str(film),
        )  # fmt: skip
        package = packaged(TitleFactory.create(), film)
        assert [track["language"] for track in package.facts["text"]] == ["en"]
        assert package.facts["notes"] == [
            "Subtitles inside the film that have no lines are left out (Deutsch [forced])."
        ]
        assert not list(folder_of(package).glob("t2-*"))

    def test_brings_all_levels_of_brightness_into_the_range_that_screens_expect(self, tmp_path: Path) -> None:
        film = clips.film(tmp_path / "f.avi", sounds=(), seconds=1, extra=["-c:v", "mjpeg", "-pix_fmt", "yuvj420p"])
        plan, target = planning.plan(probing.probe(film), planning.Bounds(longest=60)), tmp_path / "v.mp4"
        encode_picture(
            film, target, plan, plan.rungs[0], preset="ultrafast", seconds=30, limit=10**8, progress=lambda _: None
        )
        command = [
            settings.FFPROBE,
            "-v",
            "error",
            "-show_entries",
            "stream=pix_fmt,color_range",
            "-of",
            "csv=p=0",
            str(target),
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
        assert done.stdout.strip() == "yuv420p,tv"

    def test_keeps_surround_sound_beside_stereo(self, tmp_path: Path) -> None:
        film = clips.film(tmp_path / "surround.mkv", sounds=("eng", "deu"), seconds=1, extra=["-ac:a:0", "6"])
        package = packaged(TitleFactory.create(), film)
        folder = folder_of(package)
        master = m3u8.load(str(folder / "master.m3u8"))
        tracks = [(item.name, item.language, item.channels, item.default) for item in master.media]
        assert tracks == [
            ("English", "en", "2", "YES"), ("English 5.1", "en", "6", "NO"), ("Deutsch", "de", "1", "NO"),
        ]  # fmt: skip
        sets = MPEGDASHParser.parse(str(folder / "manifest.mpd")).periods[0].adaptation_sets
        sounds = [item for item in sets if item.content_type == "audio"]
        assert [
            (item.lang, item.representations[0].audio_channel_configurations[0].value) for item in sounds
        ] == [("en", "2"), ("en", "6"), ("de", "1")]  # fmt: skip
        labels = (
            etree.parse(str(folder / "manifest.mpd"))
            .getroot()
            .iterfind(".//{*}AdaptationSet[@contentType='audio']/{*}Label")
        )
        assert [label.text for label in labels] == ["English", "English 5.1", "Deutsch"]
        whole = tmp_path / "whole.mp4"
        parts = [folder / "a2-en" / name for name in ("init.mp4", "1.m4s")]
        whole.write_bytes(b"".join(part.read_bytes() for part in parts))
        command = [
            settings.FFPROBE,
            "-v",
            "error",
            "-show_entries",
            "stream=channels,channel_layout",
            "-of",
            "csv=p=0",
            str(whole),
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
        assert done.stdout.strip() == "6,5.1"

    def test_tells_the_apps_above_and_selectors_answer(self, film: Path) -> None:
        package = packaged(TitleFactory.create(), film)
        event = OutboxEvent.objects.get()
        assert event.type == encoding.type_name(MediaReady)
        assert (event.payload["title_id"], event.payload["package_id"]) == (str(package.title_id), str(package.pk))
        playable = selectors.manifests(package.title_id)
        assert playable is not None
        assert (playable.hls, playable.dash) == (f"{package.folder}/master.m3u8", f"{package.folder}/manifest.mpd")
        assert playable.heights == (360, 216)
        assert selectors.manifests(new_id()) is None

    def test_leaves_nothing_in_the_scratch_folder(self, film: Path, tmp_path: Path, settings: Any) -> None:
        settings.VIDEO_SCRATCH = str(tmp_path)
        packaged(TitleFactory.create(), film)
        assert list(tmp_path.iterdir()) == []


class TestAttach:
    def test_does_nothing_for_what_is_live_or_under_way(self, film: Path) -> None:
        title = TitleFactory.create()
        first = attach(title, film)
        assert first is not None
        assert attach(title, film, name="the same.mp4") == first
        media.execute(package_id=first.pk, clock=lambda: NOW)
        assert attach(title, film, now=LATER) is None
        assert (MediaPackage.objects.count(), MediaSource.objects.count()) == (1, 1)

    @pytest.mark.parametrize(
        "name", ["-i.mp4", 'it\'s "quoted".mp4', "two\nlines.mp4", "concat:a|b", "../../x", "$(rm).mp4"]
    )
    def test_stores_under_a_name_of_ours_whatever_the_file_is_called(self, film: Path, name: str) -> None:
        package = attach(TitleFactory.create(), film, name=name)
        assert package is not None
        assert package.source.file == f"media/{package.source.pk}/source"
        assert package.source.name.isprintable()

    def test_refuses_an_unknown_title_and_what_is_too_large(self, film: Path, settings: Any) -> None:
        with pytest.raises(titles.TitleUnknown):
            media.attach(title_id=new_id(), name="x", content=ContentFile(b"x"), by="t", now=NOW)
        settings.VIDEO_MAX_BYTES = 1000
        with pytest.raises(media.FileTooLarge):
            attach(TitleFactory.create(), film)
        assert not MediaSource.objects.exists()

    def test_leaves_no_file_behind_when_the_title_goes_meanwhile(self) -> None:
        title = TitleFactory.create(name=None)

        class Film(ContentFile):  # type: ignore[type-arg]  # generic in the stubs alone
            def chunks(self, chunk_size: int | None = None) -> Iterator[bytes]:
                """Lose the title while the file is read."""
                Title.objects.filter(pk=title.pk).delete()
                yield from super().chunks(chunk_size)

        before = stored_films()
        with pytest.raises(titles.TitleUnknown):
            media.attach(title_id=title.pk, name="x", content=Film(b"a film"), by="t", now=NOW)
        assert (MediaSource.objects.count(), stored_films()) == (0, before)

    def test_takes_a_film_that_lies_in_the_storage_and_leaves_it_there(self, film: Path) -> None:
        title = TitleFactory.create()
        place = Path(storages["private"].path("incoming/masters/film.mov"))
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(film.read_bytes())
        package = media.attach_stored(title_id=title.pk, place="masters/film.mov", by="user:1", now=NOW)
        assert package is not None
        assert (
            media.attach_stored(title_id=title.pk, place="incoming/masters/film.mov", by="user:1", now=NOW) == package
        )
        done = media.execute(package_id=package.pk, clock=lambda: NOW)
        assert done is not None
        assert done.state == "live"
        assert (package.source.is_ours, place.exists()) == (False, True)

    @pytest.mark.parametrize("place", ["../ingest/x", "/etc/passwd", "nothing.mp4", "a\x00b", "", "../incoming"])
    def test_refuses_other_places(self, place: str) -> None:
        with pytest.raises(media.PlaceUnknown):
            media.attach_stored(title_id=TitleFactory.create().pk, place=place, by="user:1", now=NOW)
        assert not MediaSource.objects.exists()

    def test_replaces_a_job_of_another_film_that_has_not_ended(self, film: Path, tmp_path: Path) -> None:
        title = TitleFactory.create()
        first = attach(title, film)
        second = attach(title, clips.film(tmp_path / "b.mp4", sounds=()))
        assert first is not None
        assert second is not None
        first.refresh_from_db()
        assert (first.state, second.state) == ("retired", "queued")
        assert media.execute(package_id=first.pk, clock=lambda: NOW) is None


class TestSubtitles:
    def attach(self, title: Title, data: bytes, **changes: str) -> MediaPackage | None:
        values = {"language": "de", "role": "subtitles", "name": "a.srt", **changes}
        return media.attach_subtitles(title_id=title.pk, data=data, by="user:1", now=LATER, **values)

    def test_are_added_without_encoding_anything_again(self, film: Path) -> None:
        title = TitleFactory.create()
        first = packaged(title, film)
        made = set(MediaRendition.objects.values_list("pk", "made_at"))
        queued = self.attach(title, clips.SRT.encode())
        assert queued is not None
        second = media.execute(package_id=queued.pk, clock=lambda: LATER)
        assert second is not None
        assert [(text["language"], text["role"]) for text in second.facts["text"]] == [
            ("en", "subtitles"),
            ("de", "subtitles"),
        ]
        assert set(MediaRendition.objects.values_list("pk", "made_at")) == made
        first.refresh_from_db()
        assert (first.state, second.state) == ("retired", "live")
        removed = media.remove_subtitles(title_id=title.pk, language="de", role="subtitles", by="user:1", now=LATER)
        assert removed is not None
        assert removed.key == first.key

    def test_are_kept_for_a_film_that_is_still_to_come(self, film: Path) -> None:
        title = TitleFactory.create()
        assert self.attach(title, clips.SRT.encode()) is None
        assert [text["language"] for text in packaged(title, film).facts["text"]] == ["en", "de"]

    @pytest.mark.parametrize(("data", "changes"), [(b"nonsense", {}), (clips.SRT.encode(), {"language": "klingon!"})])
    def test_are_refused_when_nobody_could_read_them(self, data: bytes, changes: dict[str, str]) -> None:
        title = TitleFactory.create()
        with pytest.raises(media.SubtitlesRefused):
            self.attach(title, data, **changes)
        assert not MediaSubtitles.objects.exists()


class TestFailure:
    def test_tells_an_editor_what_to_do(self, film: Path, tmp_path: Path, settings: Any) -> None:
        title = TitleFactory.create()
        old = packaged(title, film)
        damaged = clips.film(tmp_path / "d.mp4", extra=["-movflags", "+faststart"], seconds=4)
        data = bytearray(damaged.read_bytes())
        damaged.write_bytes(data[: len(data) // 3])
        junk = tmp_path / "junk"
        junk.write_bytes(b"no film at all")
        settings.VIDEO_MAX_SECONDS = 3
        long = clips.film(tmp_path / "long.mp4", seconds=3.5, sounds=())
        outcomes = []
        for file in (damaged, junk, clips.film(tmp_path / "s.mp4", picture=False), long):
            if file == damaged:
                settings.VIDEO_MAX_SECONDS = 30
            queued = attach(title, file)
            assert queued is not None
            done = media.execute(package_id=queued.pk, clock=lambda: NOW)
            settings.VIDEO_MAX_SECONDS = 3
            assert done is not None
            assert done.failure
            outcomes.append((done.state, done.failure_code))
        assert outcomes == [
            ("failed", "source_damaged"), ("failed", "source_unreadable"), ("failed", "no_picture"),
            ("failed", "source_too_long"),
        ]  # fmt: skip
        # What viewers watch stays as it was.
        live = selectors.manifests(title.pk)
        assert live is not None
        assert live.package_id == old.pk

    def test_can_be_tried_again_and_goes_on_where_it_was(self, film: Path, settings: Any) -> None:
        title = TitleFactory.create()
        settings.PACKAGER = "/nowhere/packager"
        queued = attach(title, film)
        assert queued is not None
        for _ in range(3):
            with pytest.raises(ProgramMissing):
                media.execute(package_id=queued.pk, clock=lambda: NOW)
        queued.refresh_from_db()
        assert (queued.state, queued.failure_code, queued.attempts) == ("failed", "disturbed", 3)
        made = set(MediaRendition.objects.values_list("pk", flat=True))
        assert len(made) == 4
        settings.PACKAGER = settings_packager()
        again = media.retry(package_id=queued.pk, by="user:1", now=LATER)
        done = media.execute(package_id=again.pk, clock=lambda: LATER)
        assert done is not None
        assert done.state == "live"
        assert set(MediaRendition.objects.values_list("pk", flat=True)) == made
        with pytest.raises(media.NothingToPackage):
            media.retry(package_id=queued.pk, by="user:1", now=LATER)
        with pytest.raises(media.PackageUnknown):
            media.retry(package_id=new_id(), by="user:1", now=LATER)

    def test_of_room_is_said_before_anything_is_encoded(self, film: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        queued = attach(TitleFactory.create(), film)
        assert queued is not None
        monkeypatch.setattr(shutil, "disk_usage", lambda _: type("Usage", (), {"free": 10})())
        with pytest.raises(OSError, match="are needed"):
            media.execute(package_id=queued.pk, clock=lambda: NOW)
        assert not MediaRendition.objects.exists()

    def test_of_a_full_disk_is_no_fault_of_the_film(
        self, film: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        queued = attach(TitleFactory.create(), film)
        assert queued is not None
        with monkeypatch.context() as disk:
            disk.setattr(FileSystemStorage, "_save", full)
            for _ in range(3):
                with pytest.raises(OSError, match="No space"):
                    media.execute(package_id=queued.pk, clock=lambda: NOW)
        queued.refresh_from_db()
        assert (queued.state, queued.failure_code) == ("failed", "disturbed")
        assert queued.failure.startswith("There is no room left")
        assert not MediaRendition.objects.exists()
        # Nor is one that is full while a track is made.
        target = tmp_path / "a1.mp4"
        target.symlink_to("/dev/full")
        plan = planning.plan(probing.probe(film), planning.Bounds(longest=60))
        with pytest.raises(OSError, match="no room left"):
            encode_sound(film, target, plan, plan.audio[0], seconds=30, limit=10**9, progress=lambda _: None)

    @pytest.mark.parametrize("ending", [".mp4", ".m4s"])
    def test_of_a_full_disk_leaves_nothing_half_stored(
        self, film: Path, monkeypatch: pytest.MonkeyPatch, ending: str
    ) -> None:
        store: Any = FileSystemStorage._save  # type: ignore[attr-defined]  # not in the stubs

        def store_half(storage: FileSystemStorage, name: str, content: Any) -> Any:
            if not name.endswith(ending):
                return store(storage, name, content)
            store(storage, name, ContentFile(content.read(100)))
            return full()

        queued = attach(TitleFactory.create(), film)
        assert queued is not None
        monkeypatch.setattr(FileSystemStorage, "_save", store_half)
        with pytest.raises(OSError, match="No space"):
            media.execute(package_id=queued.pk, clock=lambda: NOW)
        tracks = Path(storages["private"].path(f"media/{queued.source_id}/tracks"))
        assert {file.name for file in tracks.glob("*")} == {
            Path(name).name for name in MediaRendition.objects.values_list("file", flat=True)
        }
        assert not Path(storages["packages"].path(f"{queued.title_id}/{queued.pk}")).exists()


def full(*_: Any) -> str:
    raise OSError(errno.ENOSPC, "No space left on device")


def settings_packager() -> str:
    return video.programs()["PACKAGER"]
