"""core.security: the headers that browsers obey."""

from __future__ import annotations

import pytest
from django.test import Client

STRICT = {
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self' data:",
    "font-src 'self'",
    "connect-src 'self'",
    "media-src 'self'",
    "manifest-src 'self'",
    "form-action 'self'",
    "frame-ancestors 'none'",
    "base-uri 'none'",
}


def policy(client: Client, path: str) -> set[str]:
    return set(client.get(path)["Content-Security-Policy"].split("; "))


@pytest.mark.django_db
class TestContentSecurityPolicy:
    @pytest.mark.parametrize("path", ["/", "/nowhere", "/api/schema"])
    def test_lets_pages_use_nothing_but_our_own(self, client: Client, path: str) -> None:
        assert policy(client, path) == STRICT

    def test_lets_the_admin_alone_evaluate_and_write_styles(self, client: Client) -> None:
        assert policy(client, "/admin/login/") - STRICT == {
            "script-src 'self' 'unsafe-eval'",
            "style-src 'self' 'unsafe-inline'",
        }

    def test_lets_the_documentation_have_one_style_of_its_own(self, client: Client) -> None:
        [more] = policy(client, "/api/docs") - STRICT
        assert more.startswith("style-src 'self' 'sha256-")


@pytest.mark.django_db
class TestHeaders:
    @pytest.mark.parametrize("path", ["/", "/admin/login/", "/api/docs", "/nowhere"])
    def test_are_on_every_page(self, client: Client, path: str) -> None:
        headers = client.get(path).headers
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["X-Frame-Options"] == "DENY"
        assert headers["Referrer-Policy"] == "same-origin"
        assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
        assert "camera=()" in headers["Permissions-Policy"]
