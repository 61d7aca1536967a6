"""The landing page."""

import pytest
from playwright.sync_api import Browser, Page, expect
from pytest_django.live_server_helper import LiveServer

from tests.pages.conftest import ErrorsOnPage

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("keep_picture")]


class TestLanding:
    def test_leads_to_the_api_and_the_admin(self, page: Page, live_server: LiveServer, errors: ErrorsOnPage) -> None:
        page.goto(live_server.url)
        expect(page.get_by_role("heading", level=1)).to_be_visible()
        page.get_by_role("link", name="API").click()
        page.wait_for_url("**/api/docs")
        page.wait_for_load_state("networkidle")  # leaving earlier would abort its requests
        page.go_back()
        page.get_by_role("link", name="Admin").click()
        page.wait_for_url("**/admin/login/**")
        assert errors == []

    def test_fits_a_phone(self, page: Page, live_server: LiveServer) -> None:
        page.set_viewport_size({"width": 360, "height": 740})
        page.goto(live_server.url)
        assert page.evaluate("document.documentElement.scrollWidth") == 360

    def test_speaks_the_language_of_the_browser(self, browser: Browser, live_server: LiveServer) -> None:
        page = browser.new_context(locale="de-DE").new_page()
        page.goto(live_server.url)
        assert page.locator("html").get_attribute("lang") == "de"
        page.context.close()
