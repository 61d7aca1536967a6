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

    @pytest.mark.parametrize(
        ("language", "encoding", "line"),
        [
            ("fr", "cp1252", "C'était l'été à la mère, où êtes-vous, cœur ?"),
            ("pt-BR", "latin-1", "Não é só você, irmão."),
            ("sv", "latin-1", "Håll käften! Jag är här på ön."),
            ("hu", "cp1250", "Ő űrhajós."), ("pl", "iso8859-2", "Zażółć gęślą jaźń"),
            ("el", "cp1253", "Γεια σου"), ("tr", "cp1254", "İyi geceler, şekerim. Işık"),  # noqa: RUF001 - their own letters
            ("he", "cp1255", "שלום לך"), ("ru", "koi8-r", "Привет, как дела?"),
            ("ja", "cp932", "こんにちは"),
        ],
    )  # fmt: skip
    def test_reads_a_single_line_by_its_language(self, language: str, encoding: str, line: str) -> None:
        data = f"1\n00:00:01,000 --> 00:00:02,500\n{line}\n".encode(encoding)
        assert subtitles.as_webvtt(data, language=language).splitlines()[-1] == line

    def test_reads_what_its_languages_usual_encoding_has_not(self) -> None:
        line = "Привет, как дела?"
        data = f"1\n00:00:01,000 --> 00:00:02,500\n{line}\n"
        assert line in subtitles.as_webvtt(data.encode("utf-8"), language="de")
        assert line in subtitles.as_webvtt(data.encode("cp1251"), language="xx")

    def test_shows_no_signs_of_other_formats_and_keeps_on_top_what_is(self) -> None:
        srt = "1\n00:00:01,000 --> 00:00:02,500\n{\\an8}{\\i1}Up{\\i0} there {sic}\n\n2\n00:00:03,000 --> 00:00:04,000\n{\\an2}Down\n"
        assert subtitles.as_webvtt(srt.encode()) == (
            "WEBVTT\n\n00:00:01.000 --> 00:00:02.500 line:0\nUp there {sic}\n\n00:00:03.000 --> 00:00:04.000\nDown\n"
        )

    @pytest.mark.parametrize("before", ["\n\n", "\r\n", " \n", "\ufeff\n"])
    def test_reads_srt_that_begins_late(self, before: str) -> None:
        assert subtitles.as_webvtt((before + GERMAN).encode()) == WEBVTT

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
