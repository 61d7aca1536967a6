"""Which titles of different providers are one and the same, who decided it, and what it takes to undo it."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from catalog.models.people import Person
from catalog.models.titles import Title


class MatchCandidate(models.Model):
    """Two titles that may be one; an editor decides. Certain matches never come here."""

    class State(models.TextChoices):
        OPEN = "open", _("To decide")
        MERGED = "merged", _("The same: merged")
        SEPARATE = "separate", _("Two titles")

    title = models.ForeignKey(Title, models.CASCADE, related_name="+")
    other = models.ForeignKey(Title, models.CASCADE, related_name="+")
    score = models.FloatField(help_text="0 to 1; see rules.resemblance.")
    reasons = ArrayField(models.CharField(max_length=100), default=list, blank=True)
    state = models.CharField(max_length=8, choices=State, default=State.OPEN)
    created_at = models.DateTimeField()
    decided_at = models.DateTimeField(null=True, blank=True)
    decided_by = models.CharField(max_length=100, blank=True)

    class Meta:
        constraints = [
            # The same question twice would be answered twice, perhaps differently.
            models.UniqueConstraint(fields=["title", "other"], name="match_asked_once"),
            models.CheckConstraint(name="match_of_two", condition=~Q(title=F("other"))),
            # A decision of nobody could not be asked about.
            models.CheckConstraint(
                name="match_decided_by_somebody",
                condition=Q(state="open", decided_at__isnull=True, decided_by="")
                | Q(~Q(state="open"), ~Q(decided_by=""), decided_at__isnull=False),
            ),
        ]
        indexes = [
            # The editors' queue, surest first.
            models.Index(F("score").desc(), "id", name="match_queue", condition=Q(state="open")),
        ]

    def __str__(self) -> str:
        return f"{self.title_id} = {self.other_id}?"


class TitleMerge(models.Model):
    """One merge: what went from `merged` to `kept`, so that it can be undone. Rows are never deleted."""

    kept = models.ForeignKey(Title, models.PROTECT, related_name="+")
    merged = models.ForeignKey(Title, models.PROTECT, related_name="+")
    moved = models.JSONField(
        help_text="Ids by table: sources, external_ids, windows, children, parts; and the state before."
    )
    at = models.DateTimeField()
    by = models.CharField(max_length=100, help_text="user:<id>.")
    undone_at = models.DateTimeField(null=True, blank=True)
    undone_by = models.CharField(max_length=100, blank=True)

    class Meta:
        constraints = [
            # A title that was merged twice at once could be un-merged into one place alone.
            models.UniqueConstraint(
                fields=["merged"], name="merge_once_at_a_time", condition=Q(undone_at__isnull=True)
            ),
        ]

    def __str__(self) -> str:
        return f"{self.merged_id} into {self.kept_id}"


class PersonMerge(models.Model):
    """One merge of two people: what went from `merged` to `kept`, so that it can be undone. Rows are never deleted."""

    kept = models.ForeignKey(Person, models.PROTECT, related_name="+")
    merged = models.ForeignKey(Person, models.PROTECT, related_name="+")
    moved = models.JSONField(help_text="Ids of credits and sources; and the credits that both had, which one gave up.")
    at = models.DateTimeField()
    by = models.CharField(max_length=100, help_text="user:<id>.")
    undone_at = models.DateTimeField(null=True, blank=True)
    undone_by = models.CharField(max_length=100, blank=True)

    class Meta:
        constraints = [
            # Somebody who was merged twice at once could be un-merged into one alone.
            models.UniqueConstraint(
                fields=["merged"], name="person_merge_once_at_a_time", condition=Q(undone_at__isnull=True)
            ),
        ]
        verbose_name_plural = "person merges"

    def __str__(self) -> str:
        return f"{self.merged} into {self.kept}"
