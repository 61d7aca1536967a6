"""Subtitles in whatever shape they come."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as some

from catalog.packaging import subtitles

GERMAN = '1\r\n00:00:01,000 --> 00:00:02,500\r\n<i>Grüße</i> aus <font color="red">Köln</font> & Umgebung\r\nzweite Zeile\r\n'
WEBVTT = "WEBVTT\n\n00:00:01.000 --> 00:00:02.500\n<i>Grüße</i> aus Köln &amp; Umgebung\nzweite Zeile\n"


class TestAsWebvtt:
    @pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252", "iso-8859-15"])
    def test_converts_srt_of_any_encoding(self, encoding: str) -> None:
        assert subtitles.as_webvtt(GERMAN.encode(encoding)) == WEBVTT

    def test_reads_other_scripts(self) -> None:
        words = "Добрый вечер, дамы и господа. Сегодня мы увидим фильм о море и о людях, которые живут у моря."  # noqa: RUF001
        text = f"1\n00:00:01,000 --> 00:00:02,500\n{words}\n"
        assert words in subtitles.as_webvtt(text.encode("cp1251"))

    def test_leaves_webvtt_what_it_can_do(self) -> None:
        text = "WEBVTT\n\nid\n00:00:01.000 --> 00:00:02.000 align:start line:0\n<v Bob>Hi &amp; <c.loud>you</c>\n"
        assert subtitles.as_webvtt(text.encode()) == text

    @pytest.mark.parametrize(
        "data", [b"", b"hello", b"\x00\x01\x02", b"1\n00:00:0x --> 3\nfoo\n", b"{\\rtf1}", b"\xff\xfe\x00", b"WEBVTT"]
    )
    def test_refuses_what_is_none(self, data: bytes) -> None:
        with pytest.raises(subtitles.SubtitlesUnreadable):
            subtitles.as_webvtt(data)

    def test_refuses_what_is_too_long(self) -> None:
        with pytest.raises(subtitles.SubtitlesUnreadable, match="are the most"):
            subtitles.as_webvtt(b" " * (subtitles.MAX_BYTES + 1))

    @given(some.binary(max_size=300))
    def test_answers_webvtt_or_refuses(self, data: bytes) -> None:
        try:
            text = subtitles.as_webvtt(data)
        except subtitles.SubtitlesUnreadable:
            return
        assert text.startswith("WEBVTT")
