"""One track at a time, from the source to a file of its own: what a killed worker leaves behind is used again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from catalog.packaging import probing, programs
from catalog.packaging.planning import KEYFRAME_SECONDS, AudioTrack, Plan, Rung, SourceRefused

QUALITY = 22
"""x264's constant rate factor: visually close to the source, within each rung's ceiling."""

MOST_ERRORS = 0.02
"""A source of which more than this share cannot be decoded is damaged, and not packaged."""

Progress = Callable[[float], None]
"""Is told how much of a track is done, from 0 to 1."""


def encode_picture(source: Path, target: Path, plan: Plan, rung: Rung, *, preset: str, seconds: float, limit: int, progress: Progress) -> None:  # fmt: skip
    """Make one size of the picture. `seconds` and `limit` (bytes) bound the program. Raises SourceRefused."""
    rate = f"{plan.frame_rate.numerator}/{plan.frame_rate.denominator}"
    filters = [
        *(["bwdif=mode=send_frame"] if plan.deinterlace else []),
        # A picture that begins late is held from the start, so that sound keeps in step.
        f"fps={rate}:start_time=0",
        # What uses all 256 levels, as telephones do, is shown too dark or too bright by what expects fewer.
        f"scale={rung.width}:{rung.height}:flags=lanczos:out_range=tv{_STANDARD_RANGE if plan.hdr else ''}",
        "setsar=1",
        "format=yuv420p",
    ]
    command = [
        *_begin(source), "-map", f"0:{plan.picture}", "-an", "-sn", "-dn", "-vf", ",".join(filters),
        "-c:v", "libx264", "-preset", preset, "-profile:v", "high", "-crf", QUALITY,
        "-maxrate", f"{rung.max_kbps}k", "-bufsize", f"{2 * rung.max_kbps}k",
        # At the same instants in every size, or players could not change over; and nowhere else.
        "-force_key_frames", f"expr:gte(t,n_forced*{KEYFRAME_SECONDS})", "-sc_threshold", 0, "-g", 100_000,
        *_end(target),
    ]  # fmt: skip
    _run(command, target, plan, seconds=seconds, limit=limit, progress=progress)


def encode_sound(source: Path, target: Path, plan: Plan, track: AudioTrack, *, seconds: float, limit: int, progress: Progress) -> None:  # fmt: skip
    """Make one sound track, as long as the picture. `seconds` and `limit` (bytes) bound the program. Raises SourceRefused."""
    command = [
        *_begin(source), "-map", f"0:{track.index}", "-vn", "-sn", "-dn",
        # Gaps become silence, and what ends early is silent to the end, or it would drift from the picture.
        "-af", f"aresample=async=1:first_pts=0,apad=whole_dur={plan.duration:.3f}",
        "-t", f"{plan.duration:.3f}", "-c:a", "aac", "-b:a", f"{track.kbps}k", "-ac", track.channels, "-ar", 48_000,
        *_end(target),
    ]  # fmt: skip
    _run(command, target, plan, seconds=seconds, limit=limit, progress=progress)


def extract_text(source: Path, target: Path, index: int, *, seconds: float, limit: int) -> None:
    """Take subtitles out of the source as WebVTT. Raises SourceRefused."""
    command = [*_begin(source), "-map", f"0:{index}", "-f", "webvtt", probing.location(target)]
    try:
        programs.run([str(part) for part in command], seconds=seconds, max_file_bytes=limit)
    except programs.ProgramFailed as error:
        raise unreadable_text() from error


def unreadable_text() -> SourceRefused:
    return SourceRefused(
        "subtitles_unreadable", "Subtitles inside the file cannot be read. Remove them, or attach them beside it."
    )


_STANDARD_RANGE = ":out_color_matrix=bt709:out_primaries=bt709:out_transfer=bt709"


def _begin(source: Path) -> list[str]:
    return [
        programs.ffmpeg(), "-nostdin", "-hide_banner", "-loglevel", "error", "-y", "-max_error_rate", str(MOST_ERRORS),
        *probing.READING, "-i", probing.location(source), "-map_metadata", "-1", "-map_chapters", "-1",
    ]  # fmt: skip


def _end(target: Path) -> list[str]:
    return ["-progress", probing.location(_progress_file(target)), "-stats_period", "0.5", "-f", "mp4", probing.location(target)]  # fmt: skip


def _progress_file(target: Path) -> Path:
    return target.with_suffix(".progress")


def _run(command: list[object], target: Path, plan: Plan, *, seconds: float, limit: int, progress: Progress) -> None:
    report = _progress_file(target)
    try:
        programs.run(
            [str(part) for part in command],
            seconds=seconds,
            max_file_bytes=limit,
            on_tick=lambda: progress(min(1.0, _reached(report) / plan.duration)),
        )
    except programs.ProgramFailed as error:
        raise SourceRefused(
            "source_damaged", "The file cannot be decoded to its end: it is damaged. Export it again."
        ) from error
    reached = _reached(report)
    if reached < 0.95 * plan.duration - 1:
        raise SourceRefused(
            "source_cut_off",
            f"The file says that it lasts {plan.duration:.0f} seconds, but only {reached:.0f} can be read: it was cut off"
            " on its way. Attach it again.",
        )


def _reached(report: Path) -> float:
    """Answer up to which second of the film a track is done."""
    try:
        with report.open("rb") as file:
            file.seek(max(0, report.stat().st_size - 2000))
            lines = file.read().decode("ascii", "replace").splitlines()
    except FileNotFoundError:
        return 0.0
    for line in reversed(lines):
        name, _, value = line.partition("=")
        if name == "out_time_us" and value.strip().isdecimal():
            return int(value) / 1_000_000
    return 0.0
