"""Tracks into a package: CMAF segments once, for HLS and DASH alike, with pictures for seeking and for posters."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from lxml import etree

from catalog.packaging import planning, probing, programs
from catalog.packaging.planning import SEGMENT_SECONDS, UNDETERMINED, Plan, Preview, Rung, TextTrack

HLS_MANIFEST = "master.m3u8"
DASH_MANIFEST = "manifest.mpd"
THUMBNAILS = "preview/thumbnails.vtt"
CONTENT_TYPES = {
    ".m3u8": "application/vnd.apple.mpegurl", ".mpd": "application/dash+xml", ".m4s": "video/iso.segment",
    ".mp4": "video/mp4", ".vtt": "text/vtt", ".jpg": "image/jpeg",
}  # fmt: skip
"""Of the files of a package, by the ends of their names."""
_PREVIEW_LIST = "preview/tiles.m3u8"
_DASH = "{urn:mpeg:dash:schema:mpd:2011}"
_ROLE = "urn:mpeg:dash:role:2011"
_DASH_TEXT_ROLES = {"subtitles": "subtitle", "sdh": "caption", "forced": "forced-subtitle"}
_SDH = "public.accessibility.transcribes-spoken-dialog;public.accessibility.describes-music-and-sound"
_NO_LANGUAGE = "zxx"
"""Nobody speaks it, so no subtitles are shown unless a viewer or a player's rule asks for them."""


def segment(tracks: Mapping[str, Path], plan: Plan, rungs: Sequence[Rung], target: Path, *, seconds: float, limit: int) -> None:  # fmt: skip
    """Cut tracks, by name, into segments below `target`, and write both manifests. Raises programs.ProgramFailed."""
    command: list[str] = [programs.packager(), "--quiet"]
    command += [_stream(tracks[rung.name], "video", rung.name) for rung in rungs]
    for track in plan.audio:
        extra = {"hls_group_id": "audio", "hls_name": track.label, "dash_label": track.label, "lang": track.language}
        if track.role == "description":
            extra |= {
                "hls_characteristics": "public.accessibility.describes-video",
                "dash_roles": "description",
                "dash_accessibilities": "urn:tva:metadata:cs:AudioPurposeCS:2007=1",
            }
        elif track.role == "commentary":
            extra |= {"dash_roles": "commentary"}
        command.append(_stream(tracks[track.name], "audio", track.name, **extra))
    for text in plan.text:
        extra = {"hls_group_id": "text", "hls_name": text.label, "lang": text.language, "hls_only": "1"}
        if text.role == "sdh":
            extra |= {"hls_characteristics": _SDH}
        elif text.role == "forced":
            extra |= {"forced_subtitle": "1"}
        command.append(_stream(tracks[text.name], "text", text.name, **extra))
    command += [
        f"--segment_duration={SEGMENT_SECONDS}", f"--fragment_duration={SEGMENT_SECONDS}",
        f"--hls_master_playlist_output={HLS_MANIFEST}", "--hls_playlist_type=VOD",
        f"--mpd_output={DASH_MANIFEST}", "--generate_static_live_mpd",
        f"--default_language={plan.audio[0].language if plan.audio else _NO_LANGUAGE}",
        f"--default_text_language={_NO_LANGUAGE}",
    ]  # fmt: skip
    programs.run(command, seconds=seconds, max_file_bytes=limit, cwd=target)


def add_text_to_dash(tracks: Mapping[str, Path], plan: Plan, target: Path) -> None:
    """Put subtitles beside the segments, one file a language: what every DASH player reads."""
    tree = etree.parse(str(target / DASH_MANIFEST))
    period = tree.getroot().find(f"{_DASH}Period")
    assert period is not None, "the packager writes a period"
    for text in plan.text:
        name = f"{text.name}.vtt"
        (target / name).write_bytes(tracks[text.name].read_bytes())
        _describe_text(period, text, name)
    _write(tree, target)


def add_preview(picture: Path, plan: Plan, target: Path, *, seconds: float, limit: int) -> None:
    """Draw the small pictures for seeking, and tell of them in both manifests and in WebVTT."""
    preview = plan.preview
    folder = target / "preview"
    folder.mkdir()
    drawing = (
        f"fps=1/{preview.interval}:start_time=0:round=up,scale={preview.width}:{preview.height}"
        f",tile={preview.columns}x{preview.rows}"
    )
    command = [
        programs.ffmpeg(), "-nostdin", "-hide_banner", "-loglevel", "error", "-y", *probing.READING,
        "-i", probing.location(picture), "-map", "0:v:0", "-vf", drawing, "-frames:v", str(preview.sheets), "-q:v", "5",
        "-f", "image2", "-start_number", "1", probing.location(folder / "%d.jpg"),
    ]  # fmt: skip
    programs.run(command, seconds=seconds, max_file_bytes=limit)
    sheets = sorted(folder.glob("*.jpg"), key=lambda sheet: int(sheet.stem))
    (target / THUMBNAILS).write_text(thumbnails(preview, plan.duration), encoding="utf-8")
    (target / _PREVIEW_LIST).write_text(_tiles(preview, plan.duration, len(sheets)), encoding="utf-8")
    bandwidth = max(1, 8 * max(sheet.stat().st_size for sheet in sheets) // _sheet_seconds(preview))
    master = target / HLS_MANIFEST
    line = (
        f"#EXT-X-IMAGE-STREAM-INF:BANDWIDTH={bandwidth},RESOLUTION={preview.width}x{preview.height},"
        f'CODECS="jpeg",URI="{_PREVIEW_LIST}"\n'
    )
    master.write_text(master.read_text(encoding="utf-8").rstrip("\n") + "\n\n" + line, encoding="utf-8")
    tree = etree.parse(str(target / DASH_MANIFEST))
    period = tree.getroot().find(f"{_DASH}Period")
    assert period is not None, "the packager writes a period"
    _describe_preview(period, preview, bandwidth)
    _write(tree, target)


def draw_posters(picture: Path, plan: Plan, target: Path, *, seconds: float, limit: int) -> list[str]:
    """Draw pictures that may stand for the film, the most typical ones near a few instants; answer their names."""
    folder = target / "posters"
    folder.mkdir()
    names = []
    for number, instant in enumerate(planning.poster_instants(plan.duration), 1):
        file = folder / f"{number}.jpg"
        command = [
            programs.ffmpeg(), "-nostdin", "-hide_banner", "-loglevel", "error", "-y", *probing.READING,
            "-ss", f"{instant:.3f}", "-i", probing.location(picture), "-map", "0:v:0", "-vf", "thumbnail=n=24,format=yuvj420p",
            "-frames:v", "1", "-q:v", "3", "-f", "image2", "-update", "1", probing.location(file),
        ]  # fmt: skip
        programs.run(command, seconds=seconds, max_file_bytes=limit)
        # Near the end there may be no picture to choose: subtitles and sound may last longer.
        if file.exists() and file.stat().st_size:
            names.append(f"posters/{file.name}")
    return names


def thumbnails(preview: Preview, duration: float) -> str:
    """Answer the WebVTT that leads players from an instant to its small picture."""
    lines = ["WEBVTT", ""]
    for number in range(preview.count):
        sheet, x, y = planning.sheet_of(preview, number)
        start, end = number * preview.interval, min(duration, (number + 1) * preview.interval)
        place = f"{sheet}.jpg#xywh={x},{y},{preview.width},{preview.height}"
        lines += [f"{_clock(start)} --> {_clock(end)}", place, ""]
    return "\n".join(lines)


def files_below(folder: Path) -> Iterable[Path]:
    return (path for path in sorted(folder.rglob("*")) if path.is_file())


def _stream(source: Path, kind: str, name: str, **extra: str) -> str:
    """Describe a stream to the packager, whose fields are parted by commas; no value of ours has one."""
    fields = {"in": str(source), "stream": kind, "playlist_name": f"{name}.m3u8", **extra}
    if fields.get("lang") == UNDETERMINED:
        # The packager refuses it as a language; without one it says nothing of it either.
        del fields["lang"]
    if kind == "text":
        fields |= {"segment_template": f"{name}/$Number$.vtt"}
    else:
        fields |= {"init_segment": f"{name}/init.mp4", "segment_template": f"{name}/$Number$.m4s"}
    assert not any("," in value for value in fields.values()), fields
    return ",".join(f"{key}={value}" for key, value in fields.items())


def _describe_text(period: etree._Element, text: TextTrack, name: str) -> None:
    adaptation = etree.SubElement(
        period, f"{_DASH}AdaptationSet", contentType="text", mimeType="text/vtt", lang=text.language
    )
    if text.role == "sdh":
        etree.SubElement(adaptation, f"{_DASH}Accessibility", schemeIdUri="urn:tva:metadata:cs:AudioPurposeCS:2007", value="2")  # fmt: skip
    etree.SubElement(adaptation, f"{_DASH}Role", schemeIdUri=_ROLE, value=_DASH_TEXT_ROLES[text.role])
    etree.SubElement(adaptation, f"{_DASH}Label").text = text.label
    representation = etree.SubElement(adaptation, f"{_DASH}Representation", id=text.name, bandwidth="1000")
    etree.SubElement(representation, f"{_DASH}BaseURL").text = name


def _describe_preview(period: etree._Element, preview: Preview, bandwidth: int) -> None:
    adaptation = etree.SubElement(period, f"{_DASH}AdaptationSet", contentType="image", mimeType="image/jpeg")
    etree.SubElement(
        adaptation, f"{_DASH}SegmentTemplate", media="preview/$Number$.jpg", startNumber="1", timescale="1",
        duration=str(_sheet_seconds(preview)),
    )  # fmt: skip
    representation = etree.SubElement(
        adaptation, f"{_DASH}Representation", id="preview", bandwidth=str(bandwidth),
        width=str(preview.width * preview.columns), height=str(preview.height * preview.rows),
    )  # fmt: skip
    etree.SubElement(
        representation, f"{_DASH}EssentialProperty", schemeIdUri="http://dashif.org/guidelines/thumbnail_tile",
        value=f"{preview.columns}x{preview.rows}",
    )  # fmt: skip


def _write(tree: etree._ElementTree, target: Path) -> None:
    etree.indent(tree)
    tree.write(str(target / DASH_MANIFEST), xml_declaration=True, encoding="UTF-8")


def _sheet_seconds(preview: Preview) -> int:
    return preview.interval * preview.columns * preview.rows


def _tiles(preview: Preview, duration: float, sheets: int) -> str:
    """Answer the playlist of small pictures, as Roku and Jellyfin read it."""
    whole = _sheet_seconds(preview)
    lines = [
        "#EXTM3U", f"#EXT-X-TARGETDURATION:{whole}", "#EXT-X-VERSION:7", "#EXT-X-MEDIA-SEQUENCE:1",
        "#EXT-X-PLAYLIST-TYPE:VOD", "#EXT-X-IMAGES-ONLY",
    ]  # fmt: skip
    for number in range(sheets):
        length = min(whole, duration - number * whole)
        lines += [
            f"#EXTINF:{length:.3f},",
            f"#EXT-X-TILES:RESOLUTION={preview.width}x{preview.height},LAYOUT={preview.columns}x{preview.rows},DURATION={preview.interval}",
            f"{number + 1}.jpg",
        ]
    return "\n".join([*lines, "#EXT-X-ENDLIST", ""])


def _clock(seconds: float) -> str:
    whole = round(seconds * 1000)
    return f"{whole // 3_600_000:02}:{whole // 60_000 % 60:02}:{whole // 1000 % 60:02}.{whole % 1000:03}"
