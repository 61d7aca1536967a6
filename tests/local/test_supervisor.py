"""What a person meets who starts and stops the platform."""

import os
import signal
import socket

import pytest

from tests.platform_run import PlatformRun

# One after the other, on one worker: each start loads both cores.
pytestmark = pytest.mark.xdist_group("platform")


class TestRun:
    def test_survives_a_killed_supervisor_keeps_its_data_and_leaves_nothing(self, platform_run: PlatformRun) -> None:
        platform_run.start()
        assert platform_run.health() == 200
        again = platform_run.command("run")
        assert (again.returncode, again.stderr) == (1, "The platform is already running here; `make stop` ends it.\n")

        # Whoever tries the platform signs up with an address of their own.
        made = platform_run.manage("createsuperuser", "--noinput", "--email", "somebody@example.com")
        assert made.returncode == 0, made.stderr

        os.kill(platform_run.process.pid, signal.SIGKILL)
        platform_run.process.wait()
        platform_run.start()
        assert platform_run.health() == 200
        assert "Seeding" not in platform_run.log.read_text()

        assert platform_run.interrupt() == 0
        assert platform_run.survivors() == []
        assert platform_run.command("stop").stdout == "Nothing was running.\n"

    def test_says_which_port_is_taken(self, platform_run: PlatformRun) -> None:
        with socket.create_server(("127.0.0.1", platform_run.port + 1)):
            refused = platform_run.command("run")
        assert refused.returncode == 1
        assert refused.stderr == (
            f"Port {platform_run.port + 1} (inbox) is taken by another program; "
            "choose others with e.g. PORT=9000 make run.\n"
        )
        assert platform_run.survivors() == []

    def test_says_what_is_wrong_with_a_port(self, platform_run: PlatformRun) -> None:
        refused = platform_run.command("run", PORT="eighty")
        assert (refused.returncode, refused.stderr) == (1, "PORT is 'eighty'; give a number from 1024 to 65530.\n")

    def test_says_in_one_sentence_that_the_database_cannot_be_used(self, platform_run: PlatformRun) -> None:
        refused = platform_run.command("run", DATABASE_URL="postgresql://me@127.0.0.1:9/none")
        assert refused.returncode == 1
        assert refused.stderr.startswith("The database at DATABASE_URL cannot be used: connection failed:")
        assert refused.stderr.count("\n") == 1
        assert platform_run.survivors() == []
