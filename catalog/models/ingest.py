"""Deliveries: who delivers, what came in, what became of each record.

`SourceRecord` says which of a provider's records a title came from; a title's own facts live with
the title. Staging rows live as long as their run.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Self

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q, Value
from django.utils.translation import gettext_lazy as _

from catalog.models.licences import LicenseType
from catalog.models.people import Person
from catalog.models.places import are_country_codes, validate_countries
from catalog.models.titles import Title
from core.ids import new_id


class Provider(models.Model):
    """A partner who delivers titles, and what we do with them.

    Every change of the policy raises `policy_version`, so that the next delivery is read anew.
    """

    class Publish(models.TextChoices):
        ON_INGEST = "on_ingest", _("Publish on ingest")
        REVIEW = "review", _("Leave as draft for review")

    code = models.SlugField(max_length=50, unique=True)
    name = models.CharField(max_length=200)
    publish = models.CharField(max_length=10, choices=Publish, default=Publish.REVIEW)
    has_default_licence = models.BooleanField(
        default=False,
        help_text=_("Titles that come without windows get the licence below; else they are available nowhere."),
    )
    default_territories = ArrayField(
        models.CharField(max_length=2),
        default=list,
        blank=True,
        validators=[validate_countries],
        help_text=_("ISO 3166-1 alpha-2; none means the world."),
    )
    default_starts_on = models.DateField(null=True, blank=True)
    default_ends_on = models.DateField(null=True, blank=True)
    default_license_type = models.CharField(max_length=5, choices=LicenseType, default=LicenseType.SVOD)
    max_retired_percent = models.PositiveSmallIntegerField(
        default=10, help_text=_("A full delivery that lacks more of the known titles than this retires none.")
    )
    precedence = models.PositiveSmallIntegerField(
        default=50,
        db_default=50,
        help_text=_("Whose word counts where several tell of a title: the higher; the first, if equal."),
    )
    precedence_by_field = models.JSONField(
        default=dict,
        db_default=Value({}, models.JSONField()),
        blank=True,
        help_text=_('Where it differs by field: {"texts": 80, "ratings": 10}.'),
    )
    policy_version = models.PositiveIntegerField(default=1, editable=False)

    class Meta:
        constraints = [
            models.CheckConstraint(name="provider_percent", condition=Q(max_retired_percent__lte=100)),
            # The default licence would make windows that the database refuses, one title at a time.
            models.CheckConstraint(
                name="provider_licence_ends_after_it_starts",
                condition=Q(default_starts_on__isnull=True)
                | Q(default_ends_on__isnull=True)
                | Q(default_ends_on__gt=F("default_starts_on")),
            ),
            # As in the windows that are made of it.
            models.CheckConstraint(
                name="provider_territories_are_codes", condition=are_country_codes("default_territories")
            ),
        ]

    def __str__(self) -> str:
        return self.name


LEASE = timedelta(minutes=1)
"""A run that has not been heard of for this long was killed; somebody else may take it over."""


class IngestRunQuerySet(models.QuerySet["IngestRun"]):
    def locked(self) -> Self:
        return self.order_by("pk").select_for_update(of=("self",))

    def abandoned(self, now: datetime) -> Self:
        """Runs whose process was killed, or whose message was lost."""
        return self.filter(
            Q(state=IngestRun.State.RUNNING, heartbeat_at__lte=now - LEASE)
            | Q(state=IngestRun.State.QUEUED, created_at__lte=now - LEASE)
        )


class IngestRun(models.Model):
    """One delivery being read, and its report.

    read = created + updated + unchanged + rejected + retired: each record counts once. `absent` are
    titles that a full delivery no longer names; they are retired too but were not read.
    """

    class State(models.TextChoices):
        QUEUED = "queued", _("Queued")
        RUNNING = "running", _("Running")
        FINISHED = "finished", _("Finished")
        FAILED = "failed", _("Failed")

    class Delivery(models.TextChoices):
        FULL = "full", _("Full: what is missing is retired")
        PARTIAL = "partial", _("Partial: what is missing is left alone")

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    provider = models.ForeignKey(Provider, models.PROTECT, related_name="runs")
    format = models.CharField(max_length=30)
    delivery = models.CharField(
        max_length=10,
        choices=Delivery,
        blank=True,
        help_text=_("Empty: what the delivery itself says, or else partial."),
    )
    dry_run = models.BooleanField(default=False)
    reprocess = models.BooleanField(
        default=False, db_default=False, help_text=_("Read what has not changed as if it had.")
    )
    source_name = models.CharField(max_length=255, help_text="What the file was called.")
    file = models.CharField(
        max_length=500,
        blank=True,
        help_text="Where the delivery lies in the private storage; empty once it is purged.",
    )
    state = models.CharField(max_length=10, choices=State, default=State.QUEUED)
    started_by = models.CharField(max_length=100, help_text="user:<id>, or command.")
    lease = models.UUIDField(null=True, editable=False, help_text="Held by the process that works on it.")
    read = models.PositiveIntegerField(default=0)
    created = models.PositiveIntegerField(default=0)
    updated = models.PositiveIntegerField(default=0)
    unchanged = models.PositiveIntegerField(default=0)
    rejected = models.PositiveIntegerField(default=0)
    retired = models.PositiveIntegerField(default=0)
    absent = models.PositiveIntegerField(default=0)
    problem_count = models.PositiveIntegerField(default=0)
    attempts = models.PositiveSmallIntegerField(
        default=0, help_text="How often it was begun: a killed run begins again."
    )
    failure = models.TextField(blank=True, help_text=_("Why the run ended without finishing, and what to do."))
    created_at = models.DateTimeField()
    started_at = models.DateTimeField(null=True, blank=True)
    heartbeat_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    objects = IngestRunQuerySet.as_manager()

    class Meta:
        constraints = [
            # Two deliveries of one provider at once would overwrite each other title by title.
            models.UniqueConstraint(fields=["provider"], name="ingest_one_running", condition=Q(state="running")),
            # A running run without lease or heartbeat could never be taken over.
            models.CheckConstraint(
                name="ingest_running_has_lease",
                condition=~Q(state="running")
                | Q(lease__isnull=False, heartbeat_at__isnull=False, started_at__isnull=False),
            ),
            # A report that does not add up has lost a record.
            models.CheckConstraint(
                name="ingest_counts_every_record_once",
                condition=~Q(state="finished")
                | Q(read=F("created") + F("updated") + F("unchanged") + F("rejected") + F("retired")),
            ),
            models.CheckConstraint(
                name="ingest_ended_has_instant",
                condition=Q(state__in=["queued", "running"], finished_at__isnull=True)
                | Q(state__in=["finished", "failed"], finished_at__isnull=False),
            ),
        ]
        indexes = [
            # Beat looks for queued and abandoned runs.
            models.Index("state", "heartbeat_at", name="ingest_open", condition=Q(state__in=["queued", "running"])),
        ]

    def __str__(self) -> str:
        return f"{self.source_name} ({self.get_state_display().lower()})"


class IngestProblem(models.Model):
    """Something about one record that its provider should know."""

    class Severity(models.TextChoices):
        ERROR = "error", _("Error: the record was rejected")
        WARNING = "warning", _("Warning: repaired or left out")
        INFO = "info", _("Note")

    run = models.ForeignKey(IngestRun, models.CASCADE, related_name="problems", db_index=False)
    row_number = models.PositiveIntegerField(
        help_text=_("The line, or else the place, of the record; 0: the delivery itself.")
    )
    external_id = models.CharField(max_length=255, blank=True)
    field = models.CharField(max_length=200, blank=True)
    code = models.CharField(max_length=50)
    severity = models.CharField(max_length=7, choices=Severity)
    message = models.CharField(max_length=1000)

    class Meta:
        indexes = [
            # The report of a run, in the order of the delivery.
            models.Index("run", "row_number", name="ingest_problem_report"),
        ]

    def __str__(self) -> str:
        return f"{self.row_number} {self.field} {self.code}"


class SourceRecord(models.Model):
    """What a provider has said about one title: its own id of it, and the hash of its last words.

    `digest` covers the record's bytes, the reader's version and the policy's version: while it is
    the same, reading the record again would change nothing.
    """

    id = models.BigAutoField(primary_key=True)
    provider = models.ForeignKey(Provider, models.PROTECT, related_name="records", db_index=False)
    external_id = models.CharField(max_length=255)
    title = models.ForeignKey(Title, models.CASCADE, related_name="source_records")
    digest = models.BinaryField(max_length=16)
    format = models.CharField(max_length=30)
    added_on = models.DateField(null=True, blank=True, help_text=_("When the provider added it to its own offer."))
    # Without constraints in the database: ingestion alone writes them, under its run's lock, and two
    # more checks a title would cost it a tenth of its speed.
    first_run = models.ForeignKey(IngestRun, models.PROTECT, related_name="+", db_index=False, db_constraint=False)
    last_run = models.ForeignKey(IngestRun, models.PROTECT, related_name="+", db_index=False, db_constraint=False)
    retired_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            # One record under two titles: an update would reach either.
            models.UniqueConstraint(fields=["provider", "external_id"], name="source_record_once"),
        ]
        indexes = [
            # The admin's list of a provider's titles, newest first.
            models.Index("provider", F("title").desc(), name="source_record_titles"),
        ]

    def __str__(self) -> str:
        return self.external_id


class PersonSource(models.Model):
    """Which person a provider means: by its own id ("id:nm1"), or else by the folded name ("name:...")."""

    id = models.BigAutoField(primary_key=True)
    provider = models.ForeignKey(Provider, models.PROTECT, related_name="+", db_index=False)
    key = models.CharField(max_length=510)
    person = models.ForeignKey(Person, models.CASCADE, related_name="sources")

    class Meta:
        constraints = [
            # One name would make a new person with every delivery.
            models.UniqueConstraint(fields=["provider", "key"], name="person_source_once"),
        ]


class IngestStaging(models.Model):
    """A record on its way, while its run lasts. An unlogged table: a crash of the server empties it,
    and the run begins again."""

    class Outcome(models.TextChoices):
        """What is known about a record once it is staged; the names are IngestRun's counts."""

        PENDING = "pending", _("Pending")
        CREATED = "created", _("Created by this run before it was killed")
        UPDATED = "updated", _("Updated by this run before it was killed")
        RETIRED = "retired", _("Retired by this run before it was killed")
        UNCHANGED = "unchanged", _("Unchanged")
        REJECTED = "rejected", _("Rejected")

    id = models.BigAutoField(primary_key=True)
    run = models.ForeignKey(IngestRun, models.CASCADE, related_name="+", db_index=False, db_constraint=False)
    row_number = models.PositiveIntegerField()
    external_id = models.CharField(max_length=255)
    rank = models.PositiveSmallIntegerField(help_text="Wholes before their parts.")
    implied = models.BooleanField(
        default=False, db_default=False, help_text="Told of by its parts alone: gives way to a record of its own."
    )
    outcome = models.CharField(max_length=9, choices=Outcome)
    digest = models.BinaryField(max_length=16)
    likeness = models.TextField(blank=True, help_text="Folded name, kind and year, to notice doubles.")
    payload = models.BinaryField(help_text="The normalised record as JSON; empty where nothing is to be written.")

    class Meta:
        indexes = [
            # Batches in order.
            models.Index("run", "rank", "row_number", name="ingest_staging_pending", condition=Q(outcome="pending")),
            # Doubles within a delivery, and what a full delivery lacks.
            models.Index("run", "external_id", name="ingest_staging_id"),
        ]
