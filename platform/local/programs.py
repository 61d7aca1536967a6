"""The programs of the local platform, and what must be done before they start."""

from __future__ import annotations

import os
import subprocess
import sys

import psycopg

from local import paths
from local.environment import Ports

QUEUES = "default,billing,ingest,mail,outbox"


class DatabaseUnusable(Exception):
    """The database cannot be reached; the message says why in one sentence."""


def command_lines(ports: Ports, settings: dict[str, str]) -> dict[str, list[str]]:
    """Answer each program's name in the log with its command line."""
    python = [sys.executable, "-m"]
    celery = [*python, "celery", "--quiet", "--app", "config"]
    commands = {
        "inbox": [*python, "local.inbox", "--port", f"{ports.inbox}", "--smtp-port", f"{ports.smtp}"],
        "web": [*python, "gunicorn", "--bind", f"127.0.0.1:{ports.web}"],
        "worker": [*celery, "worker", "--loglevel", "INFO", "--concurrency", "2", "--queues", QUEUES],
        "beat": [*celery, "beat", "--loglevel", "WARNING", "--schedule", str(paths.STATE / "celerybeat-schedule")],
        "demo": [sys.executable, "manage.py", "demo"],
    }
    if "STRIPE_API_BASE" in settings:
        webhook = f"http://127.0.0.1:{ports.web}/webhooks/stripe"
        commands["stripe"] = [
            *python, "local.standin", "--port", f"{ports.stripe}", "--state", str(paths.STATE / "stripe.sqlite3"),
            "--webhook-url", webhook, "--webhook-secret", settings["STRIPE_WEBHOOK_SECRET"],
        ]  # fmt: skip
    return commands


def prepare_database(settings: dict[str, str]) -> None:
    """Check that the database answers, then migrate it and collect static files."""
    try:
        psycopg.connect(settings["DATABASE_URL"], connect_timeout=5).close()
    except psycopg.Error as error:
        reason = " ".join(str(error).split())
        raise DatabaseUnusable(f"The database at DATABASE_URL cannot be used: {reason}") from error
    print("Migrating the database ...", flush=True)
    _manage(settings, "migrate", "--verbosity", "0")
    _manage(settings, "sync_staff_groups", "--verbosity", "0")
    _manage(settings, "collectstatic", "--verbosity", "0", "--no-input")


def _manage(settings: dict[str, str], *arguments: str) -> None:
    command = [sys.executable, "manage.py", *arguments]
    done = subprocess.run(command, env={**os.environ, **settings}, cwd=paths.ROOT, check=False)
    if done.returncode:
        raise SystemExit(done.returncode)
