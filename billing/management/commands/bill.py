"""`manage.py bill`: bill what is due, or show what would be."""

from __future__ import annotations

from argparse import ArgumentParser
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from billing import rules, stripe_gateway
from billing.services import renewals
from billing.services.renewals import CatchUp, Handled
from core import clock
from core.money import Money

LIMIT = 1_000_000
SHOWN = 200


class Command(BaseCommand):
    """Bill subscriptions that are due at a time, once, and show each with what became of it."""

    help = "Bill the subscriptions that are due, each once. A second run finds nothing more to bill."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take the date and whether to charge."""
        parser.add_argument(
            "--as-of",
            metavar="DATE",
            help="bill what is due by the end of this day in UTC (2026-12-21), or by an instant "
            "(2026-12-21T10:00+00:00); now, if not given",
        )
        parser.add_argument("--dry-run", action="store_true", help="show what is due and change nothing")
        parser.add_argument(
            "--catch-up",
            action="store_true",
            help="show period by period what will be billed, forgiven and re-anchored after an outage; changes nothing",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Bill, or show."""
        present = clock.now()
        at = _instant(options["as_of"]) if options["as_of"] else present
        if options["catch_up"]:
            self._show_catch_up(renewals.catch_up_report(now=at, limit=LIMIT))
            self.stdout.write("Nothing was changed.")
            return
        if options["dry_run"]:
            self._show(renewals.preview(now=at, limit=LIMIT))
            self.stdout.write("Nothing was changed.")
            return
        if at > present and not stripe_gateway.is_standin():
            raise CommandError(
                f"{options['as_of']} is in the future, and the gateway is Stripe itself: charging before the due date "
                "is refused. Look with --dry-run, or point STRIPE_API_BASE at the stand-in."
            )
        if at < present and not stripe_gateway.is_standin():
            # Leases and keys would be born old, and a sweep beside us would take them for lost.
            raise CommandError(
                f"{options['as_of']} is in the past, and the gateway is Stripe itself: what is due is billed as of "
                "now. Leave --as-of away, or look with --dry-run."
            )
        self._show(renewals.run(gateway=stripe_gateway.connect(), clock=lambda: at, limit=LIMIT))

    def _show(self, handled: Sequence[Handled]) -> None:
        if not handled:
            self.stdout.write("Nothing is due.")
            return
        rows = [("subscription", "period", "amount", "outcome"), *(_row(each) for each in handled[:SHOWN])]
        widths = [max(len(row[column]) for row in rows) for column in range(4)]
        for row in rows:
            self.stdout.write("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
        if len(handled) > SHOWN:
            self.stdout.write(f"... and {len(handled) - SHOWN} more")
        outcomes = Counter(each.outcome for each in handled)
        self.stdout.write(
            f"{len(handled)} due: " + ", ".join(f"{count} {outcome}" for outcome, count in sorted(outcomes.items()))
        )

    def _show_catch_up(self, report: Sequence[CatchUp]) -> None:
        for each in report[:SHOWN]:
            what = f"{each.subscription_id}  {each.action.value:<9}  {each.start:%Y-%m-%d} to {each.end:%Y-%m-%d}"
            charge = f"  {Money(each.amount, each.currency)} on {each.charged_at:%Y-%m-%d}" if each.charged_at else ""
            self.stdout.write(what + charge)
        if len(report) > SHOWN:
            self.stdout.write(f"... and {len(report) - SHOWN} more")
        counts = Counter(each.action for each in report)
        self.stdout.write(", ".join(f"{action.value} {counts[action]}" for action in rules.CatchUp))


def _instant(text: str) -> datetime:
    try:
        if len(text) == len("2026-12-21"):
            following = date.fromisoformat(text) + timedelta(days=1)
            return datetime.combine(following, time.min, UTC) - timedelta(microseconds=1)
        instant = datetime.fromisoformat(text)
    except (ValueError, OverflowError) as error:
        raise CommandError(f"--as-of is {text!r}; give a date such as 2026-12-21.") from error
    if instant.tzinfo is None:
        raise CommandError(f"--as-of is {text!r}, which names no time zone; write 2026-12-21T10:00+00:00.")
    return instant.astimezone(UTC)


def _row(handled: Handled) -> tuple[str, str, str, str]:
    period = f"{handled.period_start:%Y-%m-%d} to {handled.period_end:%Y-%m-%d}" if handled.period_end else ""
    amount = str(Money(handled.amount, handled.currency)) if handled.amount else ""
    outcome = f"{handled.outcome} ({handled.reason})" if handled.reason else handled.outcome
    return str(handled.subscription_id), period, amount, outcome
