"""When the service was not there: what customers are not charged for when billing catches up.

Staff enter them. No row means that the service was available, whatever happened to billing.
"""

from __future__ import annotations

from datetime import datetime
from typing import Self

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from core.ids import new_id


class OutageQuerySet(models.QuerySet["Outage"]):
    """Questions about outages."""

    def reaching_into(self, start: datetime, end: datetime) -> Self:
        return self.filter(Q(ends_at=None) | Q(ends_at__gt=start), starts_at__lt=end)


class Outage(models.Model):
    """A stretch `[starts_at, ends_at)` without service, everywhere or in one country; open while it lasts."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField(null=True, blank=True, help_text=_("Empty while it lasts: nobody there is billed."))
    country = models.CharField(max_length=2, blank=True, help_text=_("ISO 3166-1; empty means everywhere."))
    reason = models.CharField(max_length=200)
    by = models.CharField(max_length=100, editable=False, help_text=_("Who entered or changed it last: staff:<id>."))
    created_at = models.DateTimeField(editable=False)

    objects = OutageQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(ends_at=None) | Q(ends_at__gt=F("starts_at")), name="outage_not_empty"),
            models.CheckConstraint(condition=Q(country__regex=r"^([A-Z]{2})?$"), name="outage_country_is_iso"),
            # Somebody must be able to say why a month was given away.
            models.CheckConstraint(condition=~Q(reason="") & ~Q(by=""), name="outage_says_why_and_who"),
        ]

    def __str__(self) -> str:
        end = f"{self.ends_at:%Y-%m-%d %H:%M}" if self.ends_at else "..."
        times = {"start": f"{self.starts_at:%Y-%m-%d %H:%M}", "end": end}
        return f"{self.country or gettext('everywhere')}, {gettext('%(start)s to %(end)s') % times}"
