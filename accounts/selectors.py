"""Reads."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from django.db.models import OuterRef, QuerySet, Subquery

from accounts.models import (
    AccountDeletion,
    AuditEntry,
    Consent,
    DataExport,
    Device,
    DeviceRegistration,
    OutgoingEmail,
    Pin,
    PolicyDocument,
    Profile,
    ProfileTransfer,
    Recovery,
    User,
)

PERSONS = frozenset({"account", "staff", "user"})
"""What an actor begins with that is a person."""


def names_of(actors: Iterable[str]) -> dict[str, str]:
    """Answer for each actor, such as `staff:<id>`, the address of that person; or the actor itself: `system`."""
    asked = set(actors)
    ids: dict[UUID, list[str]] = {}
    for one in asked:
        kind, _, value = one.partition(":")
        if kind in PERSONS:
            try:
                ids.setdefault(UUID(value), []).append(one)
            except ValueError:
                continue
    found = dict(User.objects.filter(pk__in=ids).values_list("pk", "email")) if ids else {}
    return {one: one for one in asked} | {one: email for pk, email in found.items() for one in ids[pk]}


def profiles_of(account_id: UUID) -> QuerySet[Profile]:
    """Answer a household's profiles, oldest first."""
    return Profile.objects.filter(account_id=account_id).order_by("created_at", "pk")


def has_master_pin(account_id: UUID) -> bool:
    """Answer whether a PIN guards the limits of a household's profiles."""
    return Pin.objects.master().filter(account=account_id).exists()


def guarded_profiles(account_id: UUID) -> frozenset[UUID]:
    """Answer which of a household's profiles are entered with a PIN of their own."""
    own = Pin.objects.filter(account=account_id, profile__isnull=False)
    return frozenset(own.values_list("profile", flat=True))


def devices_of(account_id: UUID) -> QuerySet[Device]:
    """Answer what is signed in to an account or holds a place of its plan, last used first."""
    held = DeviceRegistration.objects.filter(device=OuterRef("pk"), ended_at__isnull=True)
    return (
        Device.objects.of_account(account_id)
        .listed()
        .annotate(registered_at=Subquery(held.values("registered_at")))
        .select_related("session")
        .order_by("-last_seen_at", "pk")
    )


def activity_of(account_id: UUID) -> QuerySet[AuditEntry]:
    """Answer what was done to an account, and tried."""
    return AuditEntry.objects.filter(account=account_id)


def due_mail(*, now: datetime, limit: int) -> list[UUID]:
    """Answer mail that should have been sent by now, longest waiting first."""
    return list(OutgoingEmail.objects.due(now).order_by("next_attempt_at").values_list("pk", flat=True)[:limit])


def deletion_of(account_id: UUID) -> AccountDeletion | None:
    """Answer the deletion of an account that is under way."""
    return AccountDeletion.objects.open().filter(account=account_id).first()


def due_deletions(*, now: datetime, limit: int) -> list[UUID]:
    """Answer deletions whose accounts are to be erased, longest waiting first."""
    due = AccountDeletion.objects.due(now).order_by("next_try_at")
    return list(due.values_list("pk", flat=True)[:limit])


def exports_of(account_id: UUID) -> QuerySet[DataExport]:
    """Answer the exports of an account that are there."""
    return DataExport.objects.filter(account=account_id)


def due_exports(*, now: datetime, limit: int) -> list[UUID]:
    """Answer exports that should be under way, longest waiting first."""
    return list(DataExport.objects.due(now).order_by("next_try_at").values_list("pk", flat=True)[:limit])


def recovery_of(account_id: UUID) -> Recovery | None:
    """Answer the recovery of an account that is under way."""
    return Recovery.objects.open().filter(account=account_id).first()


def recoveries_awaiting_code(*, now: datetime, limit: int) -> list[UUID]:
    """Answer recoveries whose delay is over and whose code is to be mailed."""
    return list(Recovery.objects.awaiting_code(now).order_by("effective_at").values_list("pk", flat=True)[:limit])


def transfers_of(account_id: UUID) -> QuerySet[ProfileTransfer]:
    """Answer the transfers of profiles that an account made or received."""
    return ProfileTransfer.objects.known_to(account_id).select_related("profile", "from_account")


def due_transfers(*, now: datetime, limit: int) -> list[UUID]:
    """Answer offers of profiles that nobody answered in time, longest waiting first."""
    return list(ProfileTransfer.objects.due(now).order_by("expires_at").values_list("pk", flat=True)[:limit])


def current_documents(*, now: datetime) -> QuerySet[PolicyDocument]:
    """Answer the version of each policy that holds now, by kind."""
    return PolicyDocument.objects.current(now)


def documents_for(account_id: UUID, *, now: datetime) -> QuerySet[PolicyDocument]:
    """Answer the documents that hold now, each with `given_at`: when the account agreed to that version, or None."""
    given = Consent.objects.filter(account=account_id, document=OuterRef("pk"), withdrawn_at__isnull=True)
    return current_documents(now=now).annotate(given_at=Subquery(given.values("given_at")))
