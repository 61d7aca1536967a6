"""What every table holds about a person, counted: before an erasure, and what is left after it.

It knows no app: it follows the foreign keys that lead to an account or a profile, and columns of that name. So a
table that an erasure forgot shows up here, too.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from uuid import UUID

from django.apps import apps
from django.contrib.admin.models import LogEntry
from django.db import models
from django.db.models import Q

from accounts.models import OutgoingEmail, Profile, ProfileTransfer, User
from accounts.services.accounts import addresses_of
from core import personal_data

PERSON = {User: "account", Profile: "profile"}


@dataclass(frozen=True)
class Person:
    """Whom to look for. Made before an erasure, it finds what the erasure should have found."""

    account_id: UUID
    profile_ids: frozenset[UUID]
    addresses: frozenset[str]


@dataclass(frozen=True)
class Holding:
    """How many rows of a table are about a person, and what becomes of them."""

    model: str
    rows: int
    fate: str
    """Why they outlive the person; empty for what an erasure takes."""


def person(account_id: UUID) -> Person:
    """Answer whom an account is about, as the database knows now."""
    profiles = Profile.objects.filter(account=account_id).values_list("pk", flat=True)
    return Person(account_id, frozenset(profiles), frozenset(addresses_of(account_id)))


def about(somebody: Person) -> list[Holding]:
    """Answer the tables that hold something about a person, by name."""
    reasons = personal_data.reasons_to_keep()
    found = []
    for model in sorted(apps.get_models(include_auto_created=True), key=lambda model: model._meta.label):
        has_table = model._meta.managed and not model._meta.proxy
        condition = _condition(model, somebody) if has_table else None
        rows = model._default_manager.filter(condition).count() if condition is not None else 0
        if rows:
            found.append(Holding(model._meta.label, rows, reasons.get(model._meta.label, "")))
    return found


def _condition(model: type[models.Model], somebody: Person) -> Q | None:
    if model is User:
        return Q(pk=somebody.account_id)
    if model is Profile:
        return Q(pk__in=somebody.profile_ids) | Q(account=somebody.account_id)
    if model is OutgoingEmail:
        return Q(address__in=somebody.addresses)
    if model is ProfileTransfer:
        sides = Q(from_account=somebody.account_id) | Q(to_account=somebody.account_id)
        return sides | Q(to_email__in=somebody.addresses)
    if model is LogEntry:
        return Q(object_id=str(somebody.account_id))
    for lookup, target in _paths(model):
        return Q(**({lookup: somebody.account_id} if target is User else {f"{lookup}__in": somebody.profile_ids}))
    names = {field.name for field in model._meta.fields}
    if "account_id" in names:
        return Q(account_id=somebody.account_id)
    if "profile_id" in names:
        return Q(profile_id__in=somebody.profile_ids)
    return None


def _paths(model: type[models.Model]) -> Iterator[tuple[str, type[models.Model]]]:
    """Yield how foreign keys lead from a table to a person, the shortest way first."""
    waiting = deque([(model, "", frozenset({model}))])
    while waiting:
        here, so_far, seen = waiting.popleft()
        for field in here._meta.fields:
            target = field.related_model
            if not isinstance(target, type) or target in seen:
                continue
            lookup = f"{so_far}{field.name}"
            if target in PERSON:
                yield lookup, target
            else:
                waiting.append((target, f"{lookup}__", seen | {target}))
