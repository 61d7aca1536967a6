"""Mail: rendered in its language, sent by a worker over SMTP, at least once."""

from __future__ import annotations

import re
import smtplib
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from babel.messages.mofile import read_mo
from babel.messages.pofile import read_po
from django.conf import settings as django_settings
from django.core.mail import EmailMultiAlternatives
from django.template.loader import get_template
from django.utils import translation

from accounts import selectors, tasks
from accounts.models import OutgoingEmail, SuppressedAddress
from accounts.services import mails
from local.messages import extract_template
from local.throwaway import free_port
from tests.accounts.conftest import App, Postbox, plain

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
ROOT = Path(__file__).resolve().parents[2]
TEMPLATES = ROOT / "templates"
MAILS = sorted(
    str(file.relative_to(TEMPLATES)).removesuffix(".html")
    for folder in ("account/email", "mfa/email", "socialaccount/email")
    for file in (TEMPLATES / folder).glob("*.html")
)


def queue(template: str = "account/email/login_code", language: str = "en", **context: Any) -> OutgoingEmail:
    mail_id = mails.enqueue(
        template=template, address="ada@example.com", language=language, context=context or {"code": "ABCD-EFGH"},
        useful_for=timedelta(minutes=15), now=NOW,
    )  # fmt: skip
    return OutgoingEmail.objects.get(pk=mail_id)


class TestRender:
    CONTEXT = {
        "code": "ABCD-EFGH", "timestamp": "2026-03-01T12:00:00+00:00", "ip": "192.0.2.1", "user_agent": "Phone <1>",
        "from_email": "old@example.com", "to_email": "new@example.com", "deleted_email": "old@example.com",
        "place": "Bonn, DE", "title": "Spring", "text": "It is here.", "device": "Phone <1>", "profile": "Mia & Co", "action_url": "https://tv.example/recovery/stop?token=x",
    }  # fmt: skip

    @pytest.mark.parametrize("language", ["en", "de"])
    @pytest.mark.parametrize("template", MAILS)
    def test_writes_every_mail_as_text_and_as_a_page(self, template: str, language: str) -> None:
        message = mails.render(queue(template, language, **self.CONTEXT))
        assert isinstance(message, EmailMultiAlternatives)
        [(content, _)] = message.alternatives
        page = str(content)
        assert message.subject
        assert "\n" not in message.subject
        assert f'<html lang="{language}">' in page
        assert "ABCD-EFGH" in message.body
        assert "ABCD-EFGH" in page
        assert "{{" not in message.body + page
        assert "<" not in message.body.replace("Phone <1>", "")
        assert "Phone <1>" not in page

    def test_speaks_german(self) -> None:
        message = mails.render(queue(language="de", code="ABCD-EFGH"))
        assert message.subject == "Ihr Anmeldecode"
        assert "\n\n    ABCD-EFGH\n\nGeben" in message.body

    def test_says_the_same_thing_once_more_under_the_same_id(self) -> None:
        mail = queue()
        ids = {mails.render(mail).extra_headers["Message-ID"] for _ in range(2)}
        assert ids == {f"<{mail.pk}@testserver>"}

    def test_links_only_where_the_operator_has_a_web_client(self) -> None:
        template = "account/email/unknown_account"
        assert (
            "https://tv.example/sign-up" in mails.render(queue(template, signup_url="https://tv.example/sign-up")).body
        )
        assert "sign-up" not in mails.render(queue(template, nothing="")).body


class TestDeliver:
    def test_sends_over_smtp_and_forgets_the_code(self, postbox: Postbox) -> None:
        mail = queue(language="de", code="ABCD-EFGH")
        assert mails.deliver(mail_id=mail.pk, now=NOW)
        [received] = postbox.received
        assert (received["To"], received["Subject"]) == ("ada@example.com", "Ihr Anmeldecode")
        assert "ABCD-EFGH" in plain(received, "plain")
        assert "ABCD-EFGH" in plain(received, "html")
        mail.refresh_from_db()
        assert (mail.sent_at, mail.attempts, mail.context, mail.last_error) == (NOW, 1, {}, "")

    def test_sends_once_when_called_twice(self, postbox: Postbox) -> None:
        mail = queue()
        assert [mails.deliver(mail_id=mail.pk, now=NOW) for _ in range(2)] == [True, False]
        assert len(postbox.received) == 1

    def test_leaves_to_another_sender_what_it_is_sending(self, postbox: Postbox) -> None:
        mail = queue()
        OutgoingEmail.objects.filter(pk=mail.pk).update(attempts=1, next_attempt_at=NOW + mails.LEASE)
        assert not mails.deliver(mail_id=mail.pk, now=NOW + timedelta(seconds=1))
        assert postbox.received == []
        # That sender was killed.
        assert mails.deliver(mail_id=mail.pk, now=NOW + mails.LEASE)
        assert len(postbox.received) == 1

    def test_tries_again_later_and_later_after_a_failure(self, postbox: Postbox) -> None:
        postbox.replies = ["451 busy", "451 busy"]
        mail = queue()
        waits, now = [], NOW
        for _ in range(2):
            assert not mails.deliver(mail_id=mail.pk, now=now)
            mail.refresh_from_db()
            waits.append((mail.next_attempt_at - now).total_seconds())
            now = mail.next_attempt_at
        assert waits == [30, 60]
        assert mail.context == {"code": "ABCD-EFGH"}
        assert "451" in mail.last_error
        assert mails.deliver(mail_id=mail.pk, now=now)
        assert len(postbox.received) == 1

    def test_tries_again_when_the_server_is_away(self, settings: Any, postbox: Postbox) -> None:
        settings.EMAIL_PORT = free_port()
        mail = queue()
        assert not mails.deliver(mail_id=mail.pk, now=NOW)
        mail.refresh_from_db()
        assert (mail.sent_at, mail.given_up_at) == (None, None)
        assert "refused" in mail.last_error

    def test_gives_up_what_the_server_refuses_for_good(self, postbox: Postbox) -> None:
        postbox.replies = ["550 no such mailbox"]
        mail = queue()
        assert not mails.deliver(mail_id=mail.pk, now=NOW)
        mail.refresh_from_db()
        assert (mail.given_up_at, mail.context, mail.sent_at) == (NOW, {}, None)
        assert "550" in mail.last_error
        assert not mails.deliver(mail_id=mail.pk, now=NOW + timedelta(hours=1))

    def test_does_not_send_a_code_that_has_run_out(self, postbox: Postbox) -> None:
        mail = queue()
        assert not mails.deliver(mail_id=mail.pk, now=NOW + timedelta(minutes=15))
        mail.refresh_from_db()
        assert (mail.sent_at, mail.context) == (None, {})
        assert mail.given_up_at == NOW + timedelta(minutes=15)
        assert postbox.received == []

    def test_knows_which_refusals_are_final(self) -> None:
        final = mails._is_final
        assert final(smtplib.SMTPRecipientsRefused({"a@b.c": (550, b"no")}))
        assert not final(smtplib.SMTPRecipientsRefused({"a@b.c": (450, b"later")}))
        assert not final(smtplib.SMTPServerDisconnected("gone"))


class TestSweep:
    def test_finds_what_is_due_longest_waiting_first(self) -> None:
        late, later, sent, given_up, leased = (queue().pk for _ in range(5))
        update = OutgoingEmail.objects.filter
        update(pk=later).update(next_attempt_at=NOW + timedelta(seconds=1))
        update(pk=sent).update(sent_at=NOW, context={})
        update(pk=given_up).update(given_up_at=NOW, context={})
        update(pk=leased).update(next_attempt_at=NOW + mails.LEASE)
        assert selectors.due_mail(now=NOW + timedelta(seconds=2), limit=10) == [late, later]
        assert selectors.due_mail(now=NOW + timedelta(seconds=2), limit=1) == [late]


class TestPurge:
    def test_deletes_what_was_kept_long_enough(self) -> None:
        old, new = queue(), queue()
        OutgoingEmail.objects.filter(pk=old.pk).update(created_at=NOW - mails.KEPT - timedelta(seconds=1))
        assert mails.purge(now=NOW) == 1
        assert list(OutgoingEmail.objects.values_list("pk", flat=True)) == [new.pk]


class TestTask:
    def test_sends_a_sign_ups_code_which_then_verifies(self, postbox: Postbox) -> None:
        app = App("de")
        app.sign_up("ada@example.com")
        tasks.deliver_mail(mail_id=str(OutgoingEmail.objects.get().pk), unknown="from a newer publisher")
        [received] = postbox.received
        assert received["Subject"].strip().startswith(f"Willkommen bei {django_settings.SITE_NAME}: ")
        found = re.search(r"[A-Z]{4}-[A-Z]{4}", plain(received, "plain"))
        assert found
        assert app.auth("auth/email/verify", key=found[0]).status_code == 200

    def test_tolerates_a_row_that_is_gone(self) -> None:
        tasks.deliver_mail(mail_id=str(UUID(int=0)))


class TestTranslations:
    CATALOGUE = ROOT / "platform/config/locale/de/LC_MESSAGES/django"

    def test_are_complete_for_mail(self) -> None:
        with self.CATALOGUE.with_suffix(".po").open("rb") as file:
            translated = {message.id for message in read_po(file) if message.string}
        used = set()
        for name in [*MAILS, "email/code", "email/change", "email/message"]:
            origin = get_template(f"{name}.html").origin  # type: ignore[attr-defined]  # Django's own engine has it
            with open(origin.name, "rb") as file:
                keywords = dict.fromkeys(("gettext", "_"))
                used |= {str(found[2]) for found in extract_template(file, keywords, [], {})}
        assert sorted(used - translated) == [], "translate these, then `make messages`"

    def test_are_compiled(self) -> None:
        with (
            self.CATALOGUE.with_suffix(".po").open("rb") as source,
            self.CATALOGUE.with_suffix(".mo").open("rb") as made,
        ):
            # As text, since a message with a plural is a list in one and a tuple in the other.
            wanted = {str(list(message.id)): list(message.string) for message in read_po(source) if message.string}
            compiled = {str(list(message.id)): list(message.string or "") for message in read_mo(made)}
        assert wanted == compiled, "run `make messages`"

    def test_are_used(self) -> None:
        with translation.override("de"):
            assert translation.gettext("Your sign-in code") == "Ihr Anmeldecode"


class TestBounceAtOnce:
    def test_stops_mail_to_a_mailbox_that_does_not_exist(self, postbox: Postbox) -> None:
        postbox.unknown.add("ada@example.com")
        mail = queue()
        assert not mails.deliver(mail_id=mail.pk, now=NOW)
        mail.refresh_from_db()
        assert mail.given_up_at == NOW
        kept = SuppressedAddress.objects.get()
        assert (kept.reason, kept.detail) == ("bounce", "550 5.1.1 no such user here")
        notice = queue("account/email/password_changed", timestamp=NOW.isoformat())
        assert not mails.deliver(mail_id=notice.pk, now=NOW)
        notice.refresh_from_db()
        assert notice.last_error == "not sent: mail comes back"
