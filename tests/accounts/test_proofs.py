"""What is sensitive asks for a recent proof, by one rule everywhere, and is not done on a television."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import time_machine
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from allauth.socialaccount.models import SocialAccount
from django.contrib.sessions.backends.db import SessionStore

from accounts import rules
from accounts.models import User
from core.clock import now
from tests.accounts.conftest import App
from tests.factories.accounts import PASSWORD, AccountFactory, sign_in

pytestmark = pytest.mark.django_db

STALE = timedelta(minutes=15, seconds=1)
# What changes how an account signs in, or what it pays with: as (method, address, body).
SIGN_INS_OWN = [
    ("post", "/_allauth/app/v1/account/email", {"email": "new@example.com"}),
    ("patch", "/_allauth/app/v1/account/email", {"email": "second@example.com", "primary": True}),
    ("delete", "/_allauth/app/v1/account/email", {"email": "second@example.com"}),
    ("delete", "/_allauth/app/v1/account/providers", {"provider": "work", "account": "ada"}),
    ("delete", "/_allauth/app/v1/account/authenticators/totp", {}),
    ("post", "/_allauth/app/v1/account/authenticators/recovery-codes", {}),
]
OURS = [
    ("post", "/api/v1/payment-methods/setup", {}),
    ("post", "/api/v1/payment-methods", {"setup_intent": "seti_1"}),
    ("put", "/api/v1/account/master-pin", {"pin": "4711"}),
    ("delete", "/api/v1/account/master-pin", {}),
    ("post", "/api/v1/account/exports", {}),
    ("post", "/api/v1/account/deletion", {}),
]


@pytest.fixture
def account() -> User:
    account: User = AccountFactory.create()
    EmailAddress.objects.create(user=account, email="second@example.com", verified=True)
    TOTP.activate(account, generate_totp_secret())
    RecoveryCodes.activate(account)
    SocialAccount.objects.create(user=account, provider="work", uid="ada")
    return account


def app_of(account: User, **sign_in_as: Any) -> App:
    app = App()
    app.token = sign_in(account, **sign_in_as)
    return app


@pytest.mark.parametrize(("method", "path", "body"), OURS)
class TestOurEndpoints:
    def test_refuse_a_proof_that_is_too_old(self, account: User, method: str, path: str, body: Any) -> None:
        answer = app_of(account, proved_at=now() - STALE).call(method, path, body)
        assert (answer.status_code, answer.json()["code"]) == (403, "reauthentication_required")

    def test_refuse_televisions_whatever_they_proved(self, account: User, method: str, path: str, body: Any) -> None:
        answer = app_of(account, kind=rules.TELEVISION).call(method, path, body)
        assert (answer.status_code, answer.json()["code"]) == (403, "not_on_television")


@pytest.mark.parametrize(("method", "path", "body"), SIGN_INS_OWN)
class TestEndpointsOfSignIn:
    def test_refuse_a_proof_that_is_too_old(self, account: User, method: str, path: str, body: Any) -> None:
        app = app_of(account, proved_at=now() - STALE)
        answer = app.call(method, path, body)
        assert answer.status_code == 401
        offered = {flow["id"] for flow in answer.json()["data"]["flows"]}
        assert {"reauthenticate", "mfa_reauthenticate"} <= offered
        assert Authenticator.objects.count() == 2
        addresses = EmailAddress.objects.filter(user=account).order_by("pk").values_list("email", "primary")
        assert list(addresses) == [(account.email, True), ("second@example.com", False)]
        assert SocialAccount.objects.filter(user=account).count() == 1

    @pytest.mark.parametrize("carrier", ["token", "cookie"])
    def test_refuse_televisions(self, account: User, method: str, path: str, body: Any, carrier: str) -> None:
        app = app_of(account, kind=rules.TELEVISION)
        if carrier == "cookie":
            assert app.token
            # The key is the same session in whatever way it comes.
            app.client.cookies["sessionid"] = app.token
            app.token, path = None, path.replace("/app/", "/browser/")
        answer = app.call(method, path, body)
        assert (answer.status_code, answer.json()["errors"][0]["code"]) == (403, "not_on_television")


class TestProof:
    def test_is_given_by_a_sign_in(self) -> None:
        app, account = App(), AccountFactory.create()
        app.auth("auth/login", email=account.email, password=PASSWORD)
        assert app.call("post", "/api/v1/payment-methods", {"setup_intent": "seti_1"}).status_code == 404

    def test_is_given_again_by_the_password_and_runs_out_after_a_quarter_of_an_hour(self, account: User) -> None:
        app = app_of(account, proved_at=now() - STALE)
        assert app.auth("auth/reauthenticate", password="not the password").status_code == 400
        assert app.call("post", "/api/v1/payment-methods", {"setup_intent": "seti_1"}).status_code == 403
        assert app.auth("auth/reauthenticate", password=PASSWORD).status_code == 200
        assert app.call("post", "/api/v1/payment-methods", {"setup_intent": "seti_1"}).status_code == 404
        with time_machine.travel(now() + STALE):
            assert app.call("post", "/api/v1/payment-methods", {"setup_intent": "seti_1"}).status_code == 403

    def test_of_one_account_is_none_of_another(self, account: User) -> None:
        app = app_of(account)
        session = SessionStore(app.token)
        session["account_authentication_methods_user"] = str(AccountFactory.create().pk)
        session.save()
        assert app.call("post", "/api/v1/payment-methods", {"setup_intent": "seti_1"}).status_code == 403

    def test_of_an_account_without_a_password_is_a_new_sign_in(self, account: User) -> None:
        Authenticator.objects.all().delete()
        account.set_unusable_password()
        account.save()
        stale, fresh = app_of(account, proved_at=now() - STALE), app_of(account)
        answer = stale.auth("account/email", email="new@example.com")
        assert answer.status_code == 401
        assert not {"reauthenticate", "mfa_reauthenticate"} & {flow["id"] for flow in answer.json()["data"]["flows"]}
        assert fresh.auth("account/email", email="new@example.com").status_code == 200
