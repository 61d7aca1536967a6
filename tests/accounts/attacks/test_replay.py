"""Every code is good once: mailed ones, those of authenticator apps, recovery codes."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP, format_hotp_value, generate_totp_secret, hotp_value
from django.core.cache import cache
from django.db import connections

from accounts.models import User
from tests.accounts.conftest import App, mailed_code
from tests.accounts.test_staff import sign_in_to_admin
from tests.factories.accounts import PASSWORD, AccountFactory, StaffFactory, sign_in

pytestmark = pytest.mark.django_db
PERIOD = 30
"""Seconds of a code of an authenticator app."""
START = datetime(2026, 3, 1, 12, tzinfo=UTC)


def with_app(**fields: Any) -> tuple[User, str]:
    """Answer an account with an authenticator app, and the app's secret."""
    account: User = AccountFactory.create(**fields)
    TOTP.activate(account, secret := generate_totp_secret())
    return account, secret


def code_of(secret: str, at: datetime) -> str:
    return format_hotp_value(hotp_value(secret, int(at.timestamp()) // PERIOD))


def second_step(account: User, code: str) -> int:
    """Give the password, then a code; answer what the code was answered."""
    app = App()
    assert app.auth("auth/login", email=account.email, password=PASSWORD).status_code == 401
    return app.auth("auth/2fa/authenticate", code=code).status_code


def lifetimes() -> list[int]:
    """Answer for how many seconds what the cache has is kept."""
    client = cache._cache.get_client()  # type: ignore[attr-defined]  # Django's way to the server
    return [client.ttl(key) for key in client.scan_iter(f"{cache.key_prefix}:*") if b"second-factor" in key]


class TestCodeOfAnAuthenticatorApp:
    def test_is_good_once(self) -> None:
        account, secret = with_app()
        with time_machine.travel(START, tick=False):
            code = code_of(secret, START)
            assert [second_step(account, code) for _ in range(2)] == [200, 400]
            assert second_step(account, f"{code[:3]} {code[3:]}") == 400

    def test_is_remembered_for_as_long_as_clocks_may_differ(self) -> None:
        # One of the next period is taken already, and one of the last still: it is good for three in all.
        account, secret = with_app()
        with time_machine.travel(START, tick=False):
            assert second_step(account, code_of(secret, START + timedelta(seconds=PERIOD))) == 200
        assert lifetimes() == [pytest.approx(3 * PERIOD, abs=5)]

    def test_is_good_once_for_all_doors(self) -> None:
        account, secret = with_app(is_staff=True)
        with time_machine.travel(START, tick=False):
            code = code_of(secret, START)
            assert second_step(account, code) == 200
            # At the admin's door, and where it is asked for again.
            _, page = sign_in_to_admin(account.email, code=code)
            assert (page.status_code, "code is missing or wrong" in page.content.decode()) == (200, True)
            app = App()
            app.token = sign_in(account)
            assert app.auth("auth/2fa/reauthenticate", code=code).status_code == 400

    def test_of_one_person_may_be_that_of_another(self) -> None:
        secret = generate_totp_secret()
        with time_machine.travel(START, tick=False):
            for account in (AccountFactory.create(), AccountFactory.create()):
                TOTP.activate(account, secret)
                assert second_step(account, code_of(secret, START)) == 200


class TestRecoveryCode:
    def test_signs_in_once(self) -> None:
        account, _ = with_app()
        codes = RecoveryCodes.activate(account).get_unused_codes()
        assert len(codes) == 10
        app = App()
        app.auth("auth/login", email=account.email, password=PASSWORD)
        assert app.auth("auth/2fa/authenticate", code=codes[0]).status_code == 200
        assert app.call("get", "/api/v1/account").json()["email"] == account.email
        assert second_step(account, codes[0]) == 400
        assert second_step(account, codes[1]) == 200
        left = Authenticator.objects.get(user=account, type="recovery_codes").wrap().get_unused_codes()
        assert left == codes[2:]

    def test_of_another_account_is_refused(self) -> None:
        account, _ = with_app()
        RecoveryCodes.activate(account)
        other, _ = with_app()
        codes = RecoveryCodes.activate(other).get_unused_codes()
        assert second_step(account, codes[0]) == 400
        assert RecoveryCodes.activate(other).get_unused_codes() == codes


@pytest.mark.django_db(transaction=True)
class TestTwoAtOnce:
    @pytest.mark.parametrize("kind", ["app", "recovery"])
    def test_have_one_winner(self, kind: str) -> None:
        account, secret = with_app()
        recovery = RecoveryCodes.activate(account).get_unused_codes()[0]
        apps = [App(), App()]
        for app in apps:
            app.auth("auth/login", email=account.email, password=PASSWORD)
        barrier, statuses = threading.Barrier(2), []
        code = recovery if kind == "recovery" else code_of(secret, datetime.now(UTC))

        def enter(app: App) -> None:
            try:
                barrier.wait(10)
                statuses.append(app.auth("auth/2fa/authenticate", code=code).status_code)
            finally:
                connections.close_all()

        threads = [threading.Thread(target=enter, args=[app]) for app in apps]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        assert sorted(statuses) == [200, 400]


class TestMailedCode:
    def test_signs_in_once_and_only_where_it_was_asked_for(self) -> None:
        account, app, thief = AccountFactory.create(), App(), App()
        thief.auth("auth/code/request", email=account.email)
        app.auth("auth/code/request", email=account.email)
        code = mailed_code(account.email)
        assert thief.auth("auth/code/confirm", code=code).status_code == 400
        assert app.auth("auth/code/confirm", code=code).status_code == 200
        assert app.auth("auth/code/confirm", code=code).status_code == 409

    def test_resets_the_password_once(self) -> None:
        account, app = AccountFactory.create(), App()
        app.auth("auth/password/request", email=account.email)
        code = mailed_code(account.email)
        assert app.auth("auth/password/reset", key=code, password="quite another one").status_code == 401
        assert app.auth("auth/password/reset", key=code, password="the thief's password").status_code == 409
        account.refresh_from_db()
        assert account.check_password("quite another one")

    def test_runs_out_after_a_quarter_of_an_hour(self) -> None:
        account = AccountFactory.create()
        for ask, answer in (
            ("auth/code/request", ("auth/code/confirm", "code")),
            ("auth/password/request", ("auth/password/reset", "key")),
        ):
            app, (path, name) = App(), answer
            app.auth(ask, email=account.email)
            with time_machine.travel(datetime.now(UTC) + timedelta(minutes=15, seconds=1)):
                late = app.auth(path, **{name: mailed_code(account.email), "password": "quite another one"})
            assert late.status_code == 409

    def test_of_before_is_ended_by_a_new_one(self, forget_tries: Callable[[], None]) -> None:
        account, app = AccountFactory.create(), App()
        app.auth("auth/code/request", email=account.email)
        first = mailed_code(account.email)
        forget_tries()
        app.auth("auth/code/resend")
        assert mailed_code(account.email) != first
        assert app.auth("auth/code/confirm", code=first).status_code == 400
        assert app.auth("auth/code/confirm", code=mailed_code(account.email)).status_code == 200


@pytest.mark.parametrize(
    ("ask", "answer", "name"),
    [("auth/code/request", "auth/code/confirm", "code"), ("auth/password/request", "auth/password/reset", "key")],
)
class TestMailedCodeOfAnAddressGivenUp:
    """Whoever reads the mail of an address that the account has left."""

    def test_opens_nothing(self, ask: str, answer: str, name: str) -> None:
        account: User = AccountFactory.create(email="old@example.com")
        thief, owner = App(), App()
        thief.auth(ask, email="old@example.com")
        code = mailed_code("old@example.com")
        owner.token = sign_in(account)
        owner.auth("account/email", email="new@example.com")
        owner.auth("auth/email/verify", key=mailed_code("new@example.com"))
        account.refresh_from_db()
        assert account.email == "new@example.com"

        more = {"password": "the thief's password"} if name == "key" else {}
        assert thief.auth(answer, **{name: code}, **more).status_code == 409
        assert thief.call("get", "/api/v1/account").status_code == 401
        account.refresh_from_db()
        assert account.check_password(PASSWORD)
        assert owner.call("get", "/api/v1/account").status_code == 200


class TestStaff:
    def test_factor_of_before_is_no_good_any_more(self) -> None:
        staff_member: User = StaffFactory.create()
        TOTP.activate(staff_member, old := generate_totp_secret())
        Authenticator.objects.all().delete()
        TOTP.activate(staff_member, generate_totp_secret())
        assert second_step(staff_member, code_of(old, datetime.now(UTC))) == 400
