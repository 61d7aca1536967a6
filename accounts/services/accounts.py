"""An account itself: what it says of itself, its suspension by staff, its erasure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount
from django.conf import settings
from django.contrib.admin.models import LogEntry
from django.contrib.contenttypes.models import ContentType
from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet

from accounts.events import AccountCountryChanged
from accounts.models import (
    AccountDeletion,
    AuditEntry,
    CodeTries,
    Consent,
    DataExport,
    Device,
    DeviceAuthorization,
    DeviceRegistration,
    MailPreference,
    OutgoingEmail,
    Pin,
    Profile,
    ProfileTransfer,
    Recovery,
    User,
)
from accounts.services import audit, exports, sessions
from accounts.services.audit import Act, Origin
from core import outbox
from core.errors import DomainError
from core.personal_data import Tally

CHANGEABLE = {"country", "language"}
SIGN_UP_KEPT = timedelta(days=30)
"""How long an account may wait for the first of its addresses to be verified; a sign-in asks for that again."""


class AlreadySuspended(DomainError):
    """The account is suspended."""

    code = "already_suspended"
    title = "This account is suspended already."


class NotSuspended(DomainError):
    """The account is not suspended."""

    code = "not_suspended"
    title = "This account is not suspended."


class SuspensionRefused(DomainError):
    """Nobody shuts out staff, or themselves, by a slip."""

    code = "suspension_refused"
    title = "Staff are not suspended; take their rights away instead."


def change(*, account_id: UUID, fields: Mapping[str, Any], now: datetime) -> User:
    """Change some of CHANGEABLE; a change of country is published."""
    with transaction.atomic():
        account = User.objects.locked().get(pk=account_id)
        if fields.get("country", account.country) != account.country:
            outbox.publish(AccountCountryChanged(str(account_id)), aggregate=f"account:{account_id}", now=now)
        changed = sorted(CHANGEABLE & fields.keys())
        for name in changed:
            setattr(account, name, fields[name])
        account.save(update_fields=changed)
        sessions.forget(account_id=account_id)
        return account


def suspend(*, account_id: UUID, reason: str, by: User, now: datetime, origin: Origin = audit.NOWHERE) -> User:
    """Shut an account out and end its sign-ins at once.

    Raises AlreadySuspended and SuspensionRefused (staff).
    """
    with transaction.atomic():
        account = User.objects.locked().get(pk=account_id)
        if account.suspended_at is not None:
            raise AlreadySuspended
        if account.is_staff or account == by:
            raise SuspensionRefused
        account.suspended_at = now
        account.suspension_reason = reason
        account.is_active = False
        account.save(update_fields=["suspended_at", "suspension_reason", "is_active"])
        # Else they would come alive again when the suspension ends.
        sessions.end(account_id=account_id, now=now)
        audit.record(Act.SUSPENDED, account_id=account_id, by=by, origin=origin, now=now, reason=reason)
        return account


def unsuspend(*, account_id: UUID, reason: str, by: User, now: datetime, origin: Origin = audit.NOWHERE) -> User:
    """Let an account in again; it signs in anew, and stays shut if its erasure has begun. Raises NotSuspended."""
    with transaction.atomic():
        account = User.objects.locked().get(pk=account_id)
        if account.suspended_at is None:
            raise NotSuspended
        account.suspended_at = None
        account.suspension_reason = ""
        account.is_active = (
            not AccountDeletion.objects.open().filter(account=account, started_at__isnull=False).exists()
        )
        account.save(update_fields=["suspended_at", "suspension_reason", "is_active"])
        # One whose password was right just before the suspension was stored after it.
        sessions.end(account_id=account_id, now=now)
        audit.record(Act.UNSUSPENDED, account_id=account_id, by=by, origin=origin, now=now, reason=reason)
        return account


def addresses_of(account_id: UUID) -> set[str]:
    """Answer the addresses of an account that are its own: one that it only claims may be a stranger's."""
    return {
        *User.objects.filter(pk=account_id).values_list("email", flat=True),
        *EmailAddress.objects.filter(user=account_id, verified=True).values_list("email", flat=True),
    }


def erase(*, account_id: UUID, now: datetime, tally: Tally) -> None:
    """Take the person out of an account: what is left is a row that other tables refer to, and no name.

    An account that is unknown or erased already is no error.
    """
    exports.remove_archives(account_id=account_id)
    with transaction.atomic():
        account = User.objects.locked().filter(pk=account_id).first()
        if account is None:
            return
        mine = OutgoingEmail.objects.filter(Q(address__in=addresses_of(account_id)) | Q(account=account))
        tally("accounts.OutgoingEmail", mine.delete()[0])
        tally("usersessions.UserSession", sessions.end(account_id=account_id, now=now))
        for rows in (
            DataExport.objects.filter(account=account),
            Recovery.objects.filter(account=account),
            Consent.objects.filter(account=account),
            MailPreference.objects.filter(account=account),
            DeviceAuthorization.objects.filter(account=account),
            CodeTries.objects.filter(account=account),
            DeviceRegistration.objects.filter(account=account),
            Device.objects.filter(account=account),
            Pin.objects.filter(account=account),
            ProfileTransfer.objects.known_to(account_id),
            Profile.objects.filter(account=account),
            EmailAddress.objects.filter(user=account),
            Authenticator.objects.filter(user=account),
            SocialAccount.objects.filter(user=account),
        ):
            tally(rows.model._meta.label, rows.delete()[1].get(rows.model._meta.label, 0))
        tally("accounts.AuditEntry", audit.strip(account_id=account_id))
        tally("admin.LogEntry", _strip_log(account))
        account.groups.clear()
        account.user_permissions.clear()
        erased = f"{account.pk}@erased.invalid"
        tally("accounts.User", int(account.email != erased))
        account.email = erased
        account.set_unusable_password()
        account.country = account.suspension_reason = ""
        account.language = settings.LANGUAGE_CODE
        account.suspended_at = account.last_login = None
        account.is_active = account.is_staff = account.is_superuser = False
        account.save()


def purge_unfinished(*, now: datetime) -> int:
    """Take the person out of accounts that somebody signed up for and never proved to be theirs; answers how many.

    The address may be a stranger's, who can have it from then on.
    """
    waiting = _unfinished(now=now)
    count = 0
    for account_id in list(waiting.order_by("pk").values_list("pk", flat=True)):
        with transaction.atomic():
            User.objects.locked().get(pk=account_id)
            list(EmailAddress.objects.select_for_update().filter(user=account_id))
            # Somebody may have verified it meanwhile.
            if waiting.filter(pk=account_id).exists():
                erase(account_id=account_id, now=now, tally=lambda *_: None)
                count += 1
    return count


def _unfinished(*, now: datetime) -> QuerySet[User]:
    """Answer those; whoever was imported, or is suspended, is for others to judge."""
    addresses = EmailAddress.objects.filter(user=OuterRef("pk"))
    return User.objects.filter(
        Exists(addresses),
        ~Exists(addresses.filter(verified=True)),
        Exists(AuditEntry.objects.filter(account=OuterRef("pk"), act=Act.SIGNED_UP)),
        ~Exists(SocialAccount.objects.filter(user=OuterRef("pk"))),
        created_at__lt=now - SIGN_UP_KEPT,
        last_login=None,
        suspended_at=None,
        is_staff=False,
    )


def _strip_log(account: User) -> int:
    """Take the address, and what staff wrote, out of the admin's log of changes to this account."""
    log = LogEntry.objects.filter(content_type=ContentType.objects.get_for_model(User), object_id=str(account.pk))
    return log.exclude(object_repr=str(account.pk)).update(object_repr=str(account.pk), change_message="")
