"""The publication log: who made what public, and who took it back.

Rows are appended and never changed; what is public now is `Title.state`.
"""

from __future__ import annotations

from django.db import models
from django.db.models import F
from django.utils.translation import gettext_lazy as _

from catalog.models.titles import Title


class PublicationEntry(models.Model):
    class Action(models.TextChoices):
        PUBLISHED = "published", _("Published")
        WITHDRAWN = "withdrawn", _("Withdrawn")

    title = models.ForeignKey(Title, models.CASCADE, related_name="publication_log", db_index=False)
    action = models.CharField(max_length=10, choices=Action)
    at = models.DateTimeField()
    by = models.CharField(max_length=100, help_text="user:<id>, or provider:<code> where its policy decided.")
    revision = models.PositiveIntegerField(help_text=_("The title's revision that this made or unmade public."))
    reason = models.CharField(max_length=500, blank=True)

    class Meta:
        indexes = [
            # The history on a title's page, newest first.
            models.Index("title", F("id").desc(), name="publication_history"),
        ]
        verbose_name_plural = "publication entries"

    def __str__(self) -> str:
        return f"{self.action} by {self.by}"
