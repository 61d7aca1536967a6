"""Pages that links in mail lead to, on a phone."""

from __future__ import annotations

import pytest
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from django.conf import settings
from playwright.sync_api import Page, expect
from pytest_django.live_server_helper import LiveServer

from accounts.models import OutgoingEmail, Recovery
from accounts.services import preferences, recoveries
from accounts.services.audit import NOWHERE
from core.clock import now
from tests.factories.accounts import AccountFactory
from tests.pages.conftest import ErrorsOnPage

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("keep_picture")]


@pytest.fixture
def phone(page: Page) -> Page:
    page.set_viewport_size({"width": 360, "height": 740})
    return page


class TestUnsubscribe:
    def test_takes_one_more_tap(self, phone: Page, live_server: LiveServer, errors: ErrorsOnPage) -> None:
        account = AccountFactory.create()
        preferences.choose(account_id=account.pk, wanted={"news": True}, now=now())
        url = preferences.unsubscribe_url(account_id=account.pk, topic="news")
        phone.goto(url.replace(settings.PUBLIC_URL, live_server.url))
        phone.get_by_role("button", name="Unsubscribe").click()
        expect(phone.get_by_role("status")).to_contain_text("Done.")
        assert phone.evaluate("document.documentElement.scrollWidth") == 360
        assert errors == []
        assert preferences.topics_of(account.pk)["news"] is False


class TestStopRecovery:
    def test_keeps_the_second_factor(self, phone: Page, live_server: LiveServer, errors: ErrorsOnPage) -> None:
        account = AccountFactory.create()
        TOTP.activate(account, generate_totp_secret())
        recoveries.request(account_id=account.pk, now=now(), origin=NOWHERE)
        link = OutgoingEmail.objects.get().context["action_url"]
        phone.goto(link.replace(settings.PUBLIC_URL, live_server.url))
        phone.get_by_role("button", name="Stop it").click()
        expect(phone.get_by_role("status")).to_contain_text("Your second factor stays")
        assert phone.evaluate("document.documentElement.scrollWidth") == 360
        assert errors == []
        assert Recovery.objects.get().outcome == "cancelled"
