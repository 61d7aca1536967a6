"""Leaving: asked for, taken back within a grace period, and carried out app by app.

An erasure may be killed anywhere and goes on where it stopped: see core.personal_data. Until every app is
ready nothing is erased and the account works; from then on nobody signs in to it.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.db import transaction

from accounts.events import AccountDeletionCancelled, AccountDeletionRequested, AccountErased
from accounts.models import AccountDeletion, ErasureStep, User
from accounts.services import audit, notices, offers, sessions
from accounts.services.audit import Act, Origin
from core import outbox, personal_data
from core.errors import DomainError

LEASE = timedelta(minutes=10)
"""How long one worker has an erasure to itself."""
ASK_AGAIN = timedelta(hours=1)
"""How long an erasure that must wait is left alone."""


class DeletionNotRequested(DomainError):
    """Nobody asked for this account to be deleted, or it was taken back."""

    code = "deletion_not_requested"
    title = "No deletion of this account is under way."
    status = 404


class DeletionUnderWay(DomainError):
    """The grace period is over and the erasure has begun."""

    code = "deletion_under_way"
    title = "The account is being erased; this cannot be taken back any more."


class StaffCannotLeave(DomainError):
    """Whoever works here is no customer: their rights are taken away first."""

    code = "staff_cannot_leave"
    title = "Accounts of staff are not deleted here; take their rights away first."


def request(*, account_id: UUID, by: User, now: datetime, origin: Origin) -> AccountDeletion:
    """Ask for an account to be deleted once its grace is over; asked again, the first request stands.

    Whoever bills the account stops at once (AccountDeletionRequested), and profiles that it offers to others are
    offered no more. Raises StaffCannotLeave.
    """
    with transaction.atomic():
        account = User.objects.locked().get(pk=account_id)
        if account.is_staff:
            raise StaffCannotLeave
        known = AccountDeletion.objects.open().filter(account=account).first()
        if known is not None:
            return known
        erase_at = now + timedelta(days=settings.ACCOUNT_DELETION_GRACE_DAYS)
        deletion = AccountDeletion.objects.create(
            account=account, requested_at=now, erase_at=erase_at, next_try_at=erase_at
        )
        offers.withdraw(account_id=account_id, now=now, origin=origin)
        audit.record(Act.DELETION_REQUESTED, account_id=account_id, by=by, origin=origin, now=now)
        outbox.publish(AccountDeletionRequested(str(account_id)), aggregate=f"account:{account_id}", now=now)
        notices.tell(
            account,
            "deletion_requested",
            now=now,
            to=notices.verified_addresses(account),
            timestamp=erase_at.isoformat(),
        )
        return deletion


def cancel(*, account_id: UUID, by: User, now: datetime, origin: Origin) -> None:
    """Take a deletion back. Raises DeletionNotRequested, DeletionUnderWay."""
    with transaction.atomic():
        account = User.objects.locked().get(pk=account_id)
        deletion = AccountDeletion.objects.open().filter(account=account).locked().first()
        if deletion is None:
            raise DeletionNotRequested
        if deletion.started_at is not None:
            raise DeletionUnderWay
        deletion.cancelled_at = now
        deletion.save(update_fields=["cancelled_at"])
        audit.record(Act.DELETION_CANCELLED, account_id=account_id, by=by, origin=origin, now=now)
        outbox.publish(AccountDeletionCancelled(str(account_id)), aggregate=f"account:{account_id}", now=now)
        notices.tell(account, "deletion_cancelled", now=now)


def carry_out(*, deletion_id: UUID, now: datetime) -> bool:
    """Erase an account whose grace is over, and answer whether that is done.

    Does nothing when another worker has it or it was taken back. When an app must wait, says so in the row
    and is due again in an hour. Killed anywhere, it goes on with the app where it was.
    """
    account_id = _claim(deletion_id, now=now)
    if account_id is None:
        return False
    try:
        if not _begin(deletion_id, account_id, now=now):
            return False
        done = set(
            ErasureStep.objects.filter(deletion=deletion_id, done_at__isnull=False).values_list(
                "contributor", flat=True
            )
        )
        walk = personal_data.erase(account_id=account_id, now=now, tally=_tally_of(deletion_id, now), done=done)
        for contributor in walk:
            ErasureStep.objects.filter(deletion=deletion_id, contributor=contributor).update(done_at=now)
    except DomainError as reason:
        _wait(deletion_id, reason, now=now)
        return False
    _finish(deletion_id, account_id, now=now)
    return True


def _claim(deletion_id: UUID, *, now: datetime) -> UUID | None:
    """Take an erasure for ourselves; None when it is not due, or somebody has it."""
    if not AccountDeletion.objects.due(now).filter(pk=deletion_id).update(next_try_at=now + LEASE):
        return None
    return AccountDeletion.objects.values_list("account_id", flat=True).get(pk=deletion_id)


def _begin(deletion_id: UUID, account_id: UUID, *, now: datetime) -> bool:
    """Shut the account, once every app is ready; answers False when the owner was quicker to take it back."""
    if AccountDeletion.objects.filter(pk=deletion_id, started_at__isnull=False).exists():
        return True
    hindrance = personal_data.hindrance(account_id=account_id)
    if hindrance is not None:
        raise hindrance
    with transaction.atomic():
        account = User.objects.locked().get(pk=account_id)
        deletion = AccountDeletion.objects.open().filter(pk=deletion_id).locked().first()
        if deletion is None:
            return False
        deletion.started_at, deletion.waits_for = now, ""
        deletion.farewell_to, deletion.farewell_language = account.email, account.language
        deletion.save(update_fields=["started_at", "waits_for", "farewell_to", "farewell_language"])
        account.is_active = False
        account.save(update_fields=["is_active"])
        sessions.end(account_id=account_id, now=now)
        return True


def _tally_of(deletion_id: UUID, now: datetime) -> Callable[[str], personal_data.Tally]:
    def tally_of(contributor: str) -> personal_data.Tally:
        ErasureStep.objects.get_or_create(
            deletion_id=deletion_id, contributor=contributor, defaults={"started_at": now}
        )

        def tally(model: str, rows: int) -> None:
            if rows:
                step = ErasureStep.objects.select_for_update().get(deletion=deletion_id, contributor=contributor)
                step.rows[model] = step.rows.get(model, 0) + rows
                step.save(update_fields=["rows"])

        return tally

    return tally_of


def _wait(deletion_id: UUID, reason: DomainError, *, now: datetime) -> None:
    AccountDeletion.objects.filter(pk=deletion_id).update(waits_for=reason.code, next_try_at=now + ASK_AGAIN)


def _finish(deletion_id: UUID, account_id: UUID, *, now: datetime) -> None:
    with transaction.atomic():
        account = User.objects.locked().get(pk=account_id)
        deletion = AccountDeletion.objects.open().filter(pk=deletion_id).locked().first()
        if deletion is None:
            return  # another worker was quicker
        account.language = deletion.farewell_language
        notices.tell(account, "account_erased", now=now, to=[deletion.farewell_to], forgets_address=True)
        deletion.erased_at = now
        deletion.waits_for = deletion.farewell_to = deletion.farewell_language = ""
        deletion.save(update_fields=["erased_at", "waits_for", "farewell_to", "farewell_language"])
        audit.record(Act.ERASED, account_id=account_id, by=None, origin=audit.NOWHERE, now=now)
        outbox.publish(AccountErased(str(account_id)), aggregate=f"account:{account_id}", now=now)
