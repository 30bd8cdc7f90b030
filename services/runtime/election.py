"""Elects the one of several replicas that answers: by a lock of PostgreSQL, and fenced by a number.

The lock belongs to a session that PostgreSQL itself ends once it is silent for too long: so it is
free again also when its holder is held still or cut off, and holds for as long as its holder knows
that it does. With each election a number is raised, and every transaction that writes holds it as
its own from beginning to end: whoever was deposed without noticing commits nothing.
"""

import asyncio
import threading
import time
import zlib
from collections.abc import Callable
from contextlib import ExitStack, closing, suppress
from typing import Any

from sqlalchemy import Connection, Engine, Row, event, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError, OperationalError, ProgrammingError, SQLAlchemyError

from homeroom.errors import LogUnavailableError, RequestInvalidError, ServiceUnreachableError
from services.runtime.database import BEGINS, driven, open_database
from services.runtime.gate import DeposedError
from services.runtime.logs import log

_LOCK = zlib.crc32(b"homeroom writer") >> 1
"""Not negative: so it is the same number wherever PostgreSQL shows it."""

_TRY = text("SELECT pg_try_advisory_lock(:lock, hashtext(current_schema()))")
_HOLDS = text("""
    SELECT count(*) > 0 FROM pg_locks
    WHERE locktype = 'advisory' AND granted AND pid = pg_backend_pid() AND classid = :lock
""")
_ANYBODY = text("""
    SELECT count(*) > 0 FROM pg_locks
    WHERE locktype = 'advisory' AND granted AND classid = :lock
    AND objid = (hashtext(current_schema())::bigint & 4294967295)::oid
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
""")
_TIMEOUT = text("SELECT setting FROM pg_settings WHERE name = 'idle_session_timeout'")
_RAISE = text("UPDATE writer_epoch SET epoch = epoch + 1 RETURNING epoch")
_END_WRITERS = text(
    "SELECT count(pg_terminate_backend(pid)) FROM pg_locks"
    " WHERE relation = 'writer_epoch'::regclass AND mode = 'RowShareLock' AND granted"
    " AND pid <> pg_backend_pid()"
)
_OWN_EPOCH = "SELECT 1 FROM writer_epoch WHERE epoch = %(epoch)s FOR SHARE"

_LOCK_TIMEOUT_MS = 500
_NO_SUCH_TABLE = "42P01"
_LOCK_NOT_AVAILABLE = "55P03"
_BEATS = 5
"""How often the holder is heard of in the time after which it is taken to be gone."""
_SHARE = 0.9
"""Of that time it holds itself elected: two clocks may run a little apart."""
_LOOK_SECONDS = 0.1
_BOOT = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
_NO_POOLER = (
    "an election needs sessions of PostgreSQL 14 or later itself: no pooler may stand between"
)


class Election:
    """A replica that stands for election."""

    def __init__(self, url: str, silence: float) -> None:
        """Connects nowhere yet.

        Args:
            url: the database that all replicas write, a PostgreSQL, as an SQLAlchemy URL.
            silence: after how many seconds without a word of the one elected another may be.
        """
        self._url = url
        self._silence = silence

    def try_to_win(self) -> "Tenure | None":
        """This replica's tenure; None while another one has its.

        Raises:
            ServiceUnreachableError: if the database does not answer.
            RequestInvalidError: if no election can be held there.
        """
        session = open_database(self._session_url())
        try:
            tenure = self._won(session)
        except DBAPIError as failure:
            session.dispose()
            if _refuses_settings(failure):
                raise RequestInvalidError(_NO_POOLER, field="state_url") from None
            raise ServiceUnreachableError("the service's database does not answer") from None
        except BaseException:
            session.dispose()
            raise
        if tenure is None:
            session.dispose()
        return tenure

    def _won(self, session: Engine) -> "Tenure | None":
        with ExitStack() as unless_won:
            connected = unless_won.enter_context(session.connect())
            connection = connected.execution_options(isolation_level="AUTOCOMMIT")
            began = boot_time()
            if connection.scalar(_TIMEOUT) != str(self._silence_ms):
                raise RequestInvalidError(_NO_POOLER, field="state_url")
            if not connection.scalar(_TRY, {"lock": _LOCK}):
                return None
            if not connection.scalar(_HOLDS, {"lock": _LOCK}):
                # A database that knows the function's name alone says yes to everybody.
                raise RequestInvalidError(_NO_POOLER, field="state_url")
            unless_won.pop_all()
        return Tenure(session, connection, self._silence, began)

    @property
    def _silence_ms(self) -> int:
        return round(self._silence * 1000)

    def _session_url(self) -> str:
        """Where the lock's session is opened, with what PostgreSQL is to hold it to."""
        url = make_url(self._url)
        told = (
            f"-c idle_session_timeout={self._silence_ms} -c lock_timeout={_LOCK_TIMEOUT_MS}"
            " -c application_name=homeroom-election"
        )
        given = url.query.get("options", "")
        options = f"{given if isinstance(given, str) else ' '.join(given)} {told}".strip()
        return url.update_query_dict({"options": options}).render_as_string(hide_password=False)


class Tenure:
    """The time in which this replica is the one elected.

    Attributes:
        epoch: the number of the election; 0 until `begin`.
    """

    def __init__(
        self, session: Engine, connection: Connection, silence: float, began: float
    ) -> None:
        """Begins with the lock, held by a connection that nothing else uses."""
        self.epoch = 0
        self._session = session
        self._connection = connection
        self._silence = silence
        self._until = began + silence * _SHARE
        self._guard = threading.Lock()
        self._over = threading.Event()
        # A thread of its own: no load of this process may keep it from being heard of.
        self._beating = threading.Thread(target=self._beat, name="election", daemon=True)
        self._beating.start()

    def holds(self) -> bool:
        """Whether no other replica can have been elected by now; true also while held still."""
        return boot_time() < self._until

    def begin(self, bring_up_to_date: Callable[[], None] = lambda: None) -> None:
        """Raises the number; from here on nobody writes under an earlier one.

        Whoever is still writing under one is cut off: it may be held still, and would never end.

        Args:
            bring_up_to_date: makes the tables, where they are not there yet or are of an earlier
                version: only the one elected does.

        Raises:
            ServiceUnreachableError: if the database does not answer, or no longer holds the lock.
        """
        try:
            raised = self._raise()
            bring_up_to_date()
            if not raised and not self._raise():
                raise ServiceUnreachableError("the database has no table for elections")
        except DBAPIError:
            raise ServiceUnreachableError("the election cannot be noted") from None
        log.info("elected", sequence=self.epoch)

    def fence(self, engine: Engine) -> None:
        """From now on a database is written only in this tenure; other transactions only read."""

        @event.listens_for(engine, "connect")
        def connected(connection: Any, _record: Any) -> None:
            connection.execute("SET default_transaction_read_only = on")
            connection.commit()

        @event.listens_for(engine, "begin")
        def begun(connection: Connection) -> None:
            if BEGINS in connection.get_execution_options():
                driven(connection, "SET TRANSACTION READ WRITE")
                with closing(driven(connection, _OWN_EPOCH, {"epoch": self.epoch})) as found:
                    if found.fetchone() is None:
                        raise LogUnavailableError("another replica has been elected")

    async def until_lost(self) -> None:
        """Returns never: raises DeposedError once another replica may have been elected."""
        while self.holds():  # noqa: ASYNC110 - time alone ends it, and no event tells of that
            await asyncio.sleep(_LOOK_SECONDS)
        raise DeposedError("another replica may have been elected")

    def end(self) -> None:
        """Lets another replica be elected, at once."""
        self._until = -1.0
        self._over.set()
        self._beating.join()
        with self._guard, suppress(SQLAlchemyError):
            self._connection.close()
        self._session.dispose()

    def _beat(self) -> None:
        while not self._over.wait(self._silence / _BEATS):
            sent = boot_time()
            try:
                with self._guard:
                    held = self._connection.scalar(_HOLDS, {"lock": _LOCK})
            except SQLAlchemyError:
                held = False
            if not held:
                log.warning("the election's lock is lost")
                self._until = -1.0
                return
            if not self._over.is_set():
                self._until = sent + self._silence * _SHARE

    def _raise(self) -> bool:
        """Raises the number, by the session that has the lock; False if there is no table yet."""
        while self.holds():
            try:
                with self._guard:
                    raised: Row[Any] = self._connection.execute(_RAISE).one()
            except ProgrammingError as failure:
                if _state_of(failure) != _NO_SUCH_TABLE:
                    raise
                return False
            except OperationalError as failure:
                if _state_of(failure) != _LOCK_NOT_AVAILABLE:
                    raise
                with self._guard:
                    self._connection.execute(_END_WRITERS)
            else:
                self.epoch = int(raised[0])
                return True
        raise ServiceUnreachableError("another replica may have been elected")


def boot_time() -> float:
    """Seconds that go on while this process is held still, and while the machine sleeps."""
    return time.clock_gettime(_BOOT)


def require_no_election(url: str) -> None:
    """For a service that takes itself for the only one.

    Raises:
        RequestInvalidError: if replicas elect one of them in its database.
        ServiceUnreachableError: if the database does not answer.
    """
    engine = open_database(url)
    try:
        if engine.dialect.name == "postgresql":
            with engine.connect() as connection:
                if connection.scalar(_ANYBODY, {"lock": _LOCK}):
                    told = "replicas elect one of them in this database: set it here too"
                    raise RequestInvalidError(told, field="takeover_seconds")
    except DBAPIError:
        raise ServiceUnreachableError("the service's database does not answer") from None
    finally:
        engine.dispose()


def _refuses_settings(failure: DBAPIError) -> bool:
    """Whether what we connected to lets no session have settings of its own, or not this one."""
    said = str(failure.orig)
    return "startup parameter" in said or "idle_session_timeout" in said


def _state_of(failure: DBAPIError) -> str | None:
    state: str | None = getattr(failure.orig, "sqlstate", None)
    return state
