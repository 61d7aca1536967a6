"""Ages of stored ratings, when the table of `accounts.maturity` has changed since they were written."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction
from django.db.models import F

from accounts import maturity
from catalog.models import ContentRating, Title
from catalog.services import kept

BATCH = 1000
"""Ratings of one transaction: few enough that no editor waits for their titles."""


def apply_table(*, now: datetime) -> int:
    """Give each stored rating the age that the table has for it now; answer how many had another.

    In batches, each committed by itself, so that a run that was killed is simply run again. What the table does not
    know keeps the age it has: to forget one would show a title to more people than before.
    """
    written = ContentRating.objects.order_by().values_list("country", "system", "value", "minimum_age").distinct()
    changed = 0
    for country, system, value, age in list(written):
        found = maturity.verdict(system, value, country)
        if found is not None and found.minimum_age != age:
            same = ContentRating.objects.filter(country=country, system=system, value=value, minimum_age=age)
            while done := _correct([*same.order_by("pk")[:BATCH]], found.minimum_age, now):
                changed += done
    return changed


def _correct(ratings: list[ContentRating], age: int | None, now: datetime) -> int:
    with transaction.atomic():
        # Titles first, as everybody does who writes their parts.
        titles = Title.objects.filter(pk__in=[rating.title_id for rating in ratings])
        ids = [title.pk for title in titles.only("pk").locked()]
        done = ContentRating.objects.filter(pk__in=[rating.pk for rating in ratings]).update(minimum_age=age)
        Title.objects.filter(pk__in=ids).update(revision=F("revision") + 1, updated_at=now)
        kept.changed()
    return done
