"""A PostgreSQL of one's own: Debian's, on a unix socket in a temporary folder."""

import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

import psycopg

from homeroom.errors import InternalError, ServiceUnreachableError

USER = "homeroom"
_START_SECONDS = 60.0
_PAUSE_SECONDS = 0.02
_AS_OWNER = "import os, sys; os.setuid(int(sys.argv[1])); os.execv(sys.argv[2], sys.argv[2:])"


class Cluster:
    """One server, and the folder of all it keeps."""

    def __init__(self, settings: Mapping[str, str], *, checksums: bool = False) -> None:
        """Makes the folder of a server, and does not start it.

        Raises:
            ServiceUnreachableError: if PostgreSQL is not installed, or nobody may run it.
        """
        programs = _programs()
        if programs is None:
            raise ServiceUnreachableError(
                "PostgreSQL is not installed: no initdb on PATH or under /usr/lib/postgresql"
            )
        self._programs = programs
        # PostgreSQL refuses to run as root.
        self._owner = _unprivileged() if os.geteuid() == 0 else None
        self._settings = {"listen_addresses": "", **settings}
        # Short, because the path of a unix socket is at most 107 characters.
        self.folder = Path(tempfile.mkdtemp(prefix="pg-"))
        if self._owner is not None:
            os.chown(self.folder, self._owner, -1)
        self._server: subprocess.Popen[bytes] | None = None
        self._make(checksums=checksums)

    @property
    def conninfo(self) -> str:
        """How its administrator reaches it."""
        return f"host={self.folder} user={USER} dbname=postgres"

    @property
    def process_id(self) -> int:
        """The number of the process that all others of the running server come from.

        Raises:
            InternalError: if it does not run.
        """
        if self._server is None:
            raise InternalError("PostgreSQL does not run")
        return self._server.pid

    def url(self, database: str) -> str:
        """The SQLAlchemy URL of one of its databases."""
        return f"postgresql+psycopg://{USER}@/{database}?host={self.folder}"

    def run(self, statement: str, database: str = "postgres") -> None:
        """Runs one statement as its administrator."""
        reached = f"host={self.folder} user={USER} dbname={database}"
        with psycopg.connect(reached, autocommit=True) as connection:
            connection.execute(statement.encode())

    def start(self) -> None:
        """Starts the server, and waits until it answers; after a death, until it has recovered.

        Raises:
            InternalError: if it does not.
        """
        deadline = time.monotonic() + _START_SECONDS
        self._server = self._serve()
        while not self._answers():
            if time.monotonic() > deadline:
                raise InternalError("PostgreSQL does not answer")
            if self._server.poll() is not None:
                # A process of the one before was still dying.
                self._server = self._serve()
            time.sleep(_PAUSE_SECONDS)

    def die(self, *, at_once: bool = False) -> None:
        """Ends the server in the middle of whatever it does, so that it has to recover.

        Args:
            at_once: kills each of its processes; else they are told to go without finishing.
        """
        server, self._server = self._server, None
        if server is None:
            return
        if at_once:
            for one in (server.pid, *_children_of(server.pid)):
                _kill(one)
        else:
            server.send_signal(signal.SIGQUIT)
        server.wait(timeout=_START_SECONDS)

    def remove(self) -> None:
        """Ends the server, and deletes what it kept."""
        # Without writing out what is deleted next.
        self.die()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _make(self, *, checksums: bool) -> None:
        made = subprocess.run(
            [
                *(*self._program("initdb"), "-D", "cluster", "-U", USER, "-A", "trust"),
                *("-E", "UTF8", "--no-sync", *(["-k"] if checksums else [])),
            ],
            cwd=self.folder,
            capture_output=True,
            check=False,
        )
        if made.returncode:
            raise InternalError(made.stderr.decode())

    def _serve(self) -> "subprocess.Popen[bytes]":
        told = [f"--{name}={value}" for name, value in self._settings.items()]
        with (self.folder / "log").open("ab") as log:
            return subprocess.Popen(
                [*self._program("postgres"), "-D", "cluster", "-k", str(self.folder), *told],
                cwd=self.folder,
                stdout=log,
                stderr=log,
            )

    def _program(self, name: str) -> list[str]:
        """How a program is begun as its owner.

        Not by `Popen`'s own `user`: that forks this process as it is, and where gRPC has threads
        in it, what comes of the fork may die before it is a server.
        """
        program = str(self._programs / name)
        if self._owner is None:
            return [program]
        return [sys.executable, "-S", "-E", "-c", _AS_OWNER, str(self._owner), program]

    def _answers(self) -> bool:
        try:
            psycopg.connect(self.conninfo).close()
        except psycopg.OperationalError:
            return False
        return True


def _children_of(process: int) -> list[int]:
    found = Path(f"/proc/{process}/task/{process}/children").read_text("utf-8")
    return [int(one) for one in found.split()]


def _kill(process: int) -> None:
    try:
        os.kill(process, signal.SIGKILL)
    except ProcessLookupError:
        return  # it has ended by itself


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
    raise ServiceUnreachableError(
        "PostgreSQL cannot run as root, and there is no other user to run it as"
    )
