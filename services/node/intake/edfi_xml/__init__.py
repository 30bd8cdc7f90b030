"""Reads Ed-Fi interchange XML, from 1.0 to 5.x, into rows of the records."""

from collections.abc import Container, Iterator
from pathlib import Path

from homeroom.errors import RequestInvalidError
from services.node.intake.edfi import EdFiSource, FileItem
from services.node.intake.edfi.items import Item
from services.node.intake.edfi_xml.elements import Elements, has_ids
from services.node.intake.edfi_xml.reading import Counts
from services.node.intake.edfi_xml.stream import KnownShapes
from services.node.intake.file_set import FileSet

__all__ = ["EdFiXml"]


class EdFiXml(EdFiSource):
    """The rows of a set of interchange files."""

    def __init__(self, path: Path, *, bulk: bool = False) -> None:
        super().__init__(bulk=bulk)
        self._files = list(FileSet(path, ".xml"))
        self._references: dict[str, Item] = {}
        self._shapes: KnownShapes = {}

    def items(self, wanted: Container[str], *, first: bool) -> Iterator[FileItem]:
        # Both passes meet the same; each count is kept of one.
        counts = Counts(dropped=self.dropped) if first else Counts(skipped=self.skipped)
        if first:
            self._collect()
        elements = Elements(self._references, self._shapes, counts)
        for file in self._files:
            for item in elements.of(file, wanted):
                yield file.name, item
        if not counts.interchanges:
            raise RequestInvalidError("no file is an Ed-Fi interchange", field="path")

    def _collect(self) -> None:
        """Collects what may be named from a file that comes earlier."""
        collecting = Elements(self._references, self._shapes)
        for file in self._files:
            if has_ids(file):
                collecting.collect(file)
        collecting.link()
