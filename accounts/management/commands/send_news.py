"""`manage.py send_news --topic news --title ... --text ...`: write to everybody who wants mail about a topic."""

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from accounts import rules
from accounts.services import notices
from core.clock import now


class Command(BaseCommand):
    """Queues one mail for each account that wants it; workers send them."""

    help = "Queue a mail to every account that wants mail about a topic, with a one-click way out."

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the arguments."""
        parser.add_argument("--topic", choices=rules.MAIL_TOPICS, required=True)
        parser.add_argument("--title", required=True)
        parser.add_argument("--text", required=True)
        parser.add_argument("--language", required=True, help="whose account language this is: en")

    def handle(self, *args: Any, **options: Any) -> None:
        """Say how many were queued."""
        queued = notices.tell_all(
            topic=options["topic"],
            title=options["title"],
            text=options["text"],
            language=options["language"],
            now=now(),
        )
        self.stdout.write(f"{queued} mails are on their way.")
