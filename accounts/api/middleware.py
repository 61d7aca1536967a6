"""What sign-in's endpoints are spared, and who is kept from them."""

from __future__ import annotations

from collections.abc import Callable

import orjson
from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponseBase, JsonResponse
from django.utils.translation import gettext as _

from accounts import principals
from accounts.api.permissions import NotOnTelevision, ProfileRestricted
from accounts.principals import Principal
from core.clock import now
from core.errors import DomainError

PREFIX = "/_allauth/"
FORM = "/v1/auth/provider/redirect"
"""What a browser sends as a form, since it is to follow the answer to another site."""
SESSION = "/v1/auth/session"
OPEN = (SESSION, "/v1/config", "/openapi.json", "/openapi.yaml")
"""What tells who is signed in and signs out, and what everybody may know."""
PAGES = ("/admin/", "/invoices/", "/oidc/")
"""Pages of staff, of the account's owner, and where an OpenID provider sends people back, whom it may link."""


class AccountDoors:
    """Keeps children and televisions from how an account signs in, from the admin, and from pages of the account.

    There they may only look who is signed in, and sign out; a child is not told the address of the account. Our own
    endpoints say their reach themselves: see accounts.api.permissions.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Answer 403 in the endpoints' own form, or let the request pass."""
        is_sign_in = request.path_info.startswith(PREFIX)
        is_guarded = is_sign_in and not request.path_info.endswith(OPEN)
        tells_who = is_sign_in and request.path_info.endswith(SESSION)
        refusal = _refusal(request) if is_guarded or tells_who else None
        if is_guarded and refusal:
            error = {"code": refusal.code, "message": _(refusal.title)}
            return JsonResponse({"status": 403, "errors": [error]}, status=403)
        response = self._get_response(request)
        if refusal is ProfileRestricted and isinstance(response, JsonResponse):
            _leave_out_address(response)
        return response

    def process_view(self, request: HttpRequest, *_: object) -> None:
        """Refuse such pages: raises PermissionDenied, so that Django shows its own page."""
        if request.path_info.startswith(PAGES) and _refusal(request):
            raise PermissionDenied


def _leave_out_address(response: JsonResponse) -> None:
    """Take the account's address out of the answer who is signed in."""
    answer = orjson.loads(response.content)
    data = answer.get("data") or {}
    for told in (data.get("user") or {}, *(data.get("methods") or ())):
        for name in ("email", "display"):
            told.pop(name, None)
    response.content = orjson.dumps(answer)


def _refusal(request: HttpRequest) -> type[DomainError] | None:
    """Answer why a sign-in is refused; whoever has a session's key may send it either way."""
    keys = {request.headers.get("X-Session-Token"), request.COOKIES.get(settings.SESSION_COOKIE_NAME)}
    moment = now()
    for key in keys - {None}:
        principal = principals.resolve(key or "", now=moment)
        if isinstance(principal, Principal) and principal.is_television:
            return NotOnTelevision
        if isinstance(principal, Principal) and principal.is_restricted:
            return ProfileRestricted
    return None


class MendedSignIn:
    """Answers what sign-in's endpoints would answer 500 to: telephone numbers, which there are none of here, and a
    passkey before a sign-up has begun."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Answer 404, or let the request pass."""
        if request.path_info.startswith(PREFIX) and "/phone" in request.path_info:
            error = {"code": "not_found", "message": _("There is nothing here.")}
            return JsonResponse({"status": 404, "errors": [error]}, status=404)
        return self._get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponseBase | None:
        """Answer 409, as for anything else that needs a sign-up to have begun."""
        if (
            isinstance(exception, KeyError)
            and request.method == "PUT"
            and request.path_info.endswith("/webauthn/signup")
        ):
            return JsonResponse({"status": 409}, status=409)
        return None


class StrictJson:
    """Refuses bodies that are not JSON as RFC 8259 has it, before sign-in's endpoints read them.

    Their own reader takes lone surrogates ("\\ud800"), which no database stores and no password
    hash takes: an error of the server's for what is an error of the client's.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Answer 400 in the endpoints' own form, or let the request pass."""
        if request.path_info.startswith(PREFIX) and not request.path_info.endswith(FORM) and request.body:
            try:
                orjson.loads(request.body)
            except orjson.JSONDecodeError:
                error = {"code": "invalid_json", "message": _("The body is not JSON in UTF-8.")}
                return JsonResponse({"status": 400, "errors": [error]}, status=400)
        return self._get_response(request)
