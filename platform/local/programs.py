"""The programs of the local platform, and what must be done before they start."""

from __future__ import annotations

import os
import subprocess
import sys

import psycopg
from django.core.exceptions import ImproperlyConfigured

from config.environment import postgresql
from local import paths
from local.environment import Ports

QUEUES = "default,billing,ingest,mail,outbox,artwork"
"""All but that of films, which have a worker of their own: a film takes hours."""


class DatabaseUnusable(Exception):
    """The database cannot be reached; the message says why in one sentence."""


def command_lines(ports: Ports, settings: dict[str, str]) -> dict[str, list[str]]:
    """Answer each program's name in the log with its command line."""
    python = [sys.executable, "-m"]
    # As root, each worker would fill the log with what is meant for servers.
    celery = [sys.executable, "-W", "ignore:You're running the worker", "-m", "celery", "--quiet", "--app", "config"]
    commands = {
        "inbox": [*python, "local.inbox", "--port", f"{ports.inbox}", "--smtp-port", f"{ports.smtp}"],
        "web": [*python, "gunicorn", "--bind", f"127.0.0.1:{ports.web}"],
        "worker": [*celery, "worker", "--loglevel", "INFO", "--concurrency", "2", "--queues", QUEUES],
        "media": [
            *celery,
            "worker",
            "--loglevel",
            "INFO",
            "--concurrency",
            "1",
            "--queues",
            "media",
            "--hostname",
            "media@%h",
        ],
        "beat": [*celery, "beat", "--loglevel", "WARNING", "--schedule", str(paths.STATE / "celerybeat-schedule")],
        "demo": [sys.executable, "manage.py", "demo"],
    }
    if "STRIPE_API_BASE" in settings:
        webhook = f"http://127.0.0.1:{ports.web}/webhooks/stripe"
        commands["stripe"] = [
            *python, "local.standin", "--port", f"{ports.stripe}", "--state", str(paths.STATE / "stripe.sqlite3"),
            "--webhook-url", webhook,
        ]  # fmt: skip
    return commands


def prepare_database(settings: dict[str, str]) -> None:
    """Check that the database answers, then migrate it and collect static files."""
    try:
        # Refuses what is no address, without repeating it: it may hold a password.
        postgresql(settings["DATABASE_URL"])
        with psycopg.connect(settings["DATABASE_URL"], connect_timeout=5) as connection:
            # In the embedded database, every account was made to try the platform.
            theirs = bool(os.environ.get("DATABASE_URL"))
            if theirs and "STRIPE_API_BASE" in settings and _holds_real_accounts(connection):
                raise DatabaseUnusable(
                    "The database at DATABASE_URL holds accounts that the demo did not make: "
                    "set STRIPE_SECRET_KEY, or they would be billed at the stand-in, where no money moves."
                )
    except ImproperlyConfigured as error:
        raise DatabaseUnusable(str(error)) from error
    except psycopg.Error as error:
        reason = " ".join(str(error).split())
        raise DatabaseUnusable(f"The database at DATABASE_URL cannot be used: {reason}") from error
    print("Migrating the database ...", flush=True)
    _manage(settings, "migrate", "--verbosity", "0")
    _manage(settings, "sync_staff_groups", "--verbosity", "0")
    _manage(settings, "collectstatic", "--verbosity", "0", "--no-input")


def _holds_real_accounts(connection: psycopg.Connection[tuple[bool]]) -> bool:
    found = connection.execute("SELECT to_regclass('accounts_user') IS NOT NULL").fetchone()
    if not found or not found[0]:
        return False
    others = connection.execute(
        "SELECT EXISTS (SELECT FROM accounts_user WHERE email NOT LIKE '%@demo.test')"
    ).fetchone()
    return bool(others and others[0])


def _manage(settings: dict[str, str], *arguments: str) -> None:
    command = [sys.executable, "manage.py", *arguments]
    done = subprocess.run(command, env={**os.environ, **settings}, cwd=paths.ROOT, check=False)
    if done.returncode:
        raise SystemExit(done.returncode)
