"""Our Content-Security-Policy and the pages of others: the browser must find nothing to refuse."""

import re

import pytest
from django.conf import settings
from django.test import Client
from playwright.sync_api import Page, expect
from pytest_django.live_server_helper import LiveServer

from accounts.models import User
from tests.pages.conftest import ErrorsOnPage

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("keep_picture")]


@pytest.fixture
def signed_in(page: Page, live_server: LiveServer, client: Client) -> Page:
    """A tab in which a superuser is signed in."""
    client.force_login(User.objects.create_superuser("root@example.com", password="a long passphrase"))
    cookie = client.cookies[settings.SESSION_COOKIE_NAME].value
    page.context.add_cookies([{"name": settings.SESSION_COOKIE_NAME, "value": cookie, "url": live_server.url}])
    return page


class TestPolicy:
    def test_suits_the_documentation(self, page: Page, live_server: LiveServer, errors: ErrorsOnPage) -> None:
        page.goto(f"{live_server.url}/api/docs")
        page.locator(".opblock-summary").first.click()
        expect(page.locator(".opblock-body").first).to_be_visible()
        page.wait_for_load_state("networkidle")
        assert errors == []

    def test_suits_the_admin(self, signed_in: Page, live_server: LiveServer, errors: ErrorsOnPage) -> None:
        for path in ("/admin/", "/admin/accounts/user/", "/admin/core/outboxdelivery/"):
            signed_in.goto(f"{live_server.url}{path}")
            expect(signed_in).to_have_title(re.compile("."))
            signed_in.wait_for_load_state("networkidle")
        # Alpine evaluates the expression behind the switch of the theme.
        assert signed_in.evaluate("typeof Alpine") == "object"
        assert errors == []
