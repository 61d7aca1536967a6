"""What nobody plays or resumes any more is deleted."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

import structlog
from django.core.files.storage import Storage, storages
from django.db.models import Exists, OuterRef

from catalog.models import MediaPackage, MediaRendition, MediaSource
from core.ids import made_at

logger = structlog.get_logger(__name__)

REPLACED_KEPT = timedelta(days=1)
"""How long the files of a replaced package stay: whoever has begun a film on it may finish it."""

TRACKS_KEPT = timedelta(days=7)
"""How long finished tracks stay after the last job of their source: new subtitles then need no encoding."""

SOURCES_KEPT = timedelta(days=30)
"""How long an uploaded film stays after another has replaced it."""

ORPHANS_KEPT = timedelta(days=1)
"""How long files stay that no row names: whoever stored them may be about to write the row."""

UNKNOWN_KEPT = timedelta(days=7)
"""How long a package stays of which there never was a row, as the database knows: it may have been brought back too old."""

State = MediaPackage.State


def purge(*, now: datetime) -> int:
    """Delete the files whose time is over; answer of how many packages, tracks and sources."""
    return _packages(now) + _tracks(now) + _sources(now)


def purge_orphans(*, now: datetime) -> int:
    """Delete films, tracks and packages of which no row tells, since whoever stored them was killed; answer how many."""
    return _unknown_sources(now) + _unknown_tracks(now) + _unpublished_packages(now)


def folder_of(package: MediaPackage) -> str:
    """Answer where the files of a package lie, or would, in the storage of packages."""
    return f"{package.title_id}/{package.pk}"


def delete_unpublished(package: MediaPackage) -> None:
    """Delete what was stored of a package that nobody will ever be given. Not while its job may still be at it."""
    try:
        delete_folder(storages["packages"], folder_of(package))
    except Exception:
        # The next purge finds it.
        logger.exception("media_left_behind", package_id=str(package.pk))


def delete_folder(storage: Storage, folder: str) -> None:
    """Delete all files below a folder; one that is not there is deleted already."""
    try:
        folders, files = storage.listdir(folder)
    except FileNotFoundError:
        return
    for name in files:
        storage.delete(f"{folder}/{name}")
    for name in folders:
        delete_folder(storage, f"{folder}/{name}")
    # A folder is something of its own in a file system, and nothing in a bucket.
    storage.delete(folder)


def _packages(now: datetime) -> int:
    number = 0
    replaced = MediaPackage.objects.filter(state=State.RETIRED, retired_at__lte=now - REPLACED_KEPT).exclude(folder="")
    for package_id, folder in list(replaced.order_by("pk").values_list("pk", "folder")):
        # The files first: killed in between, the next purge finds nothing there and forgets the name.
        delete_folder(storages["packages"], folder)
        MediaPackage.objects.filter(pk=package_id).update(folder="")
        number += 1
    return number


def _tracks(now: datetime) -> int:
    jobs = MediaPackage.objects.filter(source=OuterRef("source"))
    wanted = jobs.unfinished() | jobs.filter(finished_at__gt=now - TRACKS_KEPT)
    idle = MediaRendition.objects.filter(~Exists(wanted), made_at__lte=now - TRACKS_KEPT)
    number = 0
    for track in list(idle.order_by("pk")):
        storages["private"].delete(track.file)
        track.delete()
        number += 1
    return number


def _sources(now: datetime) -> int:
    jobs = MediaPackage.objects.filter(source=OuterRef("pk"))
    wanted = jobs.unfinished() | jobs.filter(state__in=[State.LIVE, State.FAILED])
    recent = jobs.filter(retired_at__gt=now - SOURCES_KEPT)
    replaced = MediaSource.objects.filter(
        ~Exists(wanted), ~Exists(recent), Exists(jobs), is_ours=True, attached_at__lte=now - SOURCES_KEPT
    ).exclude(file="")
    number = 0
    for source in list(replaced.order_by("pk")):
        storages["private"].delete(source.file)
        MediaSource.objects.filter(pk=source.pk).update(file="")
        number += 1
    return number


def _unknown_sources(now: datetime) -> int:
    storage, number = storages["private"], 0
    known = {str(pk) for pk in MediaSource.objects.values_list("pk", flat=True)}
    for folder in sorted(set(_folders(storage, "media")) - known):
        name = f"media/{folder}/source"
        if storage.exists(name) and storage.get_modified_time(name) <= now - ORPHANS_KEPT:
            delete_folder(storage, f"media/{folder}")
            number += 1
    return number


def _unknown_tracks(now: datetime) -> int:
    """Tracks that were stored by a process that was killed before it had written so, or only half stored."""
    storage, number = storages["private"], 0
    idle = MediaSource.objects.filter(~Exists(MediaPackage.objects.filter(source=OuterRef("pk")).unfinished()))
    for source_id in list(idle.order_by("pk").values_list("pk", flat=True)):
        folder = f"media/{source_id}/tracks"
        known = set(MediaRendition.objects.filter(source=source_id).values_list("file", flat=True))
        for name in sorted({f"{folder}/{name}" for name in _files(storage, folder)} - known):
            if storage.get_modified_time(name) <= now - ORPHANS_KEPT:
                storage.delete(name)
                number += 1
    return number


def _unpublished_packages(now: datetime) -> int:
    """Packages that were being stored when their process was killed for the last time, or after a newer one had replaced them."""
    storage, number = storages["packages"], 0
    for title in sorted(filter(_is_id, _folders(storage, ""))):
        folders = {UUID(name) for name in filter(_is_id, _folders(storage, title))}
        rows = {package.pk: package for package in MediaPackage.objects.filter(pk__in=folders)}
        for package_id in sorted(folders):
            package = rows.get(package_id)
            if package is None:
                # An id tells when it was made; its row is older than its files.
                is_left = made_at(package_id) <= now - UNKNOWN_KEPT
            else:
                ended_at = package.retired_at or package.finished_at
                is_left = not package.folder and ended_at is not None and ended_at <= now - ORPHANS_KEPT
            if is_left:
                delete_folder(storage, f"{title}/{package_id}")
                number += 1
    return number


def _folders(storage: Storage, folder: str) -> list[str]:
    try:
        return list(storage.listdir(folder)[0])
    except FileNotFoundError:
        return []


def _files(storage: Storage, folder: str) -> list[str]:
    try:
        return list(storage.listdir(folder)[1])
    except FileNotFoundError:
        return []


def _is_id(name: str) -> bool:
    """Say whether a folder is called as ours are: others are somebody else's."""
    try:
        return str(UUID(name)) == name and UUID(name).version == 7
    except ValueError:
        return False
