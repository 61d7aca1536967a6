"""Television sign-in (RFC 8628): the television's two endpoints, and the person's answer."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from typing import Any, cast
from urllib.parse import urlencode

import pytest
import time_machine
from allauth.usersessions.models import UserSession
from django.contrib.sessions.models import Session
from django.db import connections
from django.test import Client

from accounts import rules
from accounts.models import AuditEntry, CodeTries, Device, DeviceAuthorization, User
from accounts.services import accounts, televisions
from tests.accounts.conftest import App
from tests.factories.accounts import PASSWORD, AccountFactory, StaffFactory, sign_in

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
CLIENT = "living-room-0123456789abcdef"
GRANT = "urn:ietf:params:oauth:grant-type:device_code"


class Television:
    """An app on a television, as RFC 8628 has it."""

    def __init__(self, client_id: str = CLIENT, name: str = "Living room") -> None:
        self.client_id, self.name = client_id, name
        self.http = Client(REMOTE_ADDR="192.0.2.77", HTTP_USER_AGENT="TV/1.0")

    def start(self) -> dict[str, Any]:
        data = {"client_id": self.client_id, "device_name": self.name}
        answer = self.http.post("/oauth/device_authorization", data=urlencode(data), content_type=FORM)
        assert answer.status_code == 200, answer.content
        self.codes = cast(dict[str, Any], answer.json())
        return self.codes

    def poll(self, **changed: str) -> Any:
        data = {"grant_type": GRANT, "device_code": self.codes["device_code"], "client_id": self.client_id} | changed
        return self.http.post("/oauth/token", data=urlencode(data), content_type=FORM)

    def error(self, **changed: str) -> tuple[int, str]:
        answer = self.poll(**changed)
        return answer.status_code, answer.json()["error"]


FORM = "application/x-www-form-urlencoded"


def phone(account: User, kind: str = "phone") -> App:
    app = App()
    app.token = sign_in(account, kind=kind)
    return app


def answer(app: App, verb: str, user_code: str) -> tuple[int, Any]:
    said = app.call("post", f"/api/v1/tv/{verb}", {"user_code": user_code})
    return said.status_code, said.json() if said.content else None


@pytest.fixture
def clock() -> Any:
    with time_machine.travel(NOW, tick=False) as travelling:
        yield travelling


@pytest.mark.usefixtures("clock")
class TestStart:
    def test_answers_as_the_rfc_has_it(self) -> None:
        television = Television()
        codes = television.start()
        assert set(codes) == {
            "device_code", "user_code", "verification_uri", "verification_uri_complete", "expires_in", "interval",
        }  # fmt: skip
        assert (codes["expires_in"], codes["interval"]) == (900, 5)
        assert codes["verification_uri"] == "http://testserver/tv"
        assert codes["verification_uri_complete"] == f"http://testserver/tv?code={codes['user_code']}"
        assert len(codes["device_code"]) == 43
        first, dash, second = codes["user_code"].partition("-")
        assert (len(first), dash, len(second)) == (4, "-", 4)
        assert set(first + second) <= set(rules.CODE_ALPHABET)

    def test_stores_neither_code(self) -> None:
        codes = Television().start()
        [stored] = DeviceAuthorization.objects.values()
        for secret in (codes["device_code"], codes["user_code"], rules.read_code(codes["user_code"]), CLIENT):
            assert secret not in str(stored)

    @pytest.mark.parametrize(
        "body",
        [
            "",
            "client_id=",
            "client_id=short",
            f"client_id={'x' * 201}",
            f"client_id={CLIENT}&client_id={CLIENT}",
            f"client_id={CLIENT}&device_name=%E2%80%AE",
            f"client_id={CLIENT}&device_name=%00",
            '{"client_id": "living-room-0123456789abcdef"}',
        ],
    )
    def test_refuses_what_it_cannot_read(self, body: str) -> None:
        said = Client().post("/oauth/device_authorization", data=body, content_type=FORM)
        assert (said.status_code, said.json()["error"]) == (400, "invalid_request")
        assert said.headers["Cache-Control"] == "no-store"
        assert said.headers["Content-Type"] == "application/json"
        assert not DeviceAuthorization.objects.exists()

    def test_needs_no_header_that_oauth_does_not_ask_for(self) -> None:
        said = Client().post("/oauth/device_authorization", data=f"client_id={CLIENT}", content_type=FORM, headers={"Accept": "text/html"})  # fmt: skip
        assert said.status_code == 200


class TestPoll:
    def test_waits_until_a_person_confirms_and_then_gives_a_session(self, clock: Any) -> None:
        account = AccountFactory.create()
        television = Television()
        code = television.start()["user_code"]
        assert television.error() == (400, "authorization_pending")
        status, shown = answer(phone(account), "code", code)
        assert (status, shown["name"]) == (200, "Living room")
        assert answer(phone(account), "approve", code)[0] == 200
        clock.shift(5)
        granted = television.poll()
        assert granted.status_code == 200
        assert granted.headers["Cache-Control"] == "no-store"
        token = granted.json()
        assert (set(token), token["token_type"], token["expires_in"]) == (
            {"access_token", "token_type", "expires_in"}, "X-Session-Token", 400 * 24 * 3600,
        )  # fmt: skip
        session = UserSession.objects.get(session_key=token["access_token"])
        assert (session.user, session.ip, session.user_agent) == (account, "192.0.2.77", "TV/1.0")
        assert (session.device.kind, session.device.name) == ("television", "Living room")
        assert Session.objects.get(session_key=session.session_key).expire_date == NOW + timedelta(days=400, seconds=5)
        entry = AuditEntry.objects.get(act="signed_in")
        assert (entry.account, entry.actor, entry.at, entry.address, entry.user_agent, entry.detail) == (
            account, "owner", NOW + timedelta(seconds=5), "192.0.2.77", "TV/1.0", {"kind": "television"},
        )  # fmt: skip
        app = App()
        app.token = token["access_token"]
        assert app.call("get", "/api/v1/account").json()["id"] == str(account.pk)

    def test_gives_the_session_once(self, clock: Any) -> None:
        television = Television()
        answer(phone(AccountFactory.create()), "approve", television.start()["user_code"])
        assert television.poll().status_code == 200
        clock.shift(60)
        assert television.error() == (400, "invalid_grant")

    def test_that_comes_too_early_is_slowed_down_for_good(self, clock: Any) -> None:
        television = Television()
        television.start()
        said = []
        for seconds in (0, 4, 9, 15, 14, 20):
            clock.shift(seconds)
            said.append(television.error()[1])
        # 5 s apart at first, then 10, 15 and 20: each that comes early adds 5.
        assert said == [
            "authorization_pending", "slow_down", "slow_down", "authorization_pending", "slow_down", "authorization_pending",
        ]  # fmt: skip

    def test_too_early_does_not_get_what_was_confirmed(self, clock: Any) -> None:
        television = Television()
        code = television.start()["user_code"]
        television.error()
        answer(phone(AccountFactory.create()), "approve", code)
        clock.shift(1)
        assert television.error() == (400, "slow_down")
        clock.shift(10)
        assert television.poll().status_code == 200

    def test_ends_when_it_was_refused(self, clock: Any) -> None:
        television = Television()
        app = phone(AccountFactory.create())
        code = television.start()["user_code"]
        assert answer(app, "deny", code)[0] == 204
        assert [television.error() for _ in range(2)] == [(400, "access_denied")] * 2
        assert answer(app, "approve", code)[0] == 404

    @pytest.mark.parametrize("approved", [True, False])
    def test_ends_when_the_code_has_run_out(self, clock: Any, approved: bool) -> None:
        television = Television()
        app = phone(AccountFactory.create())
        code = television.start()["user_code"]
        if approved:
            answer(app, "approve", code)
        clock.shift(timedelta(minutes=15))
        assert television.error() == (400, "expired_token")
        assert answer(app, "approve", code)[0] == 404
        assert UserSession.objects.count() == 1

    @pytest.mark.usefixtures("clock")
    @pytest.mark.parametrize(
        ("changed", "error"),
        [
            ({"device_code": "x" * 43}, "invalid_grant"),
            ({"client_id": "another-client-0123456789"}, "invalid_grant"),
            ({"grant_type": "password"}, "unsupported_grant_type"),
            ({"grant_type": ""}, "invalid_request"),
            ({"device_code": ""}, "invalid_request"),
            ({"client_id": ""}, "invalid_request"),
        ],
    )
    def test_says_what_is_wrong_in_the_words_of_the_rfc(self, changed: dict[str, str], error: str) -> None:
        television = Television()
        code = television.start()["user_code"]
        answer(phone(AccountFactory.create()), "approve", code)
        said = television.poll(**changed)
        assert (said.status_code, set(said.json()), said.json()["error"]) == (
            400,
            {"error", "error_description"},
            error,
        )
        assert DeviceAuthorization.objects.get().state == "approved"

    @pytest.mark.usefixtures("clock")
    def test_of_an_account_that_was_suspended_is_denied(self) -> None:
        television, account = Television(), AccountFactory.create()
        answer(phone(account), "approve", television.start()["user_code"])
        accounts.suspend(account_id=account.pk, reason="fraud", by=StaffFactory.create(), now=NOW)
        assert television.error() == (400, "access_denied")

    def test_signs_the_same_television_in_anew(self, clock: Any) -> None:
        account = AccountFactory.create()
        tokens = []
        for _ in range(2):
            television = Television()
            answer(phone(account), "approve", television.start()["user_code"])
            tokens.append(television.poll().json()["access_token"])
        assert Device.objects.filter(kind="television").count() == 1
        assert (
            list(UserSession.objects.filter(device__kind="television").values_list("session_key", flat=True))
            == tokens[1:]
        )


class TestAnswer:
    @pytest.mark.parametrize("write", [str.lower, lambda code: code.replace("-", " "), lambda code: f" {code[:4]}{code[5:]} "])  # fmt: skip
    def test_may_be_typed_in_many_ways(self, write: Any) -> None:
        code = Television().start()["user_code"]
        assert answer(phone(AccountFactory.create()), "approve", write(code))[0] == 200

    def test_is_given_once(self) -> None:
        code = Television().start()["user_code"]
        one, other = phone(AccountFactory.create()), phone(AccountFactory.create())
        assert answer(one, "approve", code)[0] == 200
        for verb in ("code", "approve", "deny"):
            assert answer(other, verb, code)[1]["code"] == "tv_code_not_found"
        assert DeviceAuthorization.objects.get().account_id == UserSession.objects.get(session_key=one.token).user_id

    def test_may_be_wrong_ten_times_an_hour(self, clock: Any) -> None:
        account = AccountFactory.create()
        app, code = phone(account), Television().start()["user_code"]
        for number in range(10):
            assert answer(app, "approve", "BCDFGHJK"[number % 8] * 8)[0] == 404
        status, refused = answer(phone(account), "approve", code)
        assert (status, refused["code"], refused["retry_after"]) == (429, "too_many_tv_codes", 3600)
        assert DeviceAuthorization.objects.get().state == "pending"
        assert answer(phone(AccountFactory.create()), "code", code)[0] == 200
        clock.shift(timedelta(hours=1))
        assert answer(app, "approve", Television("another-one-0123456789").start()["user_code"])[0] == 200
        assert CodeTries.objects.get().wrong == 10

    def test_is_for_who_is_signed_in(self) -> None:
        assert answer(App(), "approve", Television().start()["user_code"])[0] == 401


class TestTelevision:
    """A television can do nothing sensitive."""

    def test_lets_no_other_in(self) -> None:
        television = phone(AccountFactory.create(), "television")
        for verb in ("code", "approve", "deny"):
            assert answer(television, verb, Television().start()["user_code"])[0] == 403
        assert set(DeviceAuthorization.objects.values_list("state", flat=True)) == {"pending"}

    def test_changes_nothing_of_how_the_account_signs_in(self) -> None:
        account = AccountFactory.create()
        television = phone(account, "television")
        calls: list[tuple[str, str, dict[str, Any]]] = [
            ("post", "auth/reauthenticate", {"password": PASSWORD}),
            ("post", "account/password/change", {"current_password": PASSWORD, "new_password": "quite another one"}),
            ("post", "account/email", {"email": "new@example.com"}),
            ("get", "account/authenticators/totp", {}),
            ("delete", "auth/sessions", {"sessions": []}),
        ]
        for method, path, data in calls:
            refused = television.auth(path, method, **data)
            assert (refused.status_code, refused.json()["errors"][0]["code"]) == (403, "not_on_television"), path
        account.refresh_from_db()
        assert account.check_password(PASSWORD)

    def test_may_sign_itself_out(self) -> None:
        television = phone(AccountFactory.create(), "television")
        assert television.auth("auth/session", "delete").status_code == 401
        assert not UserSession.objects.exists()


class TestPurge:
    def test_deletes_what_ran_out_a_day_ago(self, clock: Any) -> None:
        Television().start()
        assert televisions.purge(now=NOW + timedelta(days=1)) == 0
        assert televisions.purge(now=NOW + timedelta(days=1, minutes=16)) == 1


@pytest.mark.django_db(transaction=True)
class TestTwoPollsAtOnce:
    def test_give_one_session(self) -> None:
        account = AccountFactory.create()
        television = Television()
        answer(phone(account), "approve", television.start()["user_code"])
        barrier, statuses = threading.Barrier(4), []

        def poll() -> None:
            try:
                barrier.wait(10)
                statuses.append(television.poll().status_code)
            finally:
                connections.close_all()

        threads = [threading.Thread(target=poll) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        assert sorted(statuses) == [200, 400, 400, 400]
        assert UserSession.objects.filter(device__kind="television").count() == 1
