"""A profile moves to another household, with all that hangs on its id, once both sides have said so.

It is offered to an e-mail address. What the offer answers, and the mail that goes out, are the same whether or not an
account has that address: whoever proves to read it may accept. Whoever moves a profile locks both accounts, in the
order in which everybody locks accounts, then the profile, then the offer; so of two acts at once one sees the other.
The callers have made sure that both sides proved a moment ago to be the owners.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from allauth.account.models import EmailAddress
from django.db import transaction

from accounts import rules
from accounts.models import AccountDeletion, Profile, ProfileTransfer, User
from accounts.services import audit, notices, offers, pins, profiles, sessions
from accounts.services.audit import Act, Origin
from core.errors import DomainError

TIME_TO_ANSWER = timedelta(days=7)
OFFERS_A_DAY = 10
"""What an account may offer within 24 hours: each sends mail to an address of its choice."""
KEPT = timedelta(days=30)
"""How long both sides can see how an offer ended."""

Outcome = ProfileTransfer.Outcome


class TransferNotFound(DomainError):
    """No such transfer that this account made or received."""

    code = "transfer_not_found"
    title = "There is no such transfer of a profile for this account."
    status = 404


class TransferEnded(DomainError):
    """Somebody was quicker: the offer was answered or withdrawn, or has expired."""

    code = "transfer_ended"
    title = "This offer was accepted, declined or withdrawn, or has expired."


class TransferOpen(DomainError):
    """A profile is offered to one address at a time."""

    code = "transfer_open"
    title = "This profile is being offered already; withdraw that offer first."


class TransferToSelf(DomainError):
    """The address is the account's own."""

    code = "transfer_to_self"
    title = "This is an address of your own account; give that of another."
    status = 422


class TransferUnavailable(DomainError):
    """The household that offered cannot give the profile away now: it is suspended, is leaving, or has no other adult."""

    code = "transfer_unavailable"
    title = "This profile cannot be handed over now; ask whoever offered it to you."


class TooManyTransfers(DomainError):
    """The account offered profiles too often; `retry_after` says how many seconds to wait."""

    code = "too_many_transfers"
    title = "Profiles were offered too often today; wait before the next offer."
    status = 429


class AccountLeaving(DomainError):
    """An account whose deletion was asked for neither gives nor takes profiles."""

    code = "account_leaving"
    title = "The deletion of your account is under way; take it back first."


def offer(*, account_id: UUID, profile_id: UUID, email: str, now: datetime, origin: Origin) -> ProfileTransfer:
    """Offer a profile to whoever reads an address.

    Raises ProfileNotFound, AdultProfileRequired (the last adult's stays), TransferOpen, TransferToSelf,
    TooManyTransfers, AccountLeaving, and SessionUnknown when the account was suspended meanwhile.
    """
    address = rules.canonical_email(email)
    with transaction.atomic():
        profile = pins.locked(account_id, profile_id)
        account = profile.account
        _require_staying(account)
        if address == account.email or EmailAddress.objects.filter(user=account, email=address).exists():
            raise TransferToSelf
        if not profile.is_kids:
            profiles.require_adult(account, besides=profile)
        known = ProfileTransfer.objects.open().filter(profile=profile).locked().first()
        if known is not None and known.expires_at > now:
            raise TransferOpen
        if known is not None:
            offers.end(known, Outcome.EXPIRED, by=None, now=now, origin=audit.NOWHERE)
        _require_patience(account, now)
        made = ProfileTransfer.objects.create(
            profile=profile, from_account=account, to_email=address, offered_at=now, expires_at=now + TIME_TO_ANSWER
        )
        audit.record(
            Act.PROFILE_OFFERED, account_id=account_id, by=account, origin=origin, now=now, **offers.described(made)
        )
        notices.tell(
            account,
            "profile_offered",
            now=now,
            profile=profile.name,
            to_email=address,
            days=TIME_TO_ANSWER.days,
            timestamp=now.isoformat(),
            ip=origin.address or "",
            user_agent=origin.user_agent[:200],
        )
        offers.tell_receiver(made, "profile_offered_to_you", now=now, timestamp=made.expires_at.isoformat())
        return made


def cancel(*, account_id: UUID, transfer_id: UUID, now: datetime, origin: Origin) -> None:
    """Withdraw an offer, as the household that made it. Raises TransferNotFound, TransferEnded."""
    with transaction.atomic():
        account = User.objects.locked().get(pk=account_id)
        made = ProfileTransfer.objects.filter(from_account=account, pk=transfer_id).locked().first()
        if made is None:
            raise TransferNotFound
        _require_open(made, now)
        offers.end(made, Outcome.CANCELLED, by=account, now=now, origin=origin)


def decline(*, account_id: UUID, transfer_id: UUID, now: datetime, origin: Origin) -> None:
    """Refuse an offer, as whoever reads its address. Raises TransferNotFound, TransferEnded."""
    with transaction.atomic():
        received, account, _ = _received(account_id, transfer_id)
        _require_open(received, now)
        received.to_account = account
        audit.record(
            Act.PROFILE_OFFER_DECLINED,
            account_id=account_id,
            by=account,
            origin=origin,
            now=now,
            **offers.described(received),
        )
        offers.end(received, Outcome.DECLINED, by=None, now=now, origin=audit.NOWHERE)


def accept(
    *,
    account_id: UUID,
    transfer_id: UUID,
    now: datetime,
    origin: Origin,
    name: str | None = None,
    master_pin: str | None = None,
) -> Profile:
    """Take a profile in that was offered, as whoever reads the offer's address; under another `name` if one is given.

    Raises TransferNotFound, TransferEnded, TransferUnavailable, AccountLeaving, TooManyProfiles, ProfileNameTaken,
    AdultProfileRequired (a kids profile needs an adult's beside it), and of a household with a master PIN what
    `pins.refusal_of` answers; SessionUnknown when the account was suspended meanwhile.
    """
    with transaction.atomic():
        received, account, giver = _received(account_id, transfer_id)
        _require_open(received, now)
        _require_staying(account)
        profile = _given(received, giver)
        profiles.require_room(account)
        if profile.is_kids:
            profiles.require_adult(account)
        refusal = pins.refusal_of(account_id, None, master_pin, origin=origin, now=now)
        if refusal is None:
            _hand_over(received, profile, giver, account, name=name, now=now, origin=origin)
    if refusal:
        raise refusal
    return profile


def expire(*, transfer_id: UUID, now: datetime) -> bool:
    """End an offer that nobody answered in time; answers whether it was due."""
    known = ProfileTransfer.objects.due(now).filter(pk=transfer_id).first()
    if known is None:
        return False
    with transaction.atomic():
        User.objects.locked().get(pk=known.from_account_id)
        due = ProfileTransfer.objects.due(now).filter(pk=transfer_id).locked().first()
        if due is None:
            return False
        offers.end(due, Outcome.EXPIRED, by=None, now=now, origin=audit.NOWHERE)
        return True


def purge(*, now: datetime) -> int:
    """Delete transfers that ended long enough ago; answers how many."""
    return ProfileTransfer.objects.filter(ended_at__lt=now - KEPT).delete()[0]


def _received(account_id: UUID, transfer_id: UUID) -> tuple[ProfileTransfer, User, User]:
    """Lock both accounts, the profile and the offer; answer the offer, who received it and who made it."""
    mine = ProfileTransfer.objects.received_by(account_id).exclude(from_account=account_id)
    known = mine.filter(pk=transfer_id).first()
    if known is None:
        raise TransferNotFound
    households = {each.pk: each for each in User.objects.locked().filter(pk__in=[account_id, known.from_account_id])}
    list(Profile.objects.locked().filter(transfers=known.pk))
    received = ProfileTransfer.objects.received_by(account_id).filter(pk=transfer_id).locked().first()
    if received is None:
        raise TransferNotFound
    return received, households[account_id], households[known.from_account_id]


def _given(received: ProfileTransfer, giver: User) -> Profile:
    """Answer the profile, if the household that offered it may still give it. Raises TransferUnavailable."""
    profile = Profile.objects.of_account(giver).filter(transfers=received.pk).first()
    if profile is None or not giver.is_active or _is_leaving(giver):
        raise TransferUnavailable
    adults = Profile.objects.of_account(giver).adults()
    if not profile.is_kids and not adults.exclude(pk=profile.pk).exists():
        raise TransferUnavailable
    return profile


def _hand_over(
    received: ProfileTransfer,
    profile: Profile,
    giver: User,
    account: User,
    *,
    name: str | None,
    now: datetime,
    origin: Origin,
) -> None:
    before = profile.name
    profiles.move(profile, to=account, name=name, now=now)
    received.to_account = account
    offers.close(received, Outcome.ACCEPTED, now)
    described = offers.described(received)
    # Where the receiver acted is nothing that the giver learns.
    audit.record(Act.PROFILE_GIVEN, account_id=giver.pk, by=giver, origin=audit.NOWHERE, now=now, **described)
    audit.record(Act.PROFILE_RECEIVED, account_id=account.pk, by=account, origin=origin, now=now, **described)
    notices.tell(giver, "profile_given", now=now, profile=before, to_email=received.to_email)
    notices.tell(
        account,
        "profile_received",
        now=now,
        profile=profile.name,
        from_email=giver.email,
        timestamp=now.isoformat(),
        ip=origin.address or "",
        user_agent=origin.user_agent[:200],
    )


def _require_open(known: ProfileTransfer, now: datetime) -> None:
    if known.ended_at is not None or known.expires_at <= now:
        raise TransferEnded


def _require_staying(account: User) -> None:
    if not account.is_active:
        raise sessions.SessionUnknown
    if _is_leaving(account):
        raise AccountLeaving


def _is_leaving(account: User) -> bool:
    return AccountDeletion.objects.open().filter(account=account).exists()


def _require_patience(account: User, now: datetime) -> None:
    lately = ProfileTransfer.objects.filter(from_account=account, offered_at__gt=now - timedelta(days=1))
    times = list(lately.order_by("-offered_at").values_list("offered_at", flat=True)[:OFFERS_A_DAY])
    if len(times) == OFFERS_A_DAY:
        wait = times[-1] + timedelta(days=1) - now
        raise TooManyTransfers(retry_after=max(1, int(wait.total_seconds())))
