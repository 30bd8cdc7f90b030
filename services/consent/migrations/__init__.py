"""The steps that bring the consent service's database up to date."""

from pathlib import Path

CONSENTS = Path(__file__).parent
"""The migrations of the consents' tables."""

VERSION_TABLE = "alembic_version_consent"
"""Where the database notes how far it is."""
