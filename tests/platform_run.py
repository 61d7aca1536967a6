"""`make run` in a folder and on ports of its own, as a person would start it."""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import psutil
import psycopg

from local import paths
from local.throwaway import SETTINGS

READY_WITHIN = 240  # seconds: two loaded cores draw the demo's artwork


@dataclass
class PlatformRun:
    """A platform under its own supervisor, with its log."""

    state: Path
    port: int
    supervisors: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def process(self) -> subprocess.Popen[bytes]:
        """The supervisor that was started last."""
        return self.supervisors[-1]

    @property
    def environment(self) -> dict[str, str]:
        """What a person's shell has: none of the settings that tests run with."""
        own = {name: value for name, value in os.environ.items() if name not in SETTINGS}
        return own | {"LOCAL_DIR": str(self.state), "PORT": str(self.port), "PYTHONPATH": "platform"}

    def command(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run `python -m local ...` to its end."""
        return subprocess.run(
            [sys.executable, "-m", "local", *arguments],
            cwd=paths.ROOT,
            env=self.environment | environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=READY_WITHIN,
        )

    def manage(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a management command beside the running platform."""
        return subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=paths.ROOT,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=READY_WITHIN,
        )

    def sql(self, query: str) -> str:
        """Ask the platform's database for one value."""
        settings = dict(line.split("=", 1) for line in (self.state / "env").read_text().splitlines())
        with psycopg.connect(settings["DATABASE_URL"]) as connection:
            row = connection.execute(query).fetchone()
            assert row
            return str(row[0])

    def start(self) -> None:
        """Start it and wait for the addresses that it prints when everything is up."""
        self.log = self.state.with_suffix(".log")
        with self.log.open("w") as log:
            self.supervisors.append(
                subprocess.Popen(
                    [sys.executable, "-m", "local", "run"],
                    cwd=paths.ROOT,
                    env=self.environment,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
            )
        until = time.monotonic() + READY_WITHIN
        while "Sign in" not in self.log.read_text():
            if self.process.poll() is not None or time.monotonic() > until:
                raise AssertionError(f"The platform did not come up:\n{self.log.read_text()[-6000:]}")
            time.sleep(0.2)

    def interrupt(self) -> int:
        """Press Ctrl-C and answer the exit status."""
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(60)

    def clean(self) -> None:
        """End it, and delete what it kept."""
        self.command("clean")
        for supervisor in self.supervisors:
            supervisor.wait(60)

    def health(self) -> int:
        """Answer the HTTP status of the readiness check."""
        return httpx.get(f"{self.url}/health/ready").status_code

    def survivors(self) -> list[str]:
        """Answer the command lines of processes that still belong to this run."""
        found = []
        for process in psutil.process_iter():
            try:
                line = " ".join(process.cmdline())
                if str(self.state) in line or process.environ().get("LOCAL_DIR") == str(self.state):
                    found.append(line)
            except psutil.Error:
                continue
        return found


def claim_ports() -> int:
    """Answer the first of six neighbouring free ports, below those that systems give to whoever asks for any."""
    while True:
        port = random.randrange(20_000, 32_000)
        if all(is_free(port + step) for step in range(6)):
            return port


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        # Before it is listened on, or after, a port may be taken all the same.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
