"""Processes of their own that work on the test's database and broker."""

from __future__ import annotations

import os
from pathlib import Path

from django.conf import settings

ROOT = Path(__file__).resolve().parents[3]


def environment() -> dict[str, str]:
    """Answer the environment of such a process."""
    address = "postgresql://{USER}:{PASSWORD}@{HOST}:{PORT}/{NAME}".format_map(settings.DATABASES["default"])
    return os.environ | {
        "DATABASE_URL": address,
        "REDIS_URL": settings.REDIS_URL,
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "platform")]),
    }
