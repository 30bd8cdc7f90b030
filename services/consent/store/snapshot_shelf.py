"""Keeps the newest registry snapshot over a restart, so that the registry may be away then."""

from sqlalchemy import delete, insert, select

from homeroom.errors import ServiceUnreachableError
from services.consent.store.tables import ConsentTable
from services.runtime.database import database_errors, open_database, writing
from services.runtime.logs import log

_SNAPSHOT = ConsentTable.metadata.tables["saved_snapshot"]


class SqlSnapshotShelf:
    """The shelf of `RegistryFeed`, in the service's own database."""

    def __init__(self, url: str) -> None:
        self._engine = open_database(url)

    def close(self) -> None:
        self._engine.dispose()

    def load(self) -> bytes | None:
        with database_errors(), self._engine.connect() as connection:
            return connection.execute(select(_SNAPSHOT.c.evidence)).scalar_one_or_none()

    def save(self, snapshot: bytes) -> None:
        try:
            with database_errors(), writing(self._engine) as connection:
                connection.execute(delete(_SNAPSHOT))
                connection.execute(insert(_SNAPSHOT).values(snapshot_id=1, evidence=snapshot))
        except ServiceUnreachableError:
            # It is in use all the same; only a restart without the registry would miss it.
            log.warning("the registry state is not saved")
