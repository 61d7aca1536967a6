"""Optional mail: only to who wants it, with a one-click way out; and mail that nobody gets any more."""

from __future__ import annotations

import re
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import UUID, uuid4

import pytest
from django.core import mail as outbox
from django.core.mail import EmailMultiAlternatives
from django.core.management import call_command
from django.test import Client

from accounts.models import MailPreference, OutgoingEmail, SuppressedAddress, User
from accounts.services import mails, preferences, suppressions
from core.clock import now
from tests.accounts.conftest import App
from tests.factories.accounts import PASSWORD, AccountFactory

pytestmark = pytest.mark.django_db
Reason = suppressions.Reason
EVENTS = "/webhooks/mail-events"


@pytest.fixture
def account() -> User:
    account: User = AccountFactory.create(email="ada@example.com")
    preferences.choose(account_id=account.pk, wanted={"news": True}, now=now())
    return account


def send_news(topic: str = "news") -> None:
    call_command("send_news", "--topic", topic, "--title", "Spring", "--text", "It is here.", "--language", "en")


def queue(context: dict[str, Any] | None = None, topic: str = "") -> OutgoingEmail:
    mail_id = mails.enqueue(
        template="account/email/password_changed", address="ada@example.com", language="en",
        context=context or {"timestamp": now().isoformat()}, useful_for=timedelta(days=1), now=now(), topic=topic,
    )  # fmt: skip
    return OutgoingEmail.objects.get(pk=mail_id)


def is_sent(mail: OutgoingEmail) -> bool:
    return mails.deliver(mail_id=mail.pk, now=now())


class TestNews:
    def test_go_to_whoever_wants_them_with_a_way_out(self, account: User) -> None:
        AccountFactory.create()
        AccountFactory.create(is_active=False)
        send_news()
        mail = OutgoingEmail.objects.get()
        assert is_sent(mail)
        [message] = outbox.outbox
        headers = message.extra_headers
        assert headers["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
        link = re.fullmatch(r"<(http://testserver/unsubscribe\?token=.+)>", headers["List-Unsubscribe"])
        assert link
        assert link.group(1) in str(message.body)
        assert isinstance(message, EmailMultiAlternatives)
        assert link.group(1) in str(message.alternatives[0][0]).replace("&amp;", "&")

    def test_of_another_topic_do_not_come(self, account: User) -> None:
        send_news("offers")
        assert not OutgoingEmail.objects.exists()

    def test_no_longer_wanted_when_their_turn_comes_are_not_sent(self, account: User) -> None:
        send_news()
        preferences.choose(account_id=account.pk, wanted={"news": False}, now=now())
        mail = OutgoingEmail.objects.get()
        assert not is_sent(mail)
        mail.refresh_from_db()
        assert mail.last_error == "not sent: no longer wanted"

    def test_carry_no_way_out_of_mail_about_security(self, account: User) -> None:
        assert is_sent(queue())
        assert "List-Unsubscribe" not in outbox.outbox[0].extra_headers


class TestUnsubscribe:
    @pytest.fixture
    def link(self, account: User) -> str:
        return preferences.unsubscribe_url(account_id=account.pk, topic="news").removeprefix("http://testserver")

    def test_is_one_click_of_a_mail_program(self, account: User, link: str) -> None:
        # As RFC 8058 has it: a POST with this body, no cookie, no sign-in, no redirect.
        program = Client(enforce_csrf_checks=True)
        for _ in range(2):
            answer = program.post(link, "List-Unsubscribe=One-Click", content_type="application/x-www-form-urlencoded")
            assert answer.status_code == 200
        assert preferences.topics_of(account.pk)["news"] is False

    def test_does_nothing_when_somebody_only_looks(self, account: User, link: str) -> None:
        page = Client().get(link).content.decode()
        assert "Do you want no more news by mail?" in page
        assert preferences.topics_of(account.pk)["news"] is True

    @pytest.mark.parametrize("method", ["get", "post"])
    def test_refuses_a_link_that_was_changed(self, account: User, link: str, method: str) -> None:
        [token] = parse_qs(urlsplit(link).query)["token"]
        for changed in (token[:-1], token.replace(token[3], "A" if token[3] != "A" else "B", 1), "", "x:y:z"):
            answer = getattr(Client(), method)(f"/unsubscribe?token={changed}")
            assert answer.status_code == 400
        assert preferences.topics_of(account.pk)["news"] is True

    def test_of_an_account_that_is_gone_is_no_error(self, link: str, account: User) -> None:
        MailPreference.objects.all().delete()
        User.objects.update(is_active=False)
        assert Client().post(link).status_code == 200
        assert not MailPreference.objects.exists()


class TestSuppression:
    @pytest.mark.parametrize(
        ("reason", "code", "notice", "optional"), [("bounce", True, False, False), ("complaint", True, True, False)]
    )
    def test_stops_what_its_table_says(
        self, account: User, reason: str, code: bool, notice: bool, optional: bool
    ) -> None:
        suppressions.suppress(address="ADA@example.com", reason=Reason(reason), detail="", now=now())
        assert is_sent(queue({"code": "ABCD-EFGH", "timestamp": now().isoformat()})) is code
        assert is_sent(queue()) is notice
        send_news()
        news = OutgoingEmail.objects.filter(template="account/email/news").get()
        assert is_sent(news) is optional

    def test_holds_no_address(self, account: User) -> None:
        suppressions.suppress(
            address="ada@example.com", reason=Reason.BOUNCE, detail="550 5.1.1 <Ada@example.com> unknown", now=now()
        )
        kept = SuppressedAddress.objects.get()
        assert "ada@" not in str(vars(kept))
        assert kept.detail == "550 5.1.1 <(address)> unknown"

    def test_of_a_bounce_ends_when_the_address_is_verified_anew(self) -> None:
        app = App()
        app.sign_up("ada@example.com")
        suppressions.suppress(address="ada@example.com", reason=Reason.BOUNCE, detail="", now=now())
        app.verify("ada@example.com")
        assert not SuppressedAddress.objects.exists()

    def test_does_not_keep_anybody_out(self, account: User) -> None:
        suppressions.suppress(address="ada@example.com", reason=Reason.COMPLAINT, detail="", now=now())
        assert App().auth("auth/login", email=account.email, password=PASSWORD).status_code == 200


class TestWebhook:
    @pytest.fixture(autouse=True)
    def token(self, settings: Any) -> None:
        settings.MAIL_EVENTS_TOKEN = "a long enough token of the operator's"

    def post(self, events: Any, token: str = "a long enough token of the operator's") -> Any:
        headers = {"Authorization": f"Bearer {token}"}
        return Client().post(EVENTS, {"events": events}, content_type="application/json", headers=headers)

    def test_stops_mail_to_what_came_back_for_good(self) -> None:
        told = [
            {"type": "bounce", "address": "ada@example.com", "detail": "5.1.1"},
            {"type": "bounce", "address": "full@example.com", "permanent": False},
            {"type": "complaint", "address": "bea@example.com"},
        ]
        assert self.post(told).status_code == 204
        assert dict(SuppressedAddress.objects.values_list("address_hash", "reason")) == {
            suppressions.hash_of("ada@example.com"): "bounce",
            suppressions.hash_of("bea@example.com"): "complaint",
        }

    def test_believes_only_who_has_the_token(self, settings: Any) -> None:
        told = [{"type": "bounce", "address": "ada@example.com"}]
        assert self.post(told, "another").status_code == 403
        assert Client().post(EVENTS, {"events": told}, content_type="application/json").status_code == 403
        settings.MAIL_EVENTS_TOKEN = ""
        assert self.post(told, "").status_code == 404
        assert not SuppressedAddress.objects.exists()

    def test_says_what_it_cannot_read(self) -> None:
        assert self.post([{"type": "opened", "address": "ada@example.com"}]).status_code == 400


BOUNCE = """\
From: MAILER-DAEMON@mx.example
To: no-reply@testserver
Subject: Undelivered Mail Returned to Sender
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary="b"

--b
Content-Type: text/plain

I could not deliver it.

--b
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.example

Final-Recipient: rfc822; ada@example.com
Action: {action}
Status: {status}
Diagnostic-Code: smtp; {status} no such user ada@example.com

--b
Content-Type: text/rfc822-headers

From: no-reply@testserver
To: ada@example.com
Message-ID: <{mail}@testserver>

--b--
"""
COMPLAINT = """\
From: abuse@provider.example
To: no-reply@testserver
Subject: complaint
MIME-Version: 1.0
Content-Type: multipart/report; report-type=feedback-report; boundary="b"

--b
Content-Type: text/plain

This is a complaint.

--b
Content-Type: message/feedback-report

Feedback-Type: abuse
User-Agent: Provider/1
Version: 1
Original-Rcpt-To: <bea@example.com>

--b
Content-Type: message/rfc822

From: no-reply@testserver
To: bea@example.com
Message-ID: <{mail}@testserver>
Subject: news

What was complained of.

--b--
"""


def mail_to(address: str) -> UUID:
    """Send a mail, as far as we know; answers its id."""
    return mails.enqueue(
        template="account/email/news",
        address=address,
        language="en",
        context={},
        useful_for=timedelta(days=1),
        now=now(),
    )


class TestReports:
    @pytest.mark.parametrize(
        ("report", "status", "kept"),
        [
            (BOUNCE, {"action": "failed", "status": "5.1.1"}, {"ada@example.com": "bounce"}),
            (BOUNCE, {"action": "delayed", "status": "4.4.1"}, {}),
            (BOUNCE, {"action": "failed", "status": "4.4.7"}, {}),
            (COMPLAINT, {}, {"bea@example.com": "complaint"}),
            ("Subject: out of office\n\nBack on Monday.\n", {}, {}),
        ],
    )
    def test_are_read_as_the_standards_have_them(
        self, tmp_path: Path, report: str, status: dict[str, str], kept: dict[str, str]
    ) -> None:
        mail = mail_to("bea@example.com" if report is COMPLAINT else "ada@example.com")
        file = tmp_path / "report.eml"
        file.write_text(report.format(mail=mail, **status))
        call_command("ingest_mail_reports", str(file), verbosity=0)
        expected = {suppressions.hash_of(address): reason for address, reason in kept.items()}
        assert dict(SuppressedAddress.objects.values_list("address_hash", "reason")) == expected

    def test_come_in_mailboxes_too(self, tmp_path: Path) -> None:
        box = tmp_path / "reports.mbox"
        messages = [
            BOUNCE.format(action="failed", status="5.1.1", mail=mail_to("ada@example.com")),
            COMPLAINT.format(mail=mail_to("bea@example.com")),
        ]
        box.write_text("".join(f"From mx Thu Jan  1 00:00:00 2026\n{message}\n" for message in messages))
        call_command("ingest_mail_reports", str(box), verbosity=0)
        assert SuppressedAddress.objects.count() == 2

    def test_that_anybody_could_have_written_are_ignored(self, tmp_path: Path) -> None:
        # Else a mail to where bounces go would keep security mail from whomever it names.
        mail_to("ada@example.com")
        bea = mail_to("bea@example.com")
        forged = [
            BOUNCE.format(action="failed", status="5.1.1", mail=uuid4()),
            BOUNCE.format(action="failed", status="5.1.1", mail="made-up"),
            BOUNCE.partition("--b\nContent-Type: text/rfc822")[0].format(action="failed", status="5.1.1") + "--b--\n",
        ]
        output = StringIO()
        for number, report in enumerate(forged):
            (tmp_path / str(number)).write_text(report)
        call_command("ingest_mail_reports", *map(str, sorted(tmp_path.iterdir())), stdout=output)
        assert not SuppressedAddress.objects.exists()
        assert output.getvalue().splitlines() == [
            "0 addresses were reported.",
            "3 reports bring back no mail of ours of the last 30 days, and were ignored.",
        ]
        # Who got one of our mails speaks of nobody else's address.
        (tmp_path / "own").write_text(BOUNCE.format(action="failed", status="5.1.1", mail=bea))
        call_command("ingest_mail_reports", str(tmp_path / "own"), verbosity=0)
        assert [each.address_hash for each in SuppressedAddress.objects.all()] == [
            suppressions.hash_of("bea@example.com")
        ]
