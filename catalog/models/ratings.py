"""From which age boards let people watch a title."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from catalog.models.places import validate_country
from catalog.models.titles import Title


class ContentRating(models.Model):
    """What a country's board says about the age of viewers.

    Board and value are as `accounts.maturity` spells them, and `minimum_age` is what it makes of them when the row is
    written; null for a verdict that it does not know, which is as good as none.
    """

    title = models.ForeignKey(Title, models.CASCADE, related_name="ratings", db_index=False)
    country = models.CharField(max_length=2, validators=[validate_country])
    system = models.CharField(max_length=30, help_text=_("The board or scheme: MPAA, TVPG, BBFC, FSK."))
    value = models.CharField(max_length=20, help_text=_("As the board writes it: PG-13, 12A."))
    reasons = ArrayField(models.CharField(max_length=100), default=list, blank=True)
    minimum_age = models.PositiveSmallIntegerField(null=True, blank=True, editable=False)

    class Meta:
        constraints = [
            # Two verdicts of one board would let the milder one through.
            models.UniqueConstraint(fields=["title", "country", "system"], name="content_rating_once_per_system"),
            # A rating of "us" would be nobody's own, and a stricter foreign one would count instead.
            models.CheckConstraint(name="content_rating_country_is_code", condition=Q(country__regex=r"^[A-Z]{2}$")),
        ]

    def __str__(self) -> str:
        return f"{self.country} {self.system} {self.value}"
