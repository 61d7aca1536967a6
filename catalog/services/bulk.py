"""One act upon many titles, each in a transaction of its own: what one of them refuses is done to the others."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from catalog.models import Review
from catalog.services import licensing, publication, reviews, scheduling
from core.errors import DomainError


@dataclass
class Outcome:
    """How many titles it was done to, for how many it waits for a review, and why it was refused by others."""

    done: int = 0
    waiting: int = 0
    refused: dict[UUID, DomainError] = field(default_factory=dict)


def publish(*, title_ids: Iterable[UUID], by: str, now: datetime, reason: str = "") -> Outcome:
    """Make titles public."""
    return _each(title_ids, lambda one: publication.publish(title_id=one, by=by, now=now, reason=reason))


def withdraw(*, title_ids: Iterable[UUID], by: str, now: datetime, reason: str = "") -> Outcome:
    """Take titles back."""
    return _each(title_ids, lambda one: publication.withdraw(title_id=one, by=by, now=now, reason=reason))


def plan(*, title_ids: Iterable[UUID], action: str, at: datetime, by: str, now: datetime, reason: str = "") -> Outcome:
    """Have titles published, or withdrawn, at an instant."""
    return _each(
        title_ids,
        lambda one: scheduling.plan(title_id=one, action=action, at=at, by=by, now=now, reason=reason),
    )


def ask_for_review(*, title_ids: Iterable[UUID], by: str, now: datetime, note: str = "") -> Outcome:
    """Ask that drafts become public."""
    return _each(title_ids, lambda one: reviews.request(title_id=one, by=by, now=now, note=note))


def license_(
    *, title_ids: Iterable[UUID], window: Mapping[str, Any], by: str, now: datetime, may_publish: bool
) -> Outcome:
    """Add one licence to titles, beside those that they have."""
    return _each(
        title_ids,
        lambda one: licensing.grant(title_id=one, window=window, by=by, now=now, may_publish=may_publish),
    )


def _each(title_ids: Iterable[UUID], act: Callable[[UUID], object]) -> Outcome:
    outcome = Outcome()
    for title_id in title_ids:
        try:
            made = act(title_id)
        except DomainError as error:
            outcome.refused[title_id] = error
        else:
            if isinstance(made, Review):
                outcome.waiting += 1
            else:
                outcome.done += 1
    return outcome
