"""What nobody plays or resumes any more is deleted."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.core.files.storage import Storage, storages
from django.db.models import Exists, OuterRef

from catalog.models import MediaPackage, MediaRendition, MediaSource

REPLACED_KEPT = timedelta(days=1)
"""How long the files of a replaced package stay: whoever has begun a film on it may finish it."""

TRACKS_KEPT = timedelta(days=7)
"""How long finished tracks stay after the last job of their source: new subtitles then need no encoding."""

SOURCES_KEPT = timedelta(days=30)
"""How long an uploaded film stays after another has replaced it."""

ORPHANS_KEPT = timedelta(days=1)
"""How long a folder stays that no source names: whoever stored a film in it may be about to write the row."""

State = MediaPackage.State


def purge(*, now: datetime) -> int:
    """Delete the files whose time is over; answer of how many packages, tracks and sources."""
    return _packages(now) + _tracks(now) + _sources(now)


def purge_orphans(*, now: datetime) -> int:
    """Delete films whose sender was killed before there was a row of them; answer how many."""
    storage = storages["private"]
    try:
        folders, _ = storage.listdir("media")
    except FileNotFoundError:
        return 0
    known = {str(pk) for pk in MediaSource.objects.values_list("pk", flat=True)}
    number = 0
    for folder in sorted(set(folders) - known):
        name = f"media/{folder}/source"
        if storage.exists(name) and storage.get_modified_time(name) <= now - ORPHANS_KEPT:
            delete_folder(storage, f"media/{folder}")
            number += 1
    return number


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
