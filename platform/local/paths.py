"""Where the local platform keeps what it makes."""

import hashlib
import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
"""The checkout."""

STATE = Path(os.environ.get("LOCAL_DIR") or ROOT / ".local").resolve()
"""Everything `make run` writes; `make clean` removes it. LOCAL_DIR moves it."""

ENV_FILE = STATE / "env"
"""Settings of the running platform, read by manage.py; exists only while it runs."""


def checkout_id() -> str:
    """Name this state folder in places that several checkouts share."""
    return hashlib.sha256(str(STATE).encode()).hexdigest()[:12]
