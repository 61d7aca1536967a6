"""Clients of the sign-in API, and a postbox for what is mailed to them."""

from __future__ import annotations

import email
import email.policy
import random
from collections.abc import Callable, Iterator
from email.message import EmailMessage
from typing import Any, Protocol

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session
from django.contrib.auth.hashers import MD5PasswordHasher
from django.test import Client

from accounts import selectors, tasks
from accounts.models import OutgoingEmail
from core.clock import now
from local.throwaway import free_port

SIGN_UP = {"password": "correct horse battery", "country": "DE"}


class Answer(Protocol):
    """What the test client answers."""

    status_code: int
    headers: dict[str, str]
    content: bytes

    def json(self) -> Any: ...


class App:
    """An app on somebody's phone: it keeps the session token that it is given.

    Each is in a network of its own, so that nobody uses up another's tries.
    """

    def __init__(self, language: str = "en") -> None:
        self.address = f"10.{random.randrange(256)}.{random.randrange(256)}.{random.randrange(1, 255)}"
        self.client = Client(REMOTE_ADDR=self.address, HTTP_ACCEPT_LANGUAGE=language, raise_request_exception=True)
        self.token: str | None = None

    def auth(self, path: str, method: str = "post", **data: Any) -> Answer:
        """Call sign-in's API."""
        return self.call(method, f"/_allauth/app/v1/{path}", data)

    def call(self, method: str, path: str, data: Any = None) -> Answer:
        """Call any address; keeps the token of the answer."""
        headers = {"X-Session-Token": self.token} if self.token else {}
        body = {} if method == "get" else {"data": data, "content_type": "application/json"}
        answer: Any = getattr(self.client, method)(path, headers=headers, **body)
        if path.startswith("/_allauth/"):
            self.token = (answer.json().get("meta") or {}).get("session_token", self.token) if answer.content else None
        return answer  # type: ignore[no-any-return]  # the test client's answers are untyped

    def sign_up(self, email: str, **data: Any) -> Answer:
        """Ask for an account."""
        return self.auth("auth/signup", email=email, **SIGN_UP | data)

    def verify(self, email: str) -> Answer:
        """Enter the code that was mailed."""
        return self.auth("auth/email/verify", key=mailed_code(email))


class CountingHasher(MD5PasswordHasher):
    """Counts how many passwords are hashed."""

    hashes = 0

    def encode(self, password: str, salt: str) -> str:
        CountingHasher.hashes += 1
        return super().encode(password, salt)


def mailed_code(address: str) -> str:
    """Answer the code in the last mail to an address."""
    mail = OutgoingEmail.objects.filter(address=address, context__has_key="code").latest("created_at")
    return str(mail.context["code"])


def mails_to(address: str) -> list[str]:
    """Answer the kinds of mail to an address, oldest first."""
    return list(OutgoingEmail.objects.filter(address=address).order_by("created_at").values_list("template", flat=True))


class Postbox:
    """An SMTP server that keeps what it receives, or answers what it is told to."""

    def __init__(self) -> None:
        self.received: list[EmailMessage] = []
        self.replies: list[str] = []
        self.unknown: set[str] = set()

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if address in self.unknown:
            return "550 5.1.1 No such user here"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        if self.replies:
            return self.replies.pop(0)
        assert isinstance(envelope.content, bytes)
        message = email.message_from_bytes(envelope.content, policy=email.policy.default)
        assert isinstance(message, EmailMessage)
        self.received.append(message)
        return "250 OK"

    def collect(self) -> list[EmailMessage]:
        """Have all mail sent that is due, and answer what came, oldest first."""
        for mail_id in selectors.due_mail(now=now(), limit=100):
            tasks.deliver_mail(mail_id=str(mail_id))
        return self.received


def plain(message: EmailMessage, kind: str) -> str:
    part = message.get_body((kind,))
    assert isinstance(part, EmailMessage)
    return str(part.get_content())


@pytest.fixture
def postbox(settings: Any) -> Iterator[Postbox]:
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", free_port()
    settings.EMAIL_HOST_USER = settings.EMAIL_HOST_PASSWORD = ""
    settings.EMAIL_USE_TLS = settings.EMAIL_USE_SSL = False
    box = Postbox()
    server = Controller(box, hostname="127.0.0.1", port=settings.EMAIL_PORT)
    server.start()
    yield box
    server.stop()


@pytest.fixture
def forget_tries(settings: Any) -> Callable[[], None]:
    """Answer what makes every rate limit begin anew, for this test alone."""

    def forget() -> None:
        prefix = f"{random.getrandbits(64):x}"
        settings.CACHES = {"default": {**settings.CACHES["default"], "KEY_PREFIX": prefix}}

    return forget


@pytest.fixture(autouse=True)
def no_tries_so_far(forget_tries: Callable[[], None]) -> None:
    forget_tries()


@pytest.fixture
def app() -> App:
    return App()


@pytest.fixture
def make_app() -> Callable[..., App]:
    return App
