"""Brings the database up to date, and tells one that is away from one that refuses what we do."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from homeroom.errors import ServiceUnreachableError
from services.runtime.database import upgrade


@contextmanager
def database_errors() -> Iterator[None]:
    """Raises ServiceUnreachableError when the database is busy or away; a retry may succeed."""
    try:
        yield
    except (OperationalError, PoolTimeoutError) as error:
        raise ServiceUnreachableError("the database of the consents does not answer") from error


def bring_up_to_date(url: str, migrations: Path, version_table: str) -> None:
    """Applies the migrations of a folder that the database has not seen yet."""
    with database_errors():
        upgrade(url, migrations, version_table=version_table)
