"""Tells plainly when a node's database is not to be used now."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import OperationalError

from homeroom.errors import LogUnavailableError


@contextmanager
def available() -> Iterator[None]:
    """Says that the database is not usable now: its disk is full, or it is gone.

    Raises:
        LogUnavailableError: in place of the database's own error, so that whoever follows a
            service tries again.
    """
    try:
        yield
    except OperationalError:
        raise LogUnavailableError("the node's state is not available") from None
