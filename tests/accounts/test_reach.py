"""From which sign-ins what can be reached; tests/permissions walks every endpoint."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, ClassVar

import pytest
from django.conf import settings
from django.test import Client
from rest_framework.request import Request
from rest_framework.test import APIRequestFactory
from rest_framework.views import APIView

from accounts import principals
from accounts.api.permissions import (
    NotOnTelevision,
    ProfileRestricted,
    Reach,
    ReauthenticationRequired,
    WithinReach,
    reach_of,
)
from accounts.models import User
from core.clock import now
from tests.accounts.conftest import App
from tests.factories.accounts import (
    PASSWORD,
    AccountFactory,
    KidsProfileFactory,
    ProfileFactory,
    StaffFactory,
    sign_in,
)

pytestmark = pytest.mark.django_db


def may(session_key: str, view: Any, method: str = "get", **kwargs: Any) -> bool:
    """Ask the permission about a view."""
    request = Request(getattr(APIRequestFactory(), method)("/"))
    request.auth = principals.resolve(session_key, now=now())
    view.kwargs = kwargs
    return WithinReach().has_permission(request, view)


class New(APIView):
    """A view whose author did not think of children."""


class OnlyReadByChildren(APIView):
    """A view that opens one method."""

    reach: ClassVar = {"GET": Reach.SIGNED_IN}


class TestReach:
    def test_of_a_new_view_leaves_out_children(self) -> None:
        with pytest.raises(ProfileRestricted):
            may(child(), New())
        assert may(sign_in(AccountFactory.create()), New())

    def test_of_a_method_that_is_not_named_leaves_out_children(self) -> None:
        view = OnlyReadByChildren()
        assert may(child(), view)
        assert reach_of(view, "HEAD") is Reach.SIGNED_IN
        with pytest.raises(ProfileRestricted):
            may(child(), view, "post")


def child() -> str:
    """Answer the token of a sign-in that entered a kids profile."""
    adult = ProfileFactory.create()
    return sign_in(adult.account, profile=KidsProfileFactory.create(account=adult.account))


class Sensitive(APIView):
    """A view for the owner in person."""

    reach = Reach.SENSITIVE


class TestSensitive:
    def test_counts_proof_for_a_quarter_of_an_hour(self) -> None:
        account: User = AccountFactory.create()
        assert may(sign_in(account, proved_at=now() - timedelta(minutes=14, seconds=50)), Sensitive())
        with pytest.raises(ReauthenticationRequired):
            may(sign_in(account, proved_at=now() - timedelta(minutes=15)), Sensitive())

    def test_is_nothing_for_televisions(self) -> None:
        with pytest.raises(NotOnTelevision):
            may(sign_in(AccountFactory.create(), kind="television"), Sensitive())

    def test_is_open_after_the_password_was_asked_again(self) -> None:
        app = App()
        app.token = sign_in(AccountFactory.create(country="US"), proved_at=now() - timedelta(hours=1))
        refused = app.call("post", "/api/v1/payment-methods/setup")
        assert (refused.status_code, refused.json()["code"]) == (403, "reauthentication_required")
        assert app.auth("auth/reauthenticate", password=PASSWORD).status_code == 200
        # The request is no good, but it is read.
        assert app.call("post", "/api/v1/payment-methods/setup").json()["code"] == "idempotency_key_missing"


class TestDoors:
    """What a token opens does not depend on how it is sent."""

    @pytest.mark.parametrize("kind", ["television", "other"])
    def test_of_sign_in_are_shut_for_tokens_in_cookies(self, kind: str) -> None:
        account: User = AccountFactory.create()
        profile = None
        if kind == "other":
            ProfileFactory.create(account=account)
            profile = KidsProfileFactory.create(account=account)
        browser = Client()
        browser.cookies[settings.SESSION_COOKIE_NAME] = sign_in(account, kind=kind, profile=profile)
        refused = browser.post(
            "/_allauth/browser/v1/account/password/change",
            {"current_password": PASSWORD, "new_password": "quite another one"},
            content_type="application/json",
        )
        code = "not_on_television" if kind == "television" else "profile_restricted"
        assert (refused.status_code, refused.json()["errors"][0]["code"]) == (403, code)
        account.refresh_from_db()
        assert account.check_password(PASSWORD)

    def test_of_sign_in_tell_a_child_who_is_signed_in_and_not_the_address(self) -> None:
        account: User = AccountFactory.create()
        app = App()
        app.token = sign_in(account, profile=ProfileFactory.create(account=account))
        assert app.auth("auth/session", "get").json()["data"]["user"]["email"] == account.email
        app.token = sign_in(account, profile=KidsProfileFactory.create(account=account))
        answer = app.auth("auth/session", "get")
        assert (answer.status_code, account.email in answer.content.decode()) == (200, False)
        assert answer.json()["data"]["user"] == {"id": str(account.pk), "has_usable_password": True}
        assert app.auth("auth/session", "delete").status_code == 401

    def test_of_sign_in_are_shut_wherever_the_platform_is_mounted(self) -> None:
        # What a request's address is routed by is not all of it.
        app = App()
        app.token = sign_in(AccountFactory.create(), kind="television")
        refused = app.client.get(
            "/_allauth/app/v1/account/email", headers={"X-Session-Token": app.token}, SCRIPT_NAME="/watch"
        )
        assert (refused.status_code, refused.json()["errors"][0]["code"]) == (403, "not_on_television")

    def test_of_the_admin_are_shut_from_a_kids_profile(self) -> None:
        staff: User = StaffFactory.create(is_superuser=True)
        adult = ProfileFactory.create(account=staff)
        browser = Client()
        browser.cookies[settings.SESSION_COOKIE_NAME] = sign_in(staff, profile=adult)
        assert browser.get("/admin/").status_code == 200
        kids = KidsProfileFactory.create(account=staff)
        browser.cookies[settings.SESSION_COOKIE_NAME] = sign_in(staff, profile=kids)
        assert browser.get("/admin/").status_code == 403

    def test_of_telephone_numbers_lead_nowhere(self) -> None:
        app = App()
        app.token = sign_in(AccountFactory.create())
        assert app.auth("account/phone", "get").status_code == 404
        assert app.auth("account/phone", phone="+4930123456").status_code == 404
