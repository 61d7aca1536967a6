"""The header `Idempotency-Key`: a POST that is sent twice counts once."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import suppress
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar, cast, overload

from django.db import DatabaseError
from django.http import HttpResponse, HttpResponseBase
from rest_framework import exceptions
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from core import clock, idempotency
from core.api.rendering import JSONRenderer, dumps
from core.errors import DomainError
from core.idempotency import AlreadyAnswered, Answer, RequestKey

HEADER = "Idempotency-Key"
REPLAYED = "Idempotency-Replayed"
# What a replayed answer has of its first edition.
KEPT_HEADERS = ("Content-Type", "Location")
# A structured string (RFC 8941 section 3.3.3), and the bare token that most clients send.
PATTERN = r'^("([ !#-\[\]-~]|\\["\\]){1,255}"|[A-Za-z0-9._~:/+=-]{1,255})$'

_View = TypeVar("_View", bound=APIView)
_P = ParamSpec("_P")


class IdempotencyKeyMissing(DomainError):
    """The endpoint needs the header Idempotency-Key, so that a repeated request does not count twice."""

    code = "idempotency_key_missing"
    title = "Send an Idempotency-Key: a new UUID for each operation, the same one when you repeat it."
    status = 400


class IdempotencyKeyMalformed(DomainError):
    """The header Idempotency-Key is no string of 1 to 255 printable ASCII characters."""

    code = "idempotency_key_malformed"
    title = "The Idempotency-Key must be 1 to 255 characters of printable ASCII, such as a UUID."
    status = 400


class IdempotentRequest(Request):
    """What an idempotent view is given."""

    idempotency: RequestKey
    """To be passed to the service, which claims it."""


_Handler = Callable[Concatenate[_View, IdempotentRequest, _P], HttpResponseBase]
_Wrapped = Callable[Concatenate[_View, Request, _P], HttpResponseBase]


@overload
def idempotent(handler: _Handler[_View, _P], /) -> _Wrapped[_View, _P]: ...
@overload
def idempotent(*, secret: bool) -> Callable[[_Handler[_View, _P]], _Wrapped[_View, _P]]: ...


def idempotent(handler: Any = None, /, *, secret: bool = False) -> Any:
    """Mark a view's `post`: it needs an Idempotency-Key, and is given `request.idempotency`.

    Its service claims that key (`core.idempotency.claim`). The final answer is kept for a day and
    given again with the header `Idempotency-Replayed: true`; 429 and 5xx are not kept, nor is a
    refusal before anything was committed. `secret`: answers of success hold secrets, so their bodies
    are not kept; a replay calls the handler again, whose service finds the finished intent under
    `request_key.id` and answers from it.
    """

    def decorate(handler: Callable[..., HttpResponseBase]) -> Callable[..., HttpResponseBase]:
        @wraps(handler)
        def wrapper(view: APIView, request: Request, *args: Any, **kwargs: Any) -> HttpResponseBase:
            return _Execution(view, request, secret).run(lambda: handler(view, request, *args, **kwargs))

        wrapper.idempotent = True  # type: ignore[attr-defined]  # read by core.api.schema
        return wrapper

    return decorate if handler is None else decorate(handler)


def parse_key(header: str | None) -> str:
    """Answer the key of a header, quoted or bare; raises IdempotencyKeyMissing, IdempotencyKeyMalformed."""
    if header is None or not header.strip():
        raise IdempotencyKeyMissing
    header = header.strip()
    if not re.fullmatch(PATTERN, header):
        raise IdempotencyKeyMalformed
    return re.sub(r"\\(.)", r"\1", header[1:-1]) if header.startswith('"') else header


class _Execution:
    """One request with its key."""

    def __init__(self, view: APIView, request: Request, secret: bool) -> None:
        self.view = view
        self.secret = secret
        if not request.user.is_authenticated:
            raise exceptions.NotAuthenticated
        key = parse_key(request.headers.get(HEADER))
        match = request._request.resolver_match
        assert match is not None, "a view is called through its address"
        parameters = ",".join(f"{name}={value}" for name, value in sorted(match.kwargs.items()))
        self.request_key = RequestKey.of(
            account_id=request.user.pk,
            operation=f"{request.method} {match.view_name}({parameters})",
            key=key,
            body=request.data,
        )
        self.request = cast(IdempotentRequest, request)

    def run(self, handler: Callable[[], HttpResponseBase]) -> HttpResponseBase:
        """Execute, unless it was executed; answers what the client gets."""
        answer = idempotency.find(self.request_key, now=clock.now())
        if answer is not None:
            return self._again(answer, handler)
        self.request.idempotency = self.request_key
        try:
            response = self._respond(handler)
        except AlreadyAnswered as meanwhile:
            return self._again(meanwhile.answer, handler)
        except Exception:
            # The database may be what failed; the lease then ends by itself.
            with suppress(DatabaseError):
                idempotency.release(self.request_key, now=clock.now())
            raise
        self._settle(response)
        return response

    def _respond(self, handler: Callable[[], HttpResponseBase]) -> HttpResponseBase:
        try:
            return handler()
        except AlreadyAnswered:
            raise
        except Exception as error:
            # Errors that are answers are made into them here, so that they can be kept; others go on.
            return self.view.handle_exception(error)

    def _settle(self, response: HttpResponseBase) -> None:
        now = clock.now()
        if not Answer.is_final(response.status_code):
            idempotency.release(self.request_key, now=now)
            return
        kept = idempotency.keep(self.request_key, self._answer(response), now=now)
        if not kept and response.status_code < 300 and not idempotency.is_claimed(self.request_key):
            raise RuntimeError(f"{type(self.view).__name__} succeeded, but no service claimed request.idempotency.")

    def _answer(self, response: HttpResponseBase) -> Answer:
        headers = {name: response[name] for name in KEPT_HEADERS if name in response}
        if isinstance(response, Response):
            body = b"" if response.data is None else dumps(response.data)
            # Of a Response the media type is known only once it is rendered.
            headers["Content-Type"] = JSONRenderer.media_type
        else:
            body = cast(HttpResponse, response).content
        return Answer(response.status_code, headers, None if self.secret and response.status_code < 400 else body)

    def _again(self, answer: Answer, handler: Callable[[], HttpResponseBase]) -> HttpResponseBase:
        if answer.body is None:
            self.request.idempotency = idempotency.making_again(self.request_key)
            response = handler()
        else:
            response = HttpResponse(answer.body, status=answer.status, headers=dict(answer.headers))
        response[REPLAYED] = "true"
        return response
