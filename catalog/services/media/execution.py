"""A package from beginning to end."""

from __future__ import annotations

import errno
import hashlib
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from django.conf import settings
from django.core.files.base import File
from django.core.files.storage import storages

from catalog.models import MediaPackage, MediaRendition, MediaSource, MediaSubtitles
from catalog.packaging import assembling, encoding, planning, probing, programs, subtitles
from catalog.packaging.planning import AudioTrack, Bounds, Plan, Rung, SourceRefused
from catalog.services.media import jobs, purging
from core import outages
from core.files import is_storage_away
from core.sweeping import is_outage

BEAT_SECONDS = 2
UPLOADS_AT_ONCE = 8
ROOM = 1.3
"""Times what the tracks may come to at most: the segments lie beside them until both are stored."""


def execute(
    *, package_id: UUID, clock: Callable[[], datetime], wait: Callable[[float], None] = time.sleep
) -> MediaPackage | None:
    """Package a film; answer the package, or None when it has ended or another process is at it.

    `clock` answers the present instant: a job may last hours. What a killed process had encoded is used. A source that
    cannot be packaged ends the job as failed, with the reason; what disturbs it from outside queues it again, and is
    raised. An outage of the database or the storage counts as no attempt; `wait` waits for so many seconds until the
    database can be told so. Raises PackageUnknown, LeaseLost.
    """
    package = jobs.begin(package_id=package_id, now=clock())
    if package is None:
        return None
    try:
        with _scratch(package) as folder:
            _Job(package, folder, clock).run()
    except SourceRefused as error:
        jobs.fail(package, now=clock(), code=error.code, failure=str(error))
    except programs.TookTooLong:
        hours = settings.VIDEO_TIMEOUT_SECONDS / 3600
        jobs.fail(
            package,
            now=clock(),
            code="took_too_long",
            failure=f"One track took longer than {hours:.1f} hours to encode. Attach a shorter or smaller film.",
        )
    except jobs.LeaseLost:
        raise
    except Exception as error:
        if is_outage(error) or is_storage_away(error):
            outages.tell_once_back(lambda: jobs.hand_back(package, now=clock()), wait=wait)
            raise
        jobs.disturbed(package, now=clock(), failure=_disturbance(error))
        raise
    package.refresh_from_db()
    return package


class _Job:
    """One attempt at a package."""

    def __init__(self, package: MediaPackage, folder: Path, clock: Callable[[], datetime]) -> None:
        self.package = package
        self.folder = folder
        self.clock = clock
        self.done_share = 0.0
        self._beaten_at = 0.0
        self.limits = {"seconds": settings.VIDEO_TIMEOUT_SECONDS, "limit": settings.VIDEO_MAX_BYTES}

    def run(self) -> None:
        beside = {
            (words.language, words.role): words
            for words in MediaSubtitles.objects.filter(title=self.package.title_id).order_by("language", "role")
        }
        source = self._fetch_source()
        found = probing.probe(source)
        plan = planning.plan(found, Bounds(longest=settings.VIDEO_MAX_SECONDS), list(beside))
        self._check_room(plan)
        tracks = self._encode(source, plan)
        rungs = self._worthwhile(plan, tracks)
        self._beat("Subtitles", 0.9, force=True)
        words = self._write_text(source, plan, beside)
        tracks |= words
        plan = planning.with_text(plan, words)
        output = self._assemble(tracks, plan, rungs)
        posters = assembling.draw_posters(tracks[rungs[0].name], plan, output, **self.limits)
        self._beat("Storing", 0.95, force=True)
        folder = purging.folder_of(self.package)
        size = self._store(output, folder)
        jobs.succeed(
            self.package, now=self.clock(), folder=folder, duration=plan.duration, size=size,
            facts=_facts(found, plan, rungs, posters),
        )  # fmt: skip

    def _fetch_source(self) -> Path:
        """Answer the source as a file of this machine: where it lies, if that is here, or else a copy."""
        source: MediaSource = self.package.source
        storage = storages["private"]
        if not source.file or not storage.exists(source.file):
            raise SourceRefused("source_gone", "The file is no longer there. Attach it again.")
        try:
            return Path(storage.path(source.file))
        except NotImplementedError:
            _need_room(self.folder, source.size)
            return self._copy(source.file, self.folder / "source")

    def _copy(self, name: str, target: Path) -> Path:
        with storages["private"].open(name) as incoming, target.open("wb") as copy:
            for chunk in incoming.chunks(4 * 1024 * 1024):
                copy.write(chunk)
                self._beat()
        return target

    def _check_room(self, plan: Plan) -> None:
        bits = sum(rung.max_kbps for rung in plan.rungs) + sum(track.kbps for track in plan.audio)
        _need_room(self.folder, int(ROOM * 2 * bits * 1000 / 8 * plan.duration))

    def _encode(self, source: Path, plan: Plan) -> dict[str, Path]:
        """Make every track that is not there yet, each stored as soon as it is done."""
        wanted: list[Rung | AudioTrack] = [*plan.audio, *plan.rungs]
        weights = [2e5 if isinstance(track, AudioTrack) else track.width * track.height for track in wanted]
        kept = {(made.name, made.spec): made for made in MediaRendition.objects.filter(source=self.package.source)}
        tracks: dict[str, Path] = {}
        for track, weight in zip(wanted, weights, strict=True):
            share = 0.9 * weight / sum(weights)
            spec = _spec(plan, track)
            target = self.folder / f"{track.name}.mp4"
            made = kept.get((track.name, spec))
            if made is not None and storages["private"].exists(made.file):
                tracks[track.name] = self._copy(made.file, target)
            else:
                self._make(source, target, plan, track, share)
                self._keep(target, track, spec)
                tracks[track.name] = target
            self.done_share += share
        return tracks

    def _make(self, source: Path, target: Path, plan: Plan, track: Rung | AudioTrack, share: float) -> None:
        before = self.done_share
        if isinstance(track, AudioTrack):
            step = f"Sound: {track.label}"
            self._beat(step, before, force=True)
            encoding.encode_sound(
                source,
                target,
                plan,
                track,
                progress=lambda part: self._beat(step, before + share * part),
                **self.limits,
            )
        else:
            step = f"Picture: {track.width} by {track.height}"
            self._beat(step, before, force=True)
            encoding.encode_picture(
                source, target, plan, track, preset=settings.VIDEO_PRESET,
                progress=lambda part: self._beat(step, before + share * part), **self.limits,
            )  # fmt: skip

    def _keep(self, file: Path, track: Rung | AudioTrack, spec: str) -> None:
        name = f"media/{self.package.source_id}/tracks/{track.name}-{spec[:16]}.mp4"
        storage = storages["private"]
        try:
            with file.open("rb") as content:
                stored = storage.save(name, File(content))
        except OSError:
            # Where no room was left, a part of it lies there, and fills what room there is; nobody would look for it.
            if not MediaRendition.objects.filter(file=name).exists():
                storage.delete(name)
            raise
        made, is_new = MediaRendition.objects.get_or_create(
            source=self.package.source,
            name=track.name,
            spec=spec,
            defaults={"file": stored, "size": file.stat().st_size, "made_at": self.clock()},
        )
        if not is_new:
            # Its file was lost, or another process made it just now.
            replaced, made.file = made.file, stored
            made.save(update_fields=["file"])
            storage.delete(replaced)

    def _write_text(
        self, source: Path, plan: Plan, beside: Mapping[tuple[str, str], MediaSubtitles]
    ) -> dict[str, Path]:
        """Write subtitles as WebVTT; those inside the film that have not a single line are left out."""
        written = {}
        for text in plan.text:
            target = self.folder / f"{text.name}.vtt"
            if text.index is None:
                target.write_text(beside[text.language, text.role].text, encoding="utf-8")
            else:
                encoding.extract_text(source, target, text.index, **self.limits)
                try:
                    subtitles.write(target.read_bytes(), target)
                except subtitles.SubtitlesEmpty:
                    continue
                except subtitles.SubtitlesUnreadable as error:
                    raise encoding.unreadable_text() from error
            written[text.name] = target
        return written

    def _worthwhile(self, plan: Plan, tracks: dict[str, Path]) -> list[Rung]:
        rates = [tracks[rung.name].stat().st_size * 8 / 1000 / plan.duration for rung in plan.rungs]
        return [plan.rungs[number] for number in planning.worth_keeping(rates)]

    def _assemble(self, tracks: dict[str, Path], plan: Plan, rungs: list[Rung]) -> Path:
        self._beat("Cutting segments", 0.91, force=True)
        output = self.folder / "package"
        output.mkdir()
        assembling.segment(tracks, plan, rungs, output, **self.limits)
        assembling.add_text_to_dash(tracks, plan, output)
        self._beat("Pictures for seeking", 0.93, force=True)
        assembling.add_preview(tracks[rungs[-1].name], plan, output, **self.limits)
        return output

    def _store(self, output: Path, folder: str) -> int:
        """Store all files of a package where nobody looks yet; answer their bytes."""
        storage, files = storages["packages"], list(assembling.files_below(output))
        # What an attempt that was killed here has left.
        purging.delete_folder(storage, folder)

        def store(file: Path) -> int:
            with file.open("rb") as content:
                name = f"{folder}/{file.relative_to(output).as_posix()}"
                if (stored := storage.save(name, _Content(content))) != name:
                    raise FileExistsError(f"{name} lies there already; stored as {stored}")
            return file.stat().st_size

        size = 0
        try:
            with ThreadPoolExecutor(UPLOADS_AT_ONCE) as pool:
                for stored in pool.map(store, files):
                    size += stored
                    self._beat()
        except OSError:
            # A part of a package fills what room there is, and nobody would look for it, unless it is another process's now.
            self._beat(force=True)
            purging.delete_folder(storage, folder)
            raise
        return size

    def _beat(self, step: str = "", share: float | None = None, *, force: bool = False) -> None:
        """Tell, every few seconds, that we live and how far we are."""
        if not force and time.monotonic() - self._beaten_at < BEAT_SECONDS:
            return
        self._beaten_at = time.monotonic()
        values: dict[str, Any] = {"step": step} if step else {}
        if share is not None:
            values["progress"] = min(99, int(100 * share))
        jobs.beat(self.package, now=self.clock(), **values)


class _Content(File):  # type: ignore[type-arg]  # generic in the stubs alone
    """A file of a package, with the type that players and caches are told."""

    @property
    def content_type(self) -> str:
        return assembling.CONTENT_TYPES.get(Path(self.name or "").suffix, "application/octet-stream")


@contextmanager
def _scratch(package: MediaPackage) -> Iterator[Path]:
    """Yield an empty folder that is gone afterwards; those that killed attempts left on this machine go first.

    Each attempt has its own: one that has lost its lease takes nothing from the next when it ends.
    """
    parent = Path(settings.VIDEO_SCRATCH or tempfile.gettempdir())
    for left in parent.glob(f"media-package-{package.pk}*"):
        shutil.rmtree(left, ignore_errors=True)
    folder = parent / f"media-package-{package.pk}-{package.lease}"
    folder.mkdir(mode=0o700, parents=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _disturbance(error: Exception) -> str:
    """Answer what an editor is told of what is no fault of the film."""
    if isinstance(error, OSError) and error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return "There is no room left for this film where it is packaged or kept; the log says where."
    if isinstance(error, programs.ProgramKilled):
        return jobs.KILLED
    return "Something outside the film went wrong; the log says what."


def _need_room(folder: Path, size: int) -> None:
    if (free := shutil.disk_usage(folder).free) < size:
        raise OSError(errno.ENOSPC, f"{size:,} bytes are needed in VIDEO_SCRATCH, and {free:,} are free")


def _spec(plan: Plan, track: Rung | AudioTrack) -> str:
    """Answer what a track is made by."""
    shared = (planning.PLAN_VERSION, plan.duration, plan.picture, str(plan.frame_rate), plan.deinterlace, plan.hdr)
    return hashlib.sha256(repr((shared, settings.VIDEO_PRESET, asdict(track))).encode()).hexdigest()


def _facts(found: planning.Source, plan: Plan, rungs: list[Rung], posters: list[str]) -> dict[str, Any]:
    picture = found.picture
    assert picture is not None, "a plan was made"
    return {
        "source": {
            "container": found.container, "codec": picture.codec, "width": picture.width, "height": picture.height,
            "frame_rate": round(float(picture.frame_rate), 3), "sounds": len(found.sounds),
        },
        "frame_rate": round(float(plan.frame_rate), 3),
        "rungs": [{"name": rung.name, "width": rung.width, "height": rung.height} for rung in rungs],
        "audio": [asdict(track) for track in plan.audio],
        "text": [asdict(track) for track in plan.text],
        "preview": asdict(plan.preview),
        "posters": posters,
        "hdr": plan.hdr,
        "notes": list(plan.notes),
    }  # fmt: skip
