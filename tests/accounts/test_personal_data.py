"""What is told to a person of themselves, and what is left of them after an erasure."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.usersessions.models import UserSession
from django.contrib.sessions.models import Session

from accounts.models import OutgoingEmail, Profile, SessionProfile, User
from accounts.personal_data import CONTRIBUTOR
from accounts.services import accounts, staff
from core.ids import new_id
from tests.accounts.conftest import App
from tests.erasures import Tally
from tests.factories.accounts import PASSWORD, ProfileFactory, StaffFactory, sign_in

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def somebody(**fields: Any) -> Profile:
    """Make a profile of an account that has left a trace in every table."""
    profile: Profile = ProfileFactory.create(account=StaffFactory.create(**fields))
    staff.set_up_second_factor(email=profile.account.email, replace=False, now=NOW)
    App().auth("auth/code/request", email=profile.account.email)
    sign_in(profile.account, profile=profile)
    return profile


class TestExport:
    def test_tells_everything_but_secrets(self) -> None:
        profile, _ = somebody(country="DE"), somebody()
        streams = {stream.name: list(stream.records) for stream in CONTRIBUTOR.export(account_id=profile.account_id)}
        assert {name: len(records) for name, records in streams.items()} == {
            "account": 1, "addresses": 1, "profiles": 1, "profile_transfers": 0, "sessions": 1, "devices": 1, "device_registrations": 0, "second_factors": 2, "linked_sign_ins": 0, "activity": 1,
            "consents": 0, "mail_preferences": 0, "deletions": 0, "recoveries": 0, "exports": 0, "mail": 1,
        }  # fmt: skip
        assert streams["account"][0]["email"] == profile.account.email
        assert streams["sessions"][0]["entered__profile"] == profile.pk
        text = str(streams)
        assert profile.account.password not in text
        assert OutgoingEmail.objects.get(address=profile.account.email).context["code"] not in text
        assert all("data" not in record for record in streams["second_factors"])

    def test_tells_nothing_of_mail_to_an_address_that_is_only_claimed(self) -> None:
        profile, stranger = somebody(), somebody()
        EmailAddress.objects.create(user=profile.account, email=stranger.account.email, verified=False)
        mail = next(s for s in CONTRIBUTOR.export(account_id=profile.account_id) if s.name == "mail")
        assert [record["address"] for record in mail.records] == [profile.account.email]
        accounts.erase(account_id=profile.account_id, now=NOW, tally=Tally())
        assert OutgoingEmail.objects.get().address == stranger.account.email

    def test_of_nobody_is_empty(self) -> None:
        assert [list(stream.records) for stream in CONTRIBUTOR.export(account_id=new_id())] == [[]] * 16


class TestErase:
    def test_leaves_a_row_without_a_person(self) -> None:
        profile, other = somebody(country="DE"), somebody()
        account_id, email = profile.account_id, profile.account.email
        session_key = UserSession.objects.get(user=account_id).session_key
        tally = Tally()
        accounts.erase(account_id=account_id, now=NOW, tally=tally)
        assert tally == {
            "accounts.User": 1, "accounts.Profile": 1, "accounts.Device": 1, "accounts.OutgoingEmail": 1,
            "account.EmailAddress": 1, "mfa.Authenticator": 2, "usersessions.UserSession": 1, "accounts.AuditEntry": 1,
        }  # fmt: skip

        left = User.objects.get(pk=account_id)
        assert left.email == f"{account_id}@erased.invalid"
        assert (left.country, left.is_active, left.is_staff, left.has_usable_password()) == ("", False, False, False)
        assert not Session.objects.filter(session_key=session_key).exists()
        for model in (Profile, EmailAddress, Authenticator, UserSession, SessionProfile):
            assert model.objects.count() == (2 if model is Authenticator else 1), model
        assert not OutgoingEmail.objects.filter(address=email).exists()
        assert Profile.objects.get() == other
        assert App().auth("auth/login", email=email, password=PASSWORD).status_code == 400

    def test_is_done_once_when_called_twice_and_for_nobody(self) -> None:
        account_id = somebody().account_id
        for _ in range(2):
            accounts.erase(account_id=account_id, now=NOW, tally=Tally())
        accounts.erase(account_id=new_id(), now=NOW, tally=Tally())
        assert User.objects.get().email == f"{account_id}@erased.invalid"

    def test_lets_the_address_sign_up_anew(self) -> None:
        profile = somebody()
        email = profile.account.email
        accounts.erase(account_id=profile.account_id, now=NOW, tally=Tally())
        App().sign_up(email)
        assert User.objects.filter(email=email).count() == 1
