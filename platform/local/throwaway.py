"""PostgreSQL and Valkey for one run of tests or checks, gone afterwards.

Each run has its own servers on free ports, so runs do not meet each other nor the data of
`make run`. A run that was killed leaves its folder unlocked; the next run removes it.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import socket
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from local import video
from local.postgres import Cluster, claim_home
from local.valkey import Valkey

PREFIX = "throwaway-"

# Nothing here must survive a crash, so nothing waits for the disk.
FAST = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "shared_buffers": "256MB",
    "max_wal_size": "4GB",
    "max_connections": "200",
    "autovacuum_naptime": "5s",
}

SETTINGS = {
    "DEPLOYMENT": "test",
    "DATABASE_URL": "",
    "REDIS_URL": "",
    "MEDIA_ROOT": "",
    "PRIVATE_ROOT": "",
    "PACKAGES_ROOT": "",
    "VIDEO_PRESET": "ultrafast",
    "SECRET_KEY": "only-for-throwaway-servers-0123456789-abcdefghijklmnop",
    "PUBLIC_URL": "http://testserver",
    "DEFAULT_COUNTRY": "US",
    "ALLOWED_HOSTS": "testserver,localhost,127.0.0.1",
    "EMAIL_URL": "memorymail://",
    "STRIPE_SECRET_KEY": "sk_test_throwaway",
    "STRIPE_PUBLISHABLE_KEY": "pk_test_throwaway",
    "STRIPE_WEBHOOK_SECRET": "whsec_throwaway",
    # Nobody listens there: a test that needs Stripe starts a stand-in and names it.
    "STRIPE_API_BASE": "http://127.0.0.1:9",
}
"""A platform in test deployment; the empty ones are each run's own."""


@contextmanager
def servers(**postgres_options: str) -> Iterator[dict[str, str]]:
    """Yield the settings of a platform in test deployment on fresh servers."""
    with ExitStack() as stack:
        folder = stack.enter_context(_claimed_folder())
        postgres = Cluster(claim_home(folder.name, beside=folder), free_port(), FAST | postgres_options)
        stack.callback(postgres.remove)
        valkey = Valkey(folder / "valkey", free_port(), {"save": "", "databases": "256"})
        stack.callback(valkey.stop)
        postgres.start()
        valkey.start()
        yield SETTINGS | {
            "DATABASE_URL": postgres.url("postgres"),
            "REDIS_URL": valkey.url,
            "MEDIA_ROOT": str(folder / "media"),
            "PRIVATE_ROOT": str(folder / "private"),
            "PACKAGES_ROOT": str(folder / "packages"),
            **video.programs(),
        }


def free_port() -> int:
    """Answer a port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def _claimed_folder() -> Iterator[Path]:
    parent = Path(tempfile.gettempdir()) / f"streaming-platform-{os.getuid()}"
    parent.mkdir(mode=0o700, exist_ok=True)
    _remove_abandoned(parent)
    folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=parent))
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def _remove_abandoned(parent: Path) -> None:
    for folder in parent.glob(f"{PREFIX}*"):
        try:
            with (folder / "lock").open() as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                Valkey(folder / "valkey", 0).stop()
                Cluster(claim_home(folder.name, beside=folder), 0).remove()
                shutil.rmtree(folder, ignore_errors=True)
        except (FileNotFoundError, BlockingIOError):
            # Just being made, or in use.
            continue
