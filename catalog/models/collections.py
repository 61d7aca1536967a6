"""Collections of titles, and the rows that place them before viewers.

A collection says which titles; a row says where it stands, in which countries, for whom and when, so that
one collection may stand in two rows. What a viewer may not see is left out when a row is read, not here.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Self

from django.contrib.postgres.fields import ArrayField
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import F, Q
from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _

from catalog import rules
from catalog.membership import RuleInvalid, read_rule
from catalog.models.places import are_country_codes, validate_countries
from catalog.models.titles import Title
from core.ids import new_id

MOST_SHOWN = 500
"""Titles of one collection."""


def validate_names(names: Any) -> None:
    """Refuse what is no name by language."""
    if not isinstance(names, dict) or not names:
        raise ValidationError('Give a name in at least one language: {"en": "Night trains"}.', code="name_missing")
    for language, name in names.items():
        if not isinstance(name, str) or not name.strip() or len(name) > 200:
            raise ValidationError(f"The name in {language!r} must be a text of 1 to 200 characters.", code="bad_name")


def validate_rule(rule: Any) -> None:
    """Refuse what no rule can mean."""
    try:
        read_rule(rule)
    except RuleInvalid as error:
        raise ValidationError(str(error), code="bad_rule") from error


class Collection(models.Model):
    """A set of titles: named one by one, found by a rule, or both, the named ones first."""

    class Kind(models.TextChoices):
        MANUAL = "manual", _("Manual: the titles below")
        RULE = "rule", _("By rule")
        MIXED = "mixed", _("Mixed: the titles below, then by rule")

    class Order(models.TextChoices):
        ADDED = "added", _("Newest in the catalogue first")
        RELEASED = "released", _("Newest release first")
        POPULAR = "popular", _("Most popular first")

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    slug = models.SlugField(max_length=100, unique=True, help_text=_("Its name in addresses."))
    kind = models.CharField(max_length=6, choices=Kind, default=Kind.MANUAL)
    names = models.JSONField(validators=[validate_names], help_text=_('By language (BCP 47): {"en": "Night trains"}.'))
    rule = models.JSONField(
        default=dict, blank=True, validators=[validate_rule], help_text=_("What docs/collections.md says: genres, kinds, ...")
    )  # fmt: skip
    order = models.CharField(
        max_length=8, choices=Order, default=Order.ADDED, help_text=_("Of what the rule finds; named titles keep their own.")
    )  # fmt: skip
    most = models.PositiveSmallIntegerField(default=100, help_text=_("No more titles than this."))
    updated_at = models.DateTimeField(editable=False)

    class Meta:
        constraints = [
            # A rule that nobody reads, or no rule where one is asked for: an empty row on the page.
            models.CheckConstraint(
                name="collection_rule_by_kind", condition=Q(kind="manual", rule={}) | (~Q(kind="manual") & ~Q(rule={}))
            ),
            # A page of a thousand posters is no row.
            models.CheckConstraint(name="collection_most", condition=Q(most__gte=1, most__lte=MOST_SHOWN)),
        ]

    def __str__(self) -> str:
        names: dict[str, str] = self.names if isinstance(self.names, dict) else {}
        # In the language of whoever reads it: every collection is named here, and no delivery names one.
        best = rules.best_language(names, [*filter(None, [get_language()]), "en"])
        return names[best] if best else self.slug

    def clean(self) -> None:
        """Say in words, beside the field, what the constraint refuses."""
        if not 1 <= self.most <= MOST_SHOWN:
            raise ValidationError({"most": _("A collection shows from 1 to %(most)s titles.") % {"most": MOST_SHOWN}})


class CollectionTitle(models.Model):
    """One title that an editor put into a collection, at its place."""

    collection = models.ForeignKey(Collection, models.CASCADE, related_name="members", db_index=False)
    title = models.ForeignKey(Title, models.CASCADE, related_name="+")
    position = models.PositiveSmallIntegerField(help_text=_("0 comes first."))

    class Meta:
        constraints = [
            # A title twice in one row looks like a mistake, and is one.
            models.UniqueConstraint(fields=["collection", "title"], name="collection_title_once"),
        ]
        indexes = [
            # A collection's titles in their order.
            models.Index("collection", "position", "id", name="collection_titles"),
        ]


class RowQuerySet(models.QuerySet["EditorialRow"]):
    def shown(self, country: str, *, is_kids: bool, now: datetime) -> Self:
        """Rows that stand before viewers of `country` at `now`, in their order."""
        audiences = [
            EditorialRow.Audience.EVERYBODY,
            EditorialRow.Audience.KIDS if is_kids else EditorialRow.Audience.ADULTS,
        ]
        return self.filter(
            Q(countries=[])
            | Q(excluded=False, countries__contains=[country])
            | (Q(excluded=True) & ~Q(countries__contains=[country])),
            Q(starts_at__isnull=True) | Q(starts_at__lte=now),
            Q(ends_at__isnull=True) | Q(ends_at__gt=now),
            audience__in=audiences,
        ).order_by("position", "pk")


class EditorialRow(models.Model):
    """A collection placed before viewers: where, for whom, from when until when."""

    class Audience(models.TextChoices):
        EVERYBODY = "everybody", _("Everybody")
        KIDS = "kids", _("Kids profiles")
        ADULTS = "adults", _("All but kids profiles")

    collection = models.ForeignKey(Collection, models.CASCADE, related_name="rows")
    position = models.PositiveSmallIntegerField(default=100, help_text=_("Lower comes first."))
    countries = ArrayField(
        models.CharField(max_length=2), default=list, blank=True, validators=[validate_countries],
        help_text=_("ISO 3166-1 alpha-2; none means the world."),
    )  # fmt: skip
    excluded = models.BooleanField(default=False, help_text=_("The countries are the exceptions, not the places."))
    audience = models.CharField(max_length=9, choices=Audience, default=Audience.EVERYBODY)
    starts_at = models.DateTimeField(null=True, blank=True, help_text=_("UTC; empty: at once."))
    ends_at = models.DateTimeField(null=True, blank=True, help_text=_("UTC; empty: no end."))

    objects = RowQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="row_ends_after_it_starts",
                condition=Q(starts_at__isnull=True) | Q(ends_at__isnull=True) | Q(ends_at__gt=F("starts_at")),
            ),
            # "Everywhere except" without exceptions is a slip.
            models.CheckConstraint(
                name="row_exclusion_names_countries", condition=Q(excluded=False) | ~Q(countries=[])
            ),
            models.CheckConstraint(name="row_countries_are_codes", condition=are_country_codes("countries")),
        ]
        indexes = [
            # The rows of a page, in their order.
            models.Index("position", "id", name="row_order"),
        ]

    def __str__(self) -> str:
        return f"{self.collection} at {self.position}"

    def clean(self) -> None:
        """Say in words, beside the field, what the constraints refuse."""
        if self.starts_at and self.ends_at and self.ends_at <= self.starts_at:
            raise ValidationError({"ends_at": _("It would end before it begins: correct one of the two.")})
        if self.excluded and not self.countries:
            said = _("Name what is excluded, or untick it: the world is said by nothing.")
            raise ValidationError({"countries": said})
