"""Films as files: what editors attach, what is made of it, and what viewers are given.

A source is the file as it came. A package is one job that makes of it what players stream, and its result. A
rendition is one finished track of a source: a job that was killed goes on after the last of them. The bytes lie in
storages, `private` for sources and renditions, `packages` for packages.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Self

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from catalog.models.titles import Title
from core.ids import new_id

LEASE = timedelta(minutes=2)
"""A job that says nothing for so long has been killed; it says every few seconds that it lives."""


class MediaSource(models.Model):
    """A file that an editor attached to a title. `name` is how it was called; it is never a path of ours."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    title = models.ForeignKey(Title, models.PROTECT, related_name="media_sources")
    name = models.CharField(max_length=255)
    file = models.CharField(
        max_length=500, blank=True, help_text="Where it lies in the private storage; empty once it is deleted."
    )
    is_ours = models.BooleanField(
        help_text="Uploaded here, and deleted once another has replaced it; otherwise it was put there by somebody else."
    )
    size = models.BigIntegerField(help_text="Bytes.")
    digest = models.CharField(
        max_length=64, help_text="SHA-256 of the bytes, or of place, size and time of a file put there."
    )
    attached_by = models.CharField(max_length=100)
    attached_at = models.DateTimeField()

    class Meta:
        constraints = [
            # The same film attached twice at once would be encoded twice.
            models.UniqueConstraint(fields=["title", "digest"], name="media_source_once", condition=~Q(file="")),
        ]

    def __str__(self) -> str:
        return self.name


class MediaSubtitles(models.Model):
    """Subtitles that came in a file of their own, as WebVTT in UTF-8; the newest of a language and role counts."""

    class Role(models.TextChoices):
        SUBTITLES = "subtitles", _("Subtitles")
        SDH = "sdh", _("For the deaf and hard of hearing")
        FORCED = "forced", _("Forced: foreign speech alone")

    title = models.ForeignKey(Title, models.PROTECT, related_name="media_subtitles", db_index=False)
    language = models.CharField(max_length=20, help_text=_("BCP 47, such as pt-BR."))
    role = models.CharField(max_length=10, choices=Role, default=Role.SUBTITLES)
    name = models.CharField(max_length=255, help_text="How the file was called.")
    text = models.TextField()
    attached_by = models.CharField(max_length=100)
    attached_at = models.DateTimeField()

    class Meta:
        constraints = [
            # Two German subtitles of one kind: players would show either.
            models.UniqueConstraint(fields=["title", "language", "role"], name="media_subtitles_once"),
        ]

    def __str__(self) -> str:
        return f"{self.language} ({self.get_role_display()})"


class MediaPackageQuerySet(models.QuerySet["MediaPackage"]):
    def locked(self) -> Self:
        return self.order_by("pk").select_for_update(of=("self",))

    def unfinished(self) -> Self:
        return self.filter(state__in=[MediaPackage.State.QUEUED, MediaPackage.State.RUNNING])

    def abandoned(self, now: datetime) -> Self:
        """Jobs whose process was killed."""
        return self.filter(state=MediaPackage.State.RUNNING, heartbeat_at__lte=now - LEASE)


class MediaPackage(models.Model):
    """One source packaged under one plan version: the job, then its result."""

    class State(models.TextChoices):
        QUEUED = "queued", _("Queued")
        RUNNING = "running", _("Running")
        LIVE = "live", _("Live")
        FAILED = "failed", _("Failed")
        RETIRED = "retired", _("Replaced")

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    title = models.ForeignKey(Title, models.PROTECT, related_name="media_packages")
    source = models.ForeignKey(MediaSource, models.PROTECT, related_name="packages")
    key = models.CharField(
        max_length=64, help_text="SHA-256 of source, subtitles and plan version: what it is made of."
    )
    state = models.CharField(max_length=10, choices=State, default=State.QUEUED)
    progress = models.PositiveSmallIntegerField(default=0, help_text=_("Percent."))
    step = models.CharField(max_length=100, blank=True, help_text="What is being done.")
    lease = models.UUIDField(null=True, editable=False, help_text="Held by the process that works on it.")
    heartbeat_at = models.DateTimeField(null=True, blank=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    failure_code = models.CharField(max_length=40, blank=True)
    failure = models.TextField(blank=True, help_text=_("Why it failed and what to do, for editors."))
    facts = models.JSONField(default=dict, blank=True, help_text="What was found in the source and made of it.")
    folder = models.CharField(max_length=200, blank=True, help_text="In the storage of packages; empty once deleted.")
    duration_seconds = models.FloatField(null=True, blank=True)
    size = models.BigIntegerField(null=True, blank=True, help_text="Bytes of all files.")
    created_by = models.CharField(max_length=100)
    created_at = models.DateTimeField()
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    retired_at = models.DateTimeField(null=True, blank=True)

    objects = MediaPackageQuerySet.as_manager()

    class Meta:
        constraints = [
            # Two packages of a title at once: playback would give either.
            models.UniqueConstraint(fields=["title"], name="media_one_live", condition=Q(state="live")),
            # Two jobs of a title at once: the slower one would replace the newer.
            models.UniqueConstraint(
                fields=["title"], name="media_one_unfinished", condition=Q(state__in=["queued", "running"])
            ),
            # A running job without lease or heartbeat could never be taken over.
            models.CheckConstraint(
                name="media_running_has_lease",
                condition=~Q(state="running") | Q(lease__isnull=False, heartbeat_at__isnull=False),
            ),
            # Something to play that lies nowhere or has no length is nothing to play.
            models.CheckConstraint(
                name="media_live_is_whole",
                condition=~Q(state="live")
                | (~Q(folder="") & Q(duration_seconds__gt=0, size__gt=0, finished_at__isnull=False)),
            ),
            models.CheckConstraint(
                name="media_failed_has_reason", condition=~Q(state="failed") | (~Q(failure="") & ~Q(failure_code=""))
            ),
            models.CheckConstraint(
                name="media_retired_has_instant",
                condition=Q(state="retired", retired_at__isnull=False)
                | (~Q(state="retired") & Q(retired_at__isnull=True)),
            ),
        ]
        indexes = [
            # Beat looks for what waits and for what was abandoned.
            models.Index("state", "heartbeat_at", name="media_open", condition=Q(state__in=["queued", "running"])),
            # The purge looks for files of replaced packages.
            models.Index("retired_at", name="media_retired", condition=Q(state="retired") & ~Q(folder="")),
        ]

    def __str__(self) -> str:
        return f"{self.source} ({self.get_state_display().lower()})"


class MediaRendition(models.Model):
    """A finished track of a source. `spec` is what it was made by: another plan does not take it for its own."""

    source = models.ForeignKey(MediaSource, models.PROTECT, related_name="renditions", db_index=False)
    name = models.CharField(max_length=40)
    spec = models.CharField(max_length=64, help_text="SHA-256.")
    file = models.CharField(max_length=500, help_text="Where it lies in the private storage.")
    size = models.BigIntegerField(help_text="Bytes.")
    made_at = models.DateTimeField()

    class Meta:
        constraints = [
            # One track made twice leaves a file that nobody would find again.
            models.UniqueConstraint(fields=["source", "name", "spec"], name="media_rendition_once"),
        ]

    def __str__(self) -> str:
        return self.name
