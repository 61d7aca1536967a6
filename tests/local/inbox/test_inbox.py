"""The local inbox: what is sent over SMTP is kept and shown, and can do nothing."""

from __future__ import annotations

import asyncio
import os
import smtplib
import subprocess
import sys
import time
from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest
from aiosmtpd.smtp import SMTP, Envelope, Session
from hypothesis import given
from hypothesis import strategies as st

from local.inbox import pages, parsing
from local.inbox.smtp import Receiver
from local.inbox.store import Store
from local.throwaway import free_port

ROOT = Path(__file__).resolve().parents[3]


def mail(subject: str = "Your code", text: str = "ABCD-EFGH", html: str | None = None) -> bytes:
    message = EmailMessage()
    message["Subject"], message["From"], message["To"] = subject, "Streaming <no-reply@localhost>", "ada@example.com"
    message.set_content(text)
    if html:
        message.add_alternative(html, subtype="html")
    return message.as_bytes()


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "inbox")


class Browser:
    """Calls the pages without a server."""

    def __init__(self, store: Store) -> None:
        self._transport = httpx.ASGITransport(pages.application(store))

    def get(self, path: str, **options: Any) -> httpx.Response:
        return asyncio.run(self._request("GET", path, **options))

    def post(self, path: str, **options: Any) -> httpx.Response:
        return asyncio.run(self._request("POST", path, **options))

    async def _request(self, method: str, path: str, **options: Any) -> httpx.Response:
        async with httpx.AsyncClient(transport=self._transport, base_url="http://localhost") as client:
            return await client.request(method, path, **options)


@pytest.fixture
def browser(store: Store) -> Browser:
    return Browser(store)


def add(store: Store, raw: bytes, *recipients: str) -> UUID:
    return store.add(raw, sender="no-reply@localhost", recipients=list(recipients or ["ada@example.com"]))


class TestStore:
    def test_answers_newest_first(self, store: Store) -> None:
        ids = [add(store, mail(str(number))) for number in range(5)]
        assert [found.id for found in store.newest()] == ids[::-1]

    def test_finds_mail_by_address_in_any_capitals(self, store: Store) -> None:
        add(store, mail(), "ada@example.com")
        wanted = add(store, mail(), "bea@example.com", "cleo@example.com")
        assert [found.id for found in store.newest("CLEO@example.com")] == [wanted]

    def test_survives_a_restart(self, store: Store) -> None:
        mail_id = add(store, mail())
        again = Store(store.folder).get(mail_id)
        assert again
        assert again.content.subject == "Your code"

    def test_keeps_the_last_ones(self, tmp_path: Path) -> None:
        store = Store(tmp_path, kept=3)
        ids = [add(store, mail(str(number))) for number in range(5)]
        assert [found.id for found in store.newest()] == ids[:1:-1]
        assert len(list(tmp_path.iterdir())) == 3

    def test_shows_nothing_that_is_half_written(self, store: Store) -> None:
        add(store, mail())
        (store.folder / "01a1fc8c-2512-75c5-ad05-bd2b01998cc8.part").write_bytes(b"Subject: half")
        assert len(list(store.newest())) == 1

    def test_believes_the_envelope_and_not_the_mail(self, store: Store) -> None:
        add(store, b"Delivered-To: forged@example.com\r\nSubject: x\r\n\r\n", "ada@example.com")
        add(store, b" folded into ours\r\n\r\n", "ada@example.com")
        assert [found.recipients for found in store.newest()] == [["ada@example.com"]] * 2

    def test_is_empty_when_cleared(self, store: Store) -> None:
        add(store, mail())
        store.clear()
        assert list(store.newest()) == []


class TestParse:
    @pytest.mark.parametrize(
        "raw",
        [
            b"",
            b"\r\n",
            b"no headers at all",
            b"Subject: =?utf-8?b?!!!?=\r\n\r\nx",
            b"Subject: =?nope?q?x?=\r\n\r\nx",
            b"Content-Type: text/plain; charset=nope\r\n\r\n\xff",
            b"Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\nnever closed",
            b"Content-Type: multipart/alternative\r\n\r\nno boundary",
            b"Content-Transfer-Encoding: base64\r\n\r\n%%%",
            b"Content-Disposition: attachment; filename*=utf-8''%FF\r\n\r\nx",
            b"From: \xff\xfe <x\r\n\r\n",
            b"Content-Type: message/rfc822\r\n\r\nSubject: inner\r\n\r\nx",
        ],
    )
    def test_reads_what_is_broken_as_far_as_it_can(self, store: Store, browser: Browser, raw: bytes) -> None:
        mail_id = add(store, raw)
        assert browser.get(f"/messages/{mail_id}").status_code == 200
        assert browser.get("/").status_code == 200
        assert browser.get(f"/api/messages/{mail_id}").json()["to"] == ["ada@example.com"]

    @given(st.binary(max_size=400))
    def test_takes_any_bytes(self, raw: bytes) -> None:
        content = parsing.parse(raw)
        for text in (content.subject, content.text, content.html, *(value for _, value in content.headers)):
            assert text.encode() is not None  # can be sent to a browser

    def test_decodes_headers_and_both_bodies(self) -> None:
        content = parsing.parse(mail("Grüße aus Köln", "Grüße", "<p>Grüße</p>"))
        assert content.subject == "Grüße aus Köln"
        assert (content.text.strip(), content.html.strip()) == ("Grüße", "<p>Grüße</p>")

    def test_lists_attachments(self) -> None:
        message = EmailMessage()
        message.set_content("Here it is.")
        message.add_attachment(b"%PDF", maintype="application", subtype="pdf", filename="Rechnung März.pdf")
        [attachment] = parsing.parse(message.as_bytes()).attachments
        assert (attachment.name, attachment.type, attachment.size) == ("Rechnung März.pdf", "application/pdf", 4)


class TestPages:
    def test_show_mails_without_running_them(self, store: Store, browser: Browser) -> None:
        mail_id = add(store, mail("<script>alert(1)</script>", html="<script>alert(1)</script><b>Hi</b>"))
        page = browser.get(f"/messages/{mail_id}")
        assert "<script" not in page.text
        assert "&lt;script&gt;" in page.text
        assert 'sandbox="allow-popups allow-popups-to-escape-sandbox"' in page.text
        body = browser.get(f"/messages/{mail_id}/html")
        assert "<b>Hi</b>" in body.text
        policy = body.headers["content-security-policy"]
        assert policy.startswith("sandbox ")
        assert "allow-scripts" not in policy
        assert "default-src 'none'" in policy

    def test_load_nothing_from_elsewhere(self, store: Store, browser: Browser) -> None:
        mail_id = add(store, mail())
        for path in ("/", f"/messages/{mail_id}"):
            answer = browser.get(path)
            assert "http" not in answer.text.replace("http-equiv", "")
            assert "default-src 'none'" in answer.headers["content-security-policy"]
        assert browser.get("/static/inbox.css").status_code == 200

    def test_say_when_a_mail_is_not_there(self, browser: Browser) -> None:
        missing = "01a1fc8c-2512-75c5-ad05-bd2b01998cc8"
        assert browser.get(f"/messages/{missing}").status_code == 404
        assert browser.get(f"/api/messages/{missing}").json() == {"detail": "This mail is not here, or no longer."}
        assert browser.get("/messages/../../etc/passwd").status_code == 404
        assert browser.get("/api/nothing").status_code == 404

    def test_delete_all_on_request_of_their_own_page_alone(self, store: Store, browser: Browser) -> None:
        add(store, mail())
        assert browser.post("/clear", headers={"Origin": "http://evil.example"}).status_code == 403
        assert browser.get("/clear").status_code == 405
        assert len(list(store.newest())) == 1
        answer = browser.post("/clear", headers={"Origin": "http://localhost"})
        assert (answer.status_code, answer.headers["location"]) == (303, "/")
        assert list(store.newest()) == []

    def test_are_shown_to_this_machine_alone(self, browser: Browser) -> None:
        assert browser.get("/", headers={"Host": "evil.example"}).status_code == 400


class TestApi:
    def test_answers_mails_of_an_address(self, store: Store, browser: Browser) -> None:
        add(store, mail("Other"), "bea@example.com")
        mail_id = add(store, mail("Your code", "ABCD-EFGH"), "ada@example.com")
        [found] = browser.get("/api/messages", params={"to": "Ada@example.com"}).json()
        assert (found["id"], found["to"], found["subject"]) == (str(mail_id), ["ada@example.com"], "Your code")
        whole = browser.get(f"/api/messages/{mail_id}").json()
        assert whole["text"].strip() == "ABCD-EFGH"
        assert ["Delivered-To", "ada@example.com"] in whole["headers"]

    def test_answers_as_many_as_asked_for(self, store: Store, browser: Browser) -> None:
        for number in range(3):
            add(store, mail(str(number)))
        assert [found["subject"] for found in browser.get("/api/messages?limit=2").json()] == ["2", "1"]
        assert browser.get("/api/messages?limit=many").status_code == 400


class TestReceiver:
    def test_asks_the_sender_to_try_again_when_the_disk_is_full(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("no folder")
        receiver, envelope = Receiver(Store(tmp_path / "file")), Envelope()
        envelope.content, envelope.rcpt_tos = b"Subject: x\r\n\r\n", ["ada@example.com"]
        answer = asyncio.run(receiver.handle_DATA(object.__new__(SMTP), object.__new__(Session), envelope))
        assert answer.startswith("452 ")


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[int, int]]:
    port, smtp_port = free_port(), free_port()
    folder = tmp_path_factory.mktemp("inbox")
    arguments = ["--port", str(port), "--smtp-port", str(smtp_port), "--dir", str(folder), "--keep", "5"]
    with subprocess.Popen(
        [sys.executable, "-m", "local.inbox", *arguments],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": "platform"},
        stdout=subprocess.DEVNULL,
    ) as process:
        for _ in range(200):
            try:
                httpx.get(f"http://127.0.0.1:{port}/")
                break
            except httpx.TransportError:
                time.sleep(0.05)
        yield port, smtp_port
        process.terminate()


class TestProgram:
    def test_receives_and_shows(self, running: tuple[int, int]) -> None:
        port, smtp_port = running
        with smtplib.SMTP("127.0.0.1", smtp_port) as client:
            client.sendmail("a@localhost", ["dora@example.com", "eve@example.com"], mail("Für Dora"))
        [found] = httpx.get(f"http://127.0.0.1:{port}/api/messages", params={"to": "dora@example.com"}).json()
        assert (found["subject"], found["to"]) == ("Für Dora", ["dora@example.com", "eve@example.com"])

    def test_takes_mail_from_many_at_once(self, running: tuple[int, int]) -> None:
        port, smtp_port = running
        clients = [smtplib.SMTP("127.0.0.1", smtp_port) for _ in range(8)]
        for number, client in enumerate(clients):
            client.sendmail("a@localhost", f"many{number}@example.com", mail())
            client.quit()
        found = httpx.get(f"http://127.0.0.1:{port}/api/messages").json()
        assert [item["to"] for item in found] == [[f"many{number}@example.com"] for number in range(7, 2, -1)]
