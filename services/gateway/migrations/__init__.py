"""The steps that bring the gateway's database up to date."""

from pathlib import Path

GATEWAY = Path(__file__).parent
"""The migrations of the gateway's log."""

VERSION_TABLE = "alembic_version_gateway"
"""Where the database notes how far it is."""
