"""Getting in when the second factor is lost: slowly, in the open, and with proof of address and password.

Whoever holds only the password gains a delay in which the owner is told everywhere and can stop it with one
tap. The caller has checked the password before `request` and `complete`.
"""

from __future__ import annotations

import hashlib
import secrets
from datetime import datetime, timedelta
from uuid import UUID

from allauth.mfa.models import Authenticator
from django.conf import settings
from django.db import transaction
from django.utils.crypto import constant_time_compare

from accounts import rules
from accounts.models import Recovery, User
from accounts.services import audit, mails, notices, sessions
from accounts.services.audit import Act, Origin
from core.errors import DomainError

TIME_TO_COMPLETE = timedelta(days=7)
"""How long after its delay a recovery can be completed."""
WRONG_CODES = 5

Outcome = Recovery.Outcome


class RecoveryRefused(DomainError):
    """Address and password do not fit, the account has no second factor or is staff's, or nothing can be completed."""

    code = "recovery_refused"
    title = "Address, password or code are wrong, or this account has no recovery to complete now."
    status = 400


class RecoveryNotFound(DomainError):
    """No recovery is under way."""

    code = "recovery_not_found"
    title = "No recovery of this account is under way."
    status = 404


def request(*, account_id: UUID, now: datetime, origin: Origin) -> Recovery:
    """Begin a recovery and tell every verified address; asked again, the first one stands. Raises RecoveryRefused."""
    with transaction.atomic():
        account = User.objects.locked().get(pk=account_id)
        if not _may_recover(account) or not Authenticator.objects.filter(user=account).exists():
            raise RecoveryRefused
        known = Recovery.objects.open().filter(account=account).locked().first()
        if known is not None:
            if known.expires_at > now:
                return known
            _end(known, Outcome.EXPIRED, now)
        effective_at = now + timedelta(hours=settings.RECOVERY_DELAY_HOURS)
        token = secrets.token_urlsafe(32)
        recovery = Recovery.objects.create(
            account=account,
            requested_at=now,
            effective_at=effective_at,
            expires_at=effective_at + TIME_TO_COMPLETE,
            cancel_hash=_hash(token),
        )
        audit.record(Act.RECOVERY_REQUESTED, account_id=account_id, by=None, origin=origin, now=now)
        notices.tell(
            account,
            "recovery_requested",
            now=now,
            to=notices.verified_addresses(account),
            timestamp=effective_at.isoformat(),
            ip=origin.address or "",
            user_agent=origin.user_agent[:200],
            action_url=f"{settings.PUBLIC_URL}/recovery/stop?token={token}",
        )
        return recovery


def cancel(*, account_id: UUID, by: User, now: datetime, origin: Origin) -> None:
    """Stop a recovery, as somebody who is signed in. Raises RecoveryNotFound."""
    with transaction.atomic():
        account = User.objects.locked().get(pk=account_id)
        recovery = Recovery.objects.open().filter(account=account).locked().first()
        if recovery is None:
            raise RecoveryNotFound
        _cancel(recovery, account, by=by, now=now, origin=origin)


def cancel_by_link(*, token: str, now: datetime, origin: Origin) -> None:
    """Stop a recovery, as somebody who reads the mail about it. Raises RecoveryNotFound."""
    known = Recovery.objects.open().filter(cancel_hash=_hash(token)).first()
    if known is None:
        raise RecoveryNotFound
    with transaction.atomic():
        account = User.objects.locked().get(pk=known.account_id)
        recovery = Recovery.objects.open().filter(pk=known.pk).locked().first()
        if recovery is None:
            raise RecoveryNotFound
        _cancel(recovery, account, by=None, now=now, origin=origin)


def mail_code(*, recovery_id: UUID, now: datetime) -> bool:
    """Mail the code that proves the address, once the delay is over; answers whether it was due."""
    known = Recovery.objects.awaiting_code(now).filter(pk=recovery_id).first()
    if known is None:
        return False
    with transaction.atomic():
        account = User.objects.locked().get(pk=known.account_id)
        recovery = Recovery.objects.awaiting_code(now).filter(pk=recovery_id).locked().first()
        if recovery is None:
            return False
        code = "".join(secrets.choice(rules.CODE_ALPHABET) for _ in range(rules.CODE_LENGTH))
        recovery.code_hash = _hash(code)
        recovery.save(update_fields=["code_hash"])
        mails.enqueue(
            template="account/email/recovery_code",
            address=account.email,
            language=account.language,
            context={"code": rules.shown_code(code), "timestamp": recovery.expires_at.isoformat()},
            useful_for=recovery.expires_at - now,
            now=now,
        )
        return True


def complete(*, account_id: UUID, code: str, now: datetime, origin: Origin) -> None:
    """Remove every second factor and sign-in of the account, with the code that was mailed.

    Raises RecoveryRefused; five wrong codes end the recovery.
    """
    with transaction.atomic():
        account = User.objects.locked().get(pk=account_id)
        recovery = Recovery.objects.open().filter(account=account).locked().first()
        completed = recovery is not None and _try(recovery, account, code, now=now, origin=origin)
    if not completed:
        raise RecoveryRefused


def _try(recovery: Recovery, account: User, code: str, *, now: datetime, origin: Origin) -> bool:
    """Carry out a locked recovery; what a wrong code leaves behind is kept although it is refused."""
    if recovery.expires_at <= now:
        _end(recovery, Outcome.EXPIRED, now)
        return False
    if not _may_recover(account) or recovery.effective_at > now or not recovery.code_hash:
        return False
    if not constant_time_compare(recovery.code_hash, _hash(rules.read_code(code))):
        recovery.wrong_codes += 1
        recovery.save(update_fields=["wrong_codes"])
        audit.record(Act.RECOVERY_FAILED, account_id=account.pk, by=None, origin=origin, now=now)
        if recovery.wrong_codes >= WRONG_CODES:
            _end(recovery, Outcome.FAILED, now)
        return False
    Authenticator.objects.filter(user=account).delete()
    sessions.end(account_id=account.pk, now=now)
    _end(recovery, Outcome.COMPLETED, now)
    audit.record(Act.RECOVERED, account_id=account.pk, by=account, origin=origin, now=now)
    notices.tell(
        account,
        "recovered",
        now=now,
        to=notices.verified_addresses(account),
        timestamp=now.isoformat(),
        ip=origin.address or "",
        user_agent=origin.user_agent[:200],
    )
    return True


def _may_recover(account: User) -> bool:
    # Whoever works here is given a new factor by somebody who knows them: see accounts.services.staff.
    return account.is_active and not account.is_staff


def _cancel(recovery: Recovery, account: User, *, by: User | None, now: datetime, origin: Origin) -> None:
    _end(recovery, Outcome.CANCELLED, now)
    audit.record(Act.RECOVERY_CANCELLED, account_id=account.pk, by=by, origin=origin, now=now)
    notices.tell(account, "recovery_cancelled", now=now, to=notices.verified_addresses(account))


def _end(recovery: Recovery, outcome: Recovery.Outcome, now: datetime) -> None:
    recovery.ended_at, recovery.outcome = now, outcome
    recovery.save(update_fields=["ended_at", "outcome"])


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
