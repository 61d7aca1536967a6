"""`manage.py ingest_mail_reports FILE...`: stop mail to addresses that mail servers report.

Reads single messages as mail servers send them back (RFC 3464 delivery reports, RFC 5965 complaints), and mbox
files of them; `-` is standard input, for a mail server that pipes each into a command.

Anybody can write such a report. One is believed that brings back a mail of ours, or its headers, as these reports do: by
its Message-ID, which nobody else knows, and about the address that this mail went to.
"""

import contextlib
import email
import email.policy
import mailbox
import re
import sys
from collections.abc import Iterator
from email.message import Message
from pathlib import Path
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandParser

from accounts.services import suppressions
from core.clock import now

_ID = re.compile(r"<([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})@")
"""Of our mails: see accounts.services.mails."""


class Command(BaseCommand):
    """Reports that tell of nothing permanent change nothing."""

    help = "Stop mail to addresses that bounce for good or whose readers complained."

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the arguments."""
        parser.add_argument("files", nargs="+", help="a message, an mbox file, or - for standard input")

    def handle(self, *args: Any, **options: Any) -> None:
        """Say how many addresses were reported."""
        count = unknown = 0
        for name in options["files"]:
            for report in _messages(name):
                mail_id = _returned_mail(report)
                for reason, detail in _reported(report):
                    if mail_id and suppressions.note_returned(mail_id=mail_id, reason=reason, detail=detail, now=now()):
                        count += 1
                    else:
                        unknown += 1
        self.stdout.write(f"{count} addresses were reported.")
        if unknown:
            self.stdout.write(f"{unknown} reports bring back no mail of ours of the last 30 days, and were ignored.")


def _messages(name: str) -> Iterator[Message]:
    raw = sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
    if raw.startswith(b"From ") and name != "-":
        with contextlib.closing(mailbox.mbox(name, create=False)) as box:
            for entry in box:
                yield email.message_from_bytes(bytes(entry), policy=email.policy.default)
    else:
        yield email.message_from_bytes(raw, policy=email.policy.default)


def _reported(report: Message) -> Iterator[tuple[suppressions.Reason, str]]:
    """Yield what a report says is lost for good: the reason, and what the server said."""
    for part in report.walk():
        if part.get_content_type() == "message/delivery-status":
            # One block about the mail, then one for each recipient.
            for block in part.get_payload():
                assert isinstance(block, Message)
                failed = block.get("Action", "").strip().lower() == "failed"
                if failed and block.get("Status", "").strip().startswith("5."):
                    yield suppressions.Reason.BOUNCE, block.get("Diagnostic-Code", "")
        elif part.get_content_type() == "message/feedback-report":
            fields = part.get_payload()
            block = fields[0] if isinstance(fields, list) else email.message_from_string(str(fields))
            if isinstance(block, Message):
                yield suppressions.Reason.COMPLAINT, block.get("Feedback-Type", "")


def _returned_mail(report: Message) -> UUID | None:
    """Answer which mail of ours a report brings back; None if none."""
    for part in report.walk():
        returned: object = None
        if part.get_content_type() == "message/rfc822":
            returned = part.get_payload(0)
        elif part.get_content_type() == "text/rfc822-headers":
            headers = part.get_payload(decode=True)
            returned = email.message_from_bytes(headers) if isinstance(headers, bytes) else None
        if isinstance(returned, Message) and (found := _ID.match(str(returned.get("Message-ID", "")).strip())):
            return UUID(found[1])
    return None
