"""Brings a node's databases up to date, and tells plainly when one of them is away."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy.exc import OperationalError

from homeroom.errors import LogUnavailableError, ServiceUnreachableError
from services.runtime.database import upgrade


def bring_up_to_date(url: str, migrations: Path, version_table: str) -> None:
    """Applies the migrations of a folder that the database has not seen yet.

    Raises:
        ServiceUnreachableError: if the database does not answer.
    """
    try:
        upgrade(url, migrations, version_table=version_table)
    except OperationalError as error:
        raise ServiceUnreachableError("a database of the node does not answer") from error


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
