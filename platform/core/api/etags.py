"""Conditional reads: an answer that the client has already is not made again."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from django.utils.cache import get_conditional_response, patch_vary_headers
from rest_framework.request import Request
from rest_framework.response import Response

from core.api.rendering import dumps
from core.errors import DomainError

# Raised when representations change without their content, so that no client keeps the old form.
API_VERSION = 1

_Handler = TypeVar("_Handler", bound=Callable[..., Any])


class PreconditionFailed(DomainError):
    """The header If-Match names another version than the present one."""

    code = "precondition_failed"
    title = "This is no longer the version that you named."
    status = 412


def conditional(handler: _Handler) -> _Handler:
    """Mark a view's `get` that answers through `answer`, for the API's description."""
    handler.conditional = True  # type: ignore[attr-defined]  # read by core.api.schema
    return handler


def answer(request: Request, *, key: Sequence[Any], body: Callable[[], Any]) -> Response:
    """Answer 304 without a body if the client's copy has this key, else 200 with what `body` makes.

    `key` is all that the answer depends on: revision, country, language chain, audience. `body` is
    called only when its result is sent. Raises PreconditionFailed.
    """
    tag = etag(key)
    verdict = get_conditional_response(request._request, etag=tag)
    if verdict is not None and verdict.status_code == PreconditionFailed.status:
        raise PreconditionFailed
    response = Response(body()) if verdict is None else Response(status=verdict.status_code)
    response["ETag"] = tag
    response["Cache-Control"] = "private, no-cache"
    patch_vary_headers(response, ("Accept-Language", "Cookie", "X-Session-Token"))
    return response


def etag(key: Sequence[Any]) -> str:
    """Answer the tag of a key; weak, since equal keys promise equal content and not equal bytes."""
    return f'W/"{hashlib.sha256(dumps([API_VERSION, *key])).hexdigest()[:32]}"'
