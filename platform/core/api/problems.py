"""Every error as RFC 9457 problem details (`application/problem+json`).

`code` is stable and part of the API; `title` is the same for every occurrence, `detail` says what,
where and what to do; both follow Accept-Language. `type` leads to the code's description at
/api/problems, `instance` holds the request id that our logs know it by.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar
from urllib.parse import quote

import structlog
from django.conf import settings
from django.core.exceptions import BadRequest, PermissionDenied, RequestDataTooBig, SuspiciousOperation
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, UnreadablePostError
from django.utils.translation import gettext
from django.views import defaults
from rest_framework import exceptions
from rest_framework.request import Request
from rest_framework.settings import api_settings

from core.api.rendering import dumps
from core.errors import DomainError

MEDIA_TYPE = "application/problem+json"
_SAFE = {"GET", "HEAD", "OPTIONS"}


class MalformedRequest(DomainError):
    """Body, parameters or headers cannot be read: no JSON, a NUL character, a number out of range."""

    code = "malformed_request"
    title = "The request cannot be read."
    status = 400


class ValidationFailed(DomainError):
    """What was sent is not what is asked for; `errors` says what is wrong where.

    Each error has a `code`, a `message`, and a `pointer` (JSON Pointer into the body, RFC 6901, as a
    URI fragment) or the name of the query `parameter`.
    """

    code = "validation_failed"
    title = "Something in the request is not as it must be."
    status = 400


class NotAuthenticated(DomainError):
    """The endpoint needs a sign-in."""

    code = "not_authenticated"
    title = "Sign in first."
    status = 401


class AuthenticationFailed(DomainError):
    """The session token is not valid, or no longer."""

    code = "authentication_failed"
    title = "This sign-in is not valid, or no longer. Sign in again."
    status = 401


class Forbidden(DomainError):
    """Whoever is signed in may not do this, or a browser did not send its CSRF token."""

    code = "permission_denied"
    title = "You may not do this."
    status = 403


class NotFound(DomainError):
    """There is no such address or thing, or it is somebody else's."""

    code = "not_found"
    title = "There is nothing here."
    status = 404


class MethodNotAllowed(DomainError):
    """The address has other methods, which the header Allow lists."""

    code = "method_not_allowed"
    title = "This address does not take this method."
    status = 405


class NotAcceptable(DomainError):
    """The header Accept asks for another form than JSON."""

    code = "not_acceptable"
    title = "Answers are JSON; accept application/json."
    status = 406


class ContentTooLarge(DomainError):
    """The body is larger than we read."""

    code = "content_too_large"
    title = "The body is too large."
    status = 413


class UnsupportedMediaType(DomainError):
    """The body is in another form than the endpoint reads."""

    code = "unsupported_media_type"
    title = "Send the body as application/json, in UTF-8."
    status = 415


class TooManyRequests(DomainError):
    """More requests than the limit allows; the header Retry-After says when to come back, in seconds."""

    code = "throttled"
    title = "Too many requests; wait before the next one."
    status = 429


class InternalError(DomainError):
    """A fault of ours. It has been recorded under the request id in `instance`."""

    code = "internal_error"
    title = "Something went wrong on our side."
    status = 500


_BY_EXCEPTION: tuple[tuple[type[Exception], type[DomainError]], ...] = (
    (exceptions.ValidationError, ValidationFailed),
    (exceptions.ParseError, MalformedRequest),
    (exceptions.NotAuthenticated, NotAuthenticated),
    (exceptions.AuthenticationFailed, AuthenticationFailed),
    (exceptions.PermissionDenied, Forbidden),
    (exceptions.NotFound, NotFound),
    (exceptions.MethodNotAllowed, MethodNotAllowed),
    (exceptions.NotAcceptable, NotAcceptable),
    (exceptions.UnsupportedMediaType, UnsupportedMediaType),
    (exceptions.Throttled, TooManyRequests),
    (Http404, NotFound),
    (PermissionDenied, Forbidden),
    (RequestDataTooBig, ContentTooLarge),
    (SuspiciousOperation, MalformedRequest),
    (BadRequest, MalformedRequest),
    (UnreadablePostError, MalformedRequest),
)

_Handler = TypeVar("_Handler", bound=Callable[..., Any])


def raises(*errors: type[DomainError]) -> Callable[[_Handler], _Handler]:
    """Name the errors of a view's method for the API's description: `@raises(CardDeclined, QuoteChanged)`."""

    def name(handler: _Handler) -> _Handler:
        handler.raises = (*getattr(handler, "raises", ()), *errors)  # type: ignore[attr-defined]  # read by core.api.schema
        return handler

    return name


def handle(error: Exception, context: Mapping[str, Any]) -> HttpResponse | None:
    """Answer the problem of an exception in a view (DRF's EXCEPTION_HANDLER); None for a bug of ours."""
    request: Request = context["request"]
    if isinstance(error, DomainError):
        return answer(error)
    kind = next((kind for raised, kind in _BY_EXCEPTION if isinstance(error, raised)), None)
    if kind is None:
        return None
    if isinstance(error, exceptions.ValidationError):
        return answer(kind(errors=list(_flat(error.detail, request))))
    if isinstance(error, exceptions.Throttled):
        return answer(kind(retry_after=max(1, getattr(error, "wait", None) or 1)))
    detail = ""
    if isinstance(error, exceptions.APIException) and isinstance(error.detail, str):
        # DRF's own words say no more than our titles.
        detail = "" if str(error.detail) == str(error.default_detail) else str(error.detail)
    elif isinstance(error, RequestDataTooBig):
        detail = str(error)
    response = answer(kind(detail))
    if isinstance(error, exceptions.APIException) and (scheme := getattr(error, "auth_header", None)):
        response["WWW-Authenticate"] = scheme
    return response


def answer(error: DomainError) -> HttpResponse:
    """Render a problem in the language of the request."""
    title = gettext(error.title)
    members = {
        "type": type_of(type(error)),
        "title": title,
        "status": error.status,
        "detail": title if error.detail == error.title else error.detail,
        "instance": f"urn:uuid:{request_id()}",
        "code": error.code,
    }
    # Ours come first, and an extra member of the same name does not replace them.
    body = {**members, **error.extra, **members}
    response = HttpResponse(dumps(body), status=error.status, content_type=MEDIA_TYPE)
    response["Cache-Control"] = "no-store"
    if "retry_after" in error.extra:
        response["Retry-After"] = str(error.extra["retry_after"])
    return response


def type_of(error: type[DomainError]) -> str:
    """Answer the address of a code's description."""
    return f"{settings.PUBLIC_URL}/api/problems#{quote(error.code)}"


def request_id() -> str:
    """Answer the id of the request at hand, which every log line and the header X-Request-ID carry too."""
    return str(structlog.contextvars.get_contextvars().get("request_id", ""))


def _flat(detail: Any, request: Request, path: str = "") -> Iterator[dict[str, str]]:
    if isinstance(detail, dict):
        for name, inner in detail.items():
            whole = name == api_settings.NON_FIELD_ERRORS_KEY
            step = "" if whole else "/" + str(name).replace("~", "~0").replace("/", "~1")
            yield from _flat(inner, request, path + step)
    elif isinstance(detail, list):
        for position, inner in enumerate(detail):
            # A list of messages belongs to one place; a list of dicts to the items of a list.
            yield from _flat(inner, request, f"{path}/{position}" if isinstance(inner, dict) else path)
    else:
        where = {"parameter": path[1:]} if request.method in _SAFE else {"pointer": f"#{quote(path, safe='/~')}"}
        yield {**where, "code": detail.code, "message": str(detail)}


# ------------------------------------------------- errors outside of views: handlers in config.urls


def _is_api(request: HttpRequest) -> bool:
    return request.path_info.startswith("/api/")


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    """Answer 400."""
    if not _is_api(request):
        return defaults.bad_request(request, exception)
    return answer(ContentTooLarge() if isinstance(exception, RequestDataTooBig) else MalformedRequest())


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    """Answer 403."""
    return answer(Forbidden()) if _is_api(request) else defaults.permission_denied(request, exception)


def page_not_found(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    """Answer 404."""
    return answer(NotFound()) if _is_api(request) else defaults.page_not_found(request, exception)


def server_error(request: HttpRequest) -> HttpResponseBase:
    """Answer 500; Django has logged the exception already."""
    return answer(InternalError()) if _is_api(request) else defaults.server_error(request)


# ------------------------------------------------- the catalogue


def catalogue() -> list[type[DomainError]]:
    """Answer every error that this platform can answer with, by status and code."""
    found: dict[str, type[DomainError]] = {}
    pending = list(DomainError.__subclasses__())
    while pending:
        error = pending.pop()
        pending += error.__subclasses__()
        if "code" in vars(error):
            found[error.code] = error
    return sorted(found.values(), key=lambda error: (error.status, error.code))


def meaning(error: type[DomainError]) -> str:
    """Answer what a code means, in English."""
    return inspect.cleandoc(error.__doc__ or error.title)
