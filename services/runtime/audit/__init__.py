"""What every service's log runs on: one writer that commits in groups, and the tree in tiles."""

from services.runtime.audit.checkpoints import CheckpointSigner, SignedCheckpoint
from services.runtime.audit.kept import KeptLog
from services.runtime.audit.reading import LogReader
from services.runtime.audit.tables import LogTables, log_tables
from services.runtime.audit.within import append_within
from services.runtime.audit.writer import GroupWriter, ToAppend

__all__ = [
    "CheckpointSigner",
    "GroupWriter",
    "KeptLog",
    "LogReader",
    "LogTables",
    "SignedCheckpoint",
    "ToAppend",
    "append_within",
    "log_tables",
]
