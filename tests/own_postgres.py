"""A PostgreSQL of a test's own, which it may stop and start."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from os import environ
from pathlib import Path
from urllib.parse import urlparse
from uuid import uuid4

from django.db import connection, connections
from django.db.backends.postgresql.base import DatabaseWrapper

from local.postgres import Cluster, binaries, claim_home
from local.throwaway import free_port


@contextmanager
def own_postgres(folder: Path) -> Iterator[Cluster]:
    """Move this test to a server of its own, with all there is in the database of the others."""
    cluster = Cluster(claim_home(f"throwaway-restarted-{uuid4().hex[:8]}", beside=folder), free_port())
    here = connection.settings_dict
    shared = urlparse(environ["DATABASE_URL"])._replace(path=f"/{here['NAME']}")
    before = {name: here[name] for name in ("NAME", "USER", "PASSWORD", "HOST", "PORT")}
    try:
        cluster.start()
        own = urlparse(cluster.url("postgres"))
        dump, restore = binaries() / "pg_dump", binaries() / "psql"
        dumped = subprocess.run([dump, shared.geturl()], check=True, capture_output=True, text=True)
        subprocess.run(
            [restore, "--quiet", "--set", "ON_ERROR_STOP=1", own.geturl()],
            input=dumped.stdout,
            check=True,
            capture_output=True,
            text=True,
        )
        disconnect()
        here.update(NAME="postgres", USER=own.username, PASSWORD=own.password, HOST=own.hostname, PORT=own.port)
        yield cluster
    finally:
        disconnect()
        here.update(before)
        cluster.remove()


def disconnect() -> None:
    wrapper = connections["default"]
    assert isinstance(wrapper, DatabaseWrapper)
    wrapper.close()
    wrapper.close_pool()
