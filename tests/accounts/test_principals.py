"""Who a request comes from, beside a real Valkey that is filled, stopped, restarted and made to hang."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.db import connections, transaction
from django.test import Client
from pytest_django import DjangoAssertNumQueries
from pytest_django.fixtures import Settings
from redis import Redis

from accounts import principals
from accounts.models import User
from accounts.services import accounts, profiles, sessions
from core.clock import now
from core.valkey import PAUSE
from local.throwaway import free_port
from local.valkey import Valkey
from tests.accounts.conftest import App, mailed_code
from tests.factories.accounts import PASSWORD, AccountFactory, ProfileFactory, StaffFactory, sign_in

pytestmark = pytest.mark.django_db(transaction=True)


class Server:
    """A Valkey of the test's own."""

    def __init__(self, home: Path) -> None:
        self.valkey = Valkey(home, free_port(), {"save": ""})

    def start(self) -> None:
        self.valkey.start()

    def stop(self) -> None:
        self.valkey.stop()

    def hang(self) -> None:
        os.kill(self._pid, signal.SIGSTOP)

    def go_on(self) -> None:
        os.kill(self._pid, signal.SIGCONT)

    def keys(self) -> dict[str, bytes]:
        client = Redis.from_url(self.valkey.url)
        return {key.decode(): client.get(key) for key in client.keys("principal:*")}  # type: ignore[misc, union-attr]  # redis-py answers bytes or a future

    @property
    def _pid(self) -> int:
        return int((self.valkey.home / "valkey.pid").read_text())


@pytest.fixture
def server(tmp_path: Path, settings: Settings) -> Iterator[Server]:
    server = Server(tmp_path / "valkey")
    server.start()
    settings.REDIS_URL = server.valkey.url
    yield server
    try:
        server.go_on()
    finally:
        server.stop()


def status(token: str) -> int:
    return Client().get("/api/v1/account", headers={"X-Session-Token": token}).status_code


def warm(account: User) -> str:
    """Sign in, and leave what a request acts with in Valkey."""
    token = sign_in(account)
    assert status(token) == 200
    return token


def until(met: Callable[[], bool], seconds: float = 5) -> None:
    deadline = time.monotonic() + seconds
    while not met():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.usefixtures("server")
class TestResolve:
    def test_asks_the_database_once_and_then_never(self, django_assert_num_queries: DjangoAssertNumQueries) -> None:
        profile = ProfileFactory.create(account=StaffFactory.create(country="AT"))
        group = Group.objects.create(name="support")
        profile.account.groups.add(group)
        token = sign_in(profile.account, profile=profile)
        with django_assert_num_queries(1):
            cold = principals.resolve(token, now=now())
        with django_assert_num_queries(0):
            kept = principals.resolve(token, now=now())
            assert kept
            assert kept == cold
            assert kept.profile
            assert kept.profile.account == kept.account
            assert (kept.account.email, kept.account.country, kept.account.is_staff) == (
                profile.account.email, "AT", True,
            )  # fmt: skip
            assert (kept.profile.name, kept.profile.highest_age, kept.groups) == (
                profile.name,
                18,
                frozenset({"support"}),
            )
            assert kept.device
            assert kept.device.session_id == kept.session_id

    def test_costs_a_request_no_query_when_warm(self, django_assert_num_queries: DjangoAssertNumQueries) -> None:
        token = warm(AccountFactory.create())
        with django_assert_num_queries(0):
            assert status(token) == 200
        browser = Client()
        browser.cookies["sessionid"] = token
        with django_assert_num_queries(0):
            assert browser.get("/api/v1/account").status_code == 200

    def test_looks_nothing_up_for_what_is_no_key(
        self, server: Server, django_assert_num_queries: DjangoAssertNumQueries
    ) -> None:
        with django_assert_num_queries(0):
            for token in ("", "x", "A" * 32, "a" * 33, "../../etc", "a" * 5000, "\0" * 32):
                assert principals.resolve(token, now=now()) is None
        assert server.keys() == {}

    def test_keeps_neither_keys_nor_password_hashes_and_nothing_for_long(self, server: Server) -> None:
        account = AccountFactory.create()
        token = warm(account)
        [(name, value)] = server.keys().items()
        assert token not in name
        assert token.encode() not in value
        assert account.password.encode() not in value
        assert 0 < Redis.from_url(server.valkey.url).pttl(name) <= 60_000

    def test_refuses_what_has_run_out_though_it_is_kept(self) -> None:
        token = warm(AccountFactory.create())
        assert principals.resolve(token, now=now() + timedelta(days=29))
        assert principals.resolve(token, now=now() + timedelta(days=31)) is None

    def test_keeps_nothing_that_may_never_be_committed(self, server: Server) -> None:
        token = sign_in(AccountFactory.create())
        with transaction.atomic():
            assert principals.resolve(token, now=now())
        assert server.keys() == {}


@pytest.mark.usefixtures("server")
class TestChange:
    """What is changed holds from the next request on."""

    def test_of_the_profile(self) -> None:
        one = ProfileFactory.create()
        other = ProfileFactory.create(account=one.account)
        token = warm(one.account)

        def acts_as() -> Any:
            principal = principals.resolve(token, now=now())
            assert principal
            return principal.profile and principal.profile.name

        for profile in (one, other):
            profiles.enter(account_id=one.account_id, profile_id=profile.pk, session_key=token, now=now())
            assert acts_as() == profile.name
        profiles.change(account_id=one.account_id, profile_id=other.pk, fields={"name": "New"}, now=now())
        assert acts_as() == "New"
        profiles.delete(account_id=one.account_id, profile_id=other.pk, now=now())
        assert acts_as() is None

    def test_of_the_account(self) -> None:
        account = AccountFactory.create(country="DE")
        token = warm(account)
        accounts.change(account_id=account.pk, fields={"country": "AT"}, now=now())
        answer = Client().get("/api/v1/account", headers={"X-Session-Token": token})
        assert answer.json()["country"] == "AT"

    def test_of_groups_by_the_admin(self, admin_client: Client) -> None:
        staff = StaffFactory.create()
        token, group = warm(staff), Group.objects.create(name="support")
        forms = {
            f"{form}-{kind}_FORMS": 0
            for form in ("profiles", "emailaddress_set", "usersession_set")
            for kind in ("TOTAL", "INITIAL")
        }
        answer = admin_client.post(
            f"/admin/accounts/user/{staff.pk}/change/",
            {"country": "DE", "language": "en", "is_staff": "on", "groups": [group.pk], **forms},
        )
        assert answer.status_code == 302
        principal = principals.resolve(token, now=now())
        assert principal
        assert principal.groups == {"support"}

    def test_of_the_password_ends_all_but_the_session_that_changed_it(self) -> None:
        profile = ProfileFactory.create()
        app, others = App(), [warm(profile.account) for _ in range(2)]
        app.auth("auth/login", email=profile.account.email, password=PASSWORD)
        app.call("post", f"/api/v1/profiles/{profile.pk}/enter")
        before = app.token
        assert before
        assert principals.resolve(before, now=now())
        assert app.auth("account/password/change", current_password=PASSWORD, new_password="quite another one").status_code == 200  # fmt: skip
        assert app.token != before
        assert [status(token) for token in (*others, before)] == [401, 401, 401]
        # Device and profile are those of before.
        assert app.call("get", "/api/v1/account").json()["profile_id"] == str(profile.pk)
        assert list(profile.account.devices.filter(session__isnull=False).values_list("session__session_key", flat=True)) == [app.token]  # fmt: skip

    def test_of_a_forgotten_password_ends_them_all(self) -> None:
        account = AccountFactory.create()
        token, app = warm(account), App()
        app.auth("auth/password/request", email=account.email)
        assert app.auth("auth/password/reset", key=mailed_code(account.email), password="quite another one").status_code == 401  # fmt: skip
        assert status(token) == 401

    def test_of_a_password_by_staff(self, admin_client: Client) -> None:
        account = AccountFactory.create()
        token = warm(account)
        admin_client.post(
            f"/admin/accounts/user/{account.pk}/password/",
            {"usable_password": "true", "password1": "quite another one", "password2": "quite another one"},
        )
        assert status(token) == 401

    def test_by_a_suspension(self) -> None:
        account, by = AccountFactory.create(), StaffFactory.create()
        token = warm(account)
        accounts.suspend(account_id=account.pk, reason="fraud", by=by, now=now())
        assert status(token) == 401
        accounts.unsuspend(account_id=account.pk, reason="a slip", by=by, now=now())
        assert status(token) == 401

    def test_by_signing_out(self) -> None:
        account = AccountFactory.create()
        app, other = App(), warm(account)
        app.auth("auth/login", email=account.email, password=PASSWORD)
        token = app.token
        assert token
        assert status(token) == 200
        assert app.auth("auth/session", "delete").status_code == 401
        assert (status(token), status(other)) == (401, 200)

    def test_by_ending_another_session(self) -> None:
        account = AccountFactory.create()
        app, other = App(), warm(account)
        app.auth("auth/login", email=account.email, password=PASSWORD)
        [listed] = [each for each in app.auth("auth/sessions", "get").json()["data"] if not each["is_current"]]
        app.auth("auth/sessions", "delete", sessions=[listed["id"]])
        assert (status(other), status(app.token or "")) == (401, 200)


class TestRevocation:
    def test_during_a_fill_is_not_overwritten(self, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
        account = AccountFactory.create()
        token = sign_in(account)
        read, is_read, may_fill = principals._read, threading.Event(), threading.Event()

        def slowly(*arguments: Any) -> Any:
            found = read(*arguments)
            is_read.set()
            assert may_fill.wait(10)
            return found

        monkeypatch.setattr(principals, "_read", slowly)
        answers: list[principals.Principal | None] = []

        def ask() -> None:
            try:
                answers.append(principals.resolve(token, now=now()))
            finally:
                connections.close_all()

        asking = threading.Thread(target=ask)
        asking.start()
        assert is_read.wait(10)
        sessions.end(account_id=account.pk, now=now())
        may_fill.set()
        asking.join(10)
        assert answers[0]  # it began before the end
        monkeypatch.undo()
        assert list(server.keys().values()) == [b"x"]
        assert status(token) == 401

    def test_costs_no_query_afterwards(self, server: Server, django_assert_num_queries: DjangoAssertNumQueries) -> None:
        account = AccountFactory.create()
        token = warm(account)
        sessions.end(account_id=account.pk, now=now())
        with django_assert_num_queries(0):
            assert status(token) == 401

    def test_during_a_fill_by_a_change_is_not_overwritten_either(self, server: Server) -> None:
        cache = principals._cache
        lease = cache.lease("name")
        assert lease
        cache.forget(["name"])
        cache.fill("name", lease, b"old")
        assert server.keys() == {}
        assert cache.lease("name") != lease

    def test_of_nothing_committed_is_none(self, server: Server) -> None:
        account = AccountFactory.create()
        token = warm(account)
        with transaction.atomic():
            sessions.end(account_id=account.pk, now=now())
            transaction.set_rollback(True)
        assert status(token) == 200


class TestWithoutValkey:
    def test_the_query_answers_and_nobody_waits_twice(
        self, server: Server, django_assert_num_queries: DjangoAssertNumQueries
    ) -> None:
        token = warm(AccountFactory.create())
        server.hang()
        began = time.monotonic()
        with django_assert_num_queries(5):
            assert [principals.resolve(token, now=now()) is not None for _ in range(5)] == [True] * 5
        assert time.monotonic() - began < 0.7

    def test_a_revocation_holds_while_it_is_down_and_after_it_restarted(self, server: Server) -> None:
        account = AccountFactory.create()
        token, other = warm(account), warm(AccountFactory.create())
        server.stop()
        sessions.end(account_id=account.pk, now=now())
        assert (status(token), status(other)) == (401, 200)
        server.start()
        assert (status(token), status(other)) == (401, 200)
        until(lambda: b"x" in server.keys().values())
        time.sleep(2 * PAUSE)
        assert (status(token), status(other)) == (401, 200)

    def test_a_revocation_holds_when_it_hung_and_kept_the_old(self, server: Server) -> None:
        account = AccountFactory.create()
        token = warm(account)
        [old] = server.keys().values()
        server.hang()
        sessions.end(account_id=account.pk, now=now())
        assert status(token) == 401
        time.sleep(1.5 * PAUSE)
        assert status(token) == 401
        server.go_on()
        seen = set()
        deadline = time.monotonic() + 3 * PAUSE
        while time.monotonic() < deadline:
            seen.add(status(token))
        assert seen == {401}
        assert old not in server.keys().values()

    def test_it_is_used_again_once_it_is_back(
        self, server: Server, django_assert_num_queries: DjangoAssertNumQueries
    ) -> None:
        token = warm(AccountFactory.create())
        server.stop()
        assert status(token) == 200
        server.start()

        def is_kept() -> bool:
            assert status(token) == 200
            return any(value[:1] == b"v" for value in server.keys().values())

        until(is_kept, 4 * PAUSE)
        with django_assert_num_queries(0):
            assert status(token) == 200
