"""People and what they did in a title."""

from __future__ import annotations

from django.contrib.postgres.indexes import OpClass
from django.db import models
from django.db.models import Q
from django.db.models.functions import MD5, Upper
from django.utils.translation import gettext_lazy as _

from catalog.models.titles import Title
from core.ids import new_id


class Person(models.Model):
    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    name = models.CharField(max_length=500)
    named_by = models.CharField(
        max_length=100, db_default="", default="", blank=True, editable=False,
        help_text="user:<id> who spelled the name, against what deliveries say; empty: the first delivery.",
    )  # fmt: skip
    merged_into = models.ForeignKey(
        "self", models.PROTECT, null=True, blank=True, editable=False, related_name="+", db_index=False,
        help_text=_("Who answers for this id."),
    )  # fmt: skip

    class Meta:
        indexes = [
            # Who answers for others: few do.
            models.Index("merged_into", name="person_merged", condition=Q(merged_into__isnull=False)),
            # Whose names deliveries spell otherwise: few.
            models.Index("id", name="person_named", condition=~Q(named_by="")),
            # Editors find people by the beginning of their names.
            models.Index(OpClass(Upper("name"), name="text_pattern_ops"), name="person_name"),
        ]
        verbose_name_plural = "people"

    def __str__(self) -> str:
        return self.name


class Job(models.TextChoices):
    """What somebody did (after MovieLabs JobFunction)."""

    DIRECTOR = "director", _("Director")
    CREATOR = "creator", _("Creator")
    WRITER = "writer", _("Writer")
    ORIGINAL_AUTHOR = "original_author", _("Original author")
    PRODUCER = "producer", _("Producer")
    EXECUTIVE_PRODUCER = "executive_producer", _("Executive producer")
    ACTOR = "actor", _("Actor")
    VOICE_ACTOR = "voice_actor", _("Voice actor")
    NARRATOR = "narrator", _("Narrator")
    PRESENTER = "presenter", _("Presenter")
    SELF = "self", _("Self")
    CINEMATOGRAPHER = "cinematographer", _("Cinematographer")
    EDITOR = "editor", _("Editor")
    COMPOSER = "composer", _("Composer")
    PRODUCTION_DESIGNER = "production_designer", _("Production designer")
    COSTUME_DESIGNER = "costume_designer", _("Costume designer")
    ANIMATOR = "animator", _("Animator")
    OTHER = "other", _("Other")


class Credit(models.Model):
    """One job of one person in one title. `billing` 1 comes first; null comes after all that have one."""

    title = models.ForeignKey(Title, models.CASCADE, related_name="credits", db_index=False)
    person = models.ForeignKey(Person, models.PROTECT, related_name="credits")
    job = models.CharField(max_length=20, choices=Job)
    job_display = models.CharField(max_length=500, blank=True, help_text=_("The credit as shown, where it says more."))
    character = models.CharField(max_length=500, blank=True)
    billing = models.PositiveSmallIntegerField(null=True, blank=True)
    guest = models.BooleanField(default=False)

    class Meta:
        constraints = [
            # The same credit twice shows a name twice in the cast.
            # The character goes in as its hash, because an index entry has room for 2.7 kB alone.
            models.UniqueConstraint("title", "person", "job", "job_display", MD5("character"), name="credit_once"),
        ]

    def __str__(self) -> str:
        return f"{self.get_job_display()}: {self.person_id}"
