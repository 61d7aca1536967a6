"""Taxes: rates by place and date, `[starts, ends)`, and where each subscription is taxed, with the evidence.

An invoice's line keeps the rate it was made with.
"""

from __future__ import annotations

from datetime import date
from typing import Self

from django.contrib.postgres.constraints import ExclusionConstraint
from django.contrib.postgres.fields import DateRangeField, RangeBoundary, RangeOperators
from django.db import models
from django.db.models import F, Func, Q
from django.utils.translation import gettext_lazy as _

from billing import places
from billing.models.plans import Price
from billing.models.subscriptions import Subscription


class TaxRateQuerySet(models.QuerySet["TaxRate"]):
    """Questions about rates."""

    def on(self, day: date) -> Self:
        return self.filter(Q(ends=None) | Q(ends__gt=day), starts__lte=day)


class TaxRate(models.Model):
    """What a country takes of a subscription, as a share of the net (0.19). No row means no tax."""

    country = models.CharField(
        max_length=8,
        help_text=_("ISO 3166-1, or with a suffix a part of a country where its tax does not hold: ES-CN."),
    )
    starts = models.DateField()
    ends = models.DateField(null=True, blank=True, help_text=_("The first day on which it does not apply any more."))
    rate = models.DecimalField(max_digits=6, decimal_places=5)

    objects = TaxRateQuerySet.as_manager()

    class Meta:
        constraints = [
            # On each day a country has one rate.
            ExclusionConstraint(
                name="tax_rate_no_overlap",
                expressions=[
                    ("country", RangeOperators.EQUAL),
                    (
                        Func(
                            F("starts"),
                            F("ends"),
                            RangeBoundary(inclusive_lower=True),
                            function="DATERANGE",
                            output_field=DateRangeField(),
                        ),
                        RangeOperators.OVERLAPS,
                    ),
                ],
            ),
            models.CheckConstraint(condition=Q(rate__gte=0, rate__lt=1), name="tax_rate_is_a_share"),
            models.CheckConstraint(
                condition=Q(country__regex=r"^[A-Z]{2}(-[A-Z0-9]{1,5})?$"), name="tax_rate_country_is_iso"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.country} {self.rate * 100:.2f} % from {self.starts}"


class TaxPlaceQuerySet(models.QuerySet["TaxPlace"]):
    """Questions about decisions."""

    def last_of_each(self) -> Self:
        """The last decision of each subscription."""
        return self.order_by("subscription", "-pk").distinct("subscription")


class TaxPlace(models.Model):
    """A decision where a subscription is priced and taxed, with all that was known. Append-only.

    The last one that names a country holds from `effective_at` on. One that names none keeps what held before: the
    evidence did not agree.
    """

    class Cause(models.TextChoices):
        SUBSCRIBED = "subscribed", _("subscribed")
        CARD = "card", _("another card")
        DECLARED = "declared", _("another address")

    subscription = models.ForeignKey(Subscription, on_delete=models.PROTECT, related_name="tax_places")
    declared = models.CharField(
        max_length=2, blank=True, help_text=_("Of the billing address, or else of the account.")
    )
    card = models.CharField(max_length=2, blank=True, help_text=_("Where the card was issued."))
    address = models.CharField(max_length=2, blank=True, help_text=_("Where the request came from."))
    postal_code = models.CharField(max_length=12, blank=True, help_text=_("Of the billing address."))
    country = models.CharField(max_length=2, blank=True, help_text=_("What two of them say; empty if no two agree."))
    territory = models.CharField(max_length=8, blank=True, help_text=_("The part of it with a tax of its own."))
    cause = models.CharField(max_length=10, choices=Cause.choices)
    decided_at = models.DateTimeField()
    effective_at = models.DateTimeField(
        null=True, blank=True, help_text=_("From the boundary then on; empty where it changes nothing.")
    )
    price = models.ForeignKey(
        Price,
        on_delete=models.PROTECT,
        related_name="+",
        null=True,
        blank=True,
        db_index=False,
        help_text=_("What the customer was told to pay there."),
    )

    objects = TaxPlaceQuerySet.as_manager()

    class Meta:
        constraints = [
            # Nobody's country is what a single card or a single connection says.
            models.CheckConstraint(
                condition=Q(country="", territory="")
                | Q(country=F("declared"), declared=F("card"))
                | Q(country=F("declared"), declared=F("address"))
                | Q(country=F("card"), card=F("address"))
                | Q(country=F("declared"), card="", address="")
                | (~Q(postal_code="") & (Q(declared=F("card")) | Q(declared=F("address")) | Q(card="", address=""))),
                name="tax_place_two_agree",
            ),
            models.CheckConstraint(
                condition=Q(territory="") | ~Q(country=""), name="tax_place_territory_is_of_country"
            ),
        ]

    def __str__(self) -> str:
        return self.territory or self.country or "undecided"

    @property
    def place(self) -> places.Place | None:
        """Where to bill; None if the evidence did not agree."""
        return places.Place(self.country, self.territory) if self.country else None
