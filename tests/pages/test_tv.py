"""The page on which a person lets a television in, on a phone."""

from __future__ import annotations

from typing import Any

import pytest
from allauth.mfa.totp.internal.auth import (
    TOTP,
    format_hotp_value,
    generate_totp_secret,
    hotp_value,
    yield_hotp_counters_from_time,
)
from django.conf import settings
from django.test import Client
from playwright.sync_api import Browser, Page, expect
from pytest_django.live_server_helper import LiveServer

from accounts.models import Device, DeviceAuthorization
from tests.accounts.test_televisions import Television
from tests.factories.accounts import PASSWORD, AccountFactory, sign_in
from tests.pages.conftest import ErrorsOnPage

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("keep_picture")]


@pytest.fixture
def phone(page: Page) -> Page:
    page.set_viewport_size({"width": 360, "height": 740})
    return page


def sign_in_on(page: Page, email: str, password: str) -> None:
    page.get_by_label("E-mail address").fill(email)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Sign in", exact=True).click()


class TestTv:
    def test_lets_a_television_in(self, phone: Page, live_server: LiveServer, errors: ErrorsOnPage) -> None:
        account = AccountFactory.create()
        television = Television()
        code = television.start()["user_code"]
        phone.goto(f"{live_server.url}/tv")
        sign_in_on(phone, account.email, PASSWORD)
        phone.get_by_label("Code on the television").fill(code.lower())
        phone.get_by_role("button", name="Go on").click()
        expect(phone.get_by_text("Living room")).to_be_visible()
        phone.get_by_role("button", name="Sign it in").click()
        expect(phone.get_by_text("Your television signs in")).to_be_visible()
        assert phone.evaluate("document.documentElement.scrollWidth") == 360
        assert errors == []
        token = television.poll().json()["access_token"]
        assert Client().get("/api/v1/account", headers={"X-Session-Token": token}).json()["email"] == account.email
        assert set(Device.objects.values_list("kind", flat=True)) == {"browser", "television"}

    def test_is_shorter_for_who_is_signed_in_and_followed_the_link(
        self, phone: Page, live_server: LiveServer, errors: ErrorsOnPage
    ) -> None:
        token = sign_in(AccountFactory.create(), kind="browser")
        phone.context.add_cookies([{"name": settings.SESSION_COOKIE_NAME, "value": token, "url": live_server.url}])
        television = Television()
        phone.goto(television.start()["verification_uri_complete"].replace("http://testserver", live_server.url))
        assert phone.get_by_label("Code on the television").input_value() == television.codes["user_code"]
        phone.get_by_role("button", name="Go on").click()
        phone.get_by_role("button", name="No, refuse").click()
        expect(phone.get_by_text("stays signed out")).to_be_visible()
        assert errors == []
        assert television.error() == (400, "access_denied")

    def test_says_what_is_wrong(self, phone: Page, live_server: LiveServer) -> None:
        account = AccountFactory.create()
        phone.goto(f"{live_server.url}/tv?code=<script>alert(1)</script>")
        assert phone.locator("[name=user_code]").input_value() == ""
        sign_in_on(phone, account.email, "not the password")
        expect(phone.get_by_role("alert")).to_contain_text("not correct")
        sign_in_on(phone, account.email, PASSWORD)
        phone.get_by_label("Code on the television").fill("BBBB-BBBB")
        phone.get_by_role("button", name="Go on").click()
        expect(phone.get_by_role("alert")).to_contain_text("No television is waiting")
        assert not DeviceAuthorization.objects.exists()

    def test_asks_for_the_second_factor(self, phone: Page, live_server: LiveServer) -> None:
        account: Any = AccountFactory.create()
        secret = generate_totp_secret()
        TOTP.activate(account, secret)
        phone.goto(f"{live_server.url}/tv")
        sign_in_on(phone, account.email, PASSWORD)
        counter = next(iter(yield_hotp_counters_from_time()))
        phone.get_by_label("Code", exact=True).fill(format_hotp_value(hotp_value(secret, counter)))
        phone.locator("#second-factor button").click()
        expect(phone.get_by_label("Code on the television")).to_be_visible()

    def test_speaks_german(self, browser: Browser, live_server: LiveServer) -> None:
        page = browser.new_context(locale="de-DE").new_page()
        page.goto(f"{live_server.url}/tv")
        expect(page.get_by_role("heading", level=1)).to_have_text("Am Fernseher anmelden")
        page.context.close()
