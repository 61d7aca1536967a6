"""Every error is a problem (RFC 9457)."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.test import Client
from django.utils import translation
from django.utils.translation import gettext
from rest_framework.test import APIClient

from core.api import problems
from core.errors import DomainError
from tests.core.api.sample import FailingView

pytestmark = pytest.mark.django_db

SAMPLE = "/api/v1/sample"


def problem(answer: Any, status: int, code: str) -> dict[str, Any]:
    """Check what every problem has; answer its members."""
    assert (answer.status_code, answer.headers["Content-Type"]) == (status, "application/problem+json")
    members: dict[str, Any] = answer.json()
    assert (members["status"], members["code"]) == (status, code)
    assert members["type"].endswith(f"/api/problems#{code}")
    assert members["instance"] == f"urn:uuid:{answer.headers['X-Request-ID']}"
    assert members["title"]
    assert members["detail"]
    return members


class TestProblem:
    def test_of_the_domain_has_its_code_and_members(self, anybody: APIClient) -> None:
        answer = problem(anybody.get(f"{SAMPLE}/failing/domain"), 402, "sample_card_declined")
        assert (answer["title"], answer["detail"]) == ("The card was declined.", "Ask your bank.")
        assert answer["decline_code"] == "generic_decline"

    @pytest.mark.parametrize(
        ("how", "status", "code"),
        [
            ("missing", 404, "not_found"),
            ("forbidden", 403, "permission_denied"),
            ("suspicious", 400, "malformed_request"),
            ("bug", 500, "internal_error"),
        ],
    )
    def test_keeps_our_reasons_to_ourselves(self, anybody: APIClient, how: str, status: int, code: str) -> None:
        answer = anybody.get(f"{SAMPLE}/failing/{how}")
        problem(answer, status, code)
        assert str(FailingView.failures[how]) not in answer.content.decode()

    def test_of_a_bug_is_logged_with_its_trace(self, anybody: APIClient, caplog: pytest.LogCaptureFixture) -> None:
        anybody.get(f"{SAMPLE}/failing/bug")
        line: Any
        [line] = [record.msg for record in caplog.records if record.name.startswith("django_structlog")]
        assert "ZeroDivisionError: the password is hunter2" in line["exception"]

    def test_of_a_missing_sign_in_names_the_scheme(self, anybody: APIClient) -> None:
        answer = anybody.post(f"{SAMPLE}/payments", {"amount": 1})
        problem(answer, 401, "not_authenticated")
        assert answer.headers["WWW-Authenticate"] == "SessionToken"

    def test_of_a_bad_token_says_so(self, anybody: APIClient) -> None:
        answer = anybody.get(f"{SAMPLE}/versions/1", headers={"X-Session-Token": "nonsense"})
        problem(answer, 401, "authentication_failed")

    def test_of_a_method_lists_the_others(self, anybody: APIClient) -> None:
        for method in ("put", "options"):
            answer = getattr(anybody, method)(f"{SAMPLE}/orders")
            problem(answer, 405, "method_not_allowed")
            assert "POST" in answer.headers["Allow"]

    def test_of_a_wanted_form_that_there_is_not(self, anybody: APIClient) -> None:
        problem(anybody.get(f"{SAMPLE}/versions/1", headers={"Accept": "text/html"}), 406, "not_acceptable")

    @pytest.mark.parametrize("path", ["/api", "/api/", "/api/v1/nothing", "/api/v2/titles", "/api/v1/titles/1/2/3"])
    def test_answers_unknown_addresses(self, anybody: APIClient, path: str) -> None:
        answer = anybody.get(path)
        if path == "/api":
            assert (answer.status_code, answer.headers["Content-Type"]) == (404, "text/html; charset=utf-8")
        else:
            problem(answer, 404, "not_found")

    def test_is_for_the_api_alone(self) -> None:
        client = Client(raise_request_exception=False)
        assert client.get("/nothing").headers["Content-Type"].startswith("text/html")
        answer = client.get("/page")
        assert (answer.status_code, answer.headers["Content-Type"]) == (500, "text/html; charset=utf-8")

    def test_speaks_the_clients_language(self, anybody: APIClient) -> None:
        german = anybody.get("/api/v1/nothing", headers={"Accept-Language": "de-AT, en;q=0.5"})
        assert problem(german, 404, "not_found")["title"] == "Hier ist nichts."
        assert german.headers["Content-Language"] == "de"
        other = anybody.get("/api/v1/nothing", headers={"Accept-Language": "tlh"})
        assert problem(other, 404, "not_found")["title"] == "There is nothing here."

    def test_is_not_kept_by_caches(self, anybody: APIClient) -> None:
        assert anybody.get("/api/v1/nothing").headers["Cache-Control"] == "no-store"

    def test_does_not_let_an_extra_member_replace_its_own(self) -> None:
        answer = problems.answer(problems.NotFound(status=200, code="fine", hint="look elsewhere"))
        assert answer.status_code == 404
        assert b'"code":"not_found"' in answer.content
        assert b'"hint":"look elsewhere"' in answer.content


class TestValidation:
    def test_points_into_the_body(self, anybody: APIClient) -> None:
        wanted = {"items": [{"name": "a"}, {"nam/e~": "b"}], "tags": ["ok", "far too long"], "more": 1}
        answer = problem(anybody.post(f"{SAMPLE}/orders", wanted), 400, "validation_failed")
        assert sorted((error["pointer"], error["code"]) for error in answer["errors"]) == [
            ("#/items/1/name", "required"),
            ("#/items/1/nam~1e~0", "unknown_member"),
            ("#/more", "unknown_member"),
            ("#/tags/1", "max_length"),
        ]

    def test_points_at_the_whole(self, anybody: APIClient) -> None:
        three = {"items": [{"name": name} for name in "abc"]}
        answer = problem(anybody.post(f"{SAMPLE}/orders", three), 400, "validation_failed")
        assert answer["errors"] == [{"pointer": "#", "code": "too_many", "message": "Two at most."}]
        for body in ("[]", "1", '"x"', "null"):
            answer = problem(
                anybody.post(f"{SAMPLE}/orders", body, content_type="application/json"), 400, "validation_failed"
            )
            assert [error["pointer"] for error in answer["errors"]] in (["#"], ["#/items"])

    def test_names_the_parameter(self, anybody: APIClient) -> None:
        answer = problem(anybody.get(f"{SAMPLE}/filters"), 400, "validation_failed")
        assert answer["errors"] == [{"parameter": "name", "code": "required", "message": "This field is required."}]


class TestCatalogue:
    def test_has_each_code_once(self) -> None:
        pending, codes = list(DomainError.__subclasses__()), []
        while pending:
            error = pending.pop()
            pending += error.__subclasses__()
            if "code" in vars(error):
                codes.append(error.code)
        assert sorted(codes) == sorted(set(codes))

    def test_has_codes_that_programs_can_go_by(self) -> None:
        for error in problems.catalogue():
            assert re.fullmatch(r"[a-z][a-z0-9_]+", error.code)
            assert 400 <= error.status < 600
            assert problems.meaning(error)

    def test_of_the_floor_is_translated(self) -> None:
        ours = [error for error in problems.catalogue() if error.__module__.startswith("core.")]
        assert len(ours) > 20
        with translation.override("de"):
            assert [error.code for error in ours if gettext(error.title) == error.title] == [], (
                "translate these, then `make messages`"
            )

    def test_is_where_a_problem_leads(self) -> None:
        answer = Client().get("/api/problems")
        assert answer.status_code == 200
        for error in problems.catalogue():
            assert f'id="{error.code}"' in answer.content.decode()
