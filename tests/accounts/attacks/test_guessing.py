"""Passwords and codes by trial: counted by address, by account and by network, and no owner is shut out for good."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret

from core.clock import now
from core.proxies import TrustedProxies
from tests.accounts.conftest import Answer, App, mailed_code
from tests.factories.accounts import PASSWORD, AccountFactory, sign_in

pytestmark = pytest.mark.django_db
LOCKED = "too_many_login_attempts"


def codes(answer: Answer) -> list[str]:
    return [error["code"] for error in answer.json()["errors"]]


def guess(app: App, email: str, password: str = "not the password") -> Answer:
    return app.auth("auth/login", email=email, password=password)


class TestStuffing:
    """One password of each of many people, from one network."""

    def test_is_stopped_by_address(self) -> None:
        thief = App()
        accounts = AccountFactory.create_batch(11)
        said = [codes(guess(thief, account.email)) for account in accounts]
        assert said == [["email_password_mismatch"]] * 10 + [[LOCKED]]
        assert codes(guess(thief, accounts[0].email, PASSWORD)) == [LOCKED]
        # Everybody else signs in.
        assert guess(App(), accounts[0].email, PASSWORD).status_code == 200

    def test_from_one_ipv6_network_is_from_one_address(self) -> None:
        apps = [App() for _ in range(11)]
        for number, app in enumerate(apps):
            app.client.defaults["REMOTE_ADDR"] = f"2001:db8:1:2:{number:x}::1"
        said = [codes(guess(app, AccountFactory.create().email)) for app in apps]
        assert said[-1] == [LOCKED]
        assert [LOCKED] not in said[:-1]


class TestBehindProxies:
    """All requests come from one machine, a proxy of ours, which says whose they are."""

    @pytest.fixture(autouse=True)
    def one_proxy(self, settings: Any) -> None:
        settings.TRUSTED_PROXIES = TrustedProxies.parse("1")

    def guess_from(self, forwarded_for: str) -> list[str]:
        thief = App()
        thief.client.defaults |= {"REMOTE_ADDR": "10.0.0.1", "HTTP_X_FORWARDED_FOR": forwarded_for}
        return codes(guess(thief, AccountFactory.create().email))

    def test_each_client_has_tries_of_its_own(self) -> None:
        said = [self.guess_from(f"203.0.113.{number}") for number in range(12)]
        assert said == [["email_password_mismatch"]] * 12

    def test_nobody_is_another_client_by_writing_so(self) -> None:
        # The proxy appends whom it was called by to whatever was there.
        said = [self.guess_from(f"198.51.100.{number}, 203.0.113.5") for number in range(11)]
        assert said == [["email_password_mismatch"]] * 10 + [[LOCKED]]


class TestGuessing:
    """Many passwords of one person, from many networks."""

    def test_counts_however_the_address_is_spelled(self) -> None:
        account = AccountFactory.create(email="ada@example.com")
        for spelling in ("ada@example.com", "ADA@example.com", "Ada@Example.com", "aDa@example.com", "adA@example.COM"):
            assert codes(guess(App(), spelling)) == ["email_password_mismatch"]
        assert codes(guess(App(), account.email, PASSWORD)) == [LOCKED]

    def test_does_not_end_the_owners_sign_ins_and_leaves_other_ways_in(self) -> None:
        account = AccountFactory.create()
        phone = App()
        phone.token = sign_in(account)
        for _ in range(5):
            guess(App(), account.email)
        owner = App()
        assert codes(guess(owner, account.email, PASSWORD)) == [LOCKED]
        assert phone.call("get", "/api/v1/account").status_code == 200
        assert owner.auth("auth/code/request", email=account.email).status_code == 401
        assert owner.auth("auth/code/confirm", code=mailed_code(account.email)).status_code == 200

    def test_shuts_nobody_out_for_longer_than_five_minutes(self) -> None:
        account = AccountFactory.create()
        for _ in range(5):
            guess(App(), account.email)
        # Tries while it is locked do not lengthen it.
        with time_machine.travel(now() + timedelta(minutes=4), tick=False):
            for _ in range(5):
                assert codes(guess(App(), account.email)) == [LOCKED]
        with time_machine.travel(now() + timedelta(minutes=5, seconds=1), tick=False):
            assert guess(App(), account.email, PASSWORD).status_code == 200

    def test_counts_at_every_door_of_the_password(self) -> None:
        account = AccountFactory.create()
        TOTP.activate(account, generate_totp_secret())
        recovery = {"email": account.email, "password": "not the password"}
        for _ in range(3):
            guess(App(), account.email)
        for _ in range(2):
            assert App().call("post", "/api/v1/recovery", recovery).json()["code"] == "recovery_refused"
        answer = App().call("post", "/api/v1/recovery", recovery | {"password": PASSWORD})
        assert (answer.status_code, answer.json()["code"]) == (429, "throttled")
        assert codes(guess(App(), account.email, PASSWORD)) == [LOCKED]


class TestSecondFactor:
    def test_is_guessed_five_times_however_often_the_password_is_given(self) -> None:
        account = AccountFactory.create()
        TOTP.activate(account, generate_totp_secret())
        said = []
        for _ in range(6):
            app = App()
            guess(app, account.email, PASSWORD)
            said.append(codes(app.auth("auth/2fa/authenticate", code="000000")))
        assert said == [["incorrect_code"]] * 5 + [[LOCKED]]


class TestMailedCode:
    @pytest.mark.parametrize(
        ("ask", "answer", "name"),
        [
            ("auth/code/request", "auth/code/confirm", "code"),
            ("auth/password/request", "auth/password/reset", "key"),
        ],
    )
    def test_is_guessed_three_times(self, ask: str, answer: str, name: str) -> None:
        account, app = AccountFactory.create(), App()
        app.auth(ask, email=account.email)
        more = {"password": "quite another one"} if name == "key" else {}
        tries = [app.auth(answer, **{name: "AAAA-AAAA"}, **more).status_code for _ in range(3)]
        assert tries == [400, 400, 400]
        assert app.auth(answer, **{name: mailed_code(account.email)}, **more).status_code == 409
        account.refresh_from_db()
        assert account.check_password(PASSWORD)

    def test_is_mailed_to_one_address_only_so_often(self, forget_tries: Callable[[], None]) -> None:
        account = AccountFactory.create()
        said: list[Any] = [App().auth("auth/code/request", email=account.email).status_code for _ in range(4)]
        assert said == [401, 401, 401, 400]
