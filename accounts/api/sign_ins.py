"""How the doors (sign-in's API, the admin) tell services.sessions who came in and who left."""

from __future__ import annotations

from typing import Any

from allauth.account.signals import email_changed, password_changed, password_set
from allauth.usersessions.models import UserSession
from django.conf import settings
from django.http import HttpRequest

from accounts import origins
from accounts.models import User
from accounts.services import notices, sessions
from core.clock import now


def begin(request: HttpRequest, account: User, kind: str) -> None:
    """Put the session that has just signed in on the account's list of devices."""
    UserSession.objects.create_from_request(request)
    session_key = request.session.session_key
    assert session_key
    moment = now()
    sessions.begin(session_key=session_key, account=account, kind=kind, place=origins.place_of(request), now=moment)
    notices.tell_of_new_device(account, origin=origins.origin_of(request), now=moment)


def end(request: HttpRequest) -> None:
    """End the session of a request, if somebody is signed in by it."""
    account, session_key = request.user, request.session.session_key
    if isinstance(account, User) and session_key:
        only = list(UserSession.objects.filter(session_key=session_key).values_list("pk", flat=True))
        sessions.end(account_id=account.pk, only=only, now=now())


def listen() -> None:
    """Have `carry_over` called when a password was changed or set, and `forget` when the address was: django-allauth
    has no other hooks then."""
    for signal in (password_changed, password_set):
        signal.connect(carry_over, dispatch_uid="carry_over")
    email_changed.connect(forget, dispatch_uid="forget")


def carry_over(request: HttpRequest, user: User, **_: Any) -> None:
    """Let the session of who changed the password go on, device and profile and all, under its new key."""
    after = request.session.session_key
    assert after
    # An app says its key in the header; a browser in the cookie, whatever else it sends.
    for before in (request.headers.get("X-Session-Token"), request.COOKIES.get(settings.SESSION_COOKIE_NAME)):
        if before:
            sessions.carry_over(account_id=user.pk, before=before, after=after)


def forget(request: HttpRequest, user: User, **_: Any) -> None:
    """Let every sign-in know the account's new address."""
    sessions.forget(account_id=user.pk)
