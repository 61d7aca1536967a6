"""Small films, made by ffmpeg: a few seconds, with what a test needs in them."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path

from django.conf import settings

SRT = "1\n00:00:00,500 --> 00:00:01,500\nHello <i>there</i>\n\n2\n00:00:01,600 --> 00:00:02,000\nBye\n"


def film(
    target: Path,
    *,
    size: str = "320x180",
    seconds: float = 2,
    rate: str = "25",
    sounds: Sequence[str] = ("eng", "deu"),
    words: Sequence[str] = (),
    picture: bool = True,
    extra: Sequence[str] = (),
) -> Path:
    """Make a film: a moving test picture, a tone for each language of `sounds`, subtitles for each of `words`."""
    inputs: list[str] = []
    maps: list[str] = []
    if picture:
        inputs += ["-f", "lavfi", "-i", f"testsrc2=s={size}:r={rate}:d={seconds}"]
    for number in range(len(sounds)):
        inputs += ["-f", "lavfi", "-i", f"sine=frequency={330 + 110 * number}:duration={seconds}"]
    if words:
        subtitles = target.with_suffix(".srt")
        subtitles.write_text(SRT, encoding="utf-8")
        for _ in words:
            inputs += ["-i", str(subtitles)]
    for number in range(int(picture) + len(sounds) + len(words)):
        maps += ["-map", str(number)]
    for number, language in enumerate(sounds):
        maps += [f"-metadata:s:a:{number}", f"language={language}"]
    for number, language in enumerate(words):
        maps += [f"-metadata:s:s:{number}", f"language={language}"]
    ffmpeg(
        *inputs, *maps, "-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-c:a", "aac",
        "-c:s", "srt" if target.suffix == ".mkv" else "mov_text", *extra, f"file:{target}",
    )  # fmt: skip
    return target


def ffmpeg(*arguments: str) -> None:
    subprocess.run([settings.FFMPEG, "-v", "error", "-nostdin", "-y", *arguments], check=True, timeout=60)
