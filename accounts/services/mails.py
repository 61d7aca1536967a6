"""Mail: its intent is a row, and a worker sends it.

Sign-up and its like never wait for an SMTP server, and a mail is sent at least once: a row that a
worker lost is found by the sweep. A mail sent twice carries the same Message-ID, so that mail
programs show it once. One-time codes never pass through the message broker: the task carries the
row's id, and the code leaves the row when the mail is sent.
"""

from __future__ import annotations

import smtplib
from collections.abc import Mapping
from datetime import datetime, timedelta
from email.utils import parseaddr
from typing import Any
from uuid import UUID

from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.db.models import F
from django.template.loader import render_to_string
from django.utils import translation

from accounts.models import OutgoingEmail
from accounts.services import preferences, suppressions

LEASE = timedelta(minutes=2)
"""How long one sender has a mail to itself; longer than EMAIL_TIMEOUT lets a send take."""
FIRST_RETRY = timedelta(seconds=30)
LONGEST_RETRY = timedelta(minutes=30)
KEPT = timedelta(days=30)
"""How long a row tells what became of a mail."""


def enqueue(
    *,
    template: str,
    address: str,
    language: str,
    context: Mapping[str, Any],
    useful_for: timedelta,
    now: datetime,
    forgets_address: bool = False,
    topic: str = "",
    account_id: UUID | None = None,
) -> UUID:
    """Record that a mail is to be sent; the caller hands its id to `tasks.deliver_mail`, or leaves it to the sweep."""
    mail = OutgoingEmail.objects.create(
        template=template,
        address=address,
        language=language,
        context=dict(context),
        created_at=now,
        next_attempt_at=now,
        useful_until=now + useful_for,
        forgets_address=forgets_address,
        topic=topic,
        account_id=account_id,
    )
    return mail.pk


def deliver(*, mail_id: UUID, now: datetime) -> bool:
    """Send a mail that is due and answer whether it was sent; do nothing when another sender has it.

    A refusal by the server for good ends it; any other failure is tried again, later each time,
    until the mail is of no use any more.
    """
    claimed = (
        OutgoingEmail.objects.due(now)
        .filter(pk=mail_id)
        .update(attempts=F("attempts") + 1, next_attempt_at=now + LEASE)
    )
    if not claimed:
        return False
    mail = OutgoingEmail.objects.get(pk=mail_id)
    if mail.useful_until <= now:
        _end(mail, given_up_at=now, last_error=mail.last_error or "not sent while it was of use")
        return False
    refusal = _no_longer_wanted(mail) or suppressions.refusal(mail)
    if refusal:
        _end(mail, given_up_at=now, last_error=refusal)
        return False
    try:
        render(mail).send()
    except (smtplib.SMTPException, OSError) as error:
        _note_bounce(mail, error, now)
        _record_failure(mail, error, now)
        return False
    _end(mail, sent_at=now, last_error="")
    return True


def purge(*, now: datetime) -> int:
    """Delete what has been kept long enough; answers how many rows."""
    return OutgoingEmail.objects.filter(created_at__lt=now - KEPT).delete()[0]


def render(mail: OutgoingEmail) -> EmailMultiAlternatives:
    """Write a mail in its language, as text and as HTML.

    One template says everything once, in blocks; the layouts say how a subject, a text and a page
    are made of them.
    """
    context = {
        **mail.context,
        "address": mail.address,
        "language": mail.language,
        "site_name": settings.SITE_NAME,
        "site_url": settings.PUBLIC_URL,
    }
    headers = {}
    if mail.topic and mail.account_id:
        context["unsubscribe_url"] = url = preferences.unsubscribe_url(account_id=mail.account_id, topic=mail.topic)
        headers = {"List-Unsubscribe": f"<{url}>", "List-Unsubscribe-Post": "List-Unsubscribe=One-Click"}
    if "timestamp" in context:
        context["timestamp"] = datetime.fromisoformat(context["timestamp"])
    with translation.override(mail.language):
        subject, text, page = (
            render_to_string(f"{mail.template}.html", {**context, "layout": f"email/{layout}"}).strip()
            for layout in ("subject.txt", "message.txt", "message.html")
        )
    message = EmailMultiAlternatives(
        subject=" ".join(subject.split()),
        body=f"{text}\n",
        to=[mail.address],
        headers={
            "Message-ID": f"<{mail.pk}@{parseaddr(settings.DEFAULT_FROM_EMAIL)[1].rpartition('@')[2]}>",
            "Content-Language": mail.language,
            # No automatic replies, out-of-office notes for one (RFC 3834).
            "Auto-Submitted": "auto-generated",
            **headers,
        },
    )
    message.attach_alternative(page, "text/html")
    return message


def _no_longer_wanted(mail: OutgoingEmail) -> str:
    """Answer why optional mail is not sent after all; its topic may have been left since it was queued."""
    if not mail.topic or mail.account_id is None or preferences.topics_of(mail.account_id)[mail.topic]:
        return ""
    return "not sent: no longer wanted"


def _note_bounce(mail: OutgoingEmail, error: Exception, now: datetime) -> None:
    """Stop mail to an address of which its own server says at once that there is no such mailbox (RFC 3463, 5.1.x)."""
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        for code, reply in error.recipients.values():
            said = reply.decode(errors="replace")
            if code >= 500 and said.startswith("5.1."):
                suppressions.suppress(
                    address=mail.address, reason=suppressions.Reason.BOUNCE, detail=f"{code} {said}", now=now
                )


def _record_failure(mail: OutgoingEmail, error: Exception, now: datetime) -> None:
    reason = " ".join(str(error).split())[:200] or type(error).__name__
    if _is_final(error):
        _end(mail, given_up_at=now, last_error=reason)
        return
    wait = min(FIRST_RETRY * 2 ** (mail.attempts - 1), LONGEST_RETRY)
    OutgoingEmail.objects.filter(pk=mail.pk).update(next_attempt_at=now + wait, last_error=reason)


def _is_final(error: Exception) -> bool:
    """Whether the server refused for good (a 5xx reply) what is ours to mend: the address, the mail."""
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        return all(code >= 500 for code, _reply in error.recipients.values())
    return isinstance(error, smtplib.SMTPDataError) and error.smtp_code >= 500


def _end(mail: OutgoingEmail, **outcome: Any) -> None:
    # The code in the context has served.
    address = {"address": ""} if mail.forgets_address else {}
    OutgoingEmail.objects.filter(pk=mail.pk).update(context={}, **address, **outcome)
