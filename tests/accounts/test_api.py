"""The account and its profiles over HTTP."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pytest_django import DjangoAssertNumQueries
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request
from rest_framework.test import APIRequestFactory

from accounts.api.authentication import SessionToken
from accounts.models import Profile, SessionProfile, User
from accounts.services import sessions
from core.clock import now
from core.ids import new_id
from tests.accounts.conftest import App
from tests.factories.accounts import AccountFactory, KidsProfileFactory, ProfileFactory, sign_in

pytestmark = pytest.mark.django_db


def signed_in(account: User, profile: Profile | None = None) -> App:
    app = App()
    app.token = sign_in(account, profile=profile)
    return app


class TestAccount:
    def test_is_answered_to_its_owner(self) -> None:
        account = AccountFactory.create(country="AT", language="de")
        answer = signed_in(account).call("get", "/api/v1/account")
        assert answer.status_code == 200
        assert answer.json() == {
            "id": str(account.pk),
            "email": account.email,
            "country": "AT",
            "language": "de",
            "created_at": account.created_at.isoformat().replace("+00:00", "Z"),
            "profile_id": None,
        }

    def test_is_answered_to_nobody_else(self) -> None:
        answer = App().call("get", "/api/v1/account")
        assert answer.status_code == 401
        assert answer.headers["WWW-Authenticate"] == "SessionToken"

    def test_changes_country_and_language_and_nothing_else(self) -> None:
        account = AccountFactory.create(country="DE", language="en")
        app, wanted = signed_in(account), {"country": "CH", "language": "de"}
        more = {"email": "evil@example.com", "is_staff": True, "is_superuser": True}
        refused = app.call("patch", "/api/v1/account", wanted | more)
        assert (refused.status_code, refused.json()["code"]) == (400, "validation_failed")
        assert {error["pointer"] for error in refused.json()["errors"]} == {f"#/{name}" for name in more}
        before = account.email
        account.refresh_from_db()
        assert (account.country, account.email, account.is_staff, account.is_superuser) == ("DE", before, False, False)
        answer = app.call("patch", "/api/v1/account", wanted)
        assert (answer.status_code, answer.json()["country"], answer.json()["language"]) == (200, "CH", "de")
        account.refresh_from_db()
        assert (account.country, account.language) == ("CH", "de")

    @pytest.mark.parametrize(
        "wanted", [{"country": "UK"}, {"country": "de"}, {"country": None}, {"country": "D\x00"}, {"language": "xx"}]
    )
    def test_refuses_what_does_not_exist(self, wanted: dict[str, Any]) -> None:
        account = AccountFactory.create(country="DE")
        assert signed_in(account).call("patch", "/api/v1/account", wanted).status_code == 400
        account.refresh_from_db()
        assert (account.country, account.language) == ("DE", "en")


class TestSessionToken:
    def test_is_refused_at_once_when_its_session_ended(self) -> None:
        account = AccountFactory.create()
        app = signed_in(account)
        assert app.call("get", "/api/v1/account").status_code == 200
        sessions.end(account_id=account.pk, now=now())
        assert app.call("get", "/api/v1/account").status_code == 401

    @pytest.mark.parametrize("token", ["", "x", "x" * 5000, "0" * 32, "../../", "\xe9"])
    def test_is_refused_when_it_was_never_one(self, token: str) -> None:
        app = App()
        app.token = token or " "
        assert app.call("get", "/api/v1/account").status_code == 401

    def test_is_refused_also_where_nobody_need_sign_in(self) -> None:
        # Else an app would not notice that it was signed out.
        request = Request(APIRequestFactory().get("/", headers={"X-Session-Token": "ended"}))
        with pytest.raises(AuthenticationFailed):
            SessionToken().authenticate(request)

    def test_of_a_suspended_account_is_refused(self) -> None:
        account = AccountFactory.create()
        app = signed_in(account)
        User.objects.filter(pk=account.pk).update(is_active=False)
        assert app.call("get", "/api/v1/account").status_code == 401

    def test_is_refused_after_the_password_changed(self) -> None:
        account = AccountFactory.create()
        app = signed_in(account)
        account.set_password("something else entirely")
        account.save()
        assert app.call("get", "/api/v1/account").status_code == 401


class TestSessionCookie:
    def browser(self, account: User) -> Any:
        from django.test import Client

        client = Client(enforce_csrf_checks=True)
        client.cookies["sessionid"] = sign_in(account)
        return client

    def test_reads_without_and_writes_only_with_the_csrf_token(self) -> None:
        account = AccountFactory.create(country="DE")
        browser = self.browser(account)
        assert browser.get("/api/v1/account").status_code == 200
        refused = browser.patch("/api/v1/account", {"country": "FR"}, content_type="application/json")
        assert refused.status_code == 403
        account.refresh_from_db()
        assert account.country == "DE"

        browser.get("/_allauth/browser/v1/auth/session")  # hands out the token
        token = browser.cookies["csrftoken"].value
        done = browser.patch(
            "/api/v1/account", {"country": "FR"}, content_type="application/json", headers={"X-CSRFToken": token}
        )
        assert done.status_code == 200
        account.refresh_from_db()
        assert account.country == "FR"

    def test_is_out_of_reach_of_scripts(self) -> None:
        from django.conf import settings

        assert settings.SESSION_COOKIE_HTTPONLY
        assert settings.SESSION_COOKIE_SAMESITE == "Lax"


class TestProfiles:
    def test_are_listed_oldest_first_in_a_fixed_number_of_queries(
        self, django_assert_num_queries: DjangoAssertNumQueries
    ) -> None:
        account = AccountFactory.create()
        names = [profile.name for profile in ProfileFactory.create_batch(7, account=account)]
        ProfileFactory.create()  # another household's
        app = signed_in(account)
        # who asks, and the profiles
        with django_assert_num_queries(3):
            answer = app.call("get", "/api/v1/profiles")
        assert [profile["name"] for profile in answer.json()] == names

    def test_are_added(self) -> None:
        account = AccountFactory.create(language="de")
        app = signed_in(account)
        answer = app.call("post", "/api/v1/profiles", {"name": " Zoe\u0308 ", "avatar": "fox"})
        assert answer.status_code == 201
        profile = Profile.objects.get(account=account)
        assert answer.json() == {
            "id": str(profile.pk), "name": "Zo\u00eb", "avatar": "fox", "language": "de", "is_kids": False,
            "highest_age": 18, "allows_unrated": True, "autoplay": True, "subtitles": "forced",
            "subtitle_language": "", "subtitles_for_deaf": False, "has_pin": False,
            "created_at": profile.created_at.isoformat().replace("+00:00", "Z"),
        }  # fmt: skip
        assert app.call("get", f"/api/v1/profiles/{profile.pk}").json() == answer.json()

    @pytest.mark.parametrize(
        "wanted",
        [
            {},
            {"name": ""},
            {"name": "\u200b"},
            {"name": "x" * 41},
            {"name": "x" * 100_000},
            {"name": "a\x00b"},
            {"name": ["Ada"]},
            {"name": "Ada", "avatar": "../../x"},
            {"name": "Ada", "language": "klingonese"},
            {"name": "Ada", "highest_age": 19},
            {"name": "Ada", "highest_age": -1},
            {"name": "Ada", "highest_age": "old"},
            {"name": "Ada", "is_kids": None},
        ],
    )
    def test_are_not_added_from_bad_input(self, wanted: dict[str, Any]) -> None:
        account = AccountFactory.create()
        assert signed_in(account).call("post", "/api/v1/profiles", wanted).status_code == 400
        assert not Profile.objects.filter(account=account).exists()

    def test_belong_to_nobody_else_by_mass_assignment(self) -> None:
        account, victim = AccountFactory.create(), AccountFactory.create()
        wanted = {"name": "Ada", "account": str(victim.pk), "account_id": str(victim.pk), "id": str(new_id())}
        answer = signed_in(account).call("post", "/api/v1/profiles", wanted)
        assert answer.status_code == 400
        assert {error["pointer"] for error in answer.json()["errors"]} == {"#/account", "#/account_id", "#/id"}
        assert Profile.objects.count() == 0

    def test_refusals_have_their_codes(self) -> None:
        account = AccountFactory.create()
        app = signed_in(account)

        def refusal(method: str, path: str, data: Any = None) -> tuple[int, str]:
            answer = app.call(method, path, data)
            return answer.status_code, answer.json()["code"]

        path = "/api/v1/profiles"
        assert refusal("post", path, {"name": "Kim", "is_kids": True}) == (409, "adult_profile_required")
        profile = ProfileFactory.create(account=account, name="Ada")
        assert refusal("post", path, {"name": "ada"}) == (409, "profile_name_taken")
        assert refusal("delete", f"{path}/{profile.pk}") == (409, "adult_profile_required")
        child = KidsProfileFactory.create(account=account)
        assert refusal("patch", f"{path}/{child.pk}", {"highest_age": 16}) == (422, "kids_limits_exceeded")

    @pytest.mark.parametrize(("method", "suffix"), [("get", ""), ("patch", ""), ("delete", ""), ("post", "/enter")])
    def test_answer_the_same_for_foreign_and_unknown_ids(self, method: str, suffix: str) -> None:
        foreign = ProfileFactory.create(name="Eve")
        app = signed_in(ProfileFactory.create().account)
        answers = []
        for profile_id in (foreign.pk, new_id()):
            body = {} if suffix else {"name": "Mine"}
            answer = app.call(method, f"/api/v1/profiles/{profile_id}{suffix}", body)
            assert answer.status_code == 404
            said = json.loads(answer.content.replace(str(profile_id).encode(), b""))
            answers.append({name: value for name, value in said.items() if name != "instance"})
        assert answers[0] == answers[1]
        foreign.refresh_from_db()
        assert foreign.name == "Eve"
        assert not SessionProfile.objects.exists()


class TestEnter:
    def test_is_kept_by_the_server(self) -> None:
        profile = ProfileFactory.create()
        app, other = signed_in(profile.account), signed_in(profile.account)
        assert app.call("post", f"/api/v1/profiles/{profile.pk}/enter").status_code == 200
        assert app.call("get", "/api/v1/account").json()["profile_id"] == str(profile.pk)
        assert other.call("get", "/api/v1/account").json()["profile_id"] is None

    def test_ends_with_the_profile(self) -> None:
        profile = ProfileFactory.create()
        other = ProfileFactory.create(account=profile.account)
        app = signed_in(profile.account, profile)
        assert app.call("get", "/api/v1/account").json()["profile_id"] == str(profile.pk)
        signed_in(profile.account, other).call("delete", f"/api/v1/profiles/{profile.pk}")
        assert app.call("get", "/api/v1/account").json()["profile_id"] is None
