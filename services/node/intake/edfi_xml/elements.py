"""Streams the elements of Ed-Fi interchange files, one at a time, in one shape for all versions."""

import re
from collections.abc import Container, Iterator
from dataclasses import dataclass, field

from services.node.intake.edfi.items import Item
from services.node.intake.edfi_xml.reading import NEVER_NAMED, Counts, Reading, Wish, resolve
from services.node.intake.edfi_xml.stream import KnownShapes, Stream
from services.node.intake.file_set import SetFile

_CHUNK = 1 << 18
_TAG_WITH_ID = re.compile(rb"<(?:[A-Za-z_][\w.-]*:)?([A-Za-z_][\w.-]*)[^<>]*?\sid\s*=")
_NEVER_NAMED = {name.encode() for name in NEVER_NAMED}


def has_ids(file: SetFile) -> bool:
    """Whether a file may have elements that others name by an `id`, found without parsing it."""
    rest = b""
    with file.open() as handle:
        while chunk := handle.read(_CHUNK):
            seen = rest + chunk
            # A file in UTF-16 has zero bytes between its letters: then anything may be in it.
            if b"\x00" in seen:
                return True
            # A hundred times quicker than the pattern.
            if (b"id=" in seen or b"id =" in seen) and not _NEVER_NAMED.issuperset(
                _TAG_WITH_ID.findall(seen)
            ):
                return True
            rest = seen[-256:]
    return False


@dataclass(slots=True)
class Elements:
    """Reads interchange files, and counts what it drops and passes over.

    Attributes:
        references: what the elements that carry an `id` are named by, once collected.
        counts: what was dropped and passed over.
        shapes: those met so far; what one pass learns serves the next.
    """

    references: dict[str, Item]
    shapes: KnownShapes
    counts: Counts = field(default_factory=Counts)

    def of(self, file: SetFile, wanted: Container[str]) -> Iterator[Item]:
        """The wanted items of a file; each is good until the next is asked for.

        Raises:
            RequestInvalidError: if the file is not well-formed XML, or brings a DTD.
        """
        for item, _ in self._items(file, Wish(wanted, self.references)):
            yield item

    def collect(self, file: SetFile) -> None:
        """Keeps what names each element of a file that others may name by its `id`."""
        wish = Wish((), self.references, with_id=True)
        for item, identifier in self._items(file, wish):
            self.references.setdefault(identifier, item.identity())

    def link(self) -> None:
        """Lets the elements collected so far find those that they themselves name."""
        for item in self.references.values():
            self._link(item)

    def _link(self, item: Item) -> None:
        for named in item.children.values():
            for child in named:
                if child.ref:
                    resolve(child, self.references)
                else:
                    self._link(child)

    def _items(self, file: SetFile, wish: Wish) -> Iterator[tuple[Item, str]]:
        with file.open() as handle:
            reading = Reading(file.name, wish, self.counts)
            yield from Stream(handle, reading, wish, self.shapes).items()
