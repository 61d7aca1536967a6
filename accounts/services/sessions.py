"""Sign-ins: how they begin, stay alive and end. Nobody else ends one, or changes what one stands for.

What ends or changes is committed first and announced then, so that the next request everywhere sees it:
see accounts.principals.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime, timedelta
from uuid import UUID

from allauth.usersessions.models import UserSession
from django.conf import settings
from django.contrib.sessions.backends.db import SessionStore
from django.contrib.sessions.models import Session
from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet

from accounts import principals, rules
from accounts.events import SessionsEnded
from accounts.models import Device, DeviceAuthorization, User
from core import outbox
from core.errors import DomainError

UNFINISHED_KEPT = timedelta(days=1)
"""How long a session is kept in which nobody signed in; codes run out after minutes."""


class SessionUnknown(DomainError):
    """The sign-in ended while it was being used."""

    code = "session_ended"
    title = "This sign-in has ended; sign in again."
    status = 401


def begin(*, session_key: str, account: User, kind: str, place: str, now: datetime) -> Device:
    """Put a new sign-in on the account's list of devices; one that is there already stays as it is."""
    with transaction.atomic():
        User.objects.locked().get(pk=account.pk)
        session = UserSession.objects.get(session_key=session_key, user=account)
        make_room(account_id=account.pk, now=now)
        device, _ = Device.objects.get_or_create(
            session=session,
            defaults={"account": account, "kind": kind, "place": place, "created_at": now, "last_seen_at": now},
        )
        return device


def end(*, account_id: UUID, now: datetime, only: Iterable[int] | None = None, spare: str | None = None) -> int:
    """End an account's sign-ins, and answer how many there were.

    `only` names sessions by id; `spare` is the key of one that stays. Devices that are registered stay so. Unless
    `only` some end, a television that was let in and has not fetched its session yet is refused it.
    """
    with transaction.atomic():
        User.objects.locked().get(pk=account_id)
        sessions = UserSession.objects.filter(user_id=account_id)
        if only is not None:
            sessions = sessions.filter(pk__in=list(only))
        else:
            awaited = DeviceAuthorization.objects.filter(account=account_id, state=DeviceAuthorization.State.APPROVED)
            awaited.update(state=DeviceAuthorization.State.DENIED)
        if spare is not None:
            sessions = sessions.exclude(session_key=spare)
        return _end(sessions, now)


def make_room(*, account_id: UUID, now: datetime) -> None:
    """End what was not used for longest of more sign-ins than there may be; under the account's lock.

    Else whoever knows a password could make the lists of devices and of sessions endless.
    """
    newest_first = UserSession.objects.filter(user_id=account_id).order_by("-last_seen_at", "-pk")
    surplus = list(newest_first.values_list("pk", flat=True)[rules.SIGN_INS :])
    if surplus:
        _end(UserSession.objects.filter(pk__in=surplus), now)


def forget(*, account_id: UUID) -> None:
    """Let every sign-in of an account be read anew once the caller's transaction has committed.

    For whoever changes what a request acts with: the account, a profile or its PIN, groups, a device.
    """
    keys = list(UserSession.objects.filter(user_id=account_id).values_list("session_key", flat=True))
    transaction.on_commit(lambda: principals.forget(keys))


def touch(*, principal: principals.Principal, place: str, now: datetime) -> bool:
    """Note that a sign-in is used, and let its lifetime begin anew; answer whether that was due.

    Does nothing until SEEN_EVERY has passed, so that reading costs no write.
    """
    if now - principal.last_seen_at < rules.SEEN_EVERY:
        return False
    with transaction.atomic():
        due = UserSession.objects.filter(pk=principal.session_id, last_seen_at__lte=now - rules.SEEN_EVERY)
        if not due.update(last_seen_at=now):
            return False
        Device.objects.filter(session=principal.session_id).update(last_seen_at=now, place=place)
        kind = principal.device.kind if principal.device else rules.OTHER
        ends_at = now + rules.SESSION_LIFETIME[kind]
        Session.objects.filter(
            session_key=principal.session_key, expire_date__lt=ends_at - rules.EXTENDED_EVERY
        ).update(expire_date=ends_at)
        transaction.on_commit(lambda: principals.forget([principal.session_key]))
        return True


def set_lifetime(*, session_key: str, kind: str) -> None:
    """Let a sign-in last as long as its kind does, also when its session is saved again."""
    store = SessionStore(session_key)
    store.set_expiry(int(rules.SESSION_LIFETIME[kind].total_seconds()))
    store.save(must_create=False)


def carry_over(*, account_id: UUID, before: str, after: str) -> None:
    """Let a sign-in go on under another key, as it does when its owner changes the password."""
    with transaction.atomic():
        User.objects.locked().get(pk=account_id)
        sessions = UserSession.objects.filter(user_id=account_id)
        if before == after or not sessions.filter(session_key=before).exists():
            return
        sessions.filter(session_key=after).delete()
        sessions.filter(session_key=before).update(session_key=after)
        transaction.on_commit(lambda: principals.end([before]))


def purge(*, now: datetime) -> int:
    """Delete sign-ins that have run out, and devices that nothing refers to; answers how many sign-ins.

    With them goes what was left of sign-ups and sign-ins that nobody finished, in which addresses and codes stand.
    """
    Session.objects.filter(expire_date__lt=now).delete()
    listed = UserSession.objects.filter(session_key=OuterRef("session_key"))
    left_by = now - UNFINISHED_KEPT + timedelta(seconds=settings.SESSION_COOKIE_AGE)
    Session.objects.filter(~Exists(listed), expire_date__lt=left_by).delete()
    alive = Session.objects.filter(session_key=OuterRef("session_key"))
    ran_out = UserSession.objects.filter(~Exists(alive), created_at__lt=now - rules.SEEN_EVERY)
    count = 0
    for account_id in set(ran_out.values_list("user_id", flat=True)):
        with transaction.atomic():
            User.objects.locked().get(pk=account_id)
            count += _end(ran_out.filter(user_id=account_id), now)
    Device.objects.left_over().delete()
    return count


def _end(sessions: QuerySet[UserSession], now: datetime) -> int:
    ended = list(sessions.select_related("device"))
    keys = [session.session_key for session in ended]
    for session in ended:
        device: Device | None = getattr(session, "device", None)
        event = SessionsEnded(
            account_id=str(session.user_id), session_id=str(session.pk), device_id=str(device.pk) if device else ""
        )
        outbox.publish(event, aggregate=f"account:{session.user_id}", now=now)
    Session.objects.filter(session_key__in=keys).delete()
    UserSession.objects.filter(pk__in=[session.pk for session in ended]).delete()
    _announce(keys)
    return len(ended)


def _announce(keys: Collection[str]) -> None:
    transaction.on_commit(lambda: principals.end(keys))
