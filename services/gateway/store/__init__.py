"""Keeps the gateway's log in its own database: SQLite or PostgreSQL, by one code."""

from collections.abc import Sequence

from sqlalchemy import Connection, MetaData

from homeroom.audit import AuditEntry
from services.runtime.audit import KeptLog, log_tables
from services.runtime.database import open_database

LOG = log_tables(MetaData())
"""Where the gateway keeps its log."""


class GatewayLog(KeptLog[None]):
    """The gateway's log; nothing is kept beside its entries."""

    def __init__(self, url: str) -> None:
        self._opened = open_database(url)
        super().__init__(self._opened, LOG, _keep_nothing)

    def close(self) -> None:
        """Lets go of the database."""
        self._opened.dispose()


def _keep_nothing(_connection: Connection, _noted: Sequence[tuple[AuditEntry, None]]) -> None:
    """There is nothing to keep."""
