"""Opens the node's two databases to be read as one: records, and what may leave of them.

With SQLite they are two files, and one connection sees both. PostgreSQL is read by ADBC; SQLite is
not, for that driver brings a second SQLite library into the process: two of them drop each other's
file locks, and a commit can be lost (https://sqlite.org/howtocorrupt.html, 2.2.1).
"""

import sqlite3
from collections.abc import Mapping
from contextlib import closing
from types import MappingProxyType
from typing import Any, NamedTuple

import adbc_driver_postgresql.dbapi
from sqlalchemy import Dialect, Select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import make_url

from services.node.store.database import available


class Compiled(NamedTuple):
    """A statement as the driver takes it."""

    statement: str
    parameters: tuple[Any, ...]


class ReadDatabases:
    """The node's databases, each connection one of its own."""

    def __init__(self, records_url: str, state_url: str) -> None:
        self._records_url = make_url(records_url)
        self._state_url = make_url(state_url)
        self.is_sqlite = self._records_url.get_backend_name() == "sqlite"
        self.dialect: Dialect = (
            sqlite.dialect(paramstyle="qmark")
            if self.is_sqlite
            else postgresql.dialect(paramstyle="numeric_dollar")  # type: ignore[no-untyped-call]  # SQLAlchemy's own
        )

    @available()
    def fetch(self, chosen: Select[Any]) -> list[Any]:
        """The rows of a statement."""
        with closing(self.connection()) as connection, closing(connection.cursor()) as cursor:
            cursor.execute(*self.compiled(chosen))
            return list(cursor.fetchall())

    @available()
    def connection(self) -> Any:
        """A new connection, of the driver's own kind."""
        return self._sqlite_connection() if self.is_sqlite else self._postgres_connection()

    def compiled(self, statement: Any, given: Mapping[str, Any] = MappingProxyType({})) -> Compiled:
        """A statement with its parameters, and those that are given beside it."""
        compiled = statement.compile(
            dialect=self.dialect, compile_kwargs={"render_postcompile": True}
        )
        values = {**compiled.params, **given}
        parameters = [values[name] for name in compiled.positiontup or ()]
        return Compiled(
            str(compiled),
            tuple(
                value.isoformat() if self.is_sqlite and hasattr(value, "isoformat") else value
                for value in parameters
            ),
        )

    def _postgres_connection(self) -> Any:
        uri = self._records_url.set(drivername="postgresql")
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


def _read_only(path: str | None) -> str:
    return f"file:{path}?mode=ro"
