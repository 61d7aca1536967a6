"""The API's description, as core.api.schema completes it."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from drf_spectacular.generators import SchemaGenerator

from core.api import problems

pytestmark = pytest.mark.django_db


@pytest.fixture(scope="module")
def described() -> dict[str, Any]:
    """The description of the tests' API and ours."""
    generator = SchemaGenerator(urlconf="tests.core.api.sample")  # type: ignore[no-untyped-call]  # of an untyped library
    description: dict[str, Any] = generator.get_schema(request=None, public=True)  # type: ignore[no-untyped-call]  # of an untyped library
    return description


def codes(operation: dict[str, Any], status: int) -> set[str]:
    """Answer the codes that an operation may answer with a status."""
    schema = operation["responses"][str(status)]["content"][problems.MEDIA_TYPE]["schema"]
    return set(schema["properties"]["code"]["enum"])


class TestOperation:
    def test_names_its_problems(self, described: dict[str, Any]) -> None:
        operation = described["paths"]["/api/v1/sample/wallets/{wallet}/payments"]["post"]
        assert codes(operation, 401) == {"not_authenticated", "authentication_failed"}
        assert codes(operation, 404) == {"not_found"}
        assert codes(operation, 409) == {"idempotency_in_progress"}
        assert codes(operation, 413) == {"content_too_large"}
        assert codes(operation, 415) == {"unsupported_media_type"}
        assert codes(operation, 422) == {"idempotency_key_reused"}
        assert codes(operation, 429) == {"throttled"}
        assert {"idempotency_key_missing", "idempotency_key_malformed"} < codes(operation, 400)

    def test_asks_for_a_sign_in_only_where_one_is_needed(self, described: dict[str, Any]) -> None:
        assert codes(described["paths"]["/api/v1/countries"]["get"], 401) == {"authentication_failed"}
        assert {} in described["paths"]["/api/v1/countries"]["get"]["security"]
        assert {} not in described["paths"]["/api/v1/account"]["get"]["security"]

    def test_has_the_headers_of_its_kind(self, described: dict[str, Any]) -> None:
        payment = described["paths"]["/api/v1/sample/payments"]["post"]
        [key] = [parameter for parameter in payment["parameters"] if parameter["name"] == "Idempotency-Key"]
        assert (key["in"], key["required"]) == ("header", True)
        assert "Retry-After" in payment["responses"]["409"]["headers"]
        version = described["paths"]["/api/v1/sample/versions/{version}"]["get"]
        assert {"ETag", "X-Request-ID"} <= version["responses"]["200"]["headers"].keys()
        assert "304" in version["responses"]
        for path in described["paths"].values():
            for operation in path.values():
                for response in operation["responses"].values():
                    assert "X-Request-ID" in response["headers"]

    def test_of_a_list_describes_its_pages(self, described: dict[str, Any]) -> None:
        keys = described["paths"]["/api/v1/sample/keys"]["get"]
        size = next(parameter["schema"] for parameter in keys["parameters"] if parameter["name"] == "page_size")
        assert (size["minimum"], size["maximum"], size["default"]) == (1, 100, 50)
        assert "invalid_cursor" in codes(keys, 400)

    def test_closes_what_it_reads(self, described: dict[str, Any]) -> None:
        assert described["components"]["schemas"]["ProfileChangeRequest"]["additionalProperties"] is False

    def test_is_filed_under_its_app(self, described: dict[str, Any]) -> None:
        assert described["paths"]["/api/v1/account"]["get"]["tags"] == ["accounts"]
        named = {tag["name"] for tag in described["tags"]}
        used = {
            tag
            for name, path in described["paths"].items()
            if "/sample/" not in name
            for operation in path.values()
            for tag in operation["tags"]
        }
        assert used <= named


class TestCountries:
    def test_are_all_there_by_name_in_the_clients_language(self, django_assert_num_queries: Any) -> None:
        with django_assert_num_queries(0):
            english = Client().get("/api/v1/countries", headers={"Accept-Language": "en"})
            german = Client().get("/api/v1/countries", headers={"Accept-Language": "de"})
        assert {"code": "DE", "name": "Germany"} in english.json()
        assert {"code": "DE", "name": "Deutschland"} in german.json()
        assert len(english.json()) == len(german.json()) == 250
        names = [country["name"].casefold() for country in german.json()]
        assert names == sorted(names)
        assert english.headers["ETag"] != german.headers["ETag"]
        known = {"If-None-Match": german.headers["ETag"], "Accept-Language": "de"}
        assert Client().get("/api/v1/countries", headers=known).status_code == 304
