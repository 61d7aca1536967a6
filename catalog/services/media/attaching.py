"""What editors hand over: a film, its subtitles. Each queues a package of the title, unless it is there already."""

from __future__ import annotations

import hashlib
import posixpath
from datetime import datetime
from uuid import UUID

from django.conf import settings
from django.core.exceptions import SuspiciousFileOperation
from django.core.files.base import File
from django.core.files.storage import storages
from django.db import transaction

from catalog import rules
from catalog.models import MediaPackage, MediaSource, MediaSubtitles, Title
from catalog.packaging import subtitles
from catalog.services import titles
from catalog.services.media import jobs, purging
from core.errors import DomainError
from core.ids import new_id

INCOMING = "incoming/"
"""The folder of the private storage from which films are attached that were put there by other means."""


class FileTooLarge(DomainError):
    code = "media_file_too_large"
    title = "The file is larger than this service takes."
    status = 413


class PlaceUnknown(DomainError):
    code = "media_place_unknown"
    title = "There is no such file in the folder of incoming films."
    status = 422


class SubtitlesRefused(DomainError):
    code = "subtitles_refused"
    title = "These subtitles cannot be used."
    status = 422


def attach(*, title_id: UUID, name: str, content: File[bytes], by: str, now: datetime) -> MediaPackage | None:
    """Take a title's film, and queue its packaging; answer the job, or None when this very film is packaged already.

    `name` is what the file is called, for people alone. Raises TitleUnknown, TitleMerged, FileTooLarge.
    """
    _check_title(title_id)
    _check_size(content.size or 0)
    digest = hashlib.sha256()
    for chunk in content.chunks():
        digest.update(chunk)
    known = MediaSource.objects.filter(title_id=title_id, digest=digest.hexdigest()).exclude(file="").first()
    if known is not None:
        return jobs.queue(source=known, by=by, now=now)
    content.seek(0)
    source_id = new_id()
    # Under a name of ours: neither programs nor browsers make anything of how a file is called.
    stored = storages["private"].save(f"media/{source_id}/source", content)
    source = MediaSource(
        id=source_id, title_id=title_id, name=_shown(name), file=stored, is_ours=True, size=content.size or 0,
        digest=digest.hexdigest(), attached_by=by, attached_at=now,
    )  # fmt: skip
    return _add(source, by=by, now=now)


def attach_stored(*, title_id: UUID, place: str, by: str, now: datetime) -> MediaPackage | None:
    """Take a film that lies under INCOMING in the private storage, as `attach` does; it is read there and never deleted.

    Raises TitleUnknown, TitleMerged, PlaceUnknown, FileTooLarge.
    """
    _check_title(title_id)
    storage, file = storages["private"], posixpath.normpath(INCOMING + place.removeprefix(INCOMING))
    try:
        if not file.startswith(INCOMING) or "\x00" in file or not storage.exists(file):
            raise PlaceUnknown(
                f"There is no file {place!r} under {INCOMING} in the private storage. Put it there first."
            )
        size, changed_at = storage.size(file), storage.get_modified_time(file)
    except (SuspiciousFileOperation, OSError, ValueError) as error:
        raise PlaceUnknown(f"{place!r} is no file under {INCOMING} in the private storage.") from error
    _check_size(size)
    # Reading it all to know it would take as long as a person waits for a page.
    digest = hashlib.sha256(repr((file, size, changed_at.isoformat())).encode()).hexdigest()
    known = MediaSource.objects.filter(title_id=title_id, digest=digest).exclude(file="").first()
    if known is not None:
        return jobs.queue(source=known, by=by, now=now)
    source = MediaSource(
        id=new_id(), title_id=title_id, name=_shown(place), file=file, is_ours=False, size=size, digest=digest,
        attached_by=by, attached_at=now,
    )  # fmt: skip
    return _add(source, by=by, now=now)


def attach_subtitles(
    *, title_id: UUID, language: str, role: str, name: str, data: bytes, by: str, now: datetime
) -> MediaPackage | None:
    """Give a title subtitles of a language, in place of earlier ones; package its film anew if it has one.

    `role` is one of MediaSubtitles.Role. Raises TitleUnknown, TitleMerged, SubtitlesRefused.
    """
    if not rules.is_language_tag(language):
        raise SubtitlesRefused(f"{language!r} is no language tag; write one such as de or pt-BR.")
    try:
        text = subtitles.as_webvtt(data, language=language)
    except subtitles.SubtitlesUnreadable as error:
        raise SubtitlesRefused(str(error)) from error
    with transaction.atomic():
        title = titles.changeable(title_id)
        MediaSubtitles.objects.update_or_create(
            title=title,
            language=language,
            role=role,
            defaults={"name": _shown(name), "text": text, "attached_by": by, "attached_at": now},
        )
    return _package_anew(title, by=by, now=now)


def remove_subtitles(*, title_id: UUID, language: str, role: str, by: str, now: datetime) -> MediaPackage | None:
    """Take subtitles that came in a file of their own away again. Raises TitleUnknown, TitleMerged."""
    with transaction.atomic():
        title = titles.changeable(title_id)
        MediaSubtitles.objects.filter(title=title, language=language, role=role).delete()
    return _package_anew(title, by=by, now=now)


def _package_anew(title: Title, *, by: str, now: datetime) -> MediaPackage | None:
    source = MediaSource.objects.filter(title=title).exclude(file="").order_by("-attached_at", "-pk").first()
    return jobs.queue(source=source, by=by, now=now) if source else None


def _add(source: MediaSource, *, by: str, now: datetime) -> MediaPackage | None:
    known = None
    is_kept = False
    try:
        with transaction.atomic():
            titles.changeable(source.title_id)
            # Two browsers may have sent the same file: the first one's counts.
            known = MediaSource.objects.filter(title_id=source.title_id, digest=source.digest).exclude(file="").first()
            if known is None:
                source.save(force_insert=True)
        is_kept = known is None
    finally:
        # Nobody would find it again: no row names it. If we are killed here, `purge_orphans` finds it.
        if source.is_ours and not is_kept:
            purging.delete_folder(storages["private"], posixpath.dirname(source.file))
    return jobs.queue(source=known or source, by=by, now=now)


def _check_title(title_id: UUID) -> None:
    """Say so before gigabytes are stored."""
    with transaction.atomic():
        titles.changeable(title_id)


def _check_size(size: int) -> None:
    if size > settings.VIDEO_MAX_BYTES:
        raise FileTooLarge(f"The file has {size:,} bytes; {settings.VIDEO_MAX_BYTES:,} are the most (VIDEO_MAX_BYTES).")


def _shown(name: str) -> str:
    """Answer a file's name as pages may show it."""
    return "".join(sign if sign.isprintable() else "�" for sign in name)[-255:] or "film"
