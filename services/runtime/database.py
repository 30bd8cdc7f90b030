"""Opens a service's own database, and brings its tables up to date.

SQLite is the embedded default; PostgreSQL (`postgresql+psycopg://…`) is for production. Parameters
of statements are people's data, so no error text ever carries them.
"""

import asyncio
import logging
import threading
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from pathlib import Path
from typing import Any

from alembic import command, context
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import (
    URL,
    ColumnClause,
    Connection,
    Engine,
    ExceptionContext,
    Table,
    column,
    create_engine,
    event,
    inspect,
    text,
)
from sqlalchemy import table as named_table
from sqlalchemy.engine import Dialect, make_url
from sqlalchemy.exc import DBAPIError, OperationalError, ProgrammingError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.types import TypeEngine

from homeroom.errors import ServiceUnreachableError
from services.runtime.logs import log

BEGINS = "homeroom_begin"

# Alembic keeps what it is working on in one place for the whole process.
_UPGRADING = threading.Lock()
_BUSY_TIMEOUT_MS = 30_000
# For each connection: with a large one, each would come to hold most of a large database.
_CACHE_MIB = 16
# Of 4 KiB: pages that many transactions change are copied into the database once for all of them.
_CHECKPOINT_PAGES = 16_384

# Errors of these SQLSTATE classes quote values: data exceptions and broken constraints.
_QUOTING_CLASSES = ("22", "23")
_INSUFFICIENT_PRIVILEGE = "42501"

_TRY_AGAIN_SECONDS = 1.0
# Seconds, and milliseconds: after ten of silence a connection over TCP is lost.
_HEEDING_LOSS = {
    "connect_timeout": "10",
    "keepalives_idle": "4",
    "keepalives_interval": "2",
    "keepalives_count": "3",
    "tcp_user_timeout": "10000",
}


def open_database(url: str, cache_mib: int = _CACHE_MIB) -> Engine:
    """Opens the database at an SQLAlchemy URL; what is committed there survives a power cut.

    Also records, which could be imported again: what names a student by a number that is lost would
    name whoever gets that number next.

    Args:
        url: where it is, for example `sqlite:////var/lib/homeroom/node.db`.
        cache_mib: how much of it each connection may hold; where one transaction changes pages all
            over a large database, each page that it cannot hold is read and written again.
    """
    # The connection that was used last comes first: its cache is warm, and others stay small.
    engine = create_engine(heeding_loss(make_url(url)), hide_parameters=True, pool_use_lifo=True)
    event.listen(engine, "handle_error", _without_values)
    if engine.dialect.name == "sqlite":
        _prepare_sqlite(engine, cache_mib)
    return engine


def heeding_loss(url: URL) -> URL:
    """The URL, on PostgreSQL so that a server that vanishes without a word is noticed.

    Else the system goes on sending to nobody for a quarter of an hour. What the URL says itself
    stays (https://www.postgresql.org/docs/current/libpq-connect.html).
    """
    if not url.drivername.startswith("postgresql"):
        return url
    return url.update_query_dict(
        {name: told for name, told in _HEEDING_LOSS.items() if name not in url.query}
    )


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """One transaction that writes: committed at the end, undone by any error.

    SQLite takes its write lock at the start, so that two writers wait for each other instead of
    failing when the second one first writes.
    """
    with connected_to_write(engine) as connection, connection.begin():
        yield connection


def connected_to_write(engine: Engine) -> Connection:
    """A connection whose transactions write, as those of `writing`."""
    return engine.connect().execution_options(**{BEGINS: "BEGIN IMMEDIATE"})


def insert_many(connection: Connection, table: Table, rows: Sequence[tuple[Any, ...]]) -> None:
    """Adds many whole rows of a table, each with its columns' values in their order.

    The statement is compiled once and the rows go to the driver as they are: a thousand cost a
    third of what they would through dictionaries.
    """
    if not rows:
        return
    inserting = _insert_of(table, tuple(table.columns.keys()), connection.dialect)
    inserting.execute(connection, rows)


def insert_rows(connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Adds many rows by the names of their columns; every row names the same ones.

    Nearly as quick as `insert_many`; days and such are written as the table's types say.
    """
    if not rows:
        return
    names = tuple(column.name for column in table.columns if column.name in rows[0])
    inserting = _insert_of(table, names, connection.dialect)
    written = [
        [row[name] for row in rows] if process is None else [process(row[name]) for row in rows]
        for name, process in inserting.processes
    ]
    inserting.execute(connection, list(zip(*written, strict=True)))


def driven(connection: Connection, statement: str, values: Any = ()) -> Any:
    """Executes a statement as the driver takes it, in a connection's transaction; its cursor.

    What SQLAlchemy does around each statement takes several times as long as a small one, and a
    question executes two dozen. Errors are SQLAlchemy's, as ever.
    """
    driver: Any = connection.connection.dbapi_connection
    try:
        return driver.execute(statement, values)
    except connection.dialect.loaded_dbapi.Error as error:
        raise _as_sqlalchemy(connection, error) from None


def driven_many(connection: Connection, statement: str, rows: Sequence[Any]) -> None:
    """Executes a statement for each of some rows as the driver takes them."""
    driver: Any = connection.connection.dbapi_connection
    try:
        with closing(driver.cursor()) as cursor:
            cursor.executemany(statement, rows)
    except connection.dialect.loaded_dbapi.Error as error:
        raise _as_sqlalchemy(connection, error) from None


def _as_sqlalchemy(connection: Connection, error: Any) -> BaseException:
    """A driver's error as SQLAlchemy tells it; a connection that is lost is not used again."""
    _says_no_values(error)
    driver: Any = connection.connection.dbapi_connection
    dialect = connection.dialect
    if dialect.is_disconnect(error, driver, None):
        connection.invalidate(error)
    told: BaseException = DBAPIError.instance(
        None, None, error, dialect.loaded_dbapi.Error, hide_parameters=True, dialect=dialect
    )
    return told


@contextmanager
def database_errors() -> Iterator[None]:
    """Raises ServiceUnreachableError when the database is busy or away; a retry may succeed."""
    try:
        yield
    except (OperationalError, PoolTimeoutError) as error:
        raise ServiceUnreachableError("the service's database does not answer") from error


def bring_up_to_date(url: str, migrations: Path, version_table: str) -> None:
    """Applies the migrations of a folder that the database has not seen yet.

    Raises:
        ServiceUnreachableError: if the database does not answer.
    """
    with database_errors():
        upgrade(url, migrations, version_table=version_table)


def upgrade(url: str, migrations: Path, *, version_table: str) -> None:
    """Applies the migrations of a folder that this database has not seen yet.

    Services that start at the same time take turns; each migration is applied once. Where all of
    them were applied, nothing is written: an account that may change no table is enough.

    Args:
        url: the database.
        migrations: the Alembic folder: `env.py` and `versions/`.
        version_table: where the database notes how far it is; one for each folder.

    Raises:
        ServiceUnreachableError: if the account may not apply them, or the database has seen
            migrations that are not in the folder.
    """
    config = _config(migrations)
    config.attributes["version_table"] = version_table
    logging.getLogger("alembic").setLevel(logging.WARNING)
    known = ScriptDirectory.from_config(config)
    engine = open_database(url)
    try:
        match _age(_applied(engine, version_table), known):
            case TablesAge.PRESENT:
                return
            case TablesAge.NEWER:
                told = "the database is of a newer version than this program"
                raise ServiceUnreachableError(told)
        with _UPGRADING, writing(engine) as connection:
            if connection.dialect.name == "postgresql":
                # Held until the transaction ends; named by the version table.
                lock = zlib.crc32(version_table.encode())
                connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": lock})
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
    except ProgrammingError as refused:
        if getattr(refused.orig, "sqlstate", None) != _INSUFFICIENT_PRIVILEGE:
            raise
        raise ServiceUnreachableError(
            "the database is of an older version, and this account may not change its tables"
        ) from refused
    finally:
        engine.dispose()


class TablesAge(StrEnum):
    """How far a database was brought up to date, beside what a program knows."""

    PRESENT = "present"
    NONE = "none"
    OLDER = "older"
    NEWER = "newer"
    UNKNOWN = "unknown"
    """Something was there that noted versions, and no version is."""


def tables_age(url: str, migrations: Path, *, version_table: str) -> TablesAge:
    """How far a database is; it is only read.

    Raises:
        ServiceUnreachableError: if it does not answer, or is no database.
    """
    engine = open_database(url)
    try:
        applied = _applied(engine, version_table)
        noted = inspect(engine).has_table(version_table)
    except DBAPIError as failure:
        raise ServiceUnreachableError("the database does not answer") from failure
    finally:
        engine.dispose()
    if applied:
        return _age(applied, ScriptDirectory.from_config(_config(migrations)))
    return TablesAge.UNKNOWN if noted else TablesAge.NONE


def _config(migrations: Path) -> Config:
    config = Config()
    config.set_main_option("script_location", str(migrations).replace("%", "%%"))
    return config


def _age(applied: set[str], known: ScriptDirectory) -> TablesAge:
    if applied == set(known.get_heads()):
        return TablesAge.PRESENT
    if applied <= {script.revision for script in known.walk_revisions()}:
        return TablesAge.OLDER
    return TablesAge.NEWER


def takes_writes(url: str, *, version_table: str) -> bool:
    """Whether a database that was brought up to date commits what is written now.

    It does not while its disk is full, while it is away, or where it is a copy that is only read.
    """
    engine = open_database(url)
    version: ColumnClause[str] = column("version_num")
    try:
        with writing(engine) as connection:
            versions = named_table(version_table, version)
            connection.execute(versions.update().values({version: version}))
    except DBAPIError:
        return False
    finally:
        engine.dispose()
    return True


async def until_it_takes_writes(url: str, *, version_table: str) -> None:
    """Waits until the database commits what is written."""
    while not await asyncio.to_thread(takes_writes, url, version_table=version_table):
        log.warning("the database takes no writes")
        await asyncio.sleep(_TRY_AGAIN_SECONDS)


def run_migrations() -> None:
    """What every `env.py` calls: runs the migrations on the connection of `upgrade`."""
    attributes = context.config.attributes
    context.configure(
        connection=attributes["connection"],
        version_table=attributes["version_table"],
        transactional_ddl=True,
    )
    context.run_migrations()


def _applied(engine: Engine, version_table: str) -> set[str]:
    with engine.connect() as connection:
        found = MigrationContext.configure(connection, opts={"version_table": version_table})
        return set(found.get_current_heads())


@dataclass(frozen=True, slots=True)
class _Insert:
    """How rows of some columns of a table are added.

    Attributes:
        text: the statement as the driver takes it.
        processes: each column, and what makes of a value one that the driver takes, if it must.
        positional: whether the driver takes rows, and not mappings.
    """

    text: str
    processes: Sequence[tuple[str, Callable[[Any], Any] | None]]
    positional: bool

    def execute(self, connection: Connection, rows: Sequence[tuple[Any, ...]]) -> None:
        given: Any = rows
        if not self.positional:
            names = [name for name, _process in self.processes]
            given = [dict(zip(names, row, strict=True)) for row in rows]
        if len(given) == 1:
            driven(connection, self.text, given[0])
        else:
            driven_many(connection, self.text, given)


@lru_cache(512)
def _insert_of(table: Table, names: tuple[str, ...], dialect: Dialect) -> _Insert:
    """Written once: what answers a question adds a few rows to each of several tables."""
    compiled = table.insert().compile(dialect=dialect, column_keys=names)
    types: list[TypeEngine[Any]] = [table.columns[name].type for name in names]
    processes = [one.dialect_impl(dialect).bind_processor(dialect) for one in types]
    paired = list(zip(names, processes, strict=True))
    return _Insert(str(compiled), paired, bool(compiled.positional))


def _prepare_sqlite(engine: Engine, cache_mib: int) -> None:
    @event.listens_for(engine, "connect")
    def connected(connection: Any, _record: Any) -> None:
        # The driver's own transactions leave out DDL; ours are begun below.
        connection.isolation_level = None
        for pragma in (
            f"busy_timeout={_BUSY_TIMEOUT_MS}",
            "journal_mode=WAL",
            "synchronous=FULL",
            "foreign_keys=ON",
            f"cache_size=-{cache_mib * 1024}",
            f"wal_autocheckpoint={_CHECKPOINT_PAGES}",
        ):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def begun(connection: Connection) -> None:
        driven(connection, connection.get_execution_options().get(BEGINS, "BEGIN"))


def _without_values(failure: ExceptionContext) -> None:
    original = failure.original_exception
    if _says_no_values(original) and failure.sqlalchemy_exception is not None:
        failure.sqlalchemy_exception.args = (f"({type(original).__name__}) {original}",)


def _says_no_values(original: BaseException) -> bool:
    """Takes the values out of what PostgreSQL says: `DETAIL`, and messages that quote input."""
    state = getattr(original, "sqlstate", None)
    if state is None:
        return False
    quotes = state.startswith(_QUOTING_CLASSES)
    said = "the values break a rule" if quotes else str(original).partition("\n")[0]
    original.args = (f"{said} (SQLSTATE {state})",)
    return True
