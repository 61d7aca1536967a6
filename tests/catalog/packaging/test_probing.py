"""What files are, and what none of our programs may be made to read."""

from __future__ import annotations

import errno
from fractions import Fraction
from pathlib import Path

import pytest

from catalog.packaging import planning, probing, programs
from catalog.packaging.planning import Bounds, SourceRefused
from tests import clips

ODD_NAMES = [
    "-i.mp4",
    'it\'s "quoted".mp4',
    "two\nlines.mp4",
    "concat:a|b.mp4",
    "%d.mp4",
    "$(touch pwned);.mp4",
    "http:x.mp4",
]


class TestProbe:
    def test_answers_what_is_in_a_film(self, tmp_path: Path) -> None:
        file = clips.film(tmp_path / "a.mkv", words=("ger",), extra=["-disposition:s:0", "forced"])
        found = probing.probe(file)
        assert found.picture is not None
        assert (found.picture.codec, found.picture.width, found.picture.height) == ("h264", 320, 180)
        assert (found.picture.frame_rate, found.picture.interlaced, found.picture.rotation) == (Fraction(25), False, 0)
        assert [(sound.language, sound.channels) for sound in found.sounds] == [("en", 1), ("de", 1)]
        assert [(words.language, words.role, words.codec) for words in found.words] == [("de", "forced", "subrip")]
        assert found.duration == pytest.approx(2, abs=0.1)

    def test_sees_rotation_interlacing_and_odd_pixels(self, tmp_path: Path) -> None:
        flat = clips.film(tmp_path / "a.mp4", sounds=(), seconds=1)
        turned = tmp_path / "b.mp4"
        clips.ffmpeg("-display_rotation", "90", "-i", str(flat), "-c", "copy", str(turned))
        picture = probing.probe(turned).picture
        assert picture is not None
        assert planning.displayed_size(picture) == (Fraction(180), Fraction(320))
        woven = clips.film(
            tmp_path / "c.mkv", sounds=(), seconds=1,
            extra=["-vf", "setsar=64/45,setfield=tff", "-flags", "+ilme+ildct", "-x264-params", "tff=1"],
        )  # fmt: skip
        picture = probing.probe(woven).picture
        assert picture is not None
        assert (picture.interlaced, picture.sample_aspect) == (True, Fraction(64, 45))

    @pytest.mark.parametrize("name", ODD_NAMES)
    def test_takes_any_name_for_a_name(self, tmp_path: Path, name: str) -> None:
        file = clips.film(tmp_path / "plain.mp4", sounds=(), seconds=1).rename(tmp_path / name)
        assert probing.probe(file).picture is not None
        assert sorted(path.name for path in tmp_path.iterdir()) == [name]

    @pytest.mark.parametrize(
        "content",
        [
            b"", b"\0" * 5000, b"<svg/>", b"%PDF-1.7", b"ffconcat version 1.0\nfile secret.mp4\n",
            b"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nsecret.mp4\n#EXT-X-ENDLIST\n",
            b"#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1/x.ts\n#EXT-X-ENDLIST\n",
            b'<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011"/>',
        ],
    )  # fmt: skip
    def test_refuses_what_is_no_film_and_what_names_other_files(self, tmp_path: Path, content: bytes) -> None:
        clips.film(tmp_path / "secret.mp4", sounds=(), seconds=1)
        file = tmp_path / "film"
        file.write_bytes(content)
        with pytest.raises(SourceRefused) as refused:
            probing.probe(file)
        assert refused.value.code == "source_unreadable"

    def test_refuses_a_film_without_its_end(self, tmp_path: Path) -> None:
        whole = clips.film(tmp_path / "a.mp4", sounds=())
        whole.write_bytes(whole.read_bytes()[:-2000])
        with pytest.raises(SourceRefused, match="cut off"):
            probing.probe(whole)

    def test_knows_a_film_that_is_protected(self, tmp_path: Path) -> None:
        plain, protected = clips.film(tmp_path / "a.mp4", sounds=(), seconds=1), tmp_path / "b.mp4"
        key = "00112233445566778899aabbccddeeff"
        command = [
            programs.packager(), "--quiet", f"in={plain},stream=video,output={protected}", "--enable_raw_key_encryption",
            "--keys", f"label=:key_id={key}:key={key}", "--clear_lead", "0",
        ]  # fmt: skip
        programs.run(command, seconds=30, max_file_bytes=10**7)
        assert [probing.probe(file).encrypted for file in (plain, protected)] == [False, True]

    def test_clear_film_with_keys_left_over_is_taken(self, tmp_path: Path) -> None:
        """As programs write that decrypt and keep the box that told where to get keys (`pssh`)."""
        file = clips.film(tmp_path / "a.mp4", sounds=(), seconds=1)
        data, widevine = file.read_bytes(), bytes.fromhex("edef8ba979d64acea3c827dcd51d21ed")
        box = (36).to_bytes(4) + b"pssh" + bytes(4) + widevine + (4).to_bytes(4) + b"\x08\x01\x12\x00"
        at = data.index(b"moov") - 4
        size = int.from_bytes(data[at : at + 4])
        assert at + size == len(data), "nothing lies behind whose place is written in it"
        file.write_bytes(data[:at] + (size + len(box)).to_bytes(4) + data[at + 4 :] + box)
        answer = probing._asked(file, "%+#20")
        assert probing._has_keys(answer)
        assert probing.probe(file).encrypted is False

    def test_film_that_is_protected_behind_its_beginning_alone_is_seen(self, tmp_path: Path) -> None:
        plain = clips.film(tmp_path / "a.mp4", sounds=(), seconds=6, extra=("-g", "25"))
        protected = tmp_path / "b.mp4"
        key = "00112233445566778899aabbccddeeff"
        command = [
            programs.packager(), "--quiet", f"in={plain},stream=video,output={protected}", "--enable_raw_key_encryption",
            "--keys", f"label=:key_id={key}:key={key}", "--clear_lead", "4", "--segment_duration", "2",
        ]  # fmt: skip
        programs.run(command, seconds=30, max_file_bytes=10**7)
        assert probing.probe(protected).encrypted is True

    def test_sound_alone_is_no_film(self, tmp_path: Path) -> None:
        found = probing.probe(clips.film(tmp_path / "a.mp4", picture=False))
        with pytest.raises(SourceRefused, match="only sound"):
            planning.plan(found, Bounds(longest=60))


class TestRun:
    def test_ends_what_takes_too_long(self) -> None:
        with pytest.raises(programs.TookTooLong):
            programs.run(["sleep", "30"], seconds=0.1, max_file_bytes=10)

    def test_lets_nothing_grow_beyond_its_bound(self, tmp_path: Path) -> None:
        file = tmp_path / "large"
        with pytest.raises(programs.ProgramFailed):
            programs.run(["dd", "if=/dev/zero", f"of={file}", "bs=1000", "count=100"], seconds=5, max_file_bytes=50_000)
        assert file.stat().st_size <= 50_000

    def test_tells_what_is_no_fault_of_the_film(self) -> None:
        with pytest.raises(programs.ProgramKilled):
            programs.run(["sh", "-c", "kill -9 $$"], seconds=5, max_file_bytes=10_000)
        with pytest.raises(OSError, match="no room left") as full:
            programs.run(["dd", "if=/dev/zero", "of=/dev/full", "bs=10", "count=1"], seconds=5, max_file_bytes=10_000)
        assert full.value.errno == errno.ENOSPC

    def test_hides_our_secrets(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("SECRET_KEY", "very secret")
        assert "secret" not in programs.run(["env"], seconds=5, max_file_bytes=10_000)

    def test_names_what_is_missing(self) -> None:
        with pytest.raises(programs.ProgramMissing, match="nowhere"):
            programs.run(["/nowhere/ffmpeg"], seconds=5, max_file_bytes=10)
