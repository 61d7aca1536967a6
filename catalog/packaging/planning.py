"""What is made of a source: sizes, frame rate, tracks, preview pictures. Pure.

The ladder belongs to its title: no rung is larger than the source, the largest one is the source's own size, and the
encoder spends by quality below a ceiling, so that a quiet film costs fewer bits than a loud one.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction

from babel import Locale, UnknownLocaleError

PLAN_VERSION = 3
"""Raised whenever a source would be packaged otherwise than before: what is there already is then made anew."""

SEGMENT_SECONDS = 6
KEYFRAME_SECONDS = 2
"""Segments begin with key frames: their length is a multiple of this."""

STEPS = ((2160, 16_000), (1440, 9_000), (1080, 6_000), (720, 3_500), (540, 2_000), (360, 900), (216, 350))
"""Lines of a 16:9 picture with the most kbit/s spent on it at 30 frames a second."""

STANDARD_RATES = tuple(
    Fraction(*rate)
    for rate in ((24000, 1001), (24, 1), (25, 1), (30000, 1001), (30, 1), (50, 1), (60000, 1001), (60, 1))
)
HIGHEST_RATE = Fraction(60)
SMALLEST_SIDE = 32
LARGEST_SIDE = 16_384
HDR_TRANSFERS = {"smpte2084": "HDR10 (PQ)", "arib-std-b67": "HLG"}
TEXT_SUBTITLES = frozenset({"subrip", "srt", "webvtt", "mov_text", "ass", "ssa", "text"})
UNDETERMINED = "und"
"""BCP 47 for a language that nobody states."""
MOST_TRACKS = 32
KBPS = {1: 64, 2: 128, 6: 384}
"""Of AAC, by channels: what sounds like the source."""
SURROUND = 6
"""Channels of 5.1, the most that is made; 7.1 becomes that."""
LEAST_KBPS = 60


class SourceRefused(Exception):
    """This file cannot be packaged. `code` is stable; the message is for whoever made the film, and says what to do."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True)
class Picture:
    """The moving picture of a source. `sample_aspect` is a pixel's width by its height, `rotation` clockwise degrees."""

    index: int
    codec: str
    width: int
    height: int
    sample_aspect: Fraction = Fraction(1)
    rotation: int = 0
    frame_rate: Fraction = Fraction(25)
    interlaced: bool = False
    transfer: str = ""


@dataclass(frozen=True)
class Sound:
    """A sound track of a source. `language` is BCP 47, UNDETERMINED when nobody says."""

    index: int
    codec: str
    channels: int
    language: str = UNDETERMINED
    describes_video: bool = False
    commentary: bool = False
    is_default: bool = False


@dataclass(frozen=True)
class Words:
    """A subtitle track inside a source."""

    index: int
    codec: str
    language: str = UNDETERMINED
    role: str = "subtitles"


@dataclass(frozen=True)
class Source:
    """What ffprobe says of a file; `duration` in seconds."""

    container: str
    duration: float
    picture: Picture | None
    sounds: tuple[Sound, ...] = ()
    words: tuple[Words, ...] = ()
    encrypted: bool = False


@dataclass(frozen=True)
class Bounds:
    """What the operator allows: seconds."""

    longest: float


@dataclass(frozen=True)
class Rung:
    """One size of the picture."""

    name: str
    width: int
    height: int
    max_kbps: int


@dataclass(frozen=True)
class AudioTrack:
    """A sound track to make."""

    name: str
    index: int
    language: str
    label: str
    channels: int
    kbps: int
    role: str
    """main, description or commentary."""


@dataclass(frozen=True)
class TextTrack:
    """A subtitle track to make, of the source's stream `index`, or of the file that came beside it when None."""

    name: str
    index: int | None
    language: str
    label: str
    role: str
    """subtitles, sdh (for people who do not hear well) or forced."""


@dataclass(frozen=True)
class Preview:
    """Small pictures every `interval` seconds, `columns` by `rows` of them on a sheet."""

    interval: int
    width: int
    height: int
    columns: int
    rows: int
    count: int

    @property
    def sheets(self) -> int:
        return math.ceil(self.count / (self.columns * self.rows))


@dataclass(frozen=True)
class Plan:
    """All that is made of a source."""

    duration: float
    picture: int
    frame_rate: Fraction
    deinterlace: bool
    hdr: str
    rungs: tuple[Rung, ...]
    audio: tuple[AudioTrack, ...]
    text: tuple[TextTrack, ...]
    preview: Preview
    notes: tuple[str, ...] = field(default=())


def plan(source: Source, bounds: Bounds, beside: Sequence[tuple[str, str]] = ()) -> Plan:
    """Decide what is made of a source; `beside` names language and role of subtitles that came in files of their own.

    Raises SourceRefused.
    """
    picture = _usable(source, bounds)
    notes: list[str] = []
    rungs = ladder(picture)
    frame_rate = steady_rate(picture.frame_rate)
    if frame_rate != picture.frame_rate:
        notes.append(f"{float(picture.frame_rate):.3f} frames a second become {float(frame_rate):.3f}.")
    if picture.interlaced:
        notes.append("The source is interlaced; it is deinterlaced.")
    hdr = HDR_TRANSFERS.get(picture.transfer, "")
    if hdr:
        notes.append(f"The source is {hdr}; it is packaged in standard dynamic range.")
    if not source.sounds:
        notes.append("The source has no sound.")
    skipped = [words.codec for words in source.words if words.codec not in TEXT_SUBTITLES]
    if skipped:
        notes.append(
            f"Subtitles that are pictures are left out ({', '.join(sorted(set(skipped)))}): attach them as text."
        )
    return Plan(
        duration=source.duration,
        picture=picture.index,
        frame_rate=frame_rate,
        deinterlace=picture.interlaced,
        hdr=hdr,
        rungs=rungs,
        audio=_audio(source.sounds[:MOST_TRACKS]),
        text=_text(source.words, beside),
        preview=preview(source.duration, rungs[0]),
        notes=tuple(notes),
    )


def with_text(plan: Plan, names: Collection[str]) -> Plan:
    """Answer a plan with the subtitles of these names alone; it notes which are left out."""
    kept = tuple(track for track in plan.text if track.name in names)
    empty = ", ".join(track.label for track in plan.text if track.name not in names)
    notes = list(plan.notes)
    if empty:
        notes.append(f"Subtitles inside the film that have no lines are left out ({empty}).")
    return replace(plan, text=kept, notes=tuple(notes))


def ladder(picture: Picture) -> tuple[Rung, ...]:
    """Answer the sizes to make, largest first: none larger than the source, each as wide to its height as that."""
    width, height = displayed_size(picture)
    fast = steady_rate(picture.frame_rate) > 30
    sizes: list[tuple[int, int, int]] = []
    ceiling = None
    for lines, kbps in STEPS:
        long_side = Fraction(lines * 16, 9)
        box = (long_side, lines) if width >= height else (lines, long_side)
        scale = min(box[0] / width, box[1] / height)
        if scale > 1:
            # The source is smaller than this step, and gets its share of what the step may cost.
            ceiling = max(LEAST_KBPS, int(kbps / scale**2))
            continue
        if not sizes and ceiling and scale < 1:
            sizes.append((_even(width), _even(height), ceiling))
        size = (_even(width * scale), _even(height * scale), kbps)
        # Two sizes that look alike are one too many.
        if not sizes or size[0] * size[1] <= 0.75 * sizes[-1][0] * sizes[-1][1]:
            sizes.append(size)
    if not sizes:
        sizes = [(_even(width), _even(height), ceiling or LEAST_KBPS)]
    return tuple(
        Rung(name=f"v{min(wide, high)}-{number}", width=wide, height=high, max_kbps=int(kbps * (1.4 if fast else 1)))
        for number, (wide, high, kbps) in enumerate(sizes, 1)
    )


def worth_keeping(kbps: Sequence[float]) -> list[int]:
    """Answer which rungs to offer, largest first, by what they came to: those that save a fifth against the next larger.

    A quiet film may look as good at twice the size for nearly the same bits. The smallest always stays.
    """
    kept = [0]
    for number in range(1, len(kbps)):
        if kbps[number] <= 0.8 * kbps[kept[-1]]:
            kept.append(number)
        elif number == len(kbps) - 1 and number not in kept:
            # The one for the worst of lines replaces the one just above it, unless that is the best there is.
            kept = [*(kept[:-1] if len(kept) > 1 else kept), number]
    return kept


def displayed_size(picture: Picture) -> tuple[Fraction, Fraction]:
    """Answer width and height as seen: with square pixels, and upright."""
    width, height = picture.width * picture.sample_aspect, Fraction(picture.height)
    return (height, width) if picture.rotation % 180 == 90 else (width, height)


def steady_rate(rate: Fraction) -> Fraction:
    """Answer the constant frame rate to make: a standard one where the source's is near it, sixty at most."""
    while rate > HIGHEST_RATE * Fraction(101, 100):
        rate /= 2
    nearest = min(STANDARD_RATES, key=lambda standard: abs(standard - rate))
    return nearest if abs(nearest - rate) * 100 <= rate else min(rate, HIGHEST_RATE).limit_denominator(1001)


def preview(duration: float, rung: Rung) -> Preview:
    """Answer how small pictures for seeking are laid out: about a hundred of them or more, ten seconds apart at most."""
    interval = min(10, max(1, round(duration / 100)))
    count = max(1, math.ceil(duration / interval))
    long_side = 320 if rung.width >= rung.height else 180
    width = min(_even(Fraction(long_side)), rung.width)
    height = max(2, _even(Fraction(width * rung.height, rung.width)))
    columns = min(10, math.ceil(math.sqrt(count)))
    return Preview(interval, width, height, columns, min(10, math.ceil(count / columns)), count)


def label(language: str, role: str) -> str:
    """Answer what a track is called in players' menus: the language's own name for itself, and what it is."""
    try:
        name = Locale.parse(language, sep="-", resolve_likely_subtags=False).get_display_name() or language
    except (UnknownLocaleError, ValueError):
        name = "" if language == UNDETERMINED else language
    extra = {"description": "AD", "commentary": "commentary", "sdh": "SDH", "forced": "forced"}.get(role, "")
    # Commas and equals signs part fields where the packager reads this.
    name = "".join(" " if sign in ",=;:'\"\n" else sign for sign in name[:1].upper() + name[1:])
    return " ".join(part for part in (name or "Original", f"[{extra}]" if extra else "") if part)


def _usable(source: Source, bounds: Bounds) -> Picture:
    picture = source.picture
    if source.encrypted:
        raise SourceRefused("source_protected", "The file is protected by DRM. Export it without protection.")
    if picture is None:
        raise SourceRefused(
            "no_picture",
            "The file has only sound. Attach one with a moving picture."
            if source.sounds
            else "The file has neither picture nor sound. Attach one with a moving picture.",
        )
    if not math.isfinite(source.duration) or source.duration <= 0:
        raise SourceRefused(
            "no_duration", "The file does not say how long it is: it was cut off, or never finished. Export it again."
        )
    if source.duration > bounds.longest:
        hours, allowed = source.duration / 3600, bounds.longest / 3600
        raise SourceRefused(
            "source_too_long", f"The film lasts {hours:.1f} hours; {allowed:.1f} are the most. Attach it in parts."
        )
    width, height = displayed_size(picture)
    sides = (width, height, Fraction(picture.width), Fraction(picture.height))
    if min(sides) < SMALLEST_SIDE or max(sides) > LARGEST_SIDE:
        raise SourceRefused(
            "size_unsupported",
            f"The picture is {picture.width} by {picture.height}; each side must have {SMALLEST_SIDE} to {LARGEST_SIDE:,} pixels.",
        )
    if picture.frame_rate <= 0:
        raise SourceRefused("no_frame_rate", "The file has a single picture, or none that moves. Attach a film.")
    return picture


def _audio(sounds: Iterable[Sound]) -> tuple[AudioTrack, ...]:
    tracks: list[AudioTrack] = []
    taken: set[tuple[str, str]] = set()
    # What players choose by themselves stands first.
    for sound in sorted(sounds, key=lambda sound: (sound.describes_video or sound.commentary, not sound.is_default)):
        role = "description" if sound.describes_video else "commentary" if sound.commentary else "main"
        name = label(sound.language, role)
        if (sound.language, name) in taken:
            name = f"{name} {sum(key[0] == sound.language for key in taken) + 1}"
        taken.add((sound.language, name))
        # Two channels play everywhere; who has the loudspeakers finds 5.1 beside them.
        layouts = [min(2, max(1, sound.channels)), *([SURROUND] if sound.channels >= SURROUND else [])]
        tracks += [
            AudioTrack(
                name=f"a{len(tracks) + number}-{sound.language}",
                index=sound.index,
                language=sound.language,
                label=f"{name} 5.1" if channels == SURROUND else name,
                channels=channels,
                kbps=KBPS[channels],
                role=role,
            )
            for number, channels in enumerate(layouts, 1)
        ]
    return tuple(tracks)


def _text(words: Iterable[Words], beside: Sequence[tuple[str, str]]) -> tuple[TextTrack, ...]:
    """Answer the subtitles to make: files beside the source replace its own of the same language and role."""
    wanted: dict[tuple[str, str], int | None] = {}
    for stream in words:
        if stream.codec in TEXT_SUBTITLES:
            wanted.setdefault((stream.language, stream.role), stream.index)
    wanted.update(dict.fromkeys(beside))
    return tuple(
        TextTrack(f"t{number}-{language}", index, language, label(language, role), role)
        for number, ((language, role), index) in enumerate(list(wanted.items())[:MOST_TRACKS], 1)
    )


def _even(side: Fraction) -> int:
    """Answer the even number at or below a length, since H.264 halves the colour's resolution."""
    return max(2, int(side) // 2 * 2)


def sheet_of(preview: Preview, number: int) -> tuple[int, int, int]:
    """Answer sheet (from 1), x and y in pixels of the small picture `number` (from 0)."""
    sheet, place = divmod(number, preview.columns * preview.rows)
    row, column = divmod(place, preview.columns)
    return sheet + 1, column * preview.width, row * preview.height


def poster_instants(duration: float) -> tuple[float, ...]:
    """Answer where to look for a picture that stands for the film: past the titles, before the end."""
    return tuple(round(duration * share, 3) for share in (0.1, 0.3, 0.5, 0.7))
