"""Where the consent service keeps its order of changes: SQLite or PostgreSQL, by one code."""

from services.consent.store.consent_store import SqlConsentStore
from services.consent.store.snapshot_shelf import SqlSnapshotShelf

__all__ = ["SqlConsentStore", "SqlSnapshotShelf"]
