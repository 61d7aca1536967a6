"""What a file is: ffprobe asked within bounds, its answer read."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any, cast

import pycountry

from catalog.packaging import programs
from catalog.packaging.planning import UNDETERMINED, Picture, Sound, Source, SourceRefused, Words

CONTAINERS = (
    "mov,mp4,m4a,3gp,3g2,mj2",
    "matroska,webm",
    "mpegts",
    "mpeg",
    "mxf",
    "avi",
    "ogg",
    "flv",
    "asf",
    "gxf",
    "dv",
)
"""The demuxers that may be used. Playlists and scripts of files (hls, dash, concat, ...) could name other files of the
machine, or addresses of its network: they are none of these."""

READING = ("-protocol_whitelist", "file", "-format_whitelist", ",".join(CONTAINERS))
"""Options before an input: what is read is this file, and one of the containers above."""

PROBE_SECONDS = 120
PACKETS = 20
"""So many packets are looked at: whether they are encrypted is said of each of them."""
LOOKS = 10
"""Into so many parts a film is divided that may be encrypted behind its beginning; each is looked into."""
MEGABYTE = 1_000_000


def probe(path: Path) -> Source:
    """Answer what is in a file. Raises SourceRefused when it is no film that can be read."""
    answer = _asked(path, f"%+#{PACKETS}")
    found = read(answer)
    if not found.encrypted and _has_keys(answer):
        # Perhaps left over from what is encrypted no more; perhaps the film begins in the clear, as a teaser.
        later = ",".join(f"{found.duration * part / LOOKS:.3f}%+#{PACKETS}" for part in range(1, LOOKS))
        return replace(found, encrypted=_is_encrypted(_asked(path, later).get("packets", [])))
    return found


def _asked(path: Path, intervals: str) -> dict[str, Any]:
    command = [
        programs.ffprobe(), "-v", "error", *READING, "-show_streams", "-show_format",
        "-show_packets", "-read_intervals", intervals, "-of", "json", location(path),
    ]  # fmt: skip
    try:
        answer = json.loads(programs.run(command, seconds=PROBE_SECONDS, max_file_bytes=64 * MEGABYTE))
    except (programs.ProgramFailed, programs.TookTooLong, ValueError) as error:
        raise SourceRefused(
            "source_unreadable",
            "The file is damaged, cut off, or no video of a kind that we read (MP4, MOV, MKV, MXF, MPEG-TS, AVI and"
            " others). Export it again.",
        ) from error
    return cast("dict[str, Any]", answer)


def location(path: Path) -> str:
    """Name a file so that no program takes it for an option or an address."""
    return f"file:{path.absolute()}"


def read(answer: dict[str, Any]) -> Source:
    """Answer what ffprobe's JSON says."""
    streams = answer.get("streams", [])
    pictures = [
        stream
        for stream in streams
        if stream.get("codec_type") == "video"
        and not stream.get("disposition", {}).get("attached_pic")
        and not stream.get("disposition", {}).get("timed_thumbnails")
    ]
    # The main picture before a smaller one beside it.
    pictures.sort(key=lambda stream: stream.get("width", 0) * stream.get("height", 0), reverse=True)
    return Source(
        container=str(answer.get("format", {}).get("format_name", "")),
        duration=_duration(answer, pictures),
        picture=_picture(pictures[0]) if pictures else None,
        sounds=tuple(
            _sound(stream)
            for stream in streams
            if stream.get("codec_type") == "audio" and stream.get("codec_name") and stream.get("channels")
        ),
        words=tuple(_words(stream) for stream in streams if stream.get("codec_type") == "subtitle"),
        encrypted=_is_encrypted([*streams, *answer.get("packets", [])]),
    )


def _is_encrypted(parts: Iterable[dict[str, Any]]) -> bool:
    """Say whether streams or packets are protected: ffprobe names their codec as if they were not, and decodes them to noise."""
    return any(
        part.get("codec_tag_string") in {"encv", "enca", "drmi", "drms"} or "Encryption info" in _side_data(part)
        for part in parts
    )


def _has_keys(answer: dict[str, Any]) -> bool:
    """Say whether a file tells players where to get keys (`pssh`), be it for nothing that is in it."""
    return any("Encryption initialization data" in _side_data(stream) for stream in answer.get("streams", []))


def _side_data(part: dict[str, Any]) -> set[str]:
    return {item.get("side_data_type", "") for item in part.get("side_data_list", [])}


def _picture(stream: dict[str, Any]) -> Picture:
    if not stream.get("codec_name") or stream["codec_name"] == "unknown":
        raise SourceRefused(
            "codec_unsupported", "The picture is in a format that we do not read. Export it as H.264, HEVC or ProRes."
        )
    rates = [_fraction(stream.get(name, "")) for name in ("avg_frame_rate", "r_frame_rate")]
    return Picture(
        index=int(stream["index"]),
        codec=str(stream["codec_name"]),
        width=int(stream.get("width", 0)),
        height=int(stream.get("height", 0)),
        sample_aspect=_fraction(str(stream.get("sample_aspect_ratio", "")).replace(":", "/")) or Fraction(1),
        rotation=_rotation(stream),
        frame_rate=next((rate for rate in rates if rate > 0), Fraction(0)),
        interlaced=stream.get("field_order", "progressive") in {"tt", "bb", "tb", "bt"},
        transfer=str(stream.get("color_transfer", "")),
    )


def _sound(stream: dict[str, Any]) -> Sound:
    role, name = stream.get("disposition", {}), str(stream.get("tags", {}).get("title", "")).lower()
    return Sound(
        index=int(stream["index"]),
        codec=str(stream["codec_name"]),
        channels=int(stream["channels"]),
        language=_language(stream),
        describes_video=bool(role.get("visual_impaired") or role.get("descriptions") or "audio descri" in name),
        commentary=bool(role.get("comment") or "commentary" in name),
        is_default=bool(role.get("default")),
    )


def _words(stream: dict[str, Any]) -> Words:
    role, name = stream.get("disposition", {}), str(stream.get("tags", {}).get("title", "")).lower()
    hearing = role.get("hearing_impaired") or role.get("captions") or "sdh" in name.split()
    return Words(
        index=int(stream["index"]),
        codec=str(stream.get("codec_name", "unknown")),
        language=_language(stream),
        role="forced" if role.get("forced") else "sdh" if hearing else "subtitles",
    )


def _language(stream: dict[str, Any]) -> str:
    """Answer BCP 47 of what containers write: ISO 639-2 of both kinds, or BCP 47 itself."""
    written = str(stream.get("tags", {}).get("language", "")).strip().replace("_", "-")
    base, _, rest = written.partition("-")
    known = None
    if len(base) == 3:
        known = pycountry.languages.get(alpha_3=base.lower()) or pycountry.languages.get(bibliographic=base.lower())
    elif len(base) == 2:
        known = pycountry.languages.get(alpha_2=base.lower())
    if known is None:
        return UNDETERMINED
    code = getattr(known, "alpha_2", known.alpha_3)
    return f"{code}-{rest}" if re.fullmatch(r"[A-Za-z0-9-]{2,12}", rest) else code


def _rotation(stream: dict[str, Any]) -> int:
    turned = [item["rotation"] for item in stream.get("side_data_list", []) if "rotation" in item]
    turned.append(stream.get("tags", {}).get("rotate", 0))
    try:
        # ffprobe counts anticlockwise; only quarter turns are undone.
        return round(-float(turned[0]) / 90) * 90 % 360
    except (TypeError, ValueError):
        return 0


def _duration(answer: dict[str, Any], pictures: list[dict[str, Any]]) -> float:
    for written in (answer.get("format", {}).get("duration"), *(picture.get("duration") for picture in pictures)):
        try:
            return float(written)
        except (TypeError, ValueError):
            continue
    return 0.0


def _fraction(text: str) -> Fraction:
    try:
        return Fraction(text)
    except (ValueError, ZeroDivisionError):
        return Fraction(0)
