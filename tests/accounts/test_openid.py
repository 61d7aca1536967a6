"""Sign-in by an OpenID provider, which runs as a server of its own."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from allauth.account.models import EmailAddress
from allauth.socialaccount.models import SocialAccount, SocialToken
from django.test import Client

from accounts import rules
from accounts.models import AuditEntry, OutgoingEmail, User
from core.clock import now
from local.throwaway import free_port
from tests.accounts.conftest import mailed_code
from tests.factories.accounts import AccountFactory, KidsProfileFactory, ProfileFactory, sign_in

pytestmark = pytest.mark.django_db
AUTH = "/_allauth/browser/v1/auth"


@pytest.fixture(scope="module")
def provider() -> Iterator[str]:
    """An OpenID provider that lets everybody in; answers its address."""
    address = f"http://127.0.0.1:{(port := free_port())}"
    program = [sys.executable, "-W", "ignore", "-m", "oidc_provider_mock", "--host", "127.0.0.1", "--port", str(port)]
    process = subprocess.Popen(program, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(200):
            try:
                httpx.get(f"{address}/.well-known/openid-configuration")
                break
            except httpx.TransportError:
                time.sleep(0.05)
        yield address
    finally:
        process.terminate()
        process.wait(10)


@pytest.fixture
def work(provider: str, settings: Any) -> str:
    """The provider among the settings, as OIDC_PROVIDERS=work puts it there."""
    app = {
        "provider_id": "work",
        "name": "Work",
        "client_id": "us",
        "secret": "ours",
        "settings": {"server_url": provider},
    }
    settings.SOCIALACCOUNT_PROVIDERS = {"openid_connect": {"OAUTH_PKCE_ENABLED": True, "APPS": [app]}}
    return provider


def come_back_as(subject: str, email: str, provider: str, browser: Client, process: str = "login") -> Any:
    """Go to the provider, be somebody there, and come back."""
    httpx.put(f"{provider}/users/{subject}", json={"email": email, "email_verified": True})
    form = {"provider": "work", "callback_url": "http://testserver/done", "process": process}
    sent = browser.post(f"{AUTH}/provider/redirect", form)
    assert sent.status_code == 302, sent.content
    there = sent["Location"]
    assert there.startswith(provider)
    assert parse_qs(urlsplit(there).query)["code_challenge_method"] == ["S256"]
    back = httpx.post(there, data={"sub": subject}).headers["Location"]
    path = urlsplit(back)
    assert path.path == "/oidc/work/login/callback/"
    return browser.get(f"{path.path}?{path.query}")


class TestOpenId:
    def test_signs_up_once_the_country_is_said_and_then_signs_in(self, work: str) -> None:
        browser = Client()
        answer = come_back_as("ada", "ada@example.com", work, browser)
        assert (answer.status_code, answer["Location"]) == (302, "http://testserver/done")
        assert not User.objects.exists()
        pending = browser.get(f"{AUTH}/session").json()
        assert "provider_signup" in [flow["id"] for flow in pending["data"]["flows"] if flow.get("is_pending")]
        refused = browser.post(f"{AUTH}/provider/signup", {"email": "ada@example.com"}, content_type="application/json")
        assert {error["param"] for error in refused.json()["errors"]} == {"country"}
        made = browser.post(
            f"{AUTH}/provider/signup", {"email": "ada@example.com", "country": "DE"}, content_type="application/json"
        )
        assert made.status_code == 401  # the provider's word for the address does not count for us
        assert not EmailAddress.objects.filter(verified=True).exists()
        made = browser.post(
            f"{AUTH}/email/verify", {"key": mailed_code("ada@example.com")}, content_type="application/json"
        )
        assert made.status_code == 200, made.content
        account = User.objects.get()
        assert (account.country, account.has_usable_password()) == ("DE", False)
        assert (SocialAccount.objects.get().provider, SocialAccount.objects.get().uid) == ("work", "ada")
        assert not SocialToken.objects.exists()

        again = Client()
        come_back_as("ada", "ada@example.com", work, again)
        assert again.get("/api/v1/account").json()["email"] == "ada@example.com"
        assert User.objects.count() == 1

    def test_does_not_open_an_account_that_has_the_same_address(self, work: str) -> None:
        AccountFactory.create(email="ada@example.com")
        browser = Client()
        come_back_as("mallory", "ada@example.com", work, browser)
        assert browser.get("/api/v1/account").status_code == 401
        assert not SocialAccount.objects.exists()

    def test_is_offered_by_the_configuration(self, work: str) -> None:
        offered = Client().get("/_allauth/browser/v1/config").json()["data"]["socialaccount"]["providers"]
        assert [(each["id"], each["name"]) for each in offered] == [("work", "Work")]

    def test_asks_for_a_provider_that_there_is(self, work: str) -> None:
        form = {"provider": "other", "callback_url": "http://testserver/done", "process": "login"}
        answer = Client().post(f"{AUTH}/provider/redirect", form)
        assert re.search("error=", answer["Location"])

    def test_brings_no_address_along_that_was_not_typed(self, work: str) -> None:
        browser = Client()
        come_back_as("eve", "victim@example.com", work, browser)
        typed = {"email": "eve@example.com", "country": "DE"}
        assert browser.post(f"{AUTH}/provider/signup", typed, content_type="application/json").status_code == 401
        assert list(EmailAddress.objects.values_list("email", "verified")) == [("eve@example.com", False)]
        assert User.objects.get().email == "eve@example.com"


class TestLink:
    """A provider's account linked to one of ours is a way to sign in."""

    def test_is_made_with_a_recent_proof_alone(self, work: str) -> None:
        account = AccountFactory.create()
        for proved_at, error in ((now() - timedelta(hours=1), "reauthentication_required"), (now(), None)):
            browser = Client()
            browser.cookies["sessionid"] = sign_in(account, kind=rules.BROWSER, proved_at=proved_at)
            answer = come_back_as("ada", "ada@example.com", work, browser, process="connect")
            assert answer.status_code == 302
            assert parse_qs(urlsplit(answer["Location"]).query).get("error") == ([error] if error else None)
            assert SocialAccount.objects.filter(user=account).count() == (0 if error else 1)
        # It is on record and told by mail, and so is its end.
        gone = browser.delete(
            "/_allauth/browser/v1/account/providers",
            {"provider": "work", "account": "ada"},
            content_type="application/json",
        )
        assert gone.status_code == 200
        record = AuditEntry.objects.filter(account=account, act__startswith="authenticator").order_by("at")
        detail = {"kind": "provider", "provider": "work"}
        assert list(record.values_list("act", "actor", "detail")) == [
            ("authenticator_added", "owner", detail), ("authenticator_removed", "owner", detail),
        ]  # fmt: skip
        mails = OutgoingEmail.objects.filter(address=account.email).order_by("created_at")
        assert list(mails.values_list("template", flat=True)) == [
            "socialaccount/email/account_connected", "socialaccount/email/account_disconnected",
        ]  # fmt: skip

    def test_is_not_made_from_a_kids_profile_or_a_television(self, work: str) -> None:
        account = AccountFactory.create()
        ProfileFactory.create(account=account)
        kids = KidsProfileFactory.create(account=account)
        form = {"provider": "work", "callback_url": "http://testserver/done", "process": "connect"}
        for key in (sign_in(account, profile=kids), sign_in(account, kind=rules.TELEVISION)):
            browser = Client()
            browser.cookies["sessionid"] = key
            assert browser.post(f"{AUTH}/provider/redirect", form).status_code == 403
            for page in ("login/?process=connect", "login/callback/?code=x&state=y"):
                assert browser.get(f"/oidc/work/{page}").status_code == 403
        assert not SocialAccount.objects.exists()
