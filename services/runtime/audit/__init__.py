"""What every service's log runs on: one writer that commits in groups, and the tree in tiles."""

from services.runtime.audit.reading import LogReader
from services.runtime.audit.tables import LogTables
from services.runtime.audit.writer import GroupWriter, ToAppend

__all__ = ["GroupWriter", "LogReader", "LogTables", "ToAppend"]
