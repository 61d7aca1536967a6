"""Passwords known from breaches are refused; the service that knows them learns five characters of a hash."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from pwned_passwords_django import api

from accounts.models import User
from tests.accounts.conftest import App

pytestmark = pytest.mark.django_db
BREACHED = "correct horse battery"


class Ranges(ThreadingHTTPServer):
    """Answers as api.pwnedpasswords.com does, and keeps what it is asked."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: list[str] = []
        self.status = 200


class Handler(BaseHTTPRequestHandler):
    server: Ranges

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        known = hashlib.sha1(BREACHED.encode(), usedforsecurity=False).hexdigest().upper()
        body = f"{known[5:]}:1,234\r\n{'0' * 35}:0\r\n".encode()
        self.send_response(self.server.status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None: ...


@pytest.fixture
def ranges(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ranges]:
    server = Ranges()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setattr(api.default_client, "api_endpoint", f"http://127.0.0.1:{server.server_port}/range/")
    settings.AUTH_PASSWORD_VALIDATORS = [
        *settings.AUTH_PASSWORD_VALIDATORS,
        {"NAME": "pwned_passwords_django.validators.PwnedPasswordsValidator"},
    ]
    yield server
    server.shutdown()
    server.server_close()


class TestBreachedPassword:
    def test_is_refused_and_never_leaves_here(self, ranges: Ranges) -> None:
        answer = App().sign_up("ada@example.com", password=BREACHED)
        assert answer.status_code == 400
        assert [(error["param"], error["code"]) for error in answer.json()["errors"]] == [
            ("password", "password_compromised")
        ]
        assert not User.objects.exists()
        assert ranges.asked == [
            f"/range/{hashlib.sha1(BREACHED.encode(), usedforsecurity=False).hexdigest()[:5].upper()}"
        ]

    def test_is_told_apart_from_others(self, ranges: Ranges) -> None:
        assert App().sign_up("ada@example.com", password="another staple entirely").status_code == 401
        assert User.objects.count() == 1

    def test_passes_when_the_service_does_not_answer_and_the_log_says_so(
        self, ranges: Ranges, caplog: pytest.LogCaptureFixture
    ) -> None:
        ranges.status = 503
        assert App().sign_up("ada@example.com", password=BREACHED).status_code == 401
        assert "Pwned Passwords API replied with HTTP error status code 503." in caplog.text

    def test_common_ones_are_refused_even_then(self, ranges: Ranges) -> None:
        ranges.status = 503
        assert App().sign_up("ada@example.com", password="qwertyuiop").status_code == 400
