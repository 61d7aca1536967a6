"""Where deliveries come from by themselves: an address that is asked, or a folder that is watched."""

from __future__ import annotations

from datetime import datetime
from typing import Self

from django.core.validators import MinValueValidator
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from catalog.models.ingest import IngestRun, Provider
from core.addresses import shown


class FeedSourceQuerySet(models.QuerySet["FeedSource"]):
    def due(self, now: datetime) -> Self:
        """What should be looked at by `now`, longest overdue first."""
        return self.filter(enabled=True, next_check_at__lte=now).order_by("next_check_at", "pk")


class FeedSource(models.Model):
    """One place that a provider delivers to, looked at every so many minutes.

    `etag`, `last_modified` and `digest` are of the delivery that was taken last: while they are the same, there
    is nothing to take.
    """

    class Kind(models.TextChoices):
        ADDRESS = "address", _("Address (HTTP or HTTPS)")
        FOLDER = "folder", _("Watched folder")

    provider = models.ForeignKey(Provider, models.PROTECT, related_name="sources")
    kind = models.CharField(max_length=7, choices=Kind, default=Kind.ADDRESS)
    location = models.CharField(max_length=2000, help_text=_("The address, or a folder below FEED_FOLDER."))
    pattern = models.CharField(max_length=100, default="*", help_text=_("Of files in the folder, such as *.xml."))
    format = models.CharField(max_length=30)
    delivery = models.CharField(
        max_length=10, choices=IngestRun.Delivery, blank=True, help_text=_("Empty: what the delivery itself says, or else partial.")
    )  # fmt: skip
    credential = models.SlugField(
        max_length=50, blank=True, db_index=False, help_text=_("The name under which FEED_CREDENTIALS has what authorises us.")
    )  # fmt: skip
    marker = models.CharField(
        max_length=20, blank=True, default="", db_default="", help_text=_("Ending of the file beside each one that says that it is whole, such as .done; empty: there is none.")
    )  # fmt: skip
    settled_seconds = models.PositiveIntegerField(
        default=60, db_default=60, validators=[MinValueValidator(1)], help_text=_("For so long nothing of a file may change before it is taken, unless a marker says that it is whole.")
    )  # fmt: skip
    every_minutes = models.PositiveIntegerField(default=60, validators=[MinValueValidator(1)])
    enabled = models.BooleanField(default=True)
    next_check_at = models.DateTimeField()
    checked_at = models.DateTimeField(null=True, blank=True, editable=False)
    outcome = models.CharField(max_length=500, blank=True, editable=False, help_text=_("Of the last look."))
    failures = models.PositiveIntegerField(default=0, editable=False, help_text=_("In a row."))
    etag = models.CharField(max_length=500, blank=True, editable=False)
    last_modified = models.CharField(max_length=100, blank=True, editable=False)
    digest = models.BinaryField(max_length=32, default=b"", editable=False)

    objects = FeedSourceQuerySet.as_manager()

    class Meta:
        constraints = [
            # The same feed twice would be taken twice, by two schedules.
            models.UniqueConstraint(fields=["provider", "location", "pattern"], name="feed_source_once"),
            # Every zero minutes is a loop against a partner's server.
            models.CheckConstraint(name="feed_source_has_pause", condition=Q(every_minutes__gte=1)),
            # What is found is not taken at once: somebody may still be writing it.
            models.CheckConstraint(name="feed_source_lets_settle", condition=Q(settled_seconds__gte=1)),
        ]
        indexes = [
            # What is due, every minute.
            models.Index("next_check_at", "id", name="feed_source_due", condition=Q(enabled=True)),
        ]

    def __str__(self) -> str:
        return gettext("%(provider)s at %(place)s") % {"provider": self.provider, "place": self.place}

    @property
    def place(self) -> str:
        """Answer the location as anybody may read it: a key in an address's query is left out."""
        return shown(self.location) if self.kind == self.Kind.ADDRESS else self.location


class ArrivingFile(models.Model):
    """A file of a watched folder that is not taken yet: how it was found, and since when each look has found it so.

    `name` is its path below the folder, as that of a file that was taken.
    """

    source = models.ForeignKey(FeedSource, models.CASCADE, related_name="arriving", db_index=False)
    name = models.CharField(max_length=255)
    size = models.PositiveBigIntegerField(help_text="Bytes.")
    modified_ns = models.BigIntegerField(help_text="Nanoseconds since 1970, as the file system says.")
    since = models.DateTimeField()

    class Meta:
        constraints = [
            # Two looks that find a file at once remember it once.
            models.UniqueConstraint(fields=["source", "name"], name="arriving_file_once"),
        ]

    def __str__(self) -> str:
        return self.name


class TakenFile(models.Model):
    """A file of a watched folder that has been taken. The same name with other bytes is another file."""

    source = models.ForeignKey(FeedSource, models.CASCADE, related_name="files", db_index=False)
    name = models.CharField(max_length=255)
    has_path = models.BooleanField(
        default=True, db_default=False, help_text="False: taken by a release that knew files by their last names alone."
    )
    size = models.PositiveBigIntegerField(help_text="Bytes.")
    modified_ns = models.BigIntegerField(help_text="Nanoseconds since 1970, as the file system says.")
    taken_at = models.DateTimeField()
    run = models.ForeignKey(IngestRun, models.SET_NULL, null=True, related_name="+", help_text="None: on its way.")

    class Meta:
        constraints = [
            # Two workers that look at once take a file once.
            models.UniqueConstraint(fields=["source", "name", "size", "modified_ns"], name="taken_file_once"),
        ]

    def __str__(self) -> str:
        return self.name
