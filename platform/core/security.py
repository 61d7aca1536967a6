"""What browsers are told about our pages: where their parts may come from, and what they may use."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from csp.constants import NONE, SELF, UNSAFE_EVAL, UNSAFE_INLINE
from csp.middleware import CSPMiddleware, PolicyParts
from django.http import HttpRequest, HttpResponse, HttpResponseBase


def policy(*, media_origin: str) -> dict[str, Any]:
    """Answer our pages' policy; `media_origin` is where pictures lie when it is not here, else empty."""
    media = [SELF, media_origin] if media_origin else [SELF]
    return {
        "DIRECTIVES": {
            "default-src": [NONE],
            "script-src": [SELF],
            "style-src": [SELF],
            "img-src": [*media, "data:"],
            "font-src": [SELF],
            "connect-src": [SELF],
            "media-src": media,
            "manifest-src": [SELF],
            "form-action": [SELF],
            "frame-ancestors": [NONE],
            "base-uri": [NONE],
        }
    }


# The admin's looks (unfold) evaluate expressions in attributes with Alpine, and write colours and
# widths into style elements and attributes. Staff alone see it, and all of its scripts are ours.
ADMIN_ALSO = {"script-src": [UNSAFE_EVAL], "style-src": [UNSAFE_INLINE]}

# The colours of the logo in Swagger UI's bar, which it writes as a style element.
DOCUMENTATION_ALSO = {"style-src": ["'sha256-RL3ie0nH+Lzz2YNqQN83mnU0J1ot4QL7b99vMdIX99w='"]}

PERMISSIONS_POLICY = ", ".join(
    f"{feature}=()"
    for feature in (
        "accelerometer",
        "camera",
        "geolocation",
        "gyroscope",
        "hid",
        "magnetometer",
        "microphone",
        "midi",
        "payment",
        "serial",
        "usb",
    )
)


class ContentSecurityPolicy(CSPMiddleware):
    """django-csp's middleware, with what admin and API documentation need allowed to each alone."""

    def get_policy_parts(
        self, request: HttpRequest, response: HttpResponseBase, report_only: bool = False
    ) -> PolicyParts:
        """Answer the policy of a page."""
        parts = super().get_policy_parts(request, response, report_only)
        match = request.resolver_match
        if match and "admin" in match.app_names:
            parts.update = {**(parts.update or {}), **ADMIN_ALSO}
        elif match and match.view_name == "docs":
            parts.update = {**(parts.update or {}), **DOCUMENTATION_ALSO}
        return parts


class PermissionsPolicy:
    """Keeps our pages, and what they might embed, from features of the device that they do not use."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        response.headers.setdefault("Permissions-Policy", PERMISSIONS_POLICY)
        return response
