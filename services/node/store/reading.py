"""Opens the node's two databases to be read as one: records, and what may leave of them.

With SQLite they are two files, and one connection sees both. PostgreSQL is read by ADBC; SQLite is
not, for that driver brings a second SQLite library into the process: two of them drop each other's
file locks, and a commit can be lost (https://sqlite.org/howtocorrupt.html, 2.2.1).
"""

import datetime as dt
import queue
import sqlite3
import threading
import weakref
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import Dialect
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import make_url

from services.node.store.database import available
from services.node.store.stopping import reading_now
from services.runtime.database import heeding_loss

_KEPT_OPEN = 8


class Compiled(NamedTuple):
    """A statement as the driver takes it."""

    statement: str
    parameters: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Written:
    """A statement that is written once, to be asked with other values each time.

    Attributes:
        names: of its parameters, in their order.
        values: of those that are always the same.
    """

    statement: str
    names: Sequence[str]
    values: Mapping[str, Any]
    dates_as_text: bool

    def asked_with(self, given: Mapping[str, Any]) -> Compiled:
        values = [given.get(name, self.values.get(name)) for name in self.names]
        if self.dates_as_text:
            values = [v.isoformat() if isinstance(v, dt.date) else v for v in values]
        return Compiled(self.statement, tuple(values))


class ReadDatabases:
    """The node's databases, each connection one of its own."""

    def __init__(self, records_url: str, state_url: str) -> None:
        self._records_url = make_url(records_url)
        self._state_url = make_url(state_url)
        self._idle: queue.LifoQueue[Any] = queue.LifoQueue()
        self._first: Any = None
        self._guard = threading.Lock()
        self.is_sqlite = self._records_url.get_backend_name() == "sqlite"
        self.dialect: Dialect = (
            sqlite.dialect(paramstyle="qmark")
            if self.is_sqlite
            else postgresql.dialect(paramstyle="numeric_dollar")  # type: ignore[no-untyped-call]  # SQLAlchemy's own
        )

    @available()
    def fetch(self, chosen: Compiled) -> list[Any]:
        """The rows of a statement."""
        with self.lent() as connection, closing(connection.cursor()) as cursor:
            cursor.execute(*chosen)
            return list(cursor.fetchall())

    @available()
    def connection(self) -> Any:
        """A new connection, of the driver's own kind."""
        made = self._sqlite_connection() if self.is_sqlite else self._postgres_connection()
        return _noted(made)

    @contextmanager
    def lent(self) -> Iterator[Any]:
        """A connection for the time of one statement."""
        connection = self.borrow()
        try:
            yield connection
        except BaseException:
            connection.close()
            raise
        self.give_back(connection)

    def borrow(self) -> Any:
        """A connection, to be closed or given back.

        To open SQLite's files and read their tables takes longer than a small answer.
        """
        try:
            return _noted(self._idle.get_nowait())
        except queue.Empty:
            return self.connection()

    def give_back(self, connection: Any) -> None:
        """Takes back a connection that no statement runs on."""
        if (own := reading_now()) is not None:
            own.ends(connection)
        if self.is_sqlite and self._idle.qsize() < _KEPT_OPEN:
            self._idle.put(connection)
        else:
            # PostgreSQL may end a session while nobody uses it.
            connection.close()

    def written(self, statement: Any) -> Written:
        """A statement as the driver takes it, its parameters by name."""
        compiled = statement.compile(
            dialect=self.dialect, compile_kwargs={"render_postcompile": True}
        )
        names = tuple(compiled.positiontup or ())
        return Written(str(compiled), names, dict(compiled.params), self.is_sqlite)

    def _postgres_connection(self) -> Any:
        """A session of its own, which knows the server's types by the first one.

        To learn them takes ten times as long as to connect.
        """
        first = self._first or self._keep_first(self._first_connection())
        return first.adbc_clone()

    def _keep_first(self, made: Any) -> Any:
        """The one that is kept for good: this one, or another thread's that was quicker."""
        with self._guard:
            if self._first is not None:
                made.close()
            else:
                self._first = made
                weakref.finalize(self, made.close)
            return self._first

    def _first_connection(self) -> Any:
        # A node on SQLite never needs it; where pandas is installed, it brings that along.
        import adbc_driver_postgresql.dbapi  # noqa: PLC0415

        uri = heeding_loss(self._records_url.set(drivername="postgresql"))
        return adbc_driver_postgresql.dbapi.connect(uri.render_as_string(hide_password=False))

    def _sqlite_connection(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            _read_only(self._records_url.database), uri=True, check_same_thread=False
        )
        if self._state_url != self._records_url:
            connection.execute(
                "ATTACH DATABASE ? AS state", (_read_only(self._state_url.database),)
            )
        return connection


def _noted(connection: Any) -> Any:
    """A connection on which this thread may be stopped, if it may be at all."""
    if (own := reading_now()) is not None:
        own.begins(connection)
    return connection


def _read_only(path: str | None) -> str:
    return f"file:{path}?mode=ro"
