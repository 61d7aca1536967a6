"""Subtitles as editors have them, into WebVTT in UTF-8."""

from __future__ import annotations

import io
import re
from pathlib import Path

import nh3
import webvtt
from charset_normalizer import from_bytes

MAX_BYTES = 10 * 1024 * 1024
_TAGS = {"i", "b", "u"}


class SubtitlesUnreadable(Exception):
    """This is no SRT or WebVTT; the message says what to do."""


def as_webvtt(data: bytes) -> str:
    """Answer subtitles as WebVTT; SRT is converted, in whatever encoding it comes. Raises SubtitlesUnreadable."""
    if len(data) > MAX_BYTES:
        raise SubtitlesUnreadable(f"The subtitles have {len(data):,} bytes; {MAX_BYTES:,} are the most.")
    text = decode(data).replace("\r\n", "\n").replace("\r", "\n")
    try:
        if text.lstrip().startswith("WEBVTT"):
            cues = webvtt.from_string(text.lstrip())
        else:
            cues = webvtt.from_buffer(io.StringIO(text), format="srt")
            for cue in cues.captions:
                cue.text = _safe(cue.raw_text)
    except (webvtt.errors.MalformedFileError, webvtt.errors.MalformedCaptionError, ValueError, IndexError) as error:
        raise SubtitlesUnreadable(f"This is neither SRT nor WebVTT: {error}. Save it as one of them.") from error
    if not cues.captions:
        raise SubtitlesUnreadable("The file has no subtitles that can be read. Save it as SRT or WebVTT.")
    return str(cues.content)


def decode(data: bytes) -> str:
    """Answer text in the encoding that its bytes say, or else in the likeliest one. Raises SubtitlesUnreadable."""
    for mark, encoding in ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16")):
        if data.startswith(mark):
            return _strictly(data, encoding)
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        best = from_bytes(data).best()
        if best is None:
            raise SubtitlesUnreadable("The encoding of the subtitles is unknown. Save them in UTF-8.") from None
        return str(best)


def write(data: bytes, target: Path) -> None:
    target.write_text(as_webvtt(data), encoding="utf-8")


def _strictly(data: bytes, encoding: str) -> str:
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        raise SubtitlesUnreadable(
            f"The file says that it is {encoding} and is not. Save the subtitles in UTF-8."
        ) from error


def _safe(text: str) -> str:
    """Keep what WebVTT knows of SRT's tags, and drop the rest: colours and typefaces."""
    cleaned = nh3.clean(text, tags=_TAGS, attributes={}, clean_content_tags={"script", "style"})
    return re.sub(r"\n{2,}", "\n", cleaned.strip())
