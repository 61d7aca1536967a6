"""A person's first evening: an account, a second factor, a television, and the end of the television's sign-in."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value, yield_hotp_counters_from_time
from playwright.sync_api import Page, expect

from local.client import Client, Inbox
from tests.pages.conftest import CHROMIUM, SCREENSHOTS, ErrorsOnPage, browser, errors, page
from tests.platform_run import PlatformRun

__all__ = ["browser", "errors", "page"]

pytestmark = [
    pytest.mark.xdist_group("platform"),
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine"),
]

DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"
PHONE = {"width": 360, "height": 740}


class Television:
    """What runs on a television: it knows two addresses and shows a code."""

    def __init__(self, url: str) -> None:
        self.http = httpx.Client(base_url=url, headers={"User-Agent": "TV/1.0"}, timeout=60, trust_env=False)
        self.client_id = uuid4().hex
        begun = self.http.post(
            "/oauth/device_authorization", data={"client_id": self.client_id, "device_name": "Living room"}
        )
        assert begun.status_code == 200, begun.text
        self.codes: dict[str, Any] = begun.json()

    def sign_in(self) -> None:
        """Ask whether somebody has confirmed the code, and keep the token."""
        asked = {"grant_type": DEVICE_GRANT, "device_code": self.codes["device_code"], "client_id": self.client_id}
        answer = self.http.post("/oauth/token", data=asked)
        assert answer.status_code == 200, answer.text
        self.http.headers["X-Session-Token"] = answer.json()["access_token"]

    def account(self) -> httpx.Response:
        """Ask whose it is."""
        return self.http.get("/api/v1/account")


@pytest.fixture
def open_until_the_end() -> Iterator[ExitStack]:
    """What holds the connections of a test's clients."""
    with ExitStack() as stack:
        yield stack


@pytest.fixture
def person(running_platform: PlatformRun, open_until_the_end: ExitStack) -> Client:
    """Somebody's app, of whom the platform knows nothing yet."""
    person = Client(running_platform.url)
    open_until_the_end.callback(person.http.close)
    return person


@pytest.fixture
def inbox(running_platform: PlatformRun, open_until_the_end: ExitStack) -> Inbox:
    """Where the platform's mail arrives by SMTP."""
    inbox = Inbox(f"http://127.0.0.1:{running_platform.port + 1}")
    open_until_the_end.callback(inbox.http.close)
    return inbox


@pytest.fixture
def television(running_platform: PlatformRun, open_until_the_end: ExitStack) -> Television:
    """A television that shows its code."""
    television = Television(running_platform.url)
    open_until_the_end.callback(television.http.close)
    return television


@pytest.fixture
def telephone(page: Page) -> Page:
    """A browser of a telephone's size."""
    page.set_viewport_size({"width": PHONE["width"], "height": PHONE["height"]})
    return page


def keep_picture(page: Page, name: str) -> None:
    """Leave a picture of what the person sees now, when SCREENSHOTS names a folder."""
    assert page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]
    if SCREENSHOTS:
        page.screenshot(path=Path(SCREENSHOTS) / f"journey-tv-{name}.png")


def add_second_factor(person: Client) -> str:
    """Enter a code of an authenticator app; answers the app's secret."""
    offered = person.http.get("/_allauth/app/v1/account/authenticators/totp")
    assert offered.status_code == 404, offered.text
    secret: str = offered.json()["meta"]["secret"]
    added = person.http.post("/_allauth/app/v1/account/authenticators/totp", json={"code": code_of(secret)})
    assert added.status_code == 200, added.text
    return secret


def code_of(secret: str) -> str:
    """Answer what an authenticator app shows now."""
    return format_hotp_value(hotp_value(secret, next(iter(yield_hotp_counters_from_time()))))


class TestHousehold:
    def test_signs_up_lets_a_television_in_and_ends_it(
        self,
        running_platform: PlatformRun,
        person: Client,
        inbox: Inbox,
        television: Television,
        telephone: Page,
        errors: ErrorsOnPage,
    ) -> None:
        address, password = f"household-{uuid4().hex[:10]}@demo.test", f"long enough {uuid4()}"
        person.sign_up(address, password, "DE")
        person.verify_email(inbox.code_for(address))
        secret = add_second_factor(person)
        assert television.account().status_code == 401

        telephone.goto(f"{running_platform.url}/tv")
        telephone.get_by_label("E-mail address").fill(address)
        telephone.get_by_label("Password").fill(password)
        keep_picture(telephone, "1-sign-in")
        telephone.get_by_role("button", name="Sign in", exact=True).click()
        telephone.get_by_label("Code", exact=True).fill(code_of(secret))
        keep_picture(telephone, "2-second-factor")
        telephone.locator("#second-factor button").click()
        telephone.get_by_label("Code on the television").fill(television.codes["user_code"].lower())
        keep_picture(telephone, "3-code")
        telephone.get_by_role("button", name="Go on").click()
        expect(telephone.get_by_text("Living room")).to_be_visible()
        keep_picture(telephone, "4-confirm")
        telephone.get_by_role("button", name="Sign it in").click()
        expect(telephone.get_by_text("Your television signs in")).to_be_visible()
        keep_picture(telephone, "5-done")
        # The browser reports the refusal that asks for the second factor, which is no fault of the page.
        assert [error for error in errors if "401" not in error] == []

        television.sign_in()
        assert television.account().json()["email"] == address
        devices = person.get("devices")
        assert {(each["kind"], each["is_current"]) for each in devices} == {
            ("other", True),
            ("browser", False),
            ("television", False),
        }
        [known] = [each for each in devices if each["kind"] == "television"]
        assert (known["name"], known["user_agent"], known["is_signed_in"]) == ("Living room", "TV/1.0", True)

        ended = person.http.delete(f"/api/v1/devices/{known['id']}")
        assert ended.status_code == 204, ended.text
        assert television.account().status_code == 401
        assert len(person.get("devices")) == 2
