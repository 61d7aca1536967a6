"""What the API reads and writes as JSON."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID

import orjson
import pytest
from django.utils.translation import gettext_lazy
from hypothesis import given
from hypothesis import strategies as st
from rest_framework.exceptions import ParseError
from rest_framework.test import APIClient

from core.api.parsing import refuse_unstorable
from core.api.rendering import dumps
from tests.core.api.test_problems import SAMPLE, problem

pytestmark = pytest.mark.django_db

JSON = "application/json"


class TestBody:
    @pytest.mark.parametrize(
        "body",
        [
            b"",
            b"{",
            b"{'a': 1}",
            b'{"a": NaN}',
            b'{"a": Infinity}',
            b'{"a": 1e400}',
            b'{"a": "\\ud800"}',
            b'{"a": "\xff"}',
            b"\xef\xbb\xbf{}",
            "{}".encode("utf-16"),
            b"[" * 2000 + b"]" * 2000,
            b'{"a": "\\u0000"}',
            b'{"\\u0000": 1}',
            b'{"a": [{"b": "x\\u0000y"}]}',
            b'{"a": 9223372036854775808}',
            b'{"a": [-9223372036854775809]}',
            b'{"a": 18446744073709551616}',
            b'{"a": 1e30}',
            b"1" * 300,
        ],
    )
    def test_that_cannot_be_stored_or_read_is_refused(self, anybody: APIClient, body: bytes) -> None:
        answer = anybody.post(f"{SAMPLE}/echo", body, content_type=JSON)
        if body:
            problem(answer, 400, "malformed_request")
        else:
            # No body at all counts as an empty object; the view finds what is missing.
            assert (answer.status_code, answer.json()) == (200, {})

    @pytest.mark.parametrize("body", [b"{}", b"[1, 2]", b'{"a": 9223372036854775807, "b": -9223372036854775808}'])
    def test_that_is_json_is_read(self, anybody: APIClient, body: bytes) -> None:
        answer = anybody.post(f"{SAMPLE}/echo", body, content_type=JSON)
        assert (answer.status_code, answer.json()) == (200, orjson.loads(body))

    def test_that_is_too_large_is_refused(self, anybody: APIClient, settings: Any) -> None:
        settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 100
        answer = anybody.post(f"{SAMPLE}/echo", b'"' + b"x" * 98 + b'"', content_type=JSON)
        assert answer.status_code == 200
        answer = anybody.post(f"{SAMPLE}/echo", b'"' + b"x" * 99 + b'"', content_type=JSON)
        assert "100 bytes" in problem(answer, 413, "content_too_large")["detail"]

    @pytest.mark.parametrize(
        "media_type",
        [
            "text/plain",
            "application/xml",
            "application/x-www-form-urlencoded",
            "multipart/form-data; boundary=x",
            "nonsense",
            "application/json; charset=latin-1",
            "application/json; charset=bz2",
            "application/json; charset=no-such-charset",
        ],
    )
    def test_in_another_form_is_refused(self, anybody: APIClient, media_type: str) -> None:
        answer = anybody.generic("POST", f"{SAMPLE}/echo", "{}", content_type=media_type)
        problem(answer, 415, "unsupported_media_type")

    @given(st.recursive(st.integers() | st.floats(allow_nan=False) | st.text(), lambda inner: st.lists(inner)))
    def test_holds_only_what_columns_take(self, value: Any) -> None:
        try:
            refuse_unstorable(value)
        except ParseError:
            return
        pending = [value]
        while pending:
            match pending.pop():
                case list() as items:
                    pending += items
                case str() as text:
                    assert "\0" not in text
                case number:
                    assert -(2**63) <= number < 2**63


class TestAddress:
    @pytest.mark.parametrize("path", ["versions/1?a=%00", "failing/%00", "%00", "versions/1?%00=1"])
    def test_with_a_nul_character_is_refused(self, anybody: APIClient, path: str) -> None:
        problem(anybody.get(f"{SAMPLE}/{path}"), 400, "malformed_request")

    def test_with_bytes_that_are_no_utf_8_does_no_harm(self, anybody: APIClient) -> None:
        assert anybody.get(f"{SAMPLE}/versions/1?a=%ff%ed%a0%80").status_code == 200


class TestAnswer:
    def test_says_instants_ids_and_decimals_as_text(self) -> None:
        moment = datetime(2026, 11, 21, 13, 30, 1, 250000, tzinfo=timezone(timedelta(hours=1)))
        assert orjson.loads(dumps({"at": moment, "utc": moment.astimezone(UTC), "price": Decimal("1.10")})) == {
            "at": "2026-11-21T13:30:01.250000+01:00",
            "utc": "2026-11-21T12:30:01.250000Z",
            "price": "1.10",
        }
        assert dumps([UUID(int=1), gettext_lazy("English")]) == b'["00000000-0000-0000-0000-000000000001","English"]'

    @pytest.mark.parametrize("value", [object(), {1, 2}, 2**64, b"bytes"])
    def test_is_never_a_guess(self, value: Any) -> None:
        with pytest.raises(TypeError):
            dumps([value])
