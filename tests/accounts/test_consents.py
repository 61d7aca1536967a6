"""Consents: versioned, with time and place, at sign-up and later; and which optional mail somebody wants."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, transaction

from accounts.models import AuditEntry, Consent, PolicyDocument, User
from core.clock import now
from core.ids import new_id
from tests.accounts.conftest import App
from tests.factories.accounts import AccountFactory, sign_in

pytestmark = pytest.mark.django_db
PATH = "/api/v1/account/consents"
TOPICS = "/api/v1/account/notifications"


def document(kind: str, version: str, *, since: timedelta = timedelta(days=-1)) -> PolicyDocument:
    return PolicyDocument.objects.create(
        kind=kind, version=version, url=f"https://tv.example/{kind}", effective_at=now() + since, created_at=now()
    )


@pytest.fixture
def terms() -> PolicyDocument:
    document("terms", "2025-01", since=timedelta(days=-400))
    document("terms", "2027-01", since=timedelta(days=30))  # announced
    return document("terms", "2026-01")


@pytest.fixture
def marketing() -> PolicyDocument:
    return document("marketing", "2026-01")


@pytest.fixture
def app() -> App:
    app = App()
    app.token = sign_in(AccountFactory.create())
    return app


class TestSignUp:
    def test_asks_for_what_is_required(self, terms: PolicyDocument, marketing: PolicyDocument) -> None:
        answer = App().sign_up("ada@example.com")
        assert [(error["param"], error["code"]) for error in answer.json()["errors"]] == [
            ("consents", "consent_required")
        ]
        assert not User.objects.exists()
        assert App().sign_up("ada@example.com", consents=str(marketing.pk)).status_code == 400

    def test_keeps_what_was_agreed_to_when_and_from_where(
        self, terms: PolicyDocument, marketing: PolicyDocument
    ) -> None:
        app = App()
        answer = app.sign_up("ada@example.com", consents=f"{terms.pk} {marketing.pk}")
        assert answer.status_code == 401, answer.content
        given = Consent.objects.select_related("document").order_by("document__kind")
        assert [each.document.kind for each in given] == ["marketing", "terms"]
        assert {str(each.address) for each in given} == {app.address}
        assert all(now() - each.given_at < timedelta(minutes=1) for each in given)

    @pytest.mark.parametrize("said", ["nonsense", "01a21785-0000-7000-8000-000000000000", "\x00"])
    def test_refuses_what_is_no_document(self, terms: PolicyDocument, said: str) -> None:
        assert App().sign_up("ada@example.com", consents=f"{terms.pk} {said}").status_code == 400
        assert not User.objects.exists()

    def test_asks_for_nothing_where_there_are_no_documents(self) -> None:
        assert App().sign_up("ada@example.com").status_code == 401
        assert not Consent.objects.exists()


class TestConsents:
    def test_are_listed_to_anybody_in_the_version_that_holds(self, terms: PolicyDocument) -> None:
        [listed] = App().call("get", "/api/v1/policies").json()
        assert (listed["id"], listed["version"], listed["is_required"]) == (str(terms.pk), "2026-01", True)

    def test_are_asked_for_again_when_a_new_version_holds(self, app: App, terms: PolicyDocument) -> None:
        assert app.call("post", PATH, {"documents": [str(terms.pk)]}).json()[0]["given_at"]
        newer = document("terms", "2026-06", since=timedelta(seconds=-1))
        [asked] = app.call("get", PATH).json()
        assert (asked["id"], asked["given_at"]) == (str(newer.pk), None)
        assert app.call("post", PATH, {"documents": [str(terms.pk)]}).json()["code"] == "document_not_found"

    def test_given_twice_count_from_the_first_time(self, app: App, terms: PolicyDocument) -> None:
        first = app.call("post", PATH, {"documents": [str(terms.pk)]}).json()
        assert app.call("post", PATH, {"documents": [str(terms.pk)]}).json() == first
        assert Consent.objects.count() == 1
        assert list(AuditEntry.objects.values_list("act", flat=True)) == ["consent_given"]

    def test_are_withdrawn_unless_they_are_required(
        self, app: App, terms: PolicyDocument, marketing: PolicyDocument
    ) -> None:
        app.call("post", PATH, {"documents": [str(terms.pk), str(marketing.pk)]})
        assert app.call("delete", f"{PATH}/{terms.pk}").json()["code"] == "consent_is_required"
        assert app.call("delete", f"{PATH}/{marketing.pk}").status_code == 204
        assert app.call("delete", f"{PATH}/{new_id()}").status_code == 404
        given = {each["kind"]: each["given_at"] for each in app.call("get", PATH).json()}
        assert given["marketing"] is None
        assert given["terms"] is not None
        kept = Consent.objects.get(document=marketing)
        assert kept.withdrawn_at is not None
        app.call("post", PATH, {"documents": [str(marketing.pk)]})
        assert Consent.objects.filter(document=marketing).count() == 2

    def test_cost_the_same_queries_for_many(
        self, app: App, terms: PolicyDocument, django_assert_num_queries: Any
    ) -> None:
        document("privacy", "1")
        with django_assert_num_queries(2):
            assert len(app.call("get", PATH).json()) == 2


class TestDocument:
    def test_exists_once_in_a_version(self, terms: PolicyDocument) -> None:
        with pytest.raises(IntegrityError, match="policy_document_version_unique"), transaction.atomic():
            document("terms", terms.version, since=timedelta(days=-3))


class TestNotifications:
    def test_follow_the_consent_until_somebody_chooses(self, app: App, marketing: PolicyDocument) -> None:
        assert app.call("get", TOPICS).json() == {"news": False, "recommendations": False, "offers": False}
        app.call("post", PATH, {"documents": [str(marketing.pk)]})
        assert app.call("get", TOPICS).json() == {"news": True, "recommendations": True, "offers": True}
        chosen = app.call("patch", TOPICS, {"offers": False}).json()
        assert chosen == {"news": True, "recommendations": True, "offers": False}
        assert app.call("patch", TOPICS, {"everything": False}).status_code == 400
