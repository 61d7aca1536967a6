"""A session that somebody knew before a sign-in is worth nothing after it: its key changes at every door."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import TOTP, format_hotp_value, generate_totp_secret, hotp_value
from allauth.mfa.utils import decrypt
from allauth.usersessions.models import UserSession
from django.contrib.sessions.models import Session
from django.test import Client

from accounts.models import Device, User
from core.clock import now
from tests.accounts.conftest import App, mailed_code
from tests.factories.accounts import PASSWORD, AccountFactory, StaffFactory, sign_in

pytestmark = pytest.mark.django_db
BROWSER = "/_allauth/browser/v1"


def opens(token: str | None) -> bool:
    """Answer whether a session's key reaches an account, by either API."""
    app = App()
    app.token = token
    return app.call("get", "/api/v1/account").status_code == 200 or app.auth("auth/session", "get").status_code == 200


def by_code(app: App, account: User) -> None:
    app.auth("auth/code/request", email=account.email)


def enter_code(app: App, account: User) -> int:
    return app.auth("auth/code/confirm", code=mailed_code(account.email)).status_code


def by_second_factor(app: App, account: User) -> None:
    TOTP.activate(account, generate_totp_secret())
    app.auth("auth/login", email=account.email, password=PASSWORD)


def enter_second_factor(app: App, account: User) -> int:
    secret = decrypt(Authenticator.objects.get(user=account).data["secret"])
    code = format_hotp_value(hotp_value(secret, int(now().timestamp()) // 30))
    return app.auth("auth/2fa/authenticate", code=code).status_code


def by_sign_up(app: App, account: User) -> None:
    app.sign_up("new@example.com")


def verify(app: App, account: User) -> int:
    return app.verify("new@example.com").status_code


class TestApp:
    @pytest.mark.parametrize(
        ("begin", "end"), [(by_code, enter_code), (by_second_factor, enter_second_factor), (by_sign_up, verify)]
    )
    def test_gets_another_token_at_the_last_step(self, begin: Callable[..., Any], end: Callable[..., Any]) -> None:
        account, app = AccountFactory.create(), App()
        begin(app, account)
        before = app.token
        assert before
        assert not opens(before)
        assert end(app, account) == 200
        assert app.token != before
        assert opens(app.token)
        assert not opens(before)
        assert not Session.objects.filter(session_key=before).exists()


class TestBrowser:
    def test_gets_another_key_when_it_signs_in(self) -> None:
        account, browser = AccountFactory.create(), Client()
        code_of_another = {"email": AccountFactory.create().email}
        browser.post(f"{BROWSER}/auth/code/request", code_of_another, content_type="application/json")
        before = browser.cookies["sessionid"].value
        credentials = {"email": account.email, "password": PASSWORD}
        assert browser.post(f"{BROWSER}/auth/login", credentials, content_type="application/json").status_code == 200
        assert browser.cookies["sessionid"].value != before
        assert opens(browser.cookies["sessionid"].value)
        assert not opens(before)

    def test_takes_over_no_session_that_a_link_or_a_header_names(self) -> None:
        account, thief = AccountFactory.create(), AccountFactory.create()
        planted = sign_in(thief)
        browser = Client()
        answer = browser.post(
            f"{BROWSER}/auth/login?sessionid={planted}",
            {"email": account.email, "password": PASSWORD},
            content_type="application/json",
            headers={"X-Session-Token": planted},
        )
        assert answer.json()["data"]["user"]["id"] == str(account.pk)
        assert browser.cookies["sessionid"].value != planted
        assert UserSession.objects.get(session_key=planted).user == thief


class TestAdmin:
    def test_gives_another_key_when_staff_sign_in(self) -> None:
        staff_member, browser = StaffFactory.create(), Client(REMOTE_ADDR=App().address)
        browser.post(f"{BROWSER}/auth/code/request", {"email": "nobody@example.com"}, content_type="application/json")
        before = browser.cookies["sessionid"].value
        form = {"username": staff_member.email, "password": PASSWORD}
        assert browser.post("/admin/login/?next=/admin/", form).status_code == 302
        after = browser.cookies["sessionid"].value
        assert after != before
        assert not opens(before)
        assert opens(after)

    def test_ends_the_session_of_whoever_was_signed_in_before(self) -> None:
        viewer, staff_member = AccountFactory.create(), StaffFactory.create()
        browser = Client(REMOTE_ADDR=App().address)
        browser.cookies["sessionid"] = before = sign_in(viewer)
        form = {"username": staff_member.email, "password": PASSWORD}
        assert browser.post("/admin/login/?next=/admin/", form).status_code == 302
        assert browser.cookies["sessionid"].value != before
        assert not opens(before)
        assert list(UserSession.objects.values_list("user", flat=True)) == [staff_member.pk]

    def test_leaves_no_session_that_nobody_sees_when_the_same_person_signs_in_again(self, settings: Any) -> None:
        # A second factor is asked for of somebody who is signed in without one.
        settings.STAFF_SECOND_FACTOR_REQUIRED = True
        staff_member: User = StaffFactory.create()
        TOTP.activate(staff_member, secret := generate_totp_secret())
        browser = Client(REMOTE_ADDR=App().address)
        browser.cookies["sessionid"] = before = sign_in(staff_member)
        code = format_hotp_value(hotp_value(secret, int(now().timestamp()) // 30))
        form = {"username": staff_member.email, "password": PASSWORD, "code": code}
        assert browser.post("/admin/login/?next=/admin/", form).status_code == 302
        assert browser.get("/admin/").status_code == 200
        after = browser.cookies["sessionid"].value
        assert after != before
        # It is on the list of devices, the one before is not, and it can be ended.
        assert list(UserSession.objects.values_list("session_key", flat=True)) == [after]
        signed_in = Device.objects.filter(session__isnull=False)
        assert list(signed_in.values_list("session__session_key", flat=True)) == [after]
        assert (opens(before), opens(after)) == (False, True)
