"""Tells a database that is busy or away from one that refuses what we do."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from homeroom.errors import ServiceUnreachableError


@contextmanager
def database_errors() -> Iterator[None]:
    """Raises ServiceUnreachableError when the database is busy or away; a retry may succeed."""
    try:
        yield
    except (OperationalError, PoolTimeoutError) as error:
        raise ServiceUnreachableError("the consents' database does not answer") from error
