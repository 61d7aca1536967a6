"""Conditional reads."""

from __future__ import annotations

from typing import Any

import pytest
from rest_framework.test import APIClient

from core.api import etags
from tests.core.api.sample import VersionView
from tests.core.api.test_problems import SAMPLE, problem

pytestmark = pytest.mark.django_db

URL = f"{SAMPLE}/versions/1"
HEADERS = {"ETag", "Cache-Control", "Vary"}


@pytest.fixture(autouse=True)
def _nothing_made() -> None:
    VersionView.made = 0


class TestAnswer:
    def test_may_be_kept_by_its_client_alone_and_is_asked_for_again(self, anybody: APIClient) -> None:
        answer = anybody.get(URL)
        assert (answer.status_code, answer.json()) == (200, {"version": 1})
        assert answer.headers["Cache-Control"] == "private, no-cache"
        assert {"Accept-Language", "Cookie", "X-Session-Token"} <= set(answer.headers["Vary"].split(", "))
        assert answer.headers["ETag"] == etags.etag(["sample", 1])

    def test_is_not_made_again_for_who_has_it(self, anybody: APIClient) -> None:
        tag = anybody.get(URL).headers["ETag"]
        strong = tag.removeprefix("W/")
        for known in (tag, strong, f'"x", {tag}, "y"', f'W/"x",{tag}', "*"):
            answer = anybody.get(URL, headers={"If-None-Match": known})
            assert (answer.status_code, answer.content) == (304, b""), known
            assert answer.headers["ETag"] == tag
            assert answer.headers["Cache-Control"] == "private, no-cache"
            assert "X-Session-Token" in answer.headers["Vary"]
            assert "Content-Type" not in answer.headers
        assert VersionView.made == 1

    @pytest.mark.parametrize("known", ['"x"', 'W/"x", "y"', "", "nonsense"])
    def test_is_made_for_who_has_another(self, anybody: APIClient, known: str) -> None:
        assert anybody.get(URL, headers={"If-None-Match": known}).status_code == 200
        assert VersionView.made == 1

    def test_is_refused_to_who_insists_on_another(self, anybody: APIClient) -> None:
        problem(anybody.get(URL, headers={"If-Match": '"x"'}), 412, "precondition_failed")
        assert VersionView.made == 0


class TestTag:
    def test_differs_with_the_key(self) -> None:
        keys: list[list[Any]] = [["a", 1], ["a", 2], ["a", "1"], ["a1"], ["a", [1]], ["a", None, 1]]
        assert len({etags.etag(key) for key in keys}) == len(keys)

    def test_differs_with_the_form_of_answers(self, monkeypatch: pytest.MonkeyPatch) -> None:
        before = etags.etag(["a"])
        monkeypatch.setattr(etags, "API_VERSION", etags.API_VERSION + 1)
        assert etags.etag(["a"]) != before
