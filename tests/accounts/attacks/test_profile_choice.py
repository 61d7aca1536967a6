"""Who watches is what the session entered, on the server; nothing that a request says chooses another."""

from __future__ import annotations

from typing import Any

import pytest

from accounts.models import Profile, SessionProfile
from tests.accounts.conftest import App
from tests.factories.accounts import KidsProfileFactory, ProfileFactory, sign_in

pytestmark = pytest.mark.django_db


@pytest.fixture
def adult() -> Profile:
    profile: Profile = ProfileFactory.create()
    return profile


@pytest.fixture
def kids(adult: Profile) -> Profile:
    profile: Profile = KidsProfileFactory.create(account=adult.account)
    return profile


def says(profile: Profile) -> list[dict[str, Any]]:
    """Answer ways in which a request could name a profile."""
    key = str(profile.pk)
    return [
        {"headers": {"X-Profile": key, "X-Profile-Id": key, "Profile": key}},
        {"query_params": {"profile": key, "profile_id": key}},
        {"headers": {"Cookie": f"profile={key}; profile_id={key}"}},
    ]


class TestChildren:
    def test_are_no_adults_by_what_they_send(self, adult: Profile, kids: Profile) -> None:
        app = App()
        app.token = sign_in(adult.account, profile=kids)
        for said in says(adult):
            headers = {"X-Session-Token": app.token, **said.pop("headers", {})}
            answer = app.client.get("/api/v1/account", headers=headers, **said)
            assert (answer.status_code, answer.json()["code"]) == (403, "profile_restricted")
        assert SessionProfile.objects.get().profile == kids

    def test_reach_their_own_profile_alone_by_its_address(self, adult: Profile, kids: Profile) -> None:
        app = App()
        app.token = sign_in(adult.account, profile=kids)
        assert app.call("get", f"/api/v1/profiles/{kids.pk}").status_code == 200
        other = app.call("get", f"/api/v1/profiles/{adult.pk}")
        assert (other.status_code, other.json()["code"]) == (403, "profile_restricted")
        changed = app.call("patch", f"/api/v1/profiles/{kids.pk}", {"is_kids": False, "highest_age": 18})
        assert (changed.status_code, changed.json()["code"]) == (403, "profile_restricted")
        kids.refresh_from_db()
        assert (kids.is_kids, kids.highest_age) == (True, 6)


class TestNobodyInParticular:
    def test_becomes_somebody_by_entering_alone(self, adult: Profile) -> None:
        app = App()
        app.token = sign_in(adult.account)
        for said in says(adult):
            headers = {"X-Session-Token": app.token, **said.pop("headers", {})}
            answer = app.client.get("/api/v1/genres", headers=headers, **said)
            assert (answer.status_code, answer.json()["code"]) == (403, "profile_required")
            assert app.client.get("/api/v1/account", headers=headers, **said).json()["profile_id"] is None
        assert app.call("post", f"/api/v1/profiles/{adult.pk}/enter").status_code == 200
        assert app.call("get", "/api/v1/account").json()["profile_id"] == str(adult.pk)
