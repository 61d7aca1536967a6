"""`manage.py export_books`: the books as CSV on standard output."""

from __future__ import annotations

from argparse import ArgumentParser
from datetime import date
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from billing.selectors import exports


class Command(BaseCommand):
    """Write one of the books as CSV."""

    help = "Write the journal, tax, deferred revenue or payouts as CSV."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take what, and the days."""
        parser.add_argument("what", choices=sorted(exports.EXPORTS))
        parser.add_argument("--from", dest="begins", type=date.fromisoformat, required=True, help="first day, UTC")
        parser.add_argument("--until", dest="ends", type=date.fromisoformat, required=True, help="last day, UTC")

    def handle(self, *args: Any, **options: Any) -> None:
        """Write it."""
        try:
            rows = exports.rows(options["what"], begins=options["begins"], ends=options["ends"])
        except ValueError as error:
            raise CommandError(str(error)) from error
        for line in exports.as_csv(rows):
            self.stdout.write(line, ending="")
