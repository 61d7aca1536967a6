"""`manage.py set_up_second_factor EMAIL`: let a member of staff into an admin that requires one."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.services import staff
from core.clock import now
from core.errors import DomainError


class Command(BaseCommand):
    """Shows a secret: run it beside the person it is for."""

    help = "Give a member of staff an authenticator secret and recovery codes, shown once."

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the arguments."""
        parser.add_argument("email")
        parser.add_argument("--replace", action="store_true", help="forget the present one, which is lost")

    def handle(self, *args: Any, **options: Any) -> None:
        """Print what the person must keep."""
        try:
            factor = staff.set_up_second_factor(email=options["email"], replace=options["replace"], now=now())
        except DomainError as error:
            raise CommandError(error.detail) from error
        self.stdout.write(f"Add this to the authenticator app:\n\n  {factor.url}\n\nRecovery codes, each good once:\n")
        for code in factor.recovery_codes:
            self.stdout.write(f"  {code}")
