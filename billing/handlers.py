"""What billing does when something happens to an account."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from accounts.events import AccountCountryChanged, AccountDeletionCancelled, AccountDeletionRequested
from billing.models import TaxPlace
from billing.services import leaving, moving
from core.outbox import subscribe


@subscribe(AccountDeletionRequested, name="billing.stop_charging")
def stop_charging(event: AccountDeletionRequested, *, now: datetime) -> None:
    """Cancel the subscription: who leaves is not charged again."""
    leaving.stop(account_id=UUID(event.account_id), now=now)


@subscribe(AccountDeletionCancelled, name="billing.resume_charging")
def resume_charging(event: AccountDeletionCancelled, *, now: datetime) -> None:
    """Let the subscription go on for who stays."""
    leaving.resume(account_id=UUID(event.account_id), now=now)


@subscribe(AccountCountryChanged, name="billing.review_country")
def review_country(event: AccountCountryChanged, *, now: datetime) -> None:
    """Decide again where the subscription is priced and taxed."""
    moving.review(account_id=UUID(event.account_id), cause=TaxPlace.Cause.DECLARED, now=now)
