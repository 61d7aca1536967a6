"""What sign-in's endpoints are spared."""

from __future__ import annotations

from collections.abc import Callable

import orjson
from django.http import HttpRequest, HttpResponseBase, JsonResponse
from django.utils.translation import gettext as _

PREFIX = "/_allauth/"


class StrictJson:
    """Refuses bodies that are not JSON as RFC 8259 has it, before sign-in's endpoints read them.

    Their own reader takes lone surrogates ("\\ud800"), which no database stores and no password
    hash takes: an error of the server's for what is an error of the client's.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Answer 400 in the endpoints' own form, or let the request pass."""
        if request.path.startswith(PREFIX) and request.body:
            try:
                orjson.loads(request.body)
            except orjson.JSONDecodeError:
                error = {"code": "invalid_json", "message": _("The body is not JSON in UTF-8.")}
                return JsonResponse({"status": 400, "errors": [error]}, status=400)
        return self._get_response(request)
