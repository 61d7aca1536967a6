"""Saying when the service was not there."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar
from uuid import UUID

from django.db import transaction

from billing.models import Outage
from core.errors import DomainError


class OutageEndsBeforeItStarts(DomainError):
    """An outage that lasts no time."""

    code: ClassVar[str] = "outage_ends_before_it_starts"
    title: ClassVar[str] = "An outage ends after it starts."
    status: ClassVar[int] = 400


@transaction.atomic
def record(
    *,
    starts_at: datetime,
    ends_at: datetime | None,
    country: str,
    reason: str,
    by: str,
    now: datetime,
    outage_id: UUID | None = None,
) -> Outage:
    """Record an outage, or correct the one of `outage_id`; what was billed before stays billed.

    Raises OutageEndsBeforeItStarts.
    """
    if ends_at is not None and ends_at <= starts_at:
        raise OutageEndsBeforeItStarts
    said = {"starts_at": starts_at, "ends_at": ends_at, "country": country, "reason": reason, "by": by}
    if outage_id is None:
        return Outage.objects.create(**said, created_at=now)
    outage = Outage.objects.select_for_update().get(pk=outage_id)
    for name, value in said.items():
        setattr(outage, name, value)
    outage.save(update_fields=list(said))
    return outage
