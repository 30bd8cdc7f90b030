"""Where the registry keeps its entries: SQLite or PostgreSQL, by one code."""

from services.registry.store.database import bring_up_to_date
from services.registry.store.registry_store import SqlRegistryStore

__all__ = ["SqlRegistryStore", "bring_up_to_date"]
