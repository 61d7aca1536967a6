"""What is somebody's is kept by no cache between us and them, and by none that goes by the address alone."""

from __future__ import annotations

import pytest

from accounts import rules
from tests.accounts.conftest import App
from tests.factories.accounts import AccountFactory, ProfileFactory, sign_in

pytestmark = pytest.mark.django_db


@pytest.fixture
def app() -> App:
    profile = ProfileFactory.create()
    app = App()
    app.token = sign_in(profile.account, profile=profile, kind=rules.PHONE)
    return app


@pytest.mark.parametrize(
    "path",
    [
        "/api/v1/account",
        "/api/v1/account/activity",
        "/api/v1/account/exports",
        "/api/v1/devices",
        "/api/v1/profiles",
        "/api/v1/payment-methods",
        "/api/v1/invoices",
        "/api/v1/policies",
    ],
)
def test_answers_of_the_api_are_kept_by_nobody(app: App, path: str) -> None:
    answer = app.call("get", path)
    assert (answer.status_code, answer.headers["Cache-Control"]) == (200, "private, no-store")


def test_refusals_are_kept_by_nobody_either(app: App) -> None:
    assert App().call("get", "/api/v1/account").headers["Cache-Control"] == "no-store"
    assert app.call("get", "/api/v1/devices/nothing").headers["Cache-Control"] == "no-store"


def test_what_says_how_it_may_be_kept_is_left_so(app: App) -> None:
    answer = app.call("get", "/api/v1/genres")
    assert (answer.status_code, answer.headers["Cache-Control"]) == (200, "private, no-cache")


@pytest.mark.parametrize("path", ["auth/session", "account/email", "account/authenticators", "auth/sessions", "config"])
def test_answers_of_sign_in_are_kept_by_nobody(app: App, path: str) -> None:
    kept = app.auth(path, "get").headers["Cache-Control"]
    assert {"no-store", "private"} <= set(kept.split(", "))


def test_tokens_are_kept_by_nobody() -> None:
    account = AccountFactory.create()
    answer = App().auth("auth/login", email=account.email, password="a long enough password")
    assert answer.json()["meta"]["session_token"]
    assert {"no-store", "private"} <= set(answer.headers["Cache-Control"].split(", "))
