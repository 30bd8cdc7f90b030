"""Reads in threads, and stops a read whose result nobody waits for any longer.

A statement that runs in a database knows nothing of the caller who left: it is told.
"""

import asyncio
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from contextvars import ContextVar
from typing import Any, TypeVar

from services.node.store.database import available

R = TypeVar("R")

_AGAIN_SECONDS = 0.05
"""A statement may begin just after it was told to stop: so it is told again."""

# One of its own: those that read may all be taken by what is to be stopped.
_STOPPER = ThreadPoolExecutor(1, thread_name_prefix="stop")


class Reading:
    """The connections that one piece of work reads on."""

    def __init__(self) -> None:
        self._connections: list[Any] = []
        self._guard = threading.Lock()

    def begins(self, connection: Any) -> None:
        """Notes that the work reads on a connection from now on."""
        with self._guard:
            self._connections.append(connection)

    def ends(self, connection: Any) -> None:
        """Notes that it no longer does: from now on another's statement may run there."""
        with self._guard:
            if connection in self._connections:
                self._connections.remove(connection)

    def stop(self) -> None:
        """Breaks off what runs on its connections."""
        with self._guard:
            for connection in self._connections:
                break_off(connection)


_OWN: ContextVar[Reading | None] = ContextVar("reading", default=None)


def reading_now() -> Reading | None:
    """The work that this thread does, if somebody may stop it."""
    return _OWN.get()


def break_off(connection: Any) -> None:
    """Breaks off the statement that runs on a connection; nothing happens where none does."""
    if isinstance(connection, sqlite3.Connection):
        with suppress(sqlite3.ProgrammingError):  # it is closed by now
            connection.interrupt()
        return
    # PostgreSQL's driver says so where nothing runs, or the connection is closed by now.
    with suppress(connection.Error):
        connection.adbc_cancel()


async def read(work: Callable[[], R], undo: Callable[[R], object] | None = None) -> R:
    """Does work in a thread; where the caller leaves, its statements are broken off first.

    Args:
        work: what is done; every connection that `ReadDatabases` lends it is known.
        undo: lets go of what came of it where nobody waits for it any longer.
    """
    own = Reading()

    def owned() -> R:
        token = _OWN.set(own)
        try:
            return work()
        finally:
            _OWN.reset(token)

    return await stoppable(owned, own.stop, undo)


async def stoppable(
    work: Callable[[], R], stop: Callable[[], None], undo: Callable[[R], object] | None = None
) -> R:
    """Does work in a thread; where the caller leaves, the work is stopped and its end awaited.

    So nobody lets go of a connection on which the thread still reads.
    """
    running = asyncio.ensure_future(asyncio.to_thread(available()(work)))
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        stopping = asyncio.ensure_future(_stopped(running, stop, undo))
        _STOPPING.add(stopping)
        stopping.add_done_callback(_STOPPING.discard)
        await asyncio.shield(stopping)
        raise


_STOPPING: set["asyncio.Future[None]"] = set()
"""What is being stopped, for the loop itself does not keep it."""


async def _stopped(
    running: "asyncio.Future[R]", stop: Callable[[], None], undo: Callable[[R], object] | None
) -> None:
    loop = asyncio.get_running_loop()
    while not running.done():
        await loop.run_in_executor(_STOPPER, stop)
        await asyncio.wait({running}, timeout=_AGAIN_SECONDS)
    if running.exception() is None and undo is not None:
        await loop.run_in_executor(_STOPPER, undo, running.result())
