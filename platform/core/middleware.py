"""What happens around every request."""

from __future__ import annotations

import re
import time
from collections.abc import Callable

import structlog
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils.functional import LazyObject, empty
from django_structlog.middlewares import RequestMiddleware

from core.proxies import TrustedProxies, parse_address

_LONG_TOKEN = re.compile(r"[\w-]{40,}")
_FORWARDED = ("HTTP_X_FORWARDED_FOR", "HTTP_FORWARDED", "HTTP_X_REAL_IP")
_VOUCHED = ("HTTP_X_FORWARDED_PROTO", "HTTP_X_FORWARDED_HOST", "HTTP_X_FORWARDED_PORT")


class RequestLog(RequestMiddleware):
    """One log line a request, whose id the answer carries as X-Request-ID.

    Every line written meanwhile has that id, and so has every line of the tasks it starts. An id
    from outside is not taken over: lines that belong together would be anybody's choice.
    """

    def prepare(self, request: HttpRequest) -> None:
        """Give the request its id."""
        request.META["core.started"] = time.monotonic()
        super().prepare(request)

    def handle_response(self, request: HttpRequest, response: HttpResponse) -> None:
        """Write the line, and give the answer the id."""
        response["X-Request-ID"] = structlog.contextvars.get_contextvars()["request_id"]
        duration = time.monotonic() - request.META["core.started"]
        structlog.contextvars.bind_contextvars(duration_ms=round(1000 * duration))
        super().handle_response(request, response)

    @staticmethod
    def format_request(request: HttpRequest) -> str:
        """Answer method and path; query strings hold what people search for, long tokens open doors."""
        return f"{request.method} {_LONG_TOKEN.sub('[token]', request.path)}"

    @staticmethod
    def bind_user_id(request: HttpRequest) -> None:
        """Add who it was if the request has found out: a log line costs no query."""
        user = getattr(request, "user", None)
        if user is None or (isinstance(user, LazyObject) and user._wrapped is empty):
            return
        structlog.contextvars.bind_contextvars(user_id=str(user.pk) if user.pk else None)


class ClientAddress:
    """Leaves in REMOTE_ADDR the address of the client, under the rules of TRUSTED_PROXIES.

    Everything behind it, rate limits and allauth included, then reads one true address, and finds
    no forwarding header that it might believe by its own, laxer rules. What only a proxy of ours may
    say (the scheme, the CDN's country) is dropped when somebody else says it.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response
        self.proxies: TrustedProxies = settings.TRUSTED_PROXIES
        self.vouched = [name for name in (*_VOUCHED, settings.CDN_COUNTRY_HEADER) if name]
        if settings.SECURE_PROXY_SSL_HEADER:
            self.vouched.append(settings.SECURE_PROXY_SSL_HEADER[0])

    def __call__(self, request: HttpRequest) -> HttpResponse:
        meta = request.META
        peer = parse_address(meta.get("REMOTE_ADDR", ""))
        if not self.proxies.trusts(peer):
            for name in self.vouched:
                meta.pop(name, None)
        client = self.proxies.client(peer, meta.get("HTTP_X_FORWARDED_FOR", ""))
        meta["REMOTE_ADDR"] = str(client) if client else ""
        for name in _FORWARDED:
            meta.pop(name, None)
        return self.get_response(request)
