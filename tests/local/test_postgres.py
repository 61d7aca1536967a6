"""The embedded PostgreSQL: who it runs as, where it lives, and what it refuses."""

import os
import pwd
import stat
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg
import pytest

from local import postgres
from local.postgres import Cluster, PostgresFailed, claim_home
from local.throwaway import free_port


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    """A cluster beside a folder that only we may enter, not started yet."""
    tmp_path.chmod(0o700)
    made = Cluster(claim_home(f"test-{tmp_path.name}-{free_port()}", beside=tmp_path), free_port(), {"fsync": "off"})
    yield made
    made.remove()


def server(cluster: Cluster) -> psutil.Process:
    return psutil.Process(int((cluster.data / "postmaster.pid").read_text().split()[0]))


class TestCluster:
    def test_runs_as_an_ordinary_user_whoever_starts_it(self, cluster: Cluster) -> None:
        cluster.start()
        runs_as = server(cluster).uids().real
        assert runs_as == (pwd.getpwnam("nobody").pw_uid if os.geteuid() == 0 else os.getuid())
        assert stat.S_IMODE(cluster.home.stat().st_mode) == 0o700
        assert cluster.home.stat().st_uid == runs_as

    def test_keeps_its_data_when_its_server_is_killed_and_started_again(self, cluster: Cluster) -> None:
        cluster.start()
        cluster.create_database("kept")
        with psycopg.connect(cluster.url("kept"), autocommit=True) as connection:
            connection.execute("CREATE TABLE t AS SELECT 42 AS answer")
        killed = server(cluster)
        killed.kill()
        psutil.wait_procs([killed], timeout=10)

        cluster.start()
        cluster.create_database("kept")
        with psycopg.connect(cluster.url("kept")) as connection:
            assert connection.execute("SELECT answer FROM t").fetchall() == [(42,)]

    def test_asks_for_its_password(self, cluster: Cluster) -> None:
        cluster.start()
        with pytest.raises(psycopg.OperationalError, match="password"):
            psycopg.connect(f"postgresql://postgres@127.0.0.1:{cluster.port}/postgres")

    def test_makes_a_whole_cluster_after_a_killed_attempt(self, cluster: Cluster) -> None:
        (cluster.home / "data.new").mkdir()
        (cluster.home / "data.new" / "half").touch()
        cluster.start()
        assert not (cluster.home / "data.new").exists()

    def test_says_why_it_cannot_start(self, cluster: Cluster) -> None:
        with pytest.raises(PostgresFailed, match="no_such_setting"):
            Cluster(cluster.home, cluster.port, {"no_such_setting": "1"}).start()

    def test_carries_the_extensions_we_use(self, cluster: Cluster) -> None:
        cluster.start()
        with psycopg.connect(cluster.url("postgres"), autocommit=True) as connection:
            for name in ("pg_trgm", "unaccent", "btree_gist", "pg_stat_statements"):
                connection.execute(f"CREATE EXTENSION {name}")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root shares /var/tmp with others")
class TestClaimHome:
    def test_refuses_a_folder_that_somebody_else_made(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(postgres, "SHARED", tmp_path)
        (tmp_path / "streaming-platform-taken").mkdir()
        with pytest.raises(PostgresFailed, match="is not ours: remove it, then start again"):
            claim_home("taken", beside=tmp_path)
