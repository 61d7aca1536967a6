"""Sign-up, sign-in and what attackers try, over HTTP."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value
from django.db import connections, transaction
from django.test import Client

from accounts.models import OutgoingEmail, User
from accounts.services import accounts
from core.clock import now
from tests.accounts.conftest import SIGN_UP, Answer, App, CountingHasher, mailed_code, mails_to
from tests.factories.accounts import PASSWORD, AccountFactory, StaffFactory

pytestmark = pytest.mark.django_db


def pending(answer: Answer) -> list[str]:
    """Answer the steps that sign-in waits for."""
    return [flow["id"] for flow in answer.json()["data"]["flows"] if flow.get("is_pending")]


def shape(answer: Answer) -> Any:
    """Answer an answer without what differs each time."""
    body = answer.json()
    body.get("meta", {}).pop("session_token", None)
    return answer.status_code, body, sorted(set(answer.headers) - {"Content-Length", "X-Request-ID"})


class TestSignUp:
    def test_verifies_the_address_by_a_mailed_code_and_signs_in(self, app: App) -> None:
        asked = app.sign_up("Ada@Example.com", country="AT")
        assert (asked.status_code, pending(asked)) == (401, ["verify_email"])
        account = User.objects.get(email="ada@example.com")
        assert (account.country, account.language, account.is_staff) == ("AT", "en", False)
        assert account.check_password(SIGN_UP["password"])
        assert app.call("get", "/api/v1/account").status_code == 401  # not before the code

        verified = app.verify("ada@example.com")
        assert (verified.status_code, verified.json()["meta"]["is_authenticated"]) == (200, True)
        assert app.call("get", "/api/v1/account").json()["email"] == "ada@example.com"
        assert EmailAddress.objects.get(user=account).verified

    def test_keeps_the_language_it_was_asked_in(self, make_app: Callable[..., App]) -> None:
        make_app("de-AT,de;q=0.9").sign_up("ada@example.com")
        assert User.objects.get().language == "de"
        assert OutgoingEmail.objects.get().language == "de"

    def test_gives_a_new_token_when_it_signs_in(self, app: App) -> None:
        # Who knew the token before the code was entered has nothing (session fixation).
        app.sign_up("ada@example.com")
        before = app.token
        app.verify("ada@example.com")
        assert before
        assert app.token != before
        stale = App()
        stale.token = before
        assert stale.call("get", "/api/v1/account").status_code == 401

    @pytest.mark.parametrize(
        ("data", "param"),
        [
            ({"password": "short"}, "password"),
            ({"password": "password1234567890"[:8]}, "password"),
            ({"password": "1234567890123"}, "password"),
            ({"password": "qwertyuiop"}, "password"),
            ({"password": "ada@example.com"}, "password"),
            ({"password": "nul\x00 in a password"}, "password"),
            ({"country": "XX"}, "country"),
            ({"country": "de"}, "country"),
            ({"country": ""}, "country"),
            ({"country": "D\x00"}, "country"),
            ({"email": "ada"}, "email"),
            ({"email": "ada@\x00example.com"}, "email"),
            ({"email": f"{'a' * 250}@example.com"}, "email"),
            ({"email": "ada@\uff45xample.com"}, "email"),
            ({"email": ""}, "email"),
            ({"email": ["ada@example.com"]}, "email"),
        ],
    )
    def test_says_what_is_wrong_and_makes_nothing(self, app: App, data: dict[str, Any], param: str) -> None:
        answer = app.auth("auth/signup", **{"email": "ada@example.com", **SIGN_UP, **data})
        assert answer.status_code == 400
        assert {error.get("param") for error in answer.json()["errors"]} == {param}
        assert not User.objects.exists()
        assert not OutgoingEmail.objects.exists()

    @pytest.mark.parametrize(
        "body",
        [
            b'{"email": "ada@\\ud800.example", "password": "correct horse battery", "country": "DE"}',
            b'{"email": "ada@example.com", "password": "\\ud800 correct horse", "country": "DE"}',
            b'{"email": "ada@example.com"',
            b"\xff\xfe",
            b"[]",
            b"null",
        ],
    )
    def test_refuses_what_is_no_json_object(self, app: App, body: bytes) -> None:
        answer = app.client.post("/_allauth/app/v1/auth/signup", body, content_type="application/json")
        assert answer.status_code == 400
        assert not User.objects.exists()

    def test_gives_nobody_rights_by_mass_assignment(self, app: App) -> None:
        app.sign_up(
            "ada@example.com", is_staff=True, is_superuser=True, is_active=False, groups=[1], id="0", verified=True
        )
        account = User.objects.get()
        assert (account.is_staff, account.is_superuser, account.is_active) == (False, False, True)
        assert not EmailAddress.objects.get().verified

    def test_takes_the_kelvin_sign_for_the_letter_it_is(self, app: App) -> None:
        AccountFactory.create(email="kate@example.com")
        assert app.sign_up("\u212aate@example.com").status_code == 401
        assert User.objects.count() == 1

    @pytest.mark.parametrize("other", ["a.da@example.com", "ada+tv@example.com"])
    def test_keeps_dots_and_tags_apart(self, make_app: Callable[..., App], other: str) -> None:
        for email in ("ada@example.com", other):
            make_app().sign_up(email)
        assert User.objects.count() == 2

    def test_answers_the_same_for_a_known_address(
        self, make_app: Callable[..., App], forget_tries: Callable[[], None]
    ) -> None:
        known = AccountFactory.create(email="ada@example.com", country="DE")
        unknown = make_app().sign_up("bea@example.com")
        for spelling in ("ada@example.com", "ADA@example.com"):
            forget_tries()
            assert shape(make_app().sign_up(spelling, country="FR")) == shape(unknown)
        assert set(mails_to("ada@example.com")) == {"account/email/account_already_exists"}
        assert mails_to("bea@example.com") == ["account/email/email_confirmation_signup"]
        known.refresh_from_db()
        assert (known.country, known.check_password(PASSWORD)) == ("DE", True)

    def test_of_a_known_address_costs_a_password_hash_too(self, make_app: Callable[..., App], settings: Any) -> None:
        # Else the time taken tells what the answer does not.
        settings.PASSWORD_HASHERS = ["tests.accounts.conftest.CountingHasher"]
        AccountFactory.create(email="ada@example.com")
        hashes = []
        for email in ("ada@example.com", "bea@example.com"):
            CountingHasher.hashes = 0
            make_app().sign_up(email)
            hashes.append(CountingHasher.hashes)
        assert hashes == [1, 1]

    def test_does_not_tell_a_thief_of_an_address_anything(self, make_app: Callable[..., App]) -> None:
        # Signed up with somebody else's address: the owner takes the account over by resetting the password.
        thief, owner = make_app(), make_app()
        thief.sign_up("ada@example.com", password="the thief's password")
        assert thief.auth("auth/email/verify", key="AAAA-AAAA").status_code == 400
        owner.auth("auth/password/request", email="ada@example.com")
        reset = owner.auth("auth/password/reset", key=mailed_code("ada@example.com"), password="the owner's password")
        assert reset.status_code == 401
        assert owner.auth("auth/login", email="ada@example.com", password="the owner's password").status_code == 200
        assert (
            make_app().auth("auth/login", email="ada@example.com", password="the thief's password").status_code == 400
        )


@pytest.mark.django_db(transaction=True)
class TestTwoSignUpsAtOnce:
    def test_make_one_account_and_fail_for_nobody(self, make_app: Callable[..., App]) -> None:
        apps = [make_app() for _ in range(4)]
        barrier, answers = threading.Barrier(len(apps)), []

        def sign_up(app: App) -> None:
            try:
                barrier.wait(10)
                answers.append(app.sign_up("ada@example.com"))
            finally:
                connections.close_all()

        threads = [threading.Thread(target=sign_up, args=[app]) for app in apps]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        assert User.objects.count() == 1
        assert EmailAddress.objects.count() == 1
        # 429 is the limit of one mail in ten seconds to an address, known or not.
        statuses = [answer.status_code for answer in answers]
        assert 401 in statuses
        assert set(statuses) <= {401, 429}

    def test_answer_the_slower_as_if_it_had_come_later(self, app: App) -> None:
        # The other sign-up has stored its row, and commits while ours waits for it.
        answers = []
        with transaction.atomic():
            User.objects.create_user("ada@example.com", PASSWORD)

            def sign_up() -> None:
                try:
                    answers.append(app.sign_up("ada@example.com"))
                finally:
                    connections.close_all()

            slower = threading.Thread(target=sign_up)
            slower.start()
            slower.join(1)
            assert slower.is_alive()
        slower.join(30)
        assert (answers[0].status_code, pending(answers[0])) == (401, ["verify_email"])
        assert mails_to("ada@example.com") == ["account/email/account_already_exists"]
        assert app.auth("auth/email/verify", key="AAAA-AAAA").status_code == 400


class TestCode:
    def test_is_good_for_three_tries(self, app: App) -> None:
        app.sign_up("ada@example.com")
        code = mailed_code("ada@example.com")
        statuses = [app.auth("auth/email/verify", key="AAAA-AAAA").status_code for _ in range(3)]
        assert statuses == [400, 400, 400]
        assert app.auth("auth/email/verify", key=code).status_code == 409
        assert not EmailAddress.objects.get().verified

    def test_is_good_once(self, app: App) -> None:
        app.sign_up("ada@example.com")
        code = mailed_code("ada@example.com")
        assert app.auth("auth/email/verify", key=code).status_code == 200
        assert app.auth("auth/email/verify", key=code).status_code == 409

    def test_is_good_only_where_it_was_asked_for(self, make_app: Callable[..., App]) -> None:
        mine, other = make_app(), make_app()
        mine.sign_up("ada@example.com")
        other.sign_up("bea@example.com")
        assert other.auth("auth/email/verify", key=mailed_code("ada@example.com")).status_code == 400

    def test_of_an_address_that_another_account_verified_meanwhile_is_refused(
        self, make_app: Callable[..., App]
    ) -> None:
        account = AccountFactory.create()
        app = make_app()
        app.auth("auth/login", email=account.email, password=PASSWORD)
        assert app.auth("account/email", email="new@example.com").status_code == 200
        code = mailed_code("new@example.com")
        taken = AccountFactory.create(email="new@example.com")
        assert app.auth("auth/email/verify", key=code).status_code == 400
        account.refresh_from_db()
        assert account.email != taken.email


class TestSignIn:
    def test_works_with_a_password(self, app: App) -> None:
        account = AccountFactory.create()
        answer = app.auth("auth/login", email=account.email.upper(), password=PASSWORD)
        assert (answer.status_code, answer.json()["data"]["user"]["id"]) == (200, str(account.pk))
        assert app.call("get", "/api/v1/account").status_code == 200

    def test_works_with_a_mailed_code(self, app: App) -> None:
        account = AccountFactory.create()
        asked = app.auth("auth/code/request", email=account.email)
        assert (asked.status_code, pending(asked)) == (401, ["login_by_code"])
        assert app.auth("auth/code/confirm", code=mailed_code(account.email)).status_code == 200
        assert app.call("get", "/api/v1/account").status_code == 200

    def test_asks_for_the_code_of_an_address_that_was_never_verified(self, app: App) -> None:
        account = AccountFactory.create(verified=False)
        answer = app.auth("auth/login", email=account.email, password=PASSWORD)
        assert (answer.status_code, pending(answer)) == (401, ["verify_email"])
        assert app.verify(account.email).status_code == 200

    def test_answers_the_same_for_a_wrong_password_and_an_unknown_address(self, make_app: Callable[..., App]) -> None:
        account = AccountFactory.create()
        wrong = make_app().auth("auth/login", email=account.email, password="not the password")
        unknown = make_app().auth("auth/login", email="nobody@example.com", password="not the password")
        assert wrong.status_code == 400
        assert shape(wrong) == shape(unknown)

    @pytest.mark.parametrize("path", ["auth/code/request", "auth/password/request"])
    def test_mails_a_code_or_a_notice_and_answers_the_same(self, make_app: Callable[..., App], path: str) -> None:
        account = AccountFactory.create()
        known = make_app().auth(path, email=account.email)
        unknown = make_app().auth(path, email="nobody@example.com")
        assert shape(known) == shape(unknown)
        assert mails_to("nobody@example.com") == ["account/email/unknown_account"]
        assert mails_to(account.email) != mails_to("nobody@example.com")

    def test_stops_guessing_a_password(self, make_app: Callable[..., App]) -> None:
        # From as many networks as the guesser likes.
        account = AccountFactory.create()
        for _ in range(5):
            answer = make_app().auth("auth/login", email=account.email, password="not the password")
            assert answer.json()["errors"][0]["code"] == "email_password_mismatch"
        answer = make_app().auth("auth/login", email=account.email, password=PASSWORD)
        assert (answer.status_code, answer.json()["errors"][0]["code"]) == (400, "too_many_login_attempts")

    def test_counts_guesses_whatever_the_headers_say(self, app: App) -> None:
        for number in range(11):
            headers = {"X-Forwarded-For": f"203.0.113.{number}", "X-Real-IP": f"203.0.113.{number}"}
            data = json.dumps({"email": f"viewer{number}@example.com", "password": "x"})
            answer = app.client.post(
                "/_allauth/app/v1/auth/login", data, content_type="application/json", headers=headers
            )
        assert (answer.status_code, answer.json()["errors"][0]["code"]) == (400, "too_many_login_attempts")

    def test_is_refused_to_a_suspended_account(self, app: App) -> None:
        account = AccountFactory.create(is_active=False)
        assert app.auth("auth/login", email=account.email, password=PASSWORD).status_code == 401
        assert app.call("get", "/api/v1/account").status_code == 401

    def test_ends_with_sign_out(self, app: App) -> None:
        account = AccountFactory.create()
        app.auth("auth/login", email=account.email, password=PASSWORD)
        token = app.token
        assert app.auth("auth/session", "delete").status_code == 401
        app.token = token
        assert app.call("get", "/api/v1/account").status_code == 401

    def test_lists_sign_ins_and_ends_another(self, make_app: Callable[..., App]) -> None:
        account = AccountFactory.create()
        phone, tablet = make_app(), make_app()
        for app in (phone, tablet):
            app.auth("auth/login", email=account.email, password=PASSWORD)
        sessions = phone.auth("auth/sessions", "get").json()["data"]
        assert sorted(session["ip"] for session in sessions) == sorted([phone.address, tablet.address])
        [other] = [session["id"] for session in sessions if not session["is_current"]]
        assert phone.auth("auth/sessions", "delete", sessions=[other]).status_code == 200
        assert tablet.call("get", "/api/v1/account").status_code == 401
        assert phone.call("get", "/api/v1/account").status_code == 200

    def test_knows_no_sign_ins_of_others(self, make_app: Callable[..., App]) -> None:
        mine, theirs = make_app(), make_app()
        for app in (mine, theirs):
            app.auth("auth/login", email=AccountFactory.create().email, password=PASSWORD)
        [session] = theirs.auth("auth/sessions", "get").json()["data"]
        assert mine.auth("auth/sessions", "delete", sessions=[session["id"]]).status_code == 400
        assert theirs.call("get", "/api/v1/account").status_code == 200


class TestNewDevice:
    def test_is_told_of_by_mail_once(self, make_app: Callable[..., App]) -> None:
        app = make_app()
        app.sign_up("ada@example.com")
        app.verify("ada@example.com")
        assert "account/email/new_device" not in mails_to("ada@example.com")  # the first sign-in is no news
        other = make_app()
        for _ in range(2):
            other.auth("auth/login", email="ada@example.com", password=SIGN_UP["password"])
            other.auth("auth/session", "delete")
            other.token = None
        assert mails_to("ada@example.com").count("account/email/new_device") == 1
        mail = OutgoingEmail.objects.get(template="account/email/new_device")
        assert mail.context["place"] == other.address


class TestPasswordReset:
    def test_ends_every_sign_in_and_says_so_by_mail(self, make_app: Callable[..., App]) -> None:
        account = AccountFactory.create()
        phone, other = make_app(), make_app()
        phone.auth("auth/login", email=account.email, password=PASSWORD)
        other.auth("auth/password/request", email=account.email)
        code = mailed_code(account.email)
        assert other.auth("auth/password/reset", key=code, password="short").status_code == 400
        assert other.auth("auth/password/reset", key=code, password="a brand new password").status_code == 401
        assert phone.call("get", "/api/v1/account").status_code == 401
        assert mails_to(account.email)[-1] == "account/email/password_reset"
        assert phone.auth("auth/login", email=account.email, password="a brand new password").status_code in {200, 410}


def totp(secret: str) -> str:
    return format_hotp_value(hotp_value(secret, int(time.time()) // 30))


class TestSecondFactor:
    def test_is_asked_for_once_it_is_set_up(
        self, make_app: Callable[..., App], forget_tries: Callable[[], None]
    ) -> None:
        account = AccountFactory.create()
        app = make_app()
        app.auth("auth/login", email=account.email, password=PASSWORD)
        offered = app.auth("account/authenticators/totp", "get")
        secret = offered.json()["meta"]["secret"]
        assert app.auth("account/authenticators/totp", code=totp(secret)).status_code == 200
        stored = Authenticator.objects.get(user=account, type="totp")
        assert secret not in str(stored.data)  # encrypted

        again = make_app()
        asked = again.auth("auth/login", email=account.email, password=PASSWORD)
        assert (asked.status_code, pending(asked)) == (401, ["mfa_authenticate"])
        assert again.call("get", "/api/v1/account").status_code == 401
        assert again.auth("auth/2fa/authenticate", code="000000").status_code == 400
        forget_tries()  # the code was used a moment ago; a person would wait for the next
        assert again.auth("auth/2fa/authenticate", code=totp(secret)).status_code == 200
        assert again.call("get", "/api/v1/account").status_code == 200


class TestBrowser:
    def test_needs_the_csrf_token_to_sign_in_and_gets_no_token_to_keep(self) -> None:
        account = AccountFactory.create()
        browser = Client(enforce_csrf_checks=True, REMOTE_ADDR="10.9.8.7")
        data = {"email": account.email, "password": PASSWORD}
        path = "/_allauth/browser/v1/auth/login"
        assert browser.post(path, data, content_type="application/json").status_code == 403
        browser.get("/_allauth/browser/v1/auth/session")
        token = browser.cookies["csrftoken"].value
        answer = browser.post(path, data, content_type="application/json", headers={"X-CSRFToken": token})
        assert answer.status_code == 200
        assert "session_token" not in answer.json()["meta"]
        assert browser.cookies["sessionid"]["httponly"]
        assert browser.get("/api/v1/account").status_code == 200


class TestDescription:
    def test_of_sign_in_is_served_and_tells_of_our_field(self) -> None:
        described = Client().get("/_allauth/openapi.json").json()
        assert "country" in described["components"]["schemas"]["BaseSignup"]["properties"]
        assert "/_allauth/{client}/v1/auth/signup" in described["paths"]


class TestStaff:
    def test_sign_in_to_the_api_like_everybody(self, app: App) -> None:
        assert app.auth("auth/login", email=StaffFactory.create().email, password=PASSWORD).status_code == 200


class TestUnfinishedSignUp:
    def test_is_forgotten_after_a_month_and_its_address_is_free(self, make_app: Callable[..., App]) -> None:
        make_app().sign_up("ada@example.com")
        finished = make_app()
        finished.sign_up("eve@example.com")
        finished.verify("eve@example.com")
        imported = AccountFactory.create(email="old@example.com")
        User.objects.update(last_login=None, created_at=now() - timedelta(days=30))
        EmailAddress.objects.filter(user=imported).update(verified=False)
        assert accounts.purge_unfinished(now=now() - timedelta(minutes=1)) == 0
        assert [accounts.purge_unfinished(now=now()) for _ in range(2)] == [1, 0]
        left = set(User.objects.values_list("email", flat=True))
        assert {address for address in left if not address.endswith("@erased.invalid")} == {
            "eve@example.com",
            "old@example.com",
        }
        assert not OutgoingEmail.objects.filter(address="ada@example.com").exists()
        make_app().sign_up("ada@example.com")
        assert EmailAddress.objects.filter(user__email="ada@example.com").exists()
