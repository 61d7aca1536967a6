"""Images of titles. The bytes lie in Django's default storage; rows say what they are."""

from __future__ import annotations

from datetime import datetime
from typing import Self

from django.contrib.postgres.indexes import HashIndex
from django.db import models
from django.db.models import F, Q, Value
from django.utils.translation import gettext_lazy as _

from catalog.models.places import validate_country
from catalog.models.titles import Title

MAX_ATTEMPTS = 5
TO_FETCH = Q(file="", source__startswith="http")
TO_RESIZE = ~Q(file="") & Q(renditions=[])
TO_DO = (TO_FETCH | TO_RESIZE) & Q(attempts__lt=MAX_ATTEMPTS)


class ArtworkQuerySet(models.QuerySet["Artwork"]):
    def due(self, now: datetime) -> Self:
        """What is to be fetched or resized by `now`, in the order in which it fell due."""
        waited = self.filter(TO_DO).filter(Q(due_at__isnull=True) | Q(due_at__lte=now))
        return waited.order_by(F("due_at").asc(nulls_first=True), "pk")


class Artwork(models.Model):
    """One image of a title.

    A row whose `file` is empty was announced by a feed (`source` is its address or its name in a
    delivery) and has not arrived; it is not shown.
    """

    class Kind(models.TextChoices):
        POSTER = "poster", _("Poster, 2:3")
        BACKDROP = "backdrop", _("Backdrop, 16:9")
        LOGO = "logo", _("Logo, transparent")
        STILL = "still", _("Still, 16:9")

    title = models.ForeignKey(Title, models.CASCADE, related_name="artwork", db_index=False)
    kind = models.CharField(max_length=10, choices=Kind)
    language = models.CharField(
        max_length=20, blank=True, help_text=_("Of words in the image; empty: none, or the same everywhere.")
    )
    region = models.CharField(
        max_length=2,
        db_default="",
        default="",
        blank=True,
        validators=[validate_country],
        help_text=_("The country for which it is made, ISO 3166-1 alpha-2; empty: wherever there is none of its own."),
    )
    position = models.PositiveSmallIntegerField(default=0, help_text=_("0 is shown first."))
    source = models.CharField(max_length=2000, blank=True, editable=False)
    file = models.FileField(blank=True, max_length=255, editable=False)
    width = models.PositiveIntegerField(null=True, blank=True, editable=False)
    height = models.PositiveIntegerField(null=True, blank=True, editable=False)
    focal_x = models.FloatField(default=0.5)
    focal_y = models.FloatField(default=0.5)
    placeholder = models.TextField(
        db_default="",
        default="",
        blank=True,
        editable=False,
        help_text="A tiny picture to show meanwhile: a data URI.",
    )
    renditions = models.JSONField(
        db_default=Value([], models.JSONField()),
        default=list,
        blank=True,
        editable=False,
        help_text='Sizes, smallest first: [{"width": ..., "height": ..., "avif": name, "webp": name}].',
    )
    attempts = models.PositiveSmallIntegerField(
        db_default=0, default=0, editable=False, help_text="How often it was fetched or resized in vain."
    )
    due_at = models.DateTimeField(
        null=True, blank=True, editable=False, help_text="Of the next attempt; empty: at once."
    )
    problem = models.CharField(
        max_length=500,
        db_default="",
        default="",
        blank=True,
        editable=False,
        help_text=_("Why the last attempt failed."),
    )

    objects = ArtworkQuerySet.as_manager()

    class Meta:
        constraints = [
            # Two first posters in one language for one country: caches would show either.
            models.UniqueConstraint(
                fields=["title", "kind", "language", "region", "position"], name="artwork_once_per_place"
            ),
            # An image for "uk" would be shown to nobody.
            models.CheckConstraint(
                name="artwork_region_is_code", condition=Q(region="") | Q(region__regex=r"^[A-Z]{2}$")
            ),
            # A crop around a point outside the image fails on every device.
            models.CheckConstraint(
                name="artwork_focal_point_inside",
                condition=Q(focal_x__gte=0, focal_x__lte=1, focal_y__gte=0, focal_y__lte=1),
            ),
        ]
        indexes = [
            # What has been announced and has not arrived; hashed, since addresses may be longer than an index entry.
            HashIndex("source", name="artwork_awaited", condition=Q(file="")),
            # What is to be fetched or resized next.
            models.Index("due_at", "id", name="artwork_to_do", condition=TO_DO),
        ]

    def __str__(self) -> str:
        return " ".join(filter(None, (self.kind, self.language, self.region)))
