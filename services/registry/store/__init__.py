"""Where the registry keeps its entries: SQLite or PostgreSQL, by one code."""

from services.registry.store.registry_store import SqlRegistryStore
from services.registry.store.witness_store import SqlWitnessStore

__all__ = ["SqlRegistryStore", "SqlWitnessStore"]
