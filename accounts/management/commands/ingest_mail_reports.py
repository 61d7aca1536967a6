"""`manage.py ingest_mail_reports FILE...`: stop mail to addresses that mail servers report.

Reads single messages as mail servers send them back (RFC 3464 delivery reports, RFC 5965 complaints), and mbox
files of them; `-` is standard input, for a mail server that pipes each into a command.
"""

import contextlib
import email
import email.policy
import mailbox
import sys
from collections.abc import Iterator
from email.message import EmailMessage, Message
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from accounts.services import suppressions
from core.clock import now


class Command(BaseCommand):
    """Reports that tell of nothing permanent change nothing."""

    help = "Stop mail to addresses that bounce for good or whose readers complained."

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the arguments."""
        parser.add_argument("files", nargs="+", help="a message, an mbox file, or - for standard input")

    def handle(self, *args: Any, **options: Any) -> None:
        """Say how many addresses were reported."""
        count = 0
        for name in options["files"]:
            for report in _messages(name):
                for reason, address, detail in _reported(report):
                    suppressions.suppress(address=address, reason=reason, detail=detail, now=now())
                    count += 1
        self.stdout.write(f"{count} addresses were reported.")


def _messages(name: str) -> Iterator[Message]:
    raw = sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
    if raw.startswith(b"From ") and name != "-":
        with contextlib.closing(mailbox.mbox(name, create=False)) as box:
            for entry in box:
                yield email.message_from_bytes(bytes(entry), policy=email.policy.default)
    else:
        yield email.message_from_bytes(raw, policy=email.policy.default)


def _reported(report: Message) -> Iterator[tuple[suppressions.Reason, str, str]]:
    """Yield each address that a report says is lost: the reason, the address, what the server said."""
    for part in report.walk():
        if part.get_content_type() == "message/delivery-status":
            # One block about the mail, then one for each recipient.
            for block in part.get_payload():
                assert isinstance(block, Message)
                failed = block.get("Action", "").strip().lower() == "failed"
                if failed and block.get("Status", "").strip().startswith("5."):
                    address = _address(block.get("Original-Recipient") or block.get("Final-Recipient") or "")
                    if address:
                        yield suppressions.Reason.BOUNCE, address, block.get("Diagnostic-Code", "")
        elif part.get_content_type() == "message/feedback-report":
            fields = part.get_payload()
            block = fields[0] if isinstance(fields, list) else email.message_from_string(str(fields))
            if isinstance(block, Message | EmailMessage):
                address = _address(block.get("Original-Rcpt-To") or block.get("Removal-Recipient") or "")
                if address:
                    yield suppressions.Reason.COMPLAINT, address, block.get("Feedback-Type", "")


def _address(field: str) -> str:
    """Answer the address in "rfc822; ada@example.com" or "<ada@example.com>"."""
    return str(field).rpartition(";")[2].strip().strip("<>")
