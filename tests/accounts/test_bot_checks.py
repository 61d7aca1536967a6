"""The check at sign-up, against a service that answers as hCaptcha, Turnstile and reCAPTCHA do."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

import pytest

from accounts.models import User
from tests.accounts.conftest import App

pytestmark = pytest.mark.django_db


class Service(ThreadingHTTPServer):
    """Knows one good token."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: list[dict[str, list[str]]] = []
        self.answer: Any = None


class Handler(BaseHTTPRequestHandler):
    server: Service

    def do_POST(self) -> None:
        form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        self.server.asked.append(form)
        verdict = {"success": form["response"] == ["good"], "error-codes": []}
        body = json.dumps(verdict).encode() if self.server.answer is None else self.server.answer
        self.send_response(200 if self.server.answer is None else 502)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None: ...


@pytest.fixture
def service(settings: Any) -> Iterator[Service]:
    service = Service()
    threading.Thread(target=service.serve_forever, daemon=True).start()
    settings.SIGNUP_BOT_CHECK = "accounts.bot_checks.SiteVerify"
    settings.BOT_CHECK_URL = f"http://127.0.0.1:{service.server_port}/siteverify"
    settings.BOT_CHECK_SECRET = "the operator's secret"
    yield service
    service.shutdown()
    service.server_close()


class TestSignUp:
    def test_passes_with_a_token_that_was_given_to_a_person(self, service: Service) -> None:
        app = App()
        assert app.sign_up("ada@example.com", bot_token="good").status_code == 401
        assert service.asked == [{"secret": ["the operator's secret"], "response": ["good"], "remoteip": [app.address]}]

    @pytest.mark.parametrize("token", [{}, {"bot_token": ""}, {"bot_token": "bad"}])
    def test_is_refused_otherwise(self, service: Service, token: dict[str, str]) -> None:
        answer = App().sign_up("ada@example.com", **token)
        assert [(error["param"], error["code"]) for error in answer.json()["errors"]] == [
            ("bot_token", "bot_check_failed")
        ]
        assert not User.objects.exists()

    def test_passes_when_the_service_does_not_answer_and_the_log_says_so(
        self, service: Service, caplog: pytest.LogCaptureFixture
    ) -> None:
        service.answer = b"Bad gateway"
        assert App().sign_up("ada@example.com", bot_token="good").status_code == 401
        assert "The bot check does not answer" in caplog.text

    def test_asks_nobody_where_no_check_is_configured(self) -> None:
        assert App().sign_up("ada@example.com").status_code == 401
