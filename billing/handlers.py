"""What billing does when something happens to an account."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from accounts.events import AccountDeletionCancelled, AccountDeletionRequested
from billing.services import leaving
from core.outbox import subscribe


@subscribe(AccountDeletionRequested, name="billing.stop_charging")
def stop_charging(event: AccountDeletionRequested, *, now: datetime) -> None:
    """Cancel the subscription: who leaves is not charged again."""
    leaving.stop(account_id=UUID(event.account_id), now=now)


@subscribe(AccountDeletionCancelled, name="billing.resume_charging")
def resume_charging(event: AccountDeletionCancelled, *, now: datetime) -> None:
    """Let the subscription go on for who stays."""
    leaving.resume(account_id=UUID(event.account_id), now=now)
