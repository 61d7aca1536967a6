"""The end of offers of profiles, whoever brings it about: both sides are told, and it is on record.

For `transfers`, and for those who take away what was offered: the deletion of a profile and of an account.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from allauth.account.models import EmailAddress

from accounts.models import ProfileTransfer, User
from accounts.services import audit, notices
from accounts.services.audit import Act, Origin

Outcome = ProfileTransfer.Outcome

_ACTS = {
    Outcome.DECLINED: Act.PROFILE_OFFER_DECLINED,
    Outcome.CANCELLED: Act.PROFILE_OFFER_CANCELLED,
    Outcome.EXPIRED: Act.PROFILE_OFFER_EXPIRED,
}


def withdraw(*, account_id: UUID, now: datetime, origin: Origin, profile_id: UUID | None = None) -> None:
    """Withdraw the offers of an account, or that of one profile; in the caller's transaction, under the account's lock."""
    offers = ProfileTransfer.objects.open().filter(from_account=account_id)
    if profile_id is not None:
        offers = offers.filter(profile=profile_id)
    for offer in offers.locked():
        end(offer, Outcome.CANCELLED, by=offer.from_account, now=now, origin=origin)


def end(offer: ProfileTransfer, outcome: Outcome, *, by: User | None, now: datetime, origin: Origin) -> None:
    """End an offer that is not accepted; in the caller's transaction, which holds its lock.

    `by` is the household that offered, where it is that one's act, and `origin` where that act came from.
    """
    close(offer, outcome, now)
    audit.record(_ACTS[outcome], account_id=offer.from_account_id, by=by, origin=origin, now=now, **described(offer))
    notices.tell(
        offer.from_account,
        "profile_offer_ended",
        now=now,
        profile=offer.profile.name if offer.profile else "",
        to_email=offer.to_email,
        outcome=outcome.value,
    )
    tell_receiver(offer, "profile_offered_to_you_ended", now=now, outcome=outcome.value)


def close(offer: ProfileTransfer, outcome: Outcome, now: datetime) -> None:
    """Note how an offer ended."""
    offer.ended_at, offer.outcome = now, outcome
    offer.save(update_fields=["ended_at", "outcome", "to_account"])


def described(offer: ProfileTransfer) -> dict[str, str]:
    """Answer what the record of either side says of an offer: ids, and nothing of the other side's person."""
    return {"transfer": str(offer.pk), "profile": str(offer.profile_id)}


def tell_receiver(offer: ProfileTransfer, template: str, *, now: datetime, **context: Any) -> None:
    """Mail whoever reads the address of an offer, in their language if an account has it.

    The profile's name is left out: it is text of the sender's choice, and the reader may be anybody.
    """
    known = EmailAddress.objects.filter(email=offer.to_email, verified=True).select_related("user").first()
    reader = known.user if known else offer.from_account
    notices.tell(reader, template, now=now, to=[offer.to_email], from_email=offer.from_account.email, **context)
