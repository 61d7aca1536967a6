"""Passkeys: added to an account, signed in with, and signed up with."""

from __future__ import annotations

import pytest
from allauth.mfa.models import Authenticator
from django.contrib.sessions.backends.db import SessionStore

from accounts.models import User
from core.clock import now
from tests.accounts.conftest import App, mailed_code, mails_to
from tests.accounts.passkeys import Passkey
from tests.factories.accounts import PASSWORD, AccountFactory, sign_in

pytestmark = pytest.mark.django_db


def with_passkey() -> tuple[User, Passkey]:
    account, passkey, app = AccountFactory.create(), Passkey(), App()
    app.token = sign_in(account)
    options = app.auth("account/authenticators/webauthn?passwordless", "get").json()["data"]["creation_options"]
    added = app.auth("account/authenticators/webauthn", name="Phone", credential=passkey.create(options))
    assert added.status_code == 200, added.content
    return account, passkey


class TestPasskey:
    def test_signs_in_without_a_password(self) -> None:
        account, passkey = with_passkey()
        app = App()
        options = app.auth("auth/webauthn/login", "get").json()["data"]["request_options"]
        answer = app.auth("auth/webauthn/login", credential=passkey.get(options))
        assert (answer.status_code, answer.json()["data"]["user"]["id"]) == (200, str(account.pk))
        assert app.call("get", "/api/v1/account").status_code == 200

    def test_is_told_of_by_mail(self) -> None:
        account, _ = with_passkey()
        assert "mfa/email/webauthn_added" in mails_to(account.email)

    def test_of_another_challenge_or_key_is_refused(self) -> None:
        _, passkey = with_passkey()
        app, thief = App(), Passkey()
        options = app.auth("auth/webauthn/login", "get").json()["data"]["request_options"]
        used = passkey.get(options)
        thief.id, thief.user_handle = passkey.id, passkey.user_handle
        assert app.auth("auth/webauthn/login", credential=thief.get(options)).status_code == 400
        other = App()
        other.auth("auth/webauthn/login", "get")
        assert other.auth("auth/webauthn/login", credential=used).status_code == 400  # replayed

    def test_is_the_second_factor_of_a_password(self) -> None:
        account, passkey = with_passkey()
        app = App()
        asked = app.auth("auth/login", email=account.email, password=PASSWORD)
        assert asked.status_code == 401
        options = app.auth("auth/webauthn/authenticate", "get").json()["data"]["request_options"]
        assert app.auth("auth/webauthn/authenticate", credential=passkey.get(options)).status_code == 200

    def test_proves_again_who_it_is(self) -> None:
        account, passkey = with_passkey()
        app = App()
        app.token = sign_in(account)
        options = app.auth("auth/webauthn/reauthenticate", "get").json()["data"]["request_options"]
        assert app.auth("auth/webauthn/reauthenticate", credential=passkey.get(options)).status_code == 200

    def test_signs_up_with_a_verified_address_and_no_password(self) -> None:
        app, passkey = App(), Passkey()
        assert app.auth("auth/webauthn/signup", email="ada@example.com", country="DE").status_code == 401
        assert app.auth("auth/email/verify", key=mailed_code("ada@example.com")).status_code in {200, 401}
        options = app.auth("auth/webauthn/signup", "get").json()["data"]["creation_options"]
        assert "testserver" in str(options["publicKey"]["rp"])
        made = app.auth("auth/webauthn/signup", "put", name="Phone", credential=passkey.create(options))
        assert made.status_code == 200, made.content
        account = User.objects.get()
        assert (account.email, account.country, account.has_usable_password()) == ("ada@example.com", "DE", False)
        assert Authenticator.objects.get().user == account
        assert app.call("get", "/api/v1/account").status_code == 200

    def test_is_neither_added_nor_renamed_nor_taken_away_with_an_old_proof(self) -> None:
        account, passkey = with_passkey()
        known = Authenticator.objects.get(user=account, type="webauthn")
        app, path = App(), "account/authenticators/webauthn"
        app.token = sign_in(account)
        options = app.auth(f"{path}?passwordless", "get").json()["data"]["creation_options"]
        session = SessionStore(app.token)
        session["account_authentication_methods"] = [{"method": "password", "at": now().timestamp() - 901}]
        session.save()
        said = [
            app.auth(f"{path}?passwordless", "get"),
            app.auth(path, name="Thief's", credential=passkey.create(options)),
            app.auth(path, "put", id=known.pk, name="Thief's"),
            app.auth(path, "delete", authenticators=[known.pk]),
        ]
        assert [answer.status_code for answer in said] == [401] * 4
        [left] = Authenticator.objects.filter(user=account, type="webauthn")
        assert (left.pk, left.wrap().name) == (known.pk, "Phone")
