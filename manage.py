#!/usr/bin/env python
"""Django's command line. Beside a running `make run` it speaks to that platform."""

import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent


def main() -> None:
    """Run a management command."""
    sys.path.insert(0, str(ROOT / "platform"))
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

    import environ
    from django.core.exceptions import ImproperlyConfigured
    from django.core.management import execute_from_command_line

    local = Path(os.environ.get("LOCAL_DIR") or ROOT / ".local") / "env"
    if local.exists():
        environ.Env.read_env(local)
    try:
        execute_from_command_line(sys.argv)
    except ImproperlyConfigured as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
