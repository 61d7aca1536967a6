"""What is refused before any view sees it, and what caches are told after."""

from __future__ import annotations

from collections.abc import Callable

from django.core.exceptions import BadRequest
from django.http import HttpRequest, HttpResponseBase


class RefuseNul:
    """Answers 400 to addresses with a NUL character, which PostgreSQL stores and compares nowhere."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Let any other request pass."""
        if "\0" in request.path_info or "%00" in request.META.get("QUERY_STRING", ""):
            raise BadRequest("The address holds a NUL character.")
        return self._get_response(request)


class KeptByNobody:
    """Tells browsers and proxies to keep no answer of the API that does not say itself how it may be kept.

    What it holds is somebody's, and a cache that goes by the address would show it to the next who asks.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Leave what a view has said."""
        response = self._get_response(request)
        if request.path_info.startswith("/api/v1/"):
            response.headers.setdefault("Cache-Control", "private, no-store")
        return response
