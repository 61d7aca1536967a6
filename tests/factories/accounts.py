"""Accounts, profiles and their sign-ins."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import factory
from allauth.account.models import EmailAddress
from allauth.usersessions.models import UserSession
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.sessions.backends.db import SessionStore
from factory.django import DjangoModelFactory

from accounts import rules
from accounts.models import Device, Profile, ProfileTransfer, SessionProfile, User
from core.clock import now

PASSWORD = "a long enough password"


class AccountFactory(DjangoModelFactory[User]):
    """An account that has verified its address and signs in with PASSWORD."""

    class Meta:
        model = User
        skip_postgeneration_save = True

    email = factory.Sequence(lambda number: f"viewer{number}@example.com")
    password = factory.django.Password(PASSWORD)
    country = "DE"

    @factory.post_generation
    def verified(account: User, create: bool, value: bool | None, **_: Any) -> None:
        """Verify the address, unless told `verified=False`."""
        if create:
            EmailAddress.objects.create(user=account, email=account.email, primary=True, verified=value is not False)


class StaffFactory(AccountFactory):
    """A member of staff, without any right."""

    is_staff = True


class ProfileFactory(DjangoModelFactory[Profile]):
    """An adult's profile."""

    class Meta:
        model = Profile

    account = factory.SubFactory(AccountFactory)
    name = factory.Sequence(lambda number: f"Viewer {number}")
    language = "en"
    created_at = factory.LazyFunction(now)
    updated_at = factory.LazyFunction(now)


class KidsProfileFactory(ProfileFactory):
    """A child's profile."""

    is_kids = True
    highest_age = 6
    allows_unrated = False


class ProfileTransferFactory(DjangoModelFactory[ProfileTransfer]):
    """An offer of a profile to an address that no account has."""

    class Meta:
        model = ProfileTransfer

    from_account = factory.SubFactory(AccountFactory)
    profile = factory.SubFactory(ProfileFactory, account=factory.SelfAttribute("..from_account"))
    to_email = "nobody@example.com"
    offered_at = factory.LazyFunction(now)
    expires_at = factory.LazyFunction(lambda: now() + timedelta(days=7))


class DeviceFactory(DjangoModelFactory[Device]):
    """A device that is signed out."""

    class Meta:
        model = Device

    account = factory.SubFactory(AccountFactory)
    kind = rules.PHONE
    created_at = factory.LazyFunction(now)
    last_seen_at = factory.LazyFunction(now)


def sign_in(
    account: User, *, profile: Profile | None = None, kind: str = rules.OTHER, proved_at: datetime | None = None
) -> str:
    """Answer the session token of a new sign-in on a device, which acts as `profile` if one is given.

    The password was given at `proved_at`, which is now; on a television never. Sensitive acts ask for a recent proof.
    """
    session = SessionStore()
    session[SESSION_KEY] = str(account.pk)
    session[BACKEND_SESSION_KEY] = "allauth.account.auth_backends.AuthenticationBackend"
    session[HASH_SESSION_KEY] = account.get_session_auth_hash()
    if kind != rules.TELEVISION:
        session["account_authentication_methods_user"] = str(account.pk)
        session["account_authentication_methods"] = [{"method": "password", "at": (proved_at or now()).timestamp()}]
    session.create()
    assert session.session_key is not None
    signed_in = UserSession.objects.create(
        user=account, session_key=session.session_key, ip="192.0.2.1", user_agent="tests"
    )
    Device.objects.create(account=account, session=signed_in, kind=kind, created_at=now(), last_seen_at=now())
    if profile is not None:
        SessionProfile.objects.create(session=signed_in, profile=profile, entered_at=now())
    return session.session_key
