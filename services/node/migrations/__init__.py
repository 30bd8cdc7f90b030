"""The steps that bring a node's databases up to date, one folder for each."""

from pathlib import Path

RECORDS = Path(__file__).parent / "records"
"""The migrations of the records."""

RECORDS_VERSION_TABLE = "alembic_version_records"
"""Where the records' database notes how far it is."""

STATE = Path(__file__).parent / "state"
"""The migrations of the node's own state."""

STATE_VERSION_TABLE = "alembic_version_state"
"""Where the state's database notes how far it is."""
