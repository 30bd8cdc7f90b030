"""The records a node holds, in one canonical model, whatever they were imported from."""

from services.node.store.records.record_store import IntakeRun, LoadTally, RecordStore

__all__ = ["IntakeRun", "LoadTally", "RecordStore"]
