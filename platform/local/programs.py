"""The programs of the local platform, and what must be done before they start."""

from __future__ import annotations

import os
import subprocess
import sys

import psycopg

from local import paths

PROGRAMS = {
    "stripe": "{python} -m local.stripe_standin --port {ports.stripe} --state .local/stripe.sqlite3",
    "inbox": "{python} -m local.inbox --port {ports.inbox} --smtp-port {ports.smtp}",
    "web": "{python} -m gunicorn --bind 127.0.0.1:{ports.web} config.wsgi",
    "worker": "{python} -m celery --app config worker --loglevel INFO --concurrency 2",
    "beat": "{python} -m celery --app config beat --loglevel WARNING",
    "demo": "{python} -m local demo",
}


class DatabaseUnusable(Exception):
    """The database cannot be reached or migrated; the message says why in one sentence."""


def prepare_database(settings: dict[str, str]) -> None:
    """Check that the database answers, then migrate it and collect static files."""
    try:
        psycopg.connect(settings["DATABASE_URL"], connect_timeout=5).close()
    except psycopg.Error as error:
        reason = " ".join(str(error).split())
        raise DatabaseUnusable(f"The database at DATABASE_URL cannot be used: {reason}") from error
    print("Migrating the database ...", flush=True)
    manage(settings, "migrate", "--verbosity", "0")
    manage(settings, "collectstatic", "--verbosity", "0", "--no-input")


def manage(settings: dict[str, str], *arguments: str) -> None:
    """Run a management command in a process of its own."""
    done = subprocess.run(
        [sys.executable, paths.ROOT / "manage.py", *arguments],
        env={**os.environ, **settings},
        cwd=paths.ROOT,
        check=False,
    )
    if done.returncode:
        raise SystemExit(done.returncode)
