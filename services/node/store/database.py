"""Tells which file a node's database is, and plainly when it is not to be used now."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from adbc_driver_manager import OperationalError as NotAnsweredError
from sqlalchemy.engine import make_url
from sqlalchemy.exc import OperationalError

from homeroom.errors import LogUnavailableError

_AWAY = (OperationalError, sqlite3.OperationalError, NotAnsweredError)
"""What the drivers say of it, each of them."""


@contextmanager
def available() -> Iterator[None]:
    """Says that the database is not usable now: its disk is full, or it is gone.

    Raises:
        LogUnavailableError: in place of the database's own error, so that whoever follows a
            service tries again.
    """
    try:
        yield
    except _AWAY:
        raise LogUnavailableError("the node's state is not available") from None


def sqlite_file(url: str) -> Path | None:
    """The file of an SQLite database; None where another server keeps it."""
    parsed = make_url(url)
    file = parsed.database if parsed.get_backend_name() == "sqlite" else None
    return Path(file) if file else None
