"""Appends entries to a log, all that wait in one transaction: one flush to disk serves them all.

While one group is being written, the next one gathers. An entry that cannot stand (it was written
before, or what is kept beside it is refused) fails alone; where the group cannot be committed,
every entry of it fails, and nothing of it is left.

A group costs about as much as five entries. So where entries keep coming, the next group does not
begin with the few that came meanwhile, but gathers more for a moment, as `commit_delay` does in
PostgreSQL; entries that come one by one never wait.
"""

import asyncio
import secrets
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Generic, TypeAlias, TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import InterfaceError, OperationalError, SQLAlchemyError

from homeroom.audit import AuditEntry
from homeroom.audit.entry import SALT_BYTES
from homeroom.errors import InternalError, LogUnavailableError, QueryReplayedError
from services.runtime.audit.tables import LogTables
from services.runtime.database import connected_to_write, driven

NoteT = TypeVar("NoteT")
MOST_IN_GROUP = 256
_MANY = 4
"""After a group of so many, more are on their way."""
_GATHER_SECONDS = 0.02
_ENOUGH = 32
"""So many do not wait for more."""

Appended: TypeAlias = tuple[AuditEntry, bytes]
"""An entry that is durable, and its leaf."""
Outcome: TypeAlias = Appended | BaseException
Keep: TypeAlias = Callable[[Connection, Sequence[tuple[AuditEntry, NoteT]]], None]
"""Writes what is kept beside some entries, in their transaction."""


@dataclass(frozen=True, slots=True, eq=False)
class ToAppend(Generic[NoteT]):
    """An entry that waits for its place.

    Attributes:
        query_digest: hexadecimal.
        content: as `encode_content` writes it.
        notes: what is kept beside it, written with it or not at all.
        appended: the entry and its leaf, once they are durable; a future of the loop that waits.
    """

    kind: str
    query_digest: str
    content: str
    notes: Sequence[NoteT] = ()
    appended: "asyncio.Future[Appended]" = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )

    @property
    def once(self) -> tuple[str, str]:
        """What stands in a log once."""
        return self.kind, self.query_digest


class GroupWriter(Generic[NoteT]):
    """The one writer of a log; `append` returns when the entry survives a power cut."""

    def __init__(
        self,
        engine: Engine,
        tables: LogTables,
        keep: Keep[NoteT],
    ) -> None:
        """Writes to the tables of one database.

        Args:
            engine: the database, which must be durable.
            tables: where the log is.
            keep: writes what is kept beside entries, in their transaction.
        """
        self._engine = engine
        self._tables = tables
        self._keep = keep
        self._waiting: deque[ToAppend[NoteT]] = deque()
        self._guard = threading.Lock()
        self._at_work = False
        self._enough = threading.Event()
        # One thread: entries stand in a row, and the event loop never waits for a disk.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="log")
        self._connection: Connection | None = None

    async def append(self, entry: ToAppend[NoteT]) -> Appended:
        """Writes one entry durably, after all that were handed in before it.

        Raises:
            QueryReplayedError: if this kind of entry was written for this query before.
            LogUnavailableError: if it cannot be written; then nothing may be released.
            HomeroomError: whatever `keep` raised.
        """
        with self._guard:
            self._waiting.append(entry)
            if len(self._waiting) >= _ENOUGH:
                self._enough.set()
            idle, self._at_work = not self._at_work, True
        if idle:
            self._thread.submit(self._work)
        return await entry.appended

    def _work(self) -> None:
        """Writes group after group until nobody waits."""
        while group := self._next_group():
            outcomes = self._outcomes(group)
            if not self._waiting:
                # Before they hear of it: who closes the database next finds nothing open.
                self._let_go()
            # Once for each loop: to wake it for each entry would cost as much as to write it.
            waiting: dict[asyncio.AbstractEventLoop, list[tuple[asyncio.Future[Any], Outcome]]] = {}
            for entry, outcome in outcomes.items():
                future = entry.appended
                waiting.setdefault(future.get_loop(), []).append((future, outcome))
            for loop, told in waiting.items():
                with suppress(RuntimeError):  # the loop is closed: nobody waits any longer
                    loop.call_soon_threadsafe(_tell, told)
            if len(group) >= _MANY:
                self._enough.wait(_GATHER_SECONDS)
        self._let_go()

    def _next_group(self) -> list[ToAppend[NoteT]]:
        """Those that wait, oldest first; none if there are none, and then this thread is done."""
        while True:
            with self._guard:
                most = min(len(self._waiting), MOST_IN_GROUP)
                taken = [self._waiting.popleft() for _ in range(most)]
                if len(self._waiting) < _ENOUGH:
                    self._enough.clear()
                self._at_work = bool(taken)
            # Who has gone meanwhile gets no entry; who goes from here on has been written down.
            group = [entry for entry in taken if not entry.appended.cancelled()]
            if group or not taken:
                return group

    def _outcomes(self, group: Sequence[ToAppend[NoteT]]) -> "dict[ToAppend[NoteT], Outcome]":
        try:
            return self._write(group)
        except (SQLAlchemyError, OSError, LogUnavailableError):
            return {entry: LogUnavailableError("the log cannot be written") for entry in group}
        except Exception as failure:  # whatever it is, everybody who waits must hear of it
            return {entry: _failed(failure) for entry in group}

    def _write(self, group: Sequence[ToAppend[NoteT]]) -> "dict[ToAppend[NoteT], Outcome]":
        """Writes a group in one transaction; who is not in it, and why."""
        try:
            return self._written(group, apart=False)
        except (OperationalError, InterfaceError):
            raise  # the database itself: then no other entry can be written either
        except Exception:
            # What goes with one of them may be refused: written one by one, it fails alone.
            return self._written(group, apart=True)

    def _written(
        self, group: Sequence[ToAppend[NoteT]], *, apart: bool
    ) -> "dict[ToAppend[NoteT], Outcome]":
        """Writes a group, with what goes with the entries: of all together, or of each apart."""
        refused: dict[ToAppend[NoteT], Outcome] = {}
        placed: list[tuple[ToAppend[NoteT], AuditEntry]] = []
        with self._transaction() as connection:
            self._tables.lock(connection)
            known = self._tables.known(connection, [waiting.query_digest for waiting in group])
            size = self._tables.size(connection)
            for waiting in group:
                if waiting.once in known:
                    refused[waiting] = QueryReplayedError("this query was asked before")
                    continue
                entry = _entry(size + len(placed), waiting)
                refusal = self._keep_apart(connection, entry, waiting.notes) if apart else None
                if refusal is not None:
                    refused[waiting] = refusal
                    continue
                known.add(waiting.once)
                placed.append((waiting, entry))
            if not apart:
                self._keep(connection, [(entry, n) for one, entry in placed for n in one.notes])
            leaves = self._tables.append(connection, [entry for _, entry in placed])
        done = {w: (entry, leaf) for (w, entry), leaf in zip(placed, leaves, strict=True)}
        return {**refused, **done}

    @contextmanager
    def _transaction(self) -> Iterator[Connection]:
        """One transaction; groups that follow each other share a connection."""
        if self._connection is None:
            self._connection = connected_to_write(self._engine)
        try:
            with self._connection.begin():
                yield self._connection
        except BaseException:
            # It may be lost: the next group has another.
            self._let_go()
            raise

    def _let_go(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(SQLAlchemyError):  # it is lost, and then it is closed as well
                connection.close()

    def _keep_apart(
        self, connection: Connection, entry: AuditEntry, notes: Sequence[NoteT]
    ) -> BaseException | None:
        """Keeps what goes with an entry; what was wrong with it, and then nothing of it is kept."""
        driven(connection, "SAVEPOINT beside")
        refusal: BaseException | None = None
        try:
            self._keep(connection, [(entry, note) for note in notes])
        except (OperationalError, InterfaceError):
            raise  # the database itself: then no other entry can be written either
        except SQLAlchemyError:
            refusal = LogUnavailableError("what goes with the entry cannot be written")
        except Exception as failure:  # of this entry alone: the others have done nothing wrong
            refusal = failure
        if refusal is not None:
            # Where even this fails, so does the group: nothing half written is committed.
            driven(connection, "ROLLBACK TO SAVEPOINT beside")
        driven(connection, "RELEASE SAVEPOINT beside")
        return refusal


def _tell(outcomes: "Sequence[tuple[asyncio.Future[Any], Outcome]]") -> None:
    """Tells those who still wait; runs in their loop."""
    for future, outcome in outcomes:
        if future.done():
            continue
        if isinstance(outcome, BaseException):
            future.set_exception(outcome)
        else:
            future.set_result(outcome)


def _entry(index: int, waiting: ToAppend[NoteT]) -> AuditEntry:
    salt = secrets.token_bytes(SALT_BYTES)
    at = int(time.time())
    return AuditEntry(index, at, waiting.kind, waiting.query_digest, salt, waiting.content)


def _failed(failure: Exception) -> InternalError:
    error = InternalError("the log failed")
    error.__cause__ = failure
    return error
