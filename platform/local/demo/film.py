"""The demo's film: a slow look at a drawn scene, with two languages to hear and two to read. Made here by ffmpeg."""

from __future__ import annotations

import subprocess
import tempfile
from datetime import datetime
from pathlib import Path

from django.conf import settings
from django.core.files import File
from django.core.files.storage import default_storage
from django.db.models import QuerySet

from catalog.models import Artwork, MediaPackage, SourceRecord
from catalog.services import media

TITLE = "metropolis-1927"
MAKER = "demo"
SECONDS = 12
CHORDS = {"eng": (220, 277, 330), "deu": (196, 247, 294)}
SUBTITLES = {
    "en": ("A city of light.", "It never sleeps."),
    "de": ("Eine Stadt aus Licht.", "Hier schläft niemand."),
}


class NotMade(Exception):
    """ffmpeg did not make the film; the message says why."""


def packages() -> QuerySet[MediaPackage]:
    """Answer what was made of the film, or is to be, but for what was replaced."""
    made = MediaPackage.objects.filter(source__attached_by=MAKER).exclude(state=MediaPackage.State.RETIRED)
    return made.select_related("source")


def is_wanted() -> bool:
    """Answer whether there is no film, neither this one nor one that an editor attached."""
    return not MediaPackage.objects.exclude(state=MediaPackage.State.RETIRED).exists()


def attach(*, now: datetime) -> MediaPackage | None:
    """Make the film and attach it to its title; answer the job, or None when there is no title or no picture for it.

    Raises NotMade.
    """
    source = SourceRecord.objects.filter(external_id=TITLE).first()
    backdrop = Artwork.objects.filter(title=source.title, kind="backdrop").exclude(file="").first() if source else None
    if source is None or backdrop is None or not default_storage.exists(str(backdrop.file.name)):
        return None
    for language, lines in SUBTITLES.items():
        media.attach_subtitles(
            title_id=source.title_id, language=language, role="subtitles", name=f"{language}.srt",
            data=_subtitles(lines).encode(), by=MAKER, now=now,
        )  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        film = Path(folder) / "film.mp4"
        picture = Path(folder) / "picture"
        with default_storage.open(str(backdrop.file.name)) as drawn:
            picture.write_bytes(drawn.read())
        _make(picture, film)
        with film.open("rb") as content:
            return media.attach(
                title_id=source.title_id, name="metropolis.mp4", content=File(content), by=MAKER, now=now
            )


def _make(picture: Path, film: Path) -> None:
    frames = 24 * SECONDS
    command = [settings.FFMPEG, "-v", "error", "-nostdin", "-y", "-i", f"file:{picture}"]
    for tones in CHORDS.values():
        waves = "+".join(f"0.1*sin(2*PI*{tone}*t)" for tone in tones)
        command += ["-f", "lavfi", "-i", f"aevalsrc={waves}:d={SECONDS}:s=48000"]
    zoom = (
        f"zoompan=z='1+0.25*on/{frames}':x='(iw-iw/zoom)*on/{frames}':y='(ih-ih/zoom)/2':d={frames}:s=1280x720:fps=24"
    )
    command += [
        "-vf", f"{zoom},fade=in:0:24,fade=out:{frames - 24}:24,format=yuv420p", "-map", "0:v", "-map", "1", "-map", "2",
        "-c:v", "libx264", "-preset", "veryfast", "-c:a", "aac", "-t", str(SECONDS),
        *(part for number, language in enumerate(CHORDS) for part in (f"-metadata:s:a:{number}", f"language={language}")),
        f"file:{film}",
    ]  # fmt: skip
    try:
        subprocess.run(command, check=True, timeout=120, stderr=subprocess.PIPE, text=True)
    except OSError as error:
        raise NotMade(f"{settings.FFMPEG} cannot be run ({error.strerror}); FFMPEG names another") from error
    except subprocess.CalledProcessError as error:
        raise NotMade(" ".join(error.stderr.split())[-300:]) from error
    except subprocess.TimeoutExpired as error:
        raise NotMade(f"ffmpeg was not done after {error.timeout:.0f} seconds") from error


def _subtitles(lines: tuple[str, ...]) -> str:
    cues = (
        f"{number}\n00:00:{4 * number - 2:02},000 --> 00:00:{4 * number + 1:02},000\n{line}\n"
        for number, line in enumerate(lines, 1)
    )
    return "\n".join(cues)
