"""`manage.py holdings ACCOUNT`: what every table holds about a person, and why what is kept is kept."""

from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts import holdings
from accounts.models import AccountDeletion, User


class Command(BaseCommand):
    """For answering a person's question, and an auditor's."""

    help = "Count the rows about an account, table by table; after an erasure, also what was erased and when."

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the arguments."""
        parser.add_argument("account", help="an address, or the account's id")

    def handle(self, *args: Any, **options: Any) -> None:
        """Print the table."""
        account = self._account(options["account"])
        for holding in holdings.about(holdings.person(account.pk)):
            fate = f"kept: {holding.fate}" if holding.fate else "erased with the account"
            self.stdout.write(f"{holding.rows:>8}  {holding.model:<34} {fate}")
        for deletion in AccountDeletion.objects.filter(account=account, erased_at__isnull=False):
            self.stdout.write(f"\nErased at {deletion.erased_at:%Y-%m-%d %H:%M:%S} UTC:\n")
            for step in deletion.steps.order_by("pk"):
                for model, rows in sorted(step.rows.items()):
                    self.stdout.write(f"{rows:>8}  {model:<34} by {step.contributor}")

    @staticmethod
    def _account(given: str) -> User:
        try:
            found = User.objects.filter(pk=UUID(given)).first()
        except ValueError:
            found = User.objects.for_email(given).first()
        if found is None:
            raise CommandError(f"There is no account {given!r}.")
        return found
