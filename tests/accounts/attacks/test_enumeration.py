"""Nobody learns which addresses have an account: not by what is answered, and not by how long it takes."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from accounts.models import User
from tests.accounts.conftest import Answer, App, CountingHasher, mailed_code, mails_to
from tests.factories.accounts import PASSWORD, AccountFactory, sign_in

pytestmark = pytest.mark.django_db
KNOWN, UNKNOWN = "ada@example.com", "bea@example.com"


def shape(answer: Answer, address: str) -> Any:
    """Answer an answer without what differs each time."""
    body = answer.json()
    body.get("meta", {}).pop("session_token", None)
    body.pop("instance", None)  # has the request's id
    headers = sorted(set(answer.headers) - {"Content-Length", "X-Request-ID"})
    said = re.sub(r"viewer\d+@", "viewer@", str(body).replace(address, "(address)"))
    return answer.status_code, said, headers


def sign_up(app: App, address: str) -> Answer:
    return app.sign_up(address)


def sign_up_by_passkey(app: App, address: str) -> Answer:
    return app.auth("auth/webauthn/signup", email=address, country="DE")


def sign_in_by_password(app: App, address: str) -> Answer:
    return app.auth("auth/login", email=address, password="not the password")


def ask_for_a_code(app: App, address: str) -> Answer:
    return app.auth("auth/code/request", email=address)


def ask_for_a_reset(app: App, address: str) -> Answer:
    return app.auth("auth/password/request", email=address)


def recover(app: App, address: str) -> Answer:
    return app.call("post", "/api/v1/recovery", {"email": address, "password": "not the password"})


def change_to(app: App, address: str) -> Answer:
    app.token = sign_in(AccountFactory.create())
    return app.auth("account/email", email=address)


def try_a_code(app: App, address: str) -> Answer:
    app.auth("auth/code/request", email=address)
    return app.auth("auth/code/confirm", code="AAAA-AAAA")


def try_an_empty_code(app: App, address: str) -> Answer:
    app.auth("auth/code/request", email=address)
    return app.auth("auth/code/confirm", code="-")


def try_a_reset(app: App, address: str) -> Answer:
    app.auth("auth/password/request", email=address)
    return app.auth("auth/password/reset", key="AAAA-AAAA", password="quite another one")


def try_an_empty_reset(app: App, address: str) -> Answer:
    app.auth("auth/password/request", email=address)
    return app.auth("auth/password/reset", key="-", password="quite another one")


def verify(app: App, address: str) -> Answer:
    app.sign_up(address)
    return app.auth("auth/email/verify", key="AAAA-AAAA")


def ask_again(app: App, address: str) -> Answer:
    app.sign_up(address)
    return app.auth("auth/session", "get")


WAYS = [
    sign_up,
    sign_up_by_passkey,
    sign_in_by_password,
    ask_for_a_code,
    ask_for_a_reset,
    recover,
    change_to,
    try_a_code,
    try_an_empty_code,
    try_a_reset,
    try_an_empty_reset,
    verify,
    ask_again,
]


@pytest.mark.parametrize("way", WAYS)
class TestAnswer:
    def test_is_the_same_for_a_known_and_an_unknown_address(self, way: Callable[[App, str], Answer]) -> None:
        account: User = AccountFactory.create(email=KNOWN)
        known, unknown = way(App(), KNOWN), way(App(), UNKNOWN)
        assert shape(known, KNOWN) == shape(unknown, UNKNOWN)
        account.refresh_from_db()
        assert account.check_password(PASSWORD)

    def test_costs_as_many_password_hashes(self, way: Callable[[App, str], Answer], settings: Any) -> None:
        # One of them takes longer than all the rest of a request.
        settings.PASSWORD_HASHERS = ["tests.accounts.conftest.CountingHasher"]
        AccountFactory.create(email=KNOWN)
        # Whoever asks may be signed in, which costs none.
        hashes = []
        for address in (KNOWN, UNKNOWN):
            CountingHasher.hashes = 0
            way(App(), address)
            hashes.append(CountingHasher.hashes)
        assert hashes[0] == hashes[1]


class TestAccountWithoutAPassword:
    def test_costs_and_answers_as_one_that_is_not_there(self, settings: Any) -> None:
        settings.PASSWORD_HASHERS = ["tests.accounts.conftest.CountingHasher"]
        account: User = AccountFactory.create(email=KNOWN)
        account.set_unusable_password()
        account.save()
        hashes, said = [], []
        for address in (KNOWN, UNKNOWN):
            CountingHasher.hashes = 0
            said.append(shape(sign_in_by_password(App(), address), address))
            hashes.append(CountingHasher.hashes)
        assert said[0] == said[1]
        assert hashes == [1, 1]


class TestMail:
    def test_about_a_sign_up_tells_the_owner_and_holds_no_code(self) -> None:
        AccountFactory.create(email=KNOWN)
        sign_up_by_passkey(App(), KNOWN)
        assert mails_to(KNOWN) == ["account/email/account_already_exists"]

    def test_about_a_change_gives_a_code_that_changes_nothing(self) -> None:
        # Should the owner be talked into reading it out.
        owner: User = AccountFactory.create(email=KNOWN)
        thief = App()
        change_to(thief, KNOWN)
        answer = thief.auth("auth/email/verify", key=mailed_code(KNOWN))
        assert (answer.status_code, answer.json()["errors"][0]["code"]) == (400, "email_taken")
        assert list(User.objects.filter(email=KNOWN)) == [owner]


class TestSuspended:
    def test_is_told_to_nobody_without_the_password(self) -> None:
        AccountFactory.create(email=KNOWN, is_active=False)
        for way in (sign_in_by_password, ask_for_a_code, ask_for_a_reset, recover):
            assert shape(way(App(), KNOWN), KNOWN) == shape(way(App(), UNKNOWN), UNKNOWN)
