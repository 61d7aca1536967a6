"""`manage.py simulate`: months of billing against the stand-in, and whether every invariant held."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import time
from argparse import ArgumentParser
from contextlib import closing
from typing import Any

import httpx
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import connection

from local import paths
from local.simulation.invariants import EXAMPLES
from local.simulation.run import Simulation
from local.standin.control import Control
from local.throwaway import free_port


class Command(BaseCommand):
    """In a database of its own, dropped afterwards; with a stand-in of its own, so that no money moves."""

    help = "Live through months of billing with the real services, and check every invariant."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take the size of the world, and its chance."""
        parser.add_argument("--accounts", type=int, default=100)
        parser.add_argument("--months", type=int, default=6)
        parser.add_argument("--seed", type=int, default=7)

    def handle(self, *args: Any, **options: Any) -> None:
        """Run, check, tell; the last line is `violations N`."""
        if settings.PRODUCTION:
            raise CommandError("This makes and drops a database, and never runs in production.")
        # What is made to go wrong would fill the log.
        logging.disable(logging.ERROR)
        began = time.monotonic()
        port = free_port()
        settings.STRIPE_API_BASE = f"http://127.0.0.1:{port}"
        # Nobody limits us there, and months pass in minutes.
        settings.STRIPE_REQUESTS_PER_SECOND = settings.STRIPE_CHARGES_PER_SECOND = 100_000.0
        command = [sys.executable, "-m", "local.standin", "--port", str(port)]
        command += ["--secret-key", settings.STRIPE_SECRET_KEY, "--publishable-key", settings.STRIPE_PUBLISHABLE_KEY]
        with subprocess.Popen(command, cwd=paths.ROOT, env=os.environ | {"PYTHONPATH": "platform"}) as standin:
            try:
                broken = self._simulate(settings.STRIPE_API_BASE, options)
            finally:
                standin.terminate()
        self.stdout.write(f"minutes {(time.monotonic() - began) / 60:.1f}")
        self.stdout.write(f"violations {broken}")
        if broken:
            sys.exit(1)

    def _simulate(self, address: str, options: dict[str, Any]) -> int:
        self._await(address)
        name = connection.settings_dict["NAME"]
        connection.creation.create_test_db(verbosity=0, autoclobber=True, serialize=False)
        try:
            with closing(Control(address)) as control:
                return self._run(control, options)
        finally:
            connection.creation.destroy_test_db(name, verbosity=0)

    def _run(self, control: Control, options: dict[str, Any]) -> int:
        accounts, months, seed = options["accounts"], options["months"], options["seed"]
        with closing(Simulation(control, accounts=accounts, months=months, seed=seed)) as simulation:
            simulation.run(tell=self.stderr.write)
            for what, count in simulation.figures().items():
                self.stdout.write(f"{what:<60} {count:>9,}")
            findings = simulation.findings()
            self.stdout.write(f"\n{'rule':<5} {'invariant':<60} {'checked':>9} {'broken':>7}")
            for finding in findings:
                self.stdout.write(
                    f"{finding.section:<5} {finding.name:<60} {finding.checked:>9,} {len(finding.broken):>7,}"
                )
                for example in finding.broken[:EXAMPLES]:
                    self.stdout.write(f"      {example}")
            return sum(len(finding.broken) for finding in findings)

    def _await(self, address: str) -> None:
        until = time.monotonic() + 20
        while time.monotonic() < until:
            try:
                httpx.get(f"{address}/_control/clock", trust_env=False)
            except httpx.TransportError:
                time.sleep(0.05)
            else:
                return
        raise CommandError("The stand-in did not start.")
