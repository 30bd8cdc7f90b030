"""Ed-Fi's elements, made into rows of the records, whichever way they came."""

from services.node.intake.edfi.source import EdFiSource, FileItem

__all__ = ["EdFiSource", "FileItem"]
