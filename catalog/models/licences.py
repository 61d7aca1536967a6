"""Licences: where, from when, until when and how a title may be offered."""

from __future__ import annotations

from datetime import datetime
from typing import Self

from django.contrib.postgres.fields import ArrayField
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from catalog import rules
from catalog.models.places import are_country_codes, refuse_other_than_languages, validate_countries
from catalog.models.titles import Title


class LicenseType(models.TextChoices):
    """MovieLabs Avails LicenseType."""

    SVOD = "SVOD", _("Subscription")
    AVOD = "AVOD", _("With advertising")
    VOD = "VOD", _("Rental")
    EST = "EST", _("Sale")
    POEST = "POEST", _("Sale before release")


class AvailabilityWindowQuerySet(models.QuerySet["AvailabilityWindow"]):
    def covering(self, country: str) -> Self:
        """Windows that let subscribers of `country` (ISO 3166-1 alpha-2) watch at some time."""
        return self.filter(
            Q(territories=[])
            | Q(excluded=False, territories__contains=[country])
            | (Q(excluded=True) & ~Q(territories__contains=[country])),
            license_type__in=rules.SUBSCRIPTION_LICENCES,
        )

    def open_in(self, country: str, now: datetime) -> Self:
        """Windows that let subscribers of `country` watch at `now`."""
        first, last = rules.local_dates(country, now)
        return self.covering(country).filter(
            Q(starts_at__isnull=True) | Q(starts_at__lte=now),
            Q(starts_on__isnull=True) | Q(starts_on__lte=first),
            Q(ends_at__isnull=True) | Q(ends_at__gt=now),
            Q(ends_on__isnull=True) | Q(ends_on__gt=last),
        )


class AvailabilityWindow(models.Model):
    """One grant. A title is available where and while at least one of its windows allows it.

    The period is [start, end): an instant in `..._at`, or a day in `..._on`, which begins at each
    territory's own midnight. No start: always been open. No end: open.
    """

    title = models.ForeignKey(Title, models.CASCADE, related_name="windows")
    # A plain id: the database writes it, by triggers on this table and on that of titles.
    series_id = models.UUIDField(
        null=True,
        editable=False,
        help_text="The series of its title, kept beside it: all licences of its parts are asked for often.",
    )
    territories = ArrayField(
        models.CharField(max_length=2),
        default=list,
        blank=True,
        validators=[validate_countries],
        help_text=_("ISO 3166-1 alpha-2; none means the world."),
    )
    excluded = models.BooleanField(default=False, help_text=_("The territories are the exceptions, not the places."))
    announce_at = models.DateTimeField(null=True, blank=True)
    announce_on = models.DateField(null=True, blank=True)
    starts_at = models.DateTimeField(null=True, blank=True)
    starts_on = models.DateField(null=True, blank=True)
    ends_at = models.DateTimeField(null=True, blank=True)
    ends_on = models.DateField(null=True, blank=True)
    license_type = models.CharField(max_length=5, choices=LicenseType, default=LicenseType.SVOD)
    languages = ArrayField(models.CharField(max_length=20), default=list, blank=True)
    holdback_languages = ArrayField(models.CharField(max_length=20), default=list, blank=True)
    formats = ArrayField(models.CharField(max_length=10), default=list, blank=True)
    grant_id = models.CharField(
        max_length=255, blank=True, help_text=_("The provider's id of the grant (TransactionID).")
    )
    contract_id = models.CharField(max_length=255, blank=True)
    reporting_id = models.CharField(max_length=255, blank=True)
    # A plain number: ingestion alone writes it, under its run's lock, and a check would cost it speed.
    source_id = models.BigIntegerField(
        null=True,
        editable=False,
        help_text="The SourceRecord that granted it; empty: an editor, or before there were many.",
    )

    objects = AvailabilityWindowQuerySet.as_manager()

    class Meta:
        constraints = [
            # An end before its start is a typing error that would hide the title for ever.
            models.CheckConstraint(
                name="window_ends_after_it_starts",
                condition=(Q(starts_at__isnull=True) | Q(ends_at__isnull=True) | Q(ends_at__gt=F("starts_at")))
                & (Q(starts_on__isnull=True) | Q(ends_on__isnull=True) | Q(ends_on__gt=F("starts_on"))),
            ),
            # An instant and a day for one end: which of them holds?
            models.CheckConstraint(
                name="window_bounds_stated_once",
                condition=(Q(starts_at__isnull=True) | Q(starts_on__isnull=True))
                & (Q(ends_at__isnull=True) | Q(ends_on__isnull=True))
                & (Q(announce_at__isnull=True) | Q(announce_on__isnull=True)),
            ),
            # "Everywhere except" without exceptions is a slip: the world is said by naming nothing.
            models.CheckConstraint(
                name="window_exclusion_names_territories",
                condition=Q(excluded=False) | ~Q(territories=[]),
            ),
            # "us" is no country: an exclusion of it would exclude nobody.
            models.CheckConstraint(name="window_territories_are_codes", condition=are_country_codes("territories")),
        ]
        indexes = [
            # The calendar of what begins and ends; most licences leave most of these open.
            models.Index(bound, name=f"window_{bound}", condition=Q(**{f"{bound}__isnull": False}))
            for bound in ("starts_at", "starts_on", "ends_at", "ends_on")
        ] + [
            # Whether any part of a series may be watched.
            models.Index(fields=["series_id"], name="window_series", condition=Q(series_id__isnull=False)),
        ]

    def __str__(self) -> str:
        return f"{self.license_type} {', '.join(self.territories) or 'world'}"

    def clean(self) -> None:
        """Say in words, beside the field, what the constraints refuse, and what is no language."""
        for name in ("languages", "holdback_languages"):
            refuse_other_than_languages(name, *getattr(self, name), understood=rules.is_licensed_language)
        for bound in ("starts", "ends", "announce"):
            if getattr(self, f"{bound}_at") and getattr(self, f"{bound}_on"):
                raise ValidationError({f"{bound}_on": _("Give it as an instant or as a day, not as both.")})
        for unit in ("at", "on"):
            start, end = getattr(self, f"starts_{unit}"), getattr(self, f"ends_{unit}")
            if start and end and end <= start:
                raise ValidationError({f"ends_{unit}": _("It would end before it begins: correct one of the two.")})
        if self.excluded and not self.territories:
            said = _("Name what is excluded, or untick it: the world is said by nothing.")
            raise ValidationError({"territories": said})
