"""A package's life: queued, begun under a lease, live or failed, replaced; or found abandoned and begun again."""

from __future__ import annotations

import hashlib
import json
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from django.db import transaction

from catalog.events import MediaReady
from catalog.models import MediaPackage, MediaSource, MediaSubtitles
from catalog.packaging.planning import PLAN_VERSION
from catalog.services import titles
from catalog.services.media import purging
from core import outbox
from core.errors import DomainError

MAX_ATTEMPTS = 3
"""A job that was killed or disturbed this often is not begun again by itself."""

KILLED = "The process that packaged this film was killed again and again, perhaps for want of memory."

State = MediaPackage.State


class PackageUnknown(DomainError):
    code = "media_package_unknown"
    title = "There is no such package."
    status = 404


class NothingToPackage(DomainError):
    code = "nothing_to_package"
    title = "This package is not one that failed."


class LeaseLost(DomainError):
    """This process was taken for dead, or a newer film has taken the place of this one."""

    code = "media_lease_lost"
    title = "This package is somebody else's now."


def queue(*, source: MediaSource, by: str, now: datetime) -> MediaPackage | None:
    """Queue the packaging of a source; answer the job, or None when the same is live already.

    A job of the title that has not ended is replaced, unless it would make the same. Raises TitleMerged.
    """
    with transaction.atomic():
        titles.changeable(source.title_id)
        key = key_of(source)
        for other in MediaPackage.objects.filter(title_id=source.title_id).unfinished().locked():
            if other.key == key:
                return other
            other.state, other.retired_at, other.lease, other.step = State.RETIRED, now, None, "Replaced by a newer one"
            other.save(update_fields=["state", "retired_at", "lease", "step"])
        if MediaPackage.objects.filter(title_id=source.title_id, state=State.LIVE, key=key).exists():
            return None
        return MediaPackage.objects.create(
            title_id=source.title_id, source=source, key=key, created_by=by, created_at=now
        )


def key_of(source: MediaSource) -> str:
    """Answer what a package of a source is made of."""
    words = MediaSubtitles.objects.filter(title_id=source.title_id).order_by("language", "role")
    parts = [PLAN_VERSION, source.digest, *words.values_list("language", "role", "text")]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def begin(*, package_id: UUID, now: datetime) -> MediaPackage | None:
    """Take the job and a lease on it. None when it has ended, or somebody is at it. Raises PackageUnknown."""
    release_abandoned(now=now)
    with transaction.atomic():
        package = MediaPackage.objects.locked().filter(pk=package_id).first()
        if package is None:
            raise PackageUnknown
        if package.state != State.QUEUED:
            return None
        package.state = State.RUNNING
        package.lease = uuid4()
        package.attempts += 1
        package.started_at = package.started_at or now
        package.heartbeat_at = now
        package.progress, package.step = 0, "Looking into the file"
        # Subtitles may have changed while it waited.
        package.key = key_of(package.source)
        package.save()
    return package


def release_abandoned(*, now: datetime) -> list[UUID]:
    """Queue the jobs whose process was killed, and answer every queued one, oldest first."""
    with transaction.atomic():
        abandoned = list(MediaPackage.objects.locked().abandoned(now))
        for package in abandoned:
            _queue_again(package, now=now, failure=KILLED)
    for package in abandoned:
        _leave_nothing(package)
    return list(MediaPackage.objects.filter(state=State.QUEUED).order_by("created_at").values_list("pk", flat=True))


def beat(package: MediaPackage, *, now: datetime, **values: Any) -> None:
    """Say that we live, and how far we are. Raises LeaseLost."""
    held = MediaPackage.objects.filter(pk=package.pk, state=State.RUNNING, lease=package.lease)
    if not held.update(heartbeat_at=now, **values):
        raise LeaseLost(f"Package {package.pk} was taken over or replaced; this process stops.")


def succeed(package: MediaPackage, *, now: datetime, folder: str, duration: float, size: int, facts: dict[str, Any]) -> None:  # fmt: skip
    """Give viewers this package in place of the one before it, at one instant. Raises LeaseLost."""
    with transaction.atomic():
        title = titles.locked(package.title_id)
        beat(package, now=now)
        MediaPackage.objects.filter(title=title, state=State.LIVE).update(state=State.RETIRED, retired_at=now)
        MediaPackage.objects.filter(pk=package.pk).update(
            state=State.LIVE, lease=None, finished_at=now, progress=100, step="", folder=folder, size=size,
            duration_seconds=duration, facts=facts, failure="", failure_code="",
        )  # fmt: skip
        ready = MediaReady(str(title.pk), str(package.pk), round(duration * 1000))
        outbox.publish(ready, aggregate=f"title:{title.pk}", now=now)


def fail(package: MediaPackage, *, now: datetime, code: str, failure: str) -> None:
    """End a job that no second attempt would help. Raises LeaseLost."""
    beat(package, now=now, state=State.FAILED, lease=None, finished_at=now, failure_code=code, failure=failure)


def disturbed(package: MediaPackage, *, now: datetime, failure: str) -> None:
    """Queue a job again that something outside of it has ended, a few times; then it fails. Raises LeaseLost."""
    with transaction.atomic():
        beat(package, now=now)
        ended = MediaPackage.objects.locked().get(pk=package.pk)
        _queue_again(ended, now=now, failure=failure)
    _leave_nothing(ended)


def hand_back(package: MediaPackage, *, now: datetime) -> None:
    """Queue a job again that an outage ended, by the word of the process that was at it: that was no attempt.

    One that somebody has found abandoned meanwhile, and queued or begun, has an attempt less as well.
    """
    with transaction.atomic():
        row = MediaPackage.objects.locked().filter(pk=package.pk).unfinished().first()
        if row is None:
            return
        row.attempts = max(0, row.attempts - 1)
        if row.state == State.RUNNING and row.lease == package.lease:
            row.state, row.lease, row.step = State.QUEUED, None, "Waits for the storage or the database"
        row.save(update_fields=["attempts", "state", "lease", "step"])


def retry(*, package_id: UUID, by: str, now: datetime) -> MediaPackage:
    """Queue a job that has failed anew; what is encoded already stays.

    Raises PackageUnknown, NothingToPackage, TitleMerged.
    """
    failed = MediaPackage.objects.filter(pk=package_id).select_related("source").first()
    if failed is None:
        raise PackageUnknown
    if failed.state != State.FAILED or not failed.source.file:
        raise NothingToPackage("Only a package that failed, and whose file is still here, is made again.")
    package = queue(source=failed.source, by=by, now=now)
    if package is None:
        raise NothingToPackage("This film has been packaged since, and is live.")
    return package


def _queue_again(package: MediaPackage, *, now: datetime, failure: str) -> None:
    package.lease = None
    if package.attempts < MAX_ATTEMPTS:
        package.state, package.step = State.QUEUED, "Begins again"
    else:
        package.state, package.finished_at = State.FAILED, now
        package.failure_code, package.failure = "disturbed", f"{failure} Try again, or ask whoever runs the service."
    package.save(update_fields=["lease", "state", "step", "finished_at", "failure_code", "failure"])


def _leave_nothing(package: MediaPackage) -> None:
    """Delete what a job has stored that will not be begun again: nobody would look for it."""
    if package.state == State.FAILED:
        purging.delete_unpublished(package)
