"""Records loaded for a test, and questions about them."""

from pathlib import Path
from typing import Any

from sqlalchemy import text

from services.node.domain.intake_report import IntakeReport
from services.node.intake.run import Choices, ingest
from services.runtime.database import open_database


class LoadedRecords:
    """A records database in a folder, filled by intakes."""

    def __init__(self, folder: Path) -> None:
        self.url = f"sqlite:///{folder}/records.db"

    def ingest(self, format_name: str, path: Path, **choices: Any) -> IntakeReport:
        """Imports a file set."""
        return ingest(format_name, path, self.url, Choices(**choices))

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """The rows that a query gives."""
        engine = open_database(self.url)
        try:
            with engine.connect() as connection:
                return [tuple(row) for row in connection.execute(text(query))]
        finally:
            engine.dispose()

    def count(self, query: str) -> Any:
        """The one value that a query gives."""
        [[value]] = self.rows(query)
        return value
