"""`make run` and `make stop`: the whole platform under one supervisor.

PostgreSQL and Valkey run as daemons that start first and stop last. Everything else is a child of
honcho, whose one log shows what each says. All children carry MARK in their environment, so what a
killed supervisor left behind is found and ended by the next start or by `make stop`.
"""

from __future__ import annotations

import fcntl
import os
import shlex
import shutil
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

import psutil
from honcho.manager import Manager

from local import environment, paths
from local.environment import Ports
from local.postgres import Cluster, PostgresFailed, claim_home
from local.programs import command_lines, prepare_database
from local.valkey import Valkey, ValkeyFailed

MARK = "STREAMING_PLATFORM_RUN"
DATABASE = "streaming"


class CannotStart(Exception):
    """The platform cannot start; the message says why and what to do, in one sentence."""


def run() -> int:
    """Bring everything up, show the log, and end everything on Ctrl-C. Answers the exit status."""
    # A closed terminal ends the platform as Ctrl-C does.
    signal.signal(signal.SIGHUP, lambda *_: os.kill(os.getpid(), signal.SIGTERM))
    paths.STATE.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _only_one() as lock:
        ports = Ports.from_environment()
        _end_leftovers(ports)
        _check_ports(ports)
        lock.truncate(0)
        print(os.getpid(), file=lock, flush=True)
        os.environ[MARK] = paths.checkout_id()
        with _data_servers(ports) as (database_url, redis_url):
            settings = environment.build(ports, database_url=database_url, redis_url=redis_url)
            environment.write(settings)
            try:
                prepare_database(settings)
                return _run_programs(settings, ports)
            finally:
                paths.ENV_FILE.unlink(missing_ok=True)


def stop() -> None:
    """End a running platform and whatever a killed one left; say what was done."""
    supervisor = _supervisor()
    if supervisor is not None:
        print("Stopping the platform ...")
        supervisor.terminate()
        try:
            supervisor.wait(40)
        except psutil.TimeoutExpired:
            supervisor.kill()
    leftovers = _end_leftovers(Ports.from_environment())
    paths.ENV_FILE.unlink(missing_ok=True)
    print("Stopped." if supervisor or leftovers else "Nothing was running.")


def clean() -> None:
    """Stop, and delete all local data; a folder that no platform ran in is left alone."""
    if not (paths.STATE / "run.lock").exists():
        print("There is no local data.")
        return
    stop()
    _postgres(Ports.from_environment()).remove()
    shutil.rmtree(paths.STATE, ignore_errors=True)
    print("Local data deleted.")


def _run_programs(settings: dict[str, str], ports: Ports) -> int:
    manager = Manager()
    child_environment = {**os.environ, **settings, "PYTHONUNBUFFERED": "1"}
    for name, command in command_lines(ports, settings).items():
        # honcho starts a shell; exec leaves the program itself as its child.
        manager.add_process(name, f"exec {shlex.join(command)}", env=child_environment, cwd=str(paths.ROOT))
    manager.loop()
    # 130 and 143 are how a person ends it.
    return 0 if manager.returncode in {0, 130, 143} else int(manager.returncode or 1)


@contextmanager
def _data_servers(ports: Ports) -> Iterator[tuple[str, str]]:
    """Yield the addresses of database and Valkey: the user's where set, else embedded ones."""
    postgres = None if os.environ.get("DATABASE_URL") else own_postgres(ports)
    valkey = None if os.environ.get("REDIS_URL") else _valkey(ports)
    try:
        try:
            if postgres:
                postgres.start()
                postgres.create_database(DATABASE)
            if valkey:
                valkey.start()
        except (PostgresFailed, ValkeyFailed) as error:
            raise CannotStart(str(error)) from error
        yield (
            postgres.url(DATABASE) if postgres else os.environ["DATABASE_URL"],
            valkey.url if valkey else os.environ["REDIS_URL"],
        )
    finally:
        if valkey:
            valkey.stop()
        if postgres:
            postgres.stop()


def own_postgres(ports: Ports) -> Cluster:
    """Answer this checkout's cluster, without data that a checkout in the same place had before it.

    As root a cluster lies outside its checkout and outlives it. Without the files beside it, nobody can use it: its
    pictures and films are gone, and so is the key of its secrets.
    """
    cluster = _postgres(ports)
    if cluster.home.is_relative_to(paths.STATE):
        return cluster
    found, is_named = cluster.owner(), (paths.STATE / "database-owner").exists()
    owner = environment.kept_secret("database-owner")
    # Where one of the two was never written down, or is lost, the key of its secrets tells.
    is_ours = found == owner if found and is_named else (paths.STATE / "secret-key").exists()
    if cluster.data.exists() and not is_ours:
        print("Deleting the database of a checkout that lay here before and is gone ...", flush=True)
        cluster.remove()
        cluster = _postgres(ports)
    cluster.own(owner)
    return cluster


def _postgres(ports: Ports) -> Cluster:
    home = claim_home(paths.checkout_id() if os.geteuid() == 0 else "postgres", beside=paths.STATE)
    return Cluster(home, ports.postgres, {"max_connections": "100", "shared_buffers": "256MB"})


def _valkey(ports: Ports) -> Valkey:
    return Valkey(paths.STATE / "valkey", ports.valkey, {"save": "60 1"})


@contextmanager
def _only_one() -> Iterator[IO[str]]:
    """Hold the run lock; the kernel frees it when its holder dies, however it dies.

    A POSIX lock, because honcho forks: children that outlive us would keep a BSD lock.
    """
    with (paths.STATE / "run.lock").open("a+") as lock:
        try:
            fcntl.lockf(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise CannotStart("The platform is already running here; `make stop` ends it.") from None
        yield lock


def _supervisor() -> psutil.Process | None:
    """Answer the process that holds the run lock."""
    lock_file = paths.STATE / "run.lock"
    if not lock_file.exists():
        return None
    with lock_file.open("r+") as lock:
        try:
            fcntl.lockf(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            try:
                return psutil.Process(int(lock.read()))
            except (ValueError, psutil.NoSuchProcess):
                return None
    return None


def _end_leftovers(ports: Ports) -> int:
    """End what a killed supervisor left running, and answer how many processes carried our mark."""
    mine = {os.getpid(), *(parent.pid for parent in psutil.Process().parents())}
    left = [process for process in psutil.process_iter() if process.pid not in mine and _is_marked(process)]
    for process in left:
        process.terminate()
    for process in psutil.wait_procs(left, timeout=10)[1]:
        process.kill()
    if paths.STATE.exists():
        _valkey(ports).stop()
        _postgres(ports).stop()
    return len(left)


def _is_marked(process: psutil.Process) -> bool:
    try:
        return process.environ().get(MARK) == paths.checkout_id()
    except (psutil.Error, OSError):
        return False


def _check_ports(ports: Ports) -> None:
    for name, port in ports.listening():
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                raise CannotStart(
                    f"Port {port} ({name}) is taken by another program; choose others with e.g. PORT=9000 make run."
                ) from None
