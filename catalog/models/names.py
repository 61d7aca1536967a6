"""What a title is called: names and synopses by language, other names, places in other orders, ids elsewhere."""

from __future__ import annotations

from django.core.exceptions import ValidationError
from django.db import models
from django.utils.translation import gettext_lazy as _

from catalog import rules
from catalog.models.places import refuse_other_than_languages
from catalog.models.titles import Title


class TitleText(models.Model):
    """What a title is called and is about, in one language."""

    title = models.ForeignKey(Title, models.CASCADE, related_name="texts", db_index=False)
    language = models.CharField(max_length=20, help_text=_("BCP 47, with a region where the words differ: pt, pt-BR."))
    name = models.CharField(max_length=500, blank=True)
    synopsis_short = models.CharField(max_length=190, blank=True)
    synopsis_medium = models.CharField(max_length=400, blank=True)
    synopsis_long = models.CharField(max_length=4000, blank=True)

    class Meta:
        constraints = [
            # Two German names of one title: which one is shown would depend on the day.
            models.UniqueConstraint(fields=["title", "language"], name="title_text_once_per_language"),
        ]

    def __str__(self) -> str:
        return f"{self.language}: {self.name}"

    def clean(self) -> None:
        """Refuse what is no language."""
        refuse_other_than_languages("language", self.language)


class AlternateTitle(models.Model):
    """Another name that people may search for; never shown as the title."""

    class Type(models.TextChoices):
        ALTERNATIVE = "alternative", _("Alternative")
        WORKING = "working", _("Working title")
        ABBREVIATION = "abbreviation", _("Abbreviation")
        TRANSLITERATION = "transliteration", _("Transliteration")
        MISSPELLING = "misspelling", _("Misspelling")

    title = models.ForeignKey(Title, models.CASCADE, related_name="alternate_titles", db_index=False)
    name = models.CharField(max_length=500)
    language = models.CharField(max_length=20, blank=True)
    type = models.CharField(max_length=15, choices=Type, default=Type.ALTERNATIVE)

    class Meta:
        constraints = [
            # The same name twice would count twice in the search.
            models.UniqueConstraint(fields=["title", "name", "language"], name="alternate_title_once"),
        ]

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        """Refuse what is no language."""
        refuse_other_than_languages("language", self.language)


class TitleNumber(models.Model):
    """A title's place in an order other than that of release."""

    class Order(models.TextChoices):
        ABSOLUTE = "absolute", _("Absolute")
        PRODUCTION = "production", _("Production")
        CHRONOLOGICAL = "chronological", _("Chronological")
        DISC = "disc", _("Disc")

    title = models.ForeignKey(Title, models.CASCADE, related_name="alternate_numbers", db_index=False)
    order = models.CharField(max_length=15, choices=Order)
    season_number = models.PositiveIntegerField(null=True, blank=True)
    number = models.PositiveIntegerField()

    class Meta:
        constraints = [
            # Two places in one order are no order.
            models.UniqueConstraint(fields=["title", "order"], name="title_number_once_per_order"),
        ]

    def __str__(self) -> str:
        season = "" if self.season_number is None else f"season {self.season_number}, "
        return f"{self.get_order_display()}: {season}{self.number}"


class ExternalId(models.Model):
    """The same title elsewhere: eidr, imdb, wikidata."""

    title = models.ForeignKey(Title, models.CASCADE, related_name="external_ids")
    namespace = models.CharField(max_length=50)
    value = models.CharField(max_length=255)

    class Meta:
        constraints = [
            # One film under two titles: the id would lead to either, by chance.
            models.UniqueConstraint(fields=["namespace", "value"], name="external_id_names_one_title"),
        ]

    def __str__(self) -> str:
        return f"{self.namespace}:{self.value}"

    def clean(self) -> None:
        """Refuse an EIDR that is none: a digit mistyped would link the title to another film."""
        if self.namespace == "eidr" and not rules.is_eidr(self.value):
            raise ValidationError(
                {
                    "value": _(
                        "This is no EIDR: write it whole, as in 10.5240/CF5A-AB7E-A4DB-35FA-BAC5-M, and check its digits."
                    )
                }
            )
