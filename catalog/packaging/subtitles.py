"""Subtitles as editors have them, into WebVTT in UTF-8."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import nh3
import webvtt
from charset_normalizer import from_bytes

MAX_BYTES = 10 * 1024 * 1024
_TAGS = {"i", "b", "u"}
_OVERRIDES = re.compile(r"\{\\[^{}]*\}")
"""What SRT has borrowed from another format: {\\an8}, "on top". Players that do not know it show it as text."""
_ON_TOP = re.compile(r"\\an[789](?![0-9])")
_PAGES: Mapping[tuple[str, ...], str] = {
    ("cp1252",): "af ca cy da de en es et eu fi fr ga gl id is it ms nb nl nn no pt sv sw tl",
    ("cp1250", "iso8859_2"): "bs cs hr hu pl ro sk sl sq",
    ("cp1251", "koi8_r", "cp866"): "be bg kk ky mk mn ru sr tg uk",
    ("cp1253",): "el",
    ("cp1254",): "az tr",
    ("cp1255",): "he yi",
    ("cp1256",): "ar fa ur",
    ("cp1257",): "lt lv",
    ("cp1258",): "vi",
    ("cp874",): "th",
    ("cp932", "euc_jp"): "ja",
    ("cp949",): "ko",
}
"""In what languages are written that are not in Unicode, the most usual one first."""
_PAGES_OF = {language: pages for pages, languages in _PAGES.items() for language in languages.split()}


class SubtitlesUnreadable(Exception):
    """This is no SRT or WebVTT; the message says what to do."""


class SubtitlesEmpty(SubtitlesUnreadable):
    """There is not a single line in them."""


def as_webvtt(data: bytes, *, language: str = "") -> str:
    """Answer subtitles as WebVTT; SRT is converted, in whatever encoding it comes.

    In which encoding a few lines are written can hardly be told from their bytes alone: their `language` (BCP 47) tells it.
    Raises SubtitlesUnreadable.
    """
    if len(data) > MAX_BYTES:
        raise SubtitlesUnreadable(f"The subtitles have {len(data):,} bytes; {MAX_BYTES:,} are the most.")
    text = decode(data, language=language).replace("\r\n", "\n").replace("\r", "\n").lstrip()
    try:
        if text.startswith("WEBVTT"):
            cues = webvtt.from_string(text)
        else:
            cues = webvtt.from_buffer(io.StringIO(text), format="srt")
            for cue in cues.captions:
                _keep_place(cue)
                cue.text = _safe(_OVERRIDES.sub("", cue.raw_text))
    except (webvtt.errors.MalformedFileError, webvtt.errors.MalformedCaptionError, ValueError, IndexError) as error:
        raise SubtitlesUnreadable(f"This is neither SRT nor WebVTT: {error}. Save it as one of them.") from error
    if not cues.captions:
        raise SubtitlesEmpty("The file has no subtitles that can be read. Save it as SRT or WebVTT.")
    return str(cues.content)


def decode(data: bytes, *, language: str = "") -> str:
    """Answer text in the encoding that its bytes say, or else in the likeliest one of its language.

    Raises SubtitlesUnreadable.
    """
    for mark, encoding in ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16")):
        if data.startswith(mark):
            return _strictly(data, encoding)
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        pages = _PAGES_OF.get(language.partition("-")[0].lower(), ())
        text = _in_one_of(data, pages) if pages else None
        best = text if text is not None else from_bytes(data).best()
        if best is None:
            raise SubtitlesUnreadable("The encoding of the subtitles is unknown. Save them in UTF-8.") from None
        return str(best)


def _in_one_of(data: bytes, pages: Sequence[str]) -> str | None:
    """Answer text in the likeliest of a few encodings; in the first of them where that cannot be told. None for none."""
    if len(pages) > 1 and (best := from_bytes(data, cp_isolation=list(pages)).best()):
        return str(best)
    for page in pages:
        with suppress(UnicodeDecodeError):
            return data.decode(page)
    return None


def write(data: bytes, target: Path) -> None:
    target.write_text(as_webvtt(data), encoding="utf-8")


def _strictly(data: bytes, encoding: str) -> str:
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        raise SubtitlesUnreadable(
            f"The file says that it is {encoding} and is not. Save the subtitles in UTF-8."
        ) from error


def _keep_place(cue: webvtt.Caption) -> None:
    """Put what shall be read on top, lest it hide a name that the picture has below, on top."""
    if any(_ON_TOP.search(found) for found in _OVERRIDES.findall(cue.raw_text)):
        cue.settings = "line:0"


def _safe(text: str) -> str:
    """Keep what WebVTT knows of SRT's tags, and drop the rest: colours and typefaces."""
    cleaned = nh3.clean(text, tags=_TAGS, attributes={}, clean_content_tags={"script", "style"})
    return re.sub(r"\n{2,}", "\n", cleaned.strip())
