"""The steps that bring the registry's database up to date."""

from pathlib import Path

REGISTRY = Path(__file__).parent
"""The migrations of the registry's tables."""

VERSION_TABLE = "alembic_version_registry"
"""Where the database notes how far it is."""
