"""Reads Ed-Fi interchange XML, from 1.0 to 5.x, into rows of the records."""

from collections.abc import Container, Iterator
from pathlib import Path

from homeroom.errors import RequestInvalidError
from services.node.intake.edfi import EdFiSource, FileItem
from services.node.intake.edfi.items import Item
from services.node.intake.edfi_xml.elements import Elements, contents_of
from services.node.intake.file_set import FileSet

__all__ = ["EdFiXml"]


class EdFiXml(EdFiSource):
    """The rows of a set of interchange files."""

    def __init__(self, path: Path, *, bulk: bool = False) -> None:
        super().__init__(bulk=bulk)
        self._files = [(file, contents_of(file)) for file in FileSet(path, ".xml")]
        self._references: dict[str, Item] = {}

    def items(self, wanted: Container[str], *, first: bool) -> Iterator[FileItem]:
        if first:
            self._collect()
            elements = Elements(self._references, dropped=self.dropped)
        else:
            elements = Elements(self._references, skipped=self.skipped)
        for file, contents in self._files:
            # What is passed over is counted in the second pass, so that one reads every file.
            if not first or not contents.names or any(n in wanted for n in contents.names):
                for item in elements.of(file, wanted):
                    yield FileItem(file.name, item)
        if not first and not elements.interchanges:
            raise RequestInvalidError("no file is an Ed-Fi interchange", field="path")

    def _collect(self) -> None:
        """Collects what may be named from a file that comes earlier."""
        collecting = Elements(self._references)
        for file, contents in self._files:
            if contents.has_ids:
                collecting.collect(file)
        collecting.link()
