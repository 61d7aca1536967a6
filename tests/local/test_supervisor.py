"""What a person meets who starts and stops the platform."""

import os
import shutil
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from local import paths, supervisor
from local.environment import Ports
from local.postgres import SHARED, Cluster
from local.throwaway import free_port
from local.valkey import Valkey
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

    @pytest.mark.skipif(os.geteuid() != 0, reason="it lies in a folder of its own")
    def test_says_in_one_sentence_that_the_folder_of_its_database_is_not_its_own(
        self, platform_run: PlatformRun, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(paths, "STATE", platform_run.state)
        home = SHARED / f"streaming-platform-{paths.checkout_id()}"
        home.mkdir()
        try:
            refused = platform_run.command("run")
        finally:
            home.rmdir()
        assert refused.returncode == 1
        assert refused.stderr == f"{home} is not ours: remove it, then start again.\n"


class TestDatabase:
    """As root it lies outside the checkout, and outlives it."""

    @pytest.fixture
    def state(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
        """What a checkout keeps, with a database that has something in it."""
        state = tmp_path / "state"
        monkeypatch.setattr(paths, "STATE", state)
        state.mkdir()
        fill(self.found())
        yield state
        self.found().remove()

    @staticmethod
    def found() -> Cluster:
        return supervisor.own_postgres(Ports(free_port()))

    def test_stays_its_checkouts(self, state: Path) -> None:
        assert [file.name for file in self.found().data.iterdir()] == ["PG_VERSION"]

    def test_begins_anew_where_a_checkout_was_deleted(self, state: Path, capsys: pytest.CaptureFixture[str]) -> None:
        shutil.rmtree(state)
        state.mkdir()
        assert not self.found().data.exists()
        # For anybody else it lay in the checkout, and went with it.
        said = "Deleting the database of a checkout that lay here before and is gone ...\n" if os.geteuid() == 0 else ""
        assert capsys.readouterr().out == said
        fill(self.found())
        assert self.found().data.exists()

    @pytest.mark.parametrize("unknown", [["owner", "database-owner"], ["owner"], ["database-owner"]])
    def test_stays_where_it_is_not_written_down_twice_whose_it_is(self, state: Path, unknown: list[str]) -> None:
        for file in (self.found().home / "owner", state / "database-owner"):
            if file.name in unknown:
                file.unlink()
        (state / "secret-key").touch()
        assert self.found().data.exists()
        assert self.found().data.exists()

    @pytest.mark.skipif(os.geteuid() == 0, reason="as root it lies outside the checkout")
    def test_stays_within_its_checkout_whatever_was_deleted_beside_it(self, state: Path) -> None:
        (state / "database-owner").write_text("somebody else")
        assert self.found().data.exists()


class TestValkey:
    def test_is_ended_when_its_folder_was_deleted_below_it(self, tmp_path: Path) -> None:
        server = Valkey(tmp_path / "valkey", free_port())
        server.start()
        shutil.rmtree(server.home)
        server.stop()
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", server.port))


def fill(cluster: Cluster) -> None:
    cluster.data.mkdir()
    (cluster.data / "PG_VERSION").touch()
