"""What sign-in's endpoints are spared."""

from __future__ import annotations

from collections.abc import Callable

import orjson
from django.conf import settings
from django.http import HttpRequest, HttpResponseBase, JsonResponse
from django.utils.translation import gettext as _

from accounts import principals
from core.clock import now

PREFIX = "/_allauth/"
FORM = "/v1/auth/provider/redirect"
"""What a browser sends as a form, since it is to follow the answer to another site."""


class NoSignInOnTelevision:
    """Keeps televisions from changing how an account signs in: there they may only look, and sign out."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Answer 403 in the endpoints' own form, or let the request pass."""
        if request.path.startswith(PREFIX) and not request.path.endswith("/v1/auth/session"):
            # A session is one whether its key comes as token or as cookie.
            keys = {request.headers.get("X-Session-Token"), request.COOKIES.get(settings.SESSION_COOKIE_NAME)}
            who = [principals.resolve(key, now=now()) for key in keys if key]
            if any(principal is not None and principal.is_television for principal in who):
                error = {"code": "not_on_television", "message": _("This cannot be done on a television.")}
                return JsonResponse({"status": 403, "errors": [error]}, status=403)
        return self._get_response(request)


class StrictJson:
    """Refuses bodies that are not JSON as RFC 8259 has it, before sign-in's endpoints read them.

    Their own reader takes lone surrogates ("\\ud800"), which no database stores and no password
    hash takes: an error of the server's for what is an error of the client's.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Answer 400 in the endpoints' own form, or let the request pass."""
        if request.path.startswith(PREFIX) and not request.path.endswith(FORM) and request.body:
            try:
                orjson.loads(request.body)
            except orjson.JSONDecodeError:
                error = {"code": "invalid_json", "message": _("The body is not JSON in UTF-8.")}
                return JsonResponse({"status": 400, "errors": [error]}, status=400)
        return self._get_response(request)
