"""Licences, as editors grant them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction

from catalog.models import Review
from catalog.selectors.revisions import snapshot
from catalog.services import editing, reviews, titles
from core.errors import DomainError


class LicenceExists(DomainError):
    code = "licence_exists"
    title = "The title has this licence already."


def grant(*, title_id: UUID, window: Mapping[str, Any], by: str, now: datetime, may_publish: bool) -> Review | None:
    """Add a licence, columns of AvailabilityWindow, to those of a title; deliveries leave all of them alone from then on.

    Of a public title, for whoever may not publish, it waits for a review, which is the answer. Raises LicenceExists
    and what `reviews.change` raises.
    """
    with transaction.atomic():
        titles.changeable(title_id)
        present = editing.read({"fields": {}, "parts": {"windows": snapshot(title_id)["parts"]["windows"]}})
        rows = present["parts"]["windows"]
        if any(all(row.get(name) == value for name, value in window.items()) for row in rows):
            raise LicenceExists
        return reviews.change(
            title_id=title_id, fields={}, parts={"windows": [*rows, dict(window)]}, by=by, now=now,
            may_publish=may_publish,
        )  # fmt: skip
