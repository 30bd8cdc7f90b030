"""Starts a real PostgreSQL for tests: Debian's, on a unix socket in a temporary folder.

A test that wants one database of its own imports the fixtures `postgres` and `postgres_url`.
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
from sqlalchemy.engine import make_url

_USER = "homeroom"
_START_SECONDS = 60.0


class Postgres:
    """A running server; gives out databases."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._prepared: dict[Callable[[str], object], str] = {}

    def new_database(self, template: str = "template0") -> str:
        """The SQLAlchemy URL of a new database: empty, or a copy of another one."""
        name = f"test_{uuid.uuid4().hex}"
        with psycopg.connect(self._conninfo, autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}".encode())
        return f"postgresql+psycopg://{_USER}@/{name}?host={self._folder}"

    def prepared_database(self, prepare: Callable[[str], object]) -> str:
        """A new database as `prepare` makes it; it prepares one, and all others are copies."""
        if prepare not in self._prepared:
            url = self.new_database()
            prepare(url)
            self._prepared[prepare] = str(make_url(url).database)
        return self.new_database(self._prepared[prepare])

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

    @property
    def _conninfo(self) -> str:
        return f"host={self._folder} user={_USER} dbname=postgres"


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
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
        "--no-sync",
    ]
    made = subprocess.run(make, user=owner, cwd=folder, capture_output=True, check=False)
    assert made.returncode == 0, made.stderr.decode()
    serve: list[str | Path] = [
        programs / "postgres",
        "-D",
        cluster,
        "-k",
        folder,
        "-c",
        "listen_addresses=",
    ]
    serve += ["-c", "fsync=off"]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(serve, user=owner, cwd=folder, stdout=log, stderr=log)
    try:
        server = Postgres(folder)
        server.wait(process)
        yield server
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(timeout=_START_SECONDS)
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def postgres_url(postgres: Postgres) -> str:
    """A new database of PostgreSQL, for one test."""
    return postgres.new_database()


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
