"""Tax rates: facts by country and date, `[starts, ends)`. An invoice's line keeps the rate it was made with."""

from __future__ import annotations

from datetime import date
from typing import Self

from django.contrib.postgres.constraints import ExclusionConstraint
from django.contrib.postgres.fields import DateRangeField, RangeBoundary, RangeOperators
from django.db import models
from django.db.models import F, Func, Q


class TaxRateQuerySet(models.QuerySet["TaxRate"]):
    """Questions about rates."""

    def on(self, day: date) -> Self:
        return self.filter(Q(ends=None) | Q(ends__gt=day), starts__lte=day)


class TaxRate(models.Model):
    """What a country takes of a subscription, as a share of the net (0.19). No row means no tax."""

    country = models.CharField(max_length=2, help_text="ISO 3166-1.")
    starts = models.DateField()
    ends = models.DateField(null=True, blank=True, help_text="The first day on which it does not apply any more.")
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
            models.CheckConstraint(condition=Q(country__regex=r"^[A-Z]{2}$"), name="tax_rate_country_is_iso"),
        ]

    def __str__(self) -> str:
        return f"{self.country} {self.rate * 100:.2f} % from {self.starts}"
