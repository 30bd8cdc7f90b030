"""Starts a real PostgreSQL for tests: Debian's, on a unix socket in a temporary folder.

One server for the session; what a test makes of databases is dropped when the test ends.
"""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

_USER = "homeroom"
_START_SECONDS = 60.0


class Postgres:
    """A running server; gives out databases."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._prepared: dict[Callable[[str], object], str] = {}
        self._made: list[str] = []

    def new_database(self, template: str = "template0") -> str:
        """The SQLAlchemy URL of a new database: empty, or a copy of another one."""
        name = f"test_{uuid.uuid4().hex}"
        self._run(f"CREATE DATABASE {name} TEMPLATE {template}")
        self._made.append(name)
        return f"postgresql+psycopg://{_USER}@/{name}?host={self._folder}"

    def prepared_database(self, prepare: Callable[[str], object]) -> str:
        """A new database as `prepare` makes it; it prepares one, and all others are copies."""
        if prepare not in self._prepared:
            url = self.new_database()
            prepare(url)
            self._prepared[prepare] = self._made.pop()
        return self.new_database(self._prepared[prepare])

    def drop_databases(self) -> None:
        """Drops what was made since the last time, but for what others are copied from."""
        while self._made:
            self._run(f"DROP DATABASE {self._made.pop()} WITH (FORCE)")

    def wait(self, process: "subprocess.Popen[bytes]") -> None:
        """Waits until the server answers."""
        deadline = time.monotonic() + _START_SECONDS
        while True:
            try:
                psycopg.connect(self._conninfo).close()
            except psycopg.OperationalError:
                if process.poll() is not None or time.monotonic() > deadline:
                    raise
                time.sleep(0.05)
            else:
                return

    def _run(self, statement: str) -> None:
        with psycopg.connect(self._conninfo, autocommit=True) as connection:
            connection.execute(statement.encode())

    @property
    def _conninfo(self) -> str:
        return f"host={self._folder} user={_USER} dbname=postgres"


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Postgres]:
    """A PostgreSQL server for the whole session."""
    programs = _programs()
    if programs is None:
        pytest.skip("PostgreSQL is not installed: no initdb on PATH or under /usr/lib/postgresql")
    # Short, because the path of a unix socket is at most 107 characters.
    folder = Path(tempfile.mkdtemp(prefix="pg-"))
    # PostgreSQL refuses to run as root.
    owner = _unprivileged() if os.geteuid() == 0 else None
    if owner is not None:
        os.chown(folder, owner, -1)
    process = _serve(programs, folder, owner)
    try:
        server = Postgres(folder)
        server.wait(process)
        yield server
    finally:
        # At once, without writing out what is deleted next.
        process.send_signal(signal.SIGQUIT)
        process.wait(timeout=_START_SECONDS)
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def postgres(postgres_server: Postgres) -> Iterator[Postgres]:
    """The server, for one test."""
    yield postgres_server
    postgres_server.drop_databases()


@pytest.fixture
def postgres_url(postgres: Postgres) -> str:
    """A new database of PostgreSQL, for one test."""
    return postgres.new_database()


def _serve(programs: Path, folder: Path, owner: int | None) -> "subprocess.Popen[bytes]":
    """Makes a cluster in a folder and starts its server."""
    cluster = folder / "cluster"
    make: list[str | Path] = [
        programs / "initdb",
        "-D",
        cluster,
        "-U",
        _USER,
        "-A",
        "trust",
        "-E",
        "UTF8",
    ]
    made = subprocess.run(
        [*make, "--no-sync"], user=owner, cwd=folder, capture_output=True, check=False
    )
    assert made.returncode == 0, made.stderr.decode()
    serve: list[str | Path] = [programs / "postgres", "-D", cluster, "-k", folder]
    # Nothing of it outlives the session, and vacuuming hundreds of databases in turn takes a core.
    for setting in (
        "listen_addresses=",
        "fsync=off",
        "full_page_writes=off",
        "autovacuum=off",
        "max_wal_size=8GB",
    ):
        serve += ["-c", setting]
    with (folder / "log").open("wb") as log:
        return subprocess.Popen(serve, user=owner, cwd=folder, stdout=log, stderr=log)


def _programs() -> Path | None:
    """Where the server's programs are: the newest of Debian's, or those on PATH."""
    found = sorted(
        Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3])
    )
    if found:
        return found[-1].parent
    on_path = shutil.which("initdb")
    return Path(on_path).resolve().parent if on_path else None


def _unprivileged() -> int:
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name).pw_uid
        except KeyError:
            continue
    pytest.skip("PostgreSQL cannot run as root, and there is no other user to run it as")
