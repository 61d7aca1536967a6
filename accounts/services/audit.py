"""The record of acts upon accounts. See accounts.models.audit for what it is."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from accounts.models import AuditEntry, User

KEPT = timedelta(days=400)
"""How long an entry is kept: long enough to look into a year's abuse. The database refuses to delete younger ones."""

Act = AuditEntry.Act


@dataclass(frozen=True)
class Origin:
    """Where an act came from."""

    address: str | None = None
    place: str = ""
    user_agent: str = ""


NOWHERE = Origin()
"""Of acts that no request asked for."""


def record(
    act: AuditEntry.Act,
    *,
    account_id: UUID | None,
    by: User | None,
    origin: Origin,
    now: datetime,
    **detail: str | int | bool,
) -> None:
    """Append an entry, in the caller's transaction where there is one.

    `by` is the user who is known to act: the owner, or a member of staff; None when that is not proven.
    """
    if by is None:
        actor = AuditEntry.Actor.UNKNOWN
    else:
        actor = AuditEntry.Actor.OWNER if by.pk == account_id else AuditEntry.Actor.STAFF
    AuditEntry.objects.create(
        account_id=account_id,
        act=act,
        actor=actor,
        by_id=by.pk if by else None,
        at=now,
        address=origin.address,
        place=origin.place[:120],
        user_agent=origin.user_agent[:200],
        detail=detail,
    )


def strip(*, account_id: UUID) -> int:
    """Take from an account's entries what tells of the person; acts, times and members of staff stay.

    Answers how many entries told of them.
    """
    entries = AuditEntry.objects.filter(account=account_id)
    told = entries.exclude(address=None, place="", user_agent="", detail={})
    return told.update(address=None, place="", user_agent="", detail={})


def purge(*, now: datetime) -> int:
    """Delete entries that have been kept long enough; answers how many."""
    return AuditEntry.objects.filter(at__lt=now - KEPT).delete()[0]
