"""The steps that bring a node's databases up to date, one folder for each."""

from pathlib import Path

RECORDS = Path(__file__).parent / "records"
"""The migrations of the records."""

RECORDS_VERSION_TABLE = "alembic_version_records"
"""Where the records' database notes how far it is."""
