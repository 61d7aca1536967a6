"""How sign-ins begin, stay alive and end."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from allauth.usersessions.models import UserSession
from django.contrib.sessions.models import Session
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from accounts import principals, rules
from accounts.models import Device
from accounts.services import sessions
from core.models import OutboxEvent
from tests.accounts.conftest import App
from tests.factories.accounts import PASSWORD, AccountFactory, sign_in

pytestmark = pytest.mark.django_db
START = datetime(2026, 3, 1, 12, tzinfo=UTC)


def ended() -> list[dict[str, str]]:
    return list(
        OutboxEvent.objects.filter(type="accounts.SessionsEnded").order_by("pk").values_list("payload", flat=True)
    )


class TestBegin:
    @pytest.mark.parametrize(("client", "kind"), [("app", rules.OTHER), ("browser", rules.BROWSER)])
    def test_lists_a_device(self, client: str, kind: str) -> None:
        account = AccountFactory.create()
        http = Client(REMOTE_ADDR="10.9.8.7")
        answer = http.post(
            f"/_allauth/{client}/v1/auth/login",
            {"email": account.email, "password": PASSWORD},
            content_type="application/json",
        )
        assert answer.status_code == 200
        device = Device.objects.get(account=account)
        assert (device.kind, device.name, device.session) == (kind, "", UserSession.objects.get())

    def test_lists_staff_who_came_in_by_the_admin_and_their_leaving(self) -> None:
        account = AccountFactory.create(is_staff=True)
        browser = Client(REMOTE_ADDR="10.9.8.7")
        form = {"username": account.email, "password": PASSWORD}
        assert browser.post("/admin/login/?next=/admin/", form).status_code == 302
        device = Device.objects.get(account=account)
        assert device.session
        assert device.session.session_key == browser.cookies["sessionid"].value
        assert browser.get("/api/v1/account").status_code == 200
        browser.post("/admin/logout/")
        assert not UserSession.objects.exists()
        assert [event["device_id"] for event in ended()] == [str(device.pk)]


class TestLifetime:
    @pytest.mark.parametrize(
        ("kind", "days"), [("browser", 30), ("phone", 180), ("tablet", 180), ("television", 400), ("other", 30)]
    )
    def test_slides_by_kind(self, kind: str, days: int) -> None:
        with time_machine.travel(START, tick=False) as clock:
            token = sign_in(AccountFactory.create(), kind=kind)
            sessions.set_lifetime(session_key=token, kind=kind)
            app = App()
            app.token = token
            clock.shift(timedelta(days=days - 1))
            assert app.call("get", "/api/v1/account").status_code == 200
            clock.shift(timedelta(days=days) - timedelta(seconds=1))
            assert app.call("get", "/api/v1/account").status_code == 200
            clock.shift(timedelta(days=days))
            assert app.call("get", "/api/v1/account").status_code == 401

    def test_of_a_browser_is_that_of_its_cookie(self) -> None:
        with time_machine.travel(START, tick=False) as clock:
            browser = Client()
            browser.cookies["sessionid"] = sign_in(AccountFactory.create(), kind="browser")
            clock.shift(timedelta(hours=23))
            assert "sessionid" not in browser.get("/api/v1/account").cookies
            clock.shift(timedelta(hours=2))
            renewed = browser.get("/api/v1/account").cookies["sessionid"]
            assert (renewed.value, renewed["max-age"]) == (browser.cookies["sessionid"].value, 30 * 24 * 3600)
            assert "sessionid" not in browser.get("/api/v1/account").cookies


class TestTouch:
    def test_writes_every_five_minutes_at_most(self, django_assert_num_queries: DjangoAssertNumQueries) -> None:
        account = AccountFactory.create()
        with time_machine.travel(START, tick=False):
            token = sign_in(account)
        app = App()
        app.token = token
        writes = []
        for minutes in (0, 4, 5, 6, 9, 10):
            with time_machine.travel(START + timedelta(minutes=minutes), tick=False):
                app.call("get", "/api/v1/account")
                writes.append((UserSession.objects.get().last_seen_at - START) // timedelta(minutes=1))
        assert writes == [0, 0, 5, 5, 5, 10]
        assert Device.objects.get().last_seen_at == START + timedelta(minutes=10)

    def test_of_two_at_once_is_written_once(self) -> None:
        with time_machine.travel(START, tick=False):
            token = sign_in(AccountFactory.create())
        later = START + timedelta(minutes=6)
        principal = principals.resolve(token, now=later)
        assert principal
        assert [sessions.touch(principal=principal, place="", now=later) for _ in range(2)] == [True, False]


class TestEnd:
    def test_ends_all_or_some_or_all_but_one_and_tells(self) -> None:
        account, stranger = AccountFactory.create(), AccountFactory.create()
        tokens = [sign_in(account) for _ in range(4)]
        kept = sign_in(stranger)
        first = UserSession.objects.get(session_key=tokens[0])
        device = Device.objects.get(session=first)
        assert sessions.end(account_id=account.pk, only=[first.pk], now=START) == 1
        assert ended() == [{"account_id": str(account.pk), "session_id": str(first.pk), "device_id": str(device.pk)}]
        assert sessions.end(account_id=account.pk, spare=tokens[1], now=START) == 2
        assert sessions.end(account_id=account.pk, now=START) == 1
        assert sessions.end(account_id=account.pk, now=START) == 0
        assert len(ended()) == 4
        assert list(Session.objects.values_list("session_key", flat=True)) == [kept]
        assert list(UserSession.objects.values_list("session_key", flat=True)) == [kept]

    def test_reaches_no_other_account(self) -> None:
        account, stranger = AccountFactory.create(), AccountFactory.create()
        sign_in(stranger)
        theirs = UserSession.objects.get()
        assert sessions.end(account_id=account.pk, only=[theirs.pk], now=START) == 0
        assert UserSession.objects.get() == theirs


class TestPurge:
    def test_ends_what_ran_out_and_leaves_the_rest(self) -> None:
        with time_machine.travel(START, tick=False):
            old = sign_in(AccountFactory.create())
        later = START + timedelta(days=29)
        with time_machine.travel(later, tick=False):
            new = sign_in(AccountFactory.create())
        assert sessions.purge(now=START + timedelta(days=15)) == 0
        assert sessions.purge(now=START + timedelta(days=31)) == 1
        assert list(UserSession.objects.values_list("session_key", flat=True)) == [new]
        assert Device.objects.count() == 1
        assert len(ended()) == 1
        assert old != new

    def test_forgets_after_a_day_who_began_to_sign_in_and_went_away(self) -> None:
        with time_machine.travel(START, tick=False):
            kept = sign_in(AccountFactory.create())
            begun = App()
            begun.auth("auth/code/request", email="ada@example.com")
        sessions.purge(now=START + timedelta(days=1))
        assert set(Session.objects.values_list("session_key", flat=True)) == {kept, begun.token}
        sessions.purge(now=START + timedelta(days=1, seconds=1))
        assert set(Session.objects.values_list("session_key", flat=True)) == {kept}
