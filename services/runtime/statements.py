"""Statements that are executed so often that building one would cost more than executing it."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.sql.elements import ClauseElement

from services.runtime.database import driven


class Statement:
    """A statement that is written out once for each kind of database.

    Its parameters and rows are the driver's own: for numbers, texts and bytes.
    """

    def __init__(self, build: ClauseElement) -> None:
        """Takes a statement whose every parameter is a named `bindparam`."""
        self._build = build
        self._written: dict[str, tuple[str, list[str] | None]] = {}

    def execute(self, connection: Connection, given: Mapping[str, Any]) -> Any:
        """Executes it with a value for each of its parameters; the driver's cursor."""
        if not connection.in_transaction():
            # What is read is of one state of the database, from the first statement on.
            connection.begin()
        text, order = self._written_for(connection)
        values: Any = given if order is None else tuple(given[name] for name in order)
        return driven(connection, text, values)

    def _written_for(self, connection: Connection) -> tuple[str, list[str] | None]:
        dialect = connection.dialect
        if dialect.name not in self._written:
            compiled = self._build.compile(dialect=dialect)
            self._written[dialect.name] = str(compiled), compiled.positiontup  # type: ignore[attr-defined]
        return self._written[dialect.name]
