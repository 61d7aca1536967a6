"""`python -m local COMMAND`: what the Makefile calls."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys


def main() -> int:
    """Run one command; answers the exit status."""
    parser = argparse.ArgumentParser(prog="python -m local")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("run", help="bring the whole platform up, and down on Ctrl-C")
    commands.add_parser("stop", help="end a running platform, or what a killed one left")
    commands.add_parser("clean", help="stop, and delete all local data")
    commands.add_parser("journey", help="walk through the running platform over HTTP")
    within = commands.add_parser("with-servers", help="run a command beside a fresh PostgreSQL and Valkey")
    within.add_argument("arguments", nargs=argparse.REMAINDER)
    options = parser.parse_args()
    if options.command == "with-servers":
        return _run_with_servers(options.arguments)
    if options.command == "journey":
        from local import journey

        return journey.run()
    return _control_platform(options.command)


def _run_with_servers(arguments: list[str]) -> int:
    from local.throwaway import servers

    with servers() as settings:
        return subprocess.run(arguments, env={**os.environ, **settings}, check=False).returncode


def _control_platform(command: str) -> int:
    from local import programs, supervisor
    from local.postgres import PostgresFailed
    from local.valkey import ValkeyFailed

    try:
        if command == "run":
            return supervisor.run()
        supervisor.stop() if command == "stop" else supervisor.clean()
    except (supervisor.CannotStart, programs.DatabaseUnusable, PostgresFailed, ValkeyFailed) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
