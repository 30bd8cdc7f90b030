"""Reads the organization's own database: only ever reads, each statement for so long and no longer.

It needs no more than the right to SELECT. What the database says when something is wrong may quote
a student's values, so none of it is passed on.
"""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Engine, NullPool, create_engine
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from homeroom.errors import RequestInvalidError, ServiceUnreachableError
from services.runtime.database import heeding_loss

_STEPS_BETWEEN_LOOKS = 10_000
_POOL = 8


class OrganizationDatabase:
    """The database that the views are of."""

    def __init__(self, url: str, seconds: float) -> None:
        """Opens nothing yet.

        Raises:
            RequestInvalidError: if it is no database that can be kept from writing and from
                reading for ever.
        """
        self._seconds = seconds
        try:
            parsed = make_url(url)
        except ArgumentError:
            raise RequestInvalidError("this is no SQLAlchemy URL", field="views_url") from None
        makers = {"sqlite": self._of_sqlite, "postgresql": self._of_postgres}
        if parsed.get_backend_name() not in makers:
            raise RequestInvalidError(
                "views are of SQLite or PostgreSQL; others reach PostgreSQL as foreign tables",
                field="views_url",
            )
        self._engine: Engine = makers[parsed.get_backend_name()](parsed)

    @property
    def keeps_types(self) -> bool:
        """Whether a column has one type, known before any row is read."""
        return self._engine.dialect.name == "postgresql"

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """One transaction that reads one state of the database.

        Raises:
            ServiceUnreachableError: if it fails or takes too long; without the database's words.
        """
        try:
            with self._engine.connect() as connection, connection.begin():
                if not self.keeps_types:
                    # The driver begins only before it writes.
                    connection.exec_driver_sql("BEGIN")
                yield connection
        except SQLAlchemyError:
            raise ServiceUnreachableError(
                "the organization's database gave no answer to a view"
            ) from None

    def close(self) -> None:
        """Closes what is open."""
        self._engine.dispose()

    def _of_postgres(self, url: URL) -> Engine:
        milliseconds = int(self._seconds * 1000)
        options = (
            f"-c default_transaction_read_only=on -c statement_timeout={milliseconds}"
            f" -c lock_timeout={milliseconds}"
        )
        return create_engine(
            heeding_loss(url),
            hide_parameters=True,
            isolation_level="REPEATABLE READ",
            pool_size=_POOL,
            pool_timeout=self._seconds,
            pool_pre_ping=True,
            connect_args={"options": options},
        )

    def _of_sqlite(self, url: URL) -> Engine:
        seconds, path = self._seconds, url.database

        def connected() -> sqlite3.Connection:
            connection = sqlite3.connect(
                f"file:{path}?mode=ro",
                uri=True,
                check_same_thread=False,
                timeout=seconds,
                isolation_level=None,
                factory=_Timed,
            )
            connection.limit(seconds)
            connection.execute("PRAGMA query_only=ON")
            return connection

        return create_engine("sqlite://", creator=connected, poolclass=NullPool)


class _Timed(sqlite3.Connection):
    """A connection of SQLite on which no statement, and no fetch, runs longer than it may."""

    started = 0.0

    def limit(self, seconds: float) -> None:
        """Says how long each statement, and each fetch, may run."""
        self._seconds = seconds
        self.set_progress_handler(self._too_late, _STEPS_BETWEEN_LOOKS)

    def cursor(self, factory: Any = None) -> Any:
        return super().cursor(factory or _TimedCursor)

    def _too_late(self) -> int:
        return int(time.monotonic() - self.started > self._seconds)


class _TimedCursor(sqlite3.Cursor):
    """Starts the time again with each statement and each fetch."""

    def execute(self, *given: Any) -> Any:
        self._start()
        return super().execute(*given)

    def fetchmany(self, *given: Any, **more: Any) -> Any:
        self._start()
        return super().fetchmany(*given, **more)

    def fetchall(self) -> Any:
        self._start()
        return super().fetchall()

    def _start(self) -> None:
        connection = self.connection
        if isinstance(connection, _Timed):
            connection.started = time.monotonic()
