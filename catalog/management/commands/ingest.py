"""Ingests a delivery: `manage.py ingest PATH --provider NAME --format FORMAT`."""

from __future__ import annotations

import math
import sys
import time
from argparse import ArgumentParser
from pathlib import Path
from typing import Any, BinaryIO
from uuid import UUID

from django.core.files.base import File
from django.core.management.base import BaseCommand, CommandError

from catalog import reports
from catalog.ingestion.formats import READERS
from catalog.models import IngestRun
from catalog.selectors import ingest as selectors
from catalog.services import ingestion
from catalog.tasks import run_ingest
from core import clock
from core.errors import DomainError
from core.sweeping import is_outage

SHOWN = 20
# Seconds after which a run that no worker has begun looks like one that none will begin.
PATIENCE = 15


class Command(BaseCommand):
    help = "Ingest a provider's delivery, by a worker or here. Exit status: 0 all well, 1 records rejected, 2 not read."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("path", type=Path)
        parser.add_argument("--provider", required=True, metavar="NAME", help="who delivers; made if new")
        parser.add_argument("--format", required=True, choices=list(READERS))
        parser.add_argument("--dry-run", action="store_true", help="report what would happen, and change nothing")
        parser.add_argument("--reprocess", action="store_true", help="write what has not changed, too")
        kind = parser.add_mutually_exclusive_group()
        kind.add_argument(
            "--full", dest="delivery", action="store_const", const="full", help="what is missing is retired"
        )
        kind.add_argument("--partial", dest="delivery", action="store_const", const="partial", help="... is left alone")
        parser.add_argument("--direct", action="store_true", help="read it in this process, not by a worker")
        parser.add_argument("--report", type=Path, metavar="FILE", help="write all problems to FILE.csv or FILE.json")

    def handle(self, *args: Any, **options: Any) -> None:
        path, report = options["path"], options["report"]
        if report and report.suffix not in {".csv", ".json"}:
            raise CommandError(f"{report} must end in .csv or .json.", returncode=2)
        try:
            with path.open("rb") as stream:
                run = self._ingest(stream, options)
        except OSError as error:
            raise CommandError(f"{path} cannot be read: {error.strerror}.", returncode=2) from error
        except DomainError as error:
            raise CommandError(str(error), returncode=2) from error
        except Exception as error:
            if not is_outage(error):
                raise
            after = "ingest the file again." if options["direct"] else "the run goes on by itself once it is back."
            raise CommandError(f"The database is lost: {after}", returncode=2) from error
        self._print(run)
        if report:
            rows = selectors.problem_rows(run.pk)
            lines = (
                reports.as_json(rows) if report.suffix == ".json" else reports.as_csv(selectors.PROBLEM_COLUMNS, rows)
            )
            with report.open("w", newline="", encoding="utf-8") as file:
                file.writelines(lines)
            print(f"All {run.problem_count:,} problems are in {report}.")
        if run.state == IngestRun.State.FAILED:
            raise CommandError(run.failure, returncode=2)
        if run.rejected:
            sys.exit(1)

    def _ingest(self, stream: BinaryIO, options: dict[str, Any]) -> IngestRun:
        provider, new = ingestion.provider_named(name=options["provider"])
        if new:
            print(
                f"{provider.name} is a new provider: its titles stay drafts without a licence until its policy,"
                " in the admin, says otherwise."
            )
        run = ingestion.open_run(
            provider=provider,
            format=options["format"],
            source_name=options["path"].name,
            by="command",
            now=clock.now(),
            content=None if options["direct"] else File(stream),
            delivery=options["delivery"] or "",
            dry_run=options["dry_run"],
            reprocess=options["reprocess"],
        )
        if options["direct"]:
            # Without stored bytes nobody could begin the run again: refused now, or done now.
            ingestion.execute(run_id=run.pk, open_delivery=lambda _: stream, clock=clock.now)
        else:
            run_ingest.delay(run_id=str(run.pk))
            self._follow(run.pk)
        return selectors.run_by_id(run.pk)

    def _follow(self, run_id: UUID) -> None:
        """Show how far a worker is, until it has ended. Ctrl-C ends the showing, not the run."""
        print(f"Run {run_id} is queued for a worker; Ctrl-C stops watching, not the run.")
        shown, since = 0, time.monotonic()
        while (run := selectors.run_by_id(run_id)).state in {IngestRun.State.QUEUED, IngestRun.State.RUNNING}:
            if run.read != shown:
                shown = run.read
                print(f"{run.read:,} read, {run.created + run.updated:,} written ...")
            if run.state == IngestRun.State.QUEUED and time.monotonic() > since + PATIENCE:
                print("No worker has begun it: is one running? --direct reads it in this process.")
                since = math.inf
            time.sleep(0.5)

    def _print(self, run: IngestRun) -> None:
        seconds = (run.finished_at - run.started_at).total_seconds() if run.finished_at and run.started_at else 0
        dry = " (dry run: nothing was changed)" if run.dry_run else ""
        print(
            f"\n{run.source_name} of {run.provider.name}, {run.delivery or 'partial'} delivery, {seconds:.1f} s{dry}\n"
        )
        for name in ("read", "created", "updated", "unchanged", "rejected", "retired"):
            print(f"  {name:<10}{getattr(run, name):>10,}")
        if run.absent:
            print(f"  {'absent':<10}{run.absent:>10,}  retired, because the full delivery does not name them")
        if not run.problem_count:
            return
        print(f"\n{run.problem_count:,} problems:\n")
        for severity, code, field, number in selectors.problem_summary(run.pk):
            print(f"  {severity:<9}{number:>7,}  {code:<22} {field}")
        serious = selectors.problems_of(run.pk).exclude(severity="info")[:SHOWN]
        print(f"\nThe first {len(serious)} that need attention:\n")
        for problem in serious:
            print(f"  line {problem.row_number:<6} {problem.external_id:<12} {problem.field}: {problem.message}")
        print()
