"""Every endpoint is asked as every role, and answers as the matrix says; one that is not in it fails.

Requests are empty unless BODIES has one: what counts is who is let through, not what becomes of it.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from django.conf import settings as configured
from django.contrib import admin
from django.contrib.admin.utils import get_fields_from_path
from django.contrib.auth.models import Group
from django.test import Client
from django.urls import get_resolver
from pytest_django import Settings
from rest_framework.permissions import AllowAny

from accounts.admin_pages import OnRecord
from accounts.api.permissions import WithinReach
from accounts.models import User
from accounts.services import staff
from billing.models import WebhookEvent
from core.clock import now
from tests.factories.accounts import AccountFactory, KidsProfileFactory, ProfileFactory, sign_in
from tests.permissions import matrix
from tests.permissions.kinds import ROLES, STAFF, Kind
from tests.permissions.walk import Endpoint, ask, differences, endpoints, outcome, routes

pytestmark = pytest.mark.django_db

ENDPOINTS = list(endpoints())
EXPECTED: dict[str, Kind] = {
    **matrix.API,
    **matrix.PAGES,
    **{
        name.replace(" ", f" /_allauth/{client}/v1", 1): kind
        for name, kind in matrix.SIGN_IN_API.items()
        for client in ("app", "browser")
        if not (client == "browser" and "/tokens/" in name)
    },
}
MODELS: dict[str, list[str]] = {
    line.split()[0]: line.split()[1:] for line in matrix.ADMIN.strip().splitlines()[1:]
}  # fmt: skip
STANDARD_PAGES = ("", "add/", "<path:object_id>/", "<path:object_id>/change/", "<path:object_id>/delete/",
                  "<path:object_id>/history/")  # fmt: skip


@pytest.fixture(autouse=True)
def without_limits(settings: Settings) -> None:
    settings.ACCOUNT_RATE_LIMITS = False


@pytest.fixture
def account() -> User:
    """A household's account, with a second factor."""
    account: User = AccountFactory.create()
    TOTP.activate(account, generate_totp_secret())
    RecoveryCodes.activate(account)
    return account


def session_of(role: str, account: User) -> str | None:
    """Sign in as a role."""
    if role == "nobody":
        return None
    if role in STAFF:
        staff.sync_groups()
        account.is_staff = True
        account.save()
        account.groups.add(Group.objects.get(name=role))
    adult = ProfileFactory.create(account=account)
    if role == "unentered":
        return sign_in(account)
    if role == "kids":
        return sign_in(account, profile=KidsProfileFactory.create(account=account))
    if role == "television":
        return sign_in(account, profile=adult, kind="television")
    return sign_in(account, profile=adult, proved_at=now() - timedelta(hours=1) if role == "stale" else None)


def client_for(session_key: str | None, path: str) -> Client:
    """Answer a client that sends a session as whoever calls this address does."""
    client = Client(REMOTE_ADDR="192.0.2.7")
    if session_key and path.startswith(("/api/", "/_allauth/app/")):
        client.defaults["HTTP_X_SESSION_TOKEN"] = session_key
    elif session_key:
        client.cookies[configured.SESSION_COOKIE_NAME] = session_key
    return client


class TestEndpoints:
    def test_are_all_in_the_matrix(self) -> None:
        found = {str(endpoint) for endpoint in ENDPOINTS}
        missing = sorted(found - EXPECTED.keys())
        assert missing == [], "add these to tests/permissions/matrix.py"
        assert sorted(EXPECTED.keys() - found) == [], "these are gone"

    @pytest.mark.parametrize("role", ROLES)
    def test_let_through_whom_the_matrix_says(
        self, role: str, account: User, record_property: Callable[[str, object], None]
    ) -> None:
        session_key = session_of(role, account)
        asked = []
        for endpoint in [each for each in ENDPOINTS if str(each) in EXPECTED]:
            client = client_for(session_key, endpoint.route)
            answer = ask(client, endpoint, endpoint.path(), matrix.BODIES.get(str(endpoint)))
            asked.append((endpoint, EXPECTED[str(endpoint)][role], outcome(answer)))
        record_property("matrix", (role, len(asked)))
        assert differences(asked) == []

    def test_of_the_api_all_go_by_one_permission(self) -> None:
        others = [
            route
            for route, view in routes(get_resolver())
            if route.startswith("/api/v1/") and tuple(view.cls.permission_classes) not in {(WithinReach,), (AllowAny,)}
        ]
        assert others == [], "declare `reach` instead of permission_classes: accounts.api.permissions"


class TestForeignThings:
    NAMES = sorted({name for endpoint in ENDPOINTS for name in endpoint.names()})

    def test_are_known(self) -> None:
        assert [name for name in self.NAMES if name not in matrix.THINGS] == [], "say what they are in THINGS"

    @pytest.mark.parametrize(
        "endpoint", [each for each in ENDPOINTS if any(callable(matrix.THINGS.get(name)) for name in each.names())],
        ids=str,
    )  # fmt: skip
    def test_answer_as_those_that_are_not_there(
        self, endpoint: Endpoint, account: User, record_property: Callable[[str, object], None]
    ) -> None:
        other = AccountFactory.create()
        things = {name: make(other) for name in endpoint.names() if callable(make := matrix.THINGS[name])}
        client = client_for(session_of("adult", account), endpoint.route)
        body = matrix.BODIES.get(str(endpoint), {"nothing": None} if endpoint.method == "POST" else None)
        answers = []
        for path in (endpoint.path(things), endpoint.path()):
            answer = ask(client, endpoint, path, body)
            assert answer.status_code == 404, f"{answer.content!r}: is there a good request in BODIES?"
            answers.append(_plain(answer))
        record_property("matrix", ("stranger", 1))
        assert answers[0] == answers[1]


def _plain(answer: Any) -> tuple[int, bytes, dict[str, str]]:
    """Answer what was answered, without the id of the request."""
    request_id = answer.headers["X-Request-ID"]
    headers = {name: value for name, value in answer.headers.items() if name != "X-Request-ID"}
    return answer.status_code, answer.content.replace(request_id.encode(), b""), headers


class TestAdmin:
    def test_has_all_its_models_in_the_matrix(self) -> None:
        assert {model._meta.label_lower for model in admin.site._registry} == MODELS.keys()

    def test_has_all_groups_of_staff_in_the_matrix(self) -> None:
        assert tuple(staff.GROUPS) == STAFF
        assert matrix.ADMIN.split("\n")[1].split()[1:] == list(STAFF)

    def test_has_all_its_own_pages_in_the_matrix(self) -> None:
        assert set(_own_pages()) == matrix.ADMIN_PAGES.keys()

    def test_puts_on_record_who_opens_what_the_matrix_says(self) -> None:
        recorded = {
            model: (model_admin.person, *model_admin.others)
            for model, model_admin in admin.site._registry.items()
            if isinstance(model_admin, OnRecord)
        }
        assert {model._meta.label_lower for model in recorded} == matrix.ADMIN_ON_RECORD
        # Of an event of Stripe's it is found out by what Stripe calls its customer.
        ways = [(model, way) for model, each in recorded.items() for way in each if model is not WebhookEvent]
        for model, way in ways:
            # Each leads to an account.
            *relations, last = way.split(".")
            owner: Any = model
            if relations:
                owner = get_fields_from_path(model, "__".join(relations))[-1].related_model
            assert last == "pk" if owner is User else owner._meta.get_field(last).related_model is User, (model, way)

    def test_shows_no_more_of_persons_than_what_is_on_record(self) -> None:
        """Find tables that lead to an account and whose pages nobody is on record for."""
        leading = {
            model._meta.label_lower
            for model in admin.site._registry
            for field in model._meta.fields
            if field.related_model is User
        }
        # Who made a collection or decided about a review is staff.
        assert {name for name in leading if not name.startswith("catalog.")} <= matrix.ADMIN_ON_RECORD

    def test_puts_on_record_each_of_those_whom_a_row_tells_of(self) -> None:
        """Find relations to a person of which the record of that person would not know."""
        staff_themselves = {("accounts.auditentry", "by"), ("catalog.review", "by")}
        for model, model_admin in admin.site._registry.items():
            if isinstance(model_admin, OnRecord):
                ways = {way.split(".")[0] for way in (model_admin.person, *model_admin.others)}
                people = {
                    field.attname
                    for field in model._meta.fields
                    if field.related_model is User and (model._meta.label_lower, field.name) not in staff_themselves
                }
                assert people <= ways, model

    @pytest.mark.parametrize("role", [*STAFF, "nobody", "adult", "kids", "television"])
    def test_lets_through_whom_the_matrix_says(
        self, role: str, account: User, record_property: Callable[[str, object], None]
    ) -> None:
        session_key = session_of(role, account)
        client, seen, count = client_for(session_key, "/admin/"), {}, 0
        for model, model_admin in admin.site._registry.items():
            address = f"/admin/{model._meta.app_label}/{model._meta.model_name}/"
            answer = client.get(address)
            rights = "v" if answer.status_code == 200 else ""
            rights += "a" if client.get(f"{address}add/").status_code == 200 else ""
            count += 2
            if rights:
                request = answer.wsgi_request
                rights += "c" if model_admin.has_change_permission(request) else ""
                rights += "d" if model_admin.has_delete_permission(request) else ""
            else:
                unknown = f"{address}00000000-0000-0000-0000-000000000000"
                for page in (f"{unknown}/change/", f"{unknown}/delete/"):
                    count += 1
                    answer = client.get(page)
                    assert answer.status_code == 403 or "/admin/login/" in answer.headers["Location"], page
            seen[model._meta.label_lower] = rights or "-"
        column = STAFF.index(role) if role in STAFF else None
        record_property("matrix", (f"admin {role}", count))
        assert seen == {model: "-" if column is None else MODELS[model][column] for model in MODELS}

    @pytest.mark.parametrize("role", [*STAFF, "nobody", "adult", "kids", "television"])
    def test_lets_nobody_else_to_its_own_pages(self, role: str, account: User) -> None:
        client = client_for(session_of(role, account), "/admin/")
        for route, groups in matrix.ADMIN_PAGES.items():
            for method in ("GET", "POST"):
                answer = ask(client, Endpoint(method, route), Endpoint(method, route).path())
                to_the_door = answer.status_code == 302 and "/admin/login/" in answer.headers["Location"]
                is_let_in = not (answer.status_code == 403 or to_the_door)
                assert is_let_in == (role in groups), (method, route, answer.status_code)


def _own_pages() -> list[str]:
    """Answer the addresses of pages that models have beside the usual ones."""
    pages = []
    for route, _ in routes(get_resolver()):
        parts = route.split("/", 4)
        if route.startswith("/admin/") and len(parts) == 5 and f"{parts[2]}.{parts[3]}" in MODELS:
            pages += [route] if parts[4] not in STANDARD_PAGES else []
    return pages
