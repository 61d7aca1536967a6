"""Finds every endpoint, and asks it as every role."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple
from uuid import uuid4

from django.db import transaction
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

from tests.permissions.kinds import OPEN

METHODS = ("get", "post", "put", "patch", "delete")
_PATTERN = re.compile(r"\^?\(\?P<(\w+)>[^)]*\)")
"""What varies in the addresses of libraries that write them as regular expressions."""
_VARIABLE = re.compile(r"<(?:(?P<converter>\w+):)?(?P<name>\w+)>")


class Endpoint(NamedTuple):
    """A method of an address."""

    method: str
    route: str

    def __str__(self) -> str:
        return f"{self.method} {self.route}"

    def names(self) -> list[str]:
        """Answer the names of what varies in the address."""
        return [found["name"] for found in _VARIABLE.finditer(self.route)]

    def path(self, things: dict[str, Any] | None = None) -> str:
        """Answer an address: of these things, and of what there is not."""
        known = things or {}
        unknown = {"int": 10**6}
        return _VARIABLE.sub(
            lambda found: str(known.get(found["name"], unknown.get(found["converter"], uuid4()))), self.route
        )


def endpoints() -> Iterator[Endpoint]:
    """Answer every method of every address, the admin's aside; GET for views that do not say their methods."""
    for route, view in routes(get_resolver()):
        if not route.startswith("/admin/"):
            cls = getattr(view, "cls", None) or getattr(view, "view_class", None)
            for method in [name for name in METHODS if hasattr(cls, name)] if cls else ["get"]:
                yield Endpoint(method.upper(), route)


def routes(resolver: URLResolver, prefix: str = "/") -> Iterator[tuple[str, Any]]:
    """Answer every address with its view."""
    for pattern in resolver.url_patterns:
        route = prefix + _PATTERN.sub(r"<str:\1>", str(pattern.pattern))
        if isinstance(pattern, URLPattern):
            yield route, pattern.callback
        else:
            yield from routes(pattern, route)


def ask(client: Client, endpoint: Endpoint, path: str, body: Any = None) -> Any:
    """Send a request and undo what it did."""
    headers = {"Idempotency-Key": str(uuid4())} if body else {}
    with transaction.atomic():
        answer = client.generic(endpoint.method, path, json_of(body), content_type="application/json", headers=headers)
        transaction.set_rollback(True)
    return answer


def json_of(body: Any) -> bytes:
    """Answer a body; an empty object where there is none."""
    return json.dumps(body or {}).encode()


def outcome(answer: Any) -> str:
    """Answer "open", or how it was refused."""
    assert answer.status_code < 500, answer.content
    if answer.status_code not in {401, 403}:
        return OPEN
    if "json" not in answer.headers.get("Content-Type", ""):
        return str(answer.status_code)
    said = answer.json()
    errors = said.get("errors") or [{}]
    return str(said.get("code") or errors[0].get("code") or answer.status_code)


def differences(asked: Iterable[tuple[Endpoint, str, str]]) -> list[str]:
    """Answer what was answered otherwise than expected, one line each."""
    return [f"{endpoint}: {seen}, not {expected}" for endpoint, expected, seen in asked if seen != expected]
