"""Streams the elements of Ed-Fi interchange files, one at a time, in one shape for all versions."""

from collections import Counter
from collections.abc import Container, Iterable, Iterator
from dataclasses import dataclass, field

from lxml import etree

from homeroom.errors import RequestInvalidError
from services.node.intake.edfi.items import RENAMED, Item
from services.node.intake.file_set import SetFile
from services.node.intake.sensitive import is_sensitive_name

_NAMESPACE = "http://ed-fi.org/"


@dataclass(slots=True)
class Elements:
    """Reads interchange files, and counts what it drops and passes over.

    Attributes:
        references: what the elements that carry an `id` are named by, once collected.
        dropped: sensitive elements, by name; they are in no item.
        skipped: elements that were not wanted, by name.
        interchanges: how many of the files were interchanges of Ed-Fi.
    """

    references: dict[str, Item]
    dropped: Counter[str] = field(default_factory=Counter)
    skipped: Counter[str] = field(default_factory=Counter)
    interchanges: int = 0

    def of(self, file: SetFile, wanted: Container[str]) -> Iterator[Item]:
        """The wanted items of a file.

        Raises:
            RequestInvalidError: if the file is not well-formed XML, or brings a DTD.
        """
        for element in self._elements(file):
            name = _local(element)
            if RENAMED.get(name, name) in wanted:
                yield self._item(element)
            else:
                self.skipped[name] += 1

    def collect(self, file: SetFile) -> None:
        """Keeps what names each element of a file that others may name by its `id`."""
        for element in self._elements(file):
            if identifier := element.get("id"):
                self.references.setdefault(str(identifier), self._item(element).identity())

    def link(self) -> None:
        """Lets the elements collected so far find those that they themselves name."""
        for item in self.references.values():
            self._link(item)

    def _link(self, item: Item) -> None:
        for named in item.children.values():
            for child in named:
                if child.ref:
                    self._resolve(child)
                else:
                    self._link(child)

    def _elements(self, file: SetFile) -> Iterator["etree._Element"]:
        """The elements right below the root, each gone when the next is asked for."""
        with file.open() as handle:
            parsed = etree.iterparse(
                handle,
                events=("start", "end"),
                resolve_entities=False,
                load_dtd=False,
                no_network=True,
                huge_tree=False,
                remove_comments=True,
                remove_pis=True,
            )
            try:
                _, root = next(iter(parsed))
                if self._is_interchange(root, file):
                    yield from _below(root, parsed)
            except etree.XMLSyntaxError as error:
                # The parser's message may quote the file.
                raise RequestInvalidError(
                    "a file is not well-formed XML", file=file.name, line=str(error.lineno)
                ) from None

    def _is_interchange(self, root: "etree._Element", file: SetFile) -> bool:
        if root.getroottree().docinfo.internalDTD is not None:
            raise RequestInvalidError("a DTD is not accepted", file=file.name)
        name = etree.QName(root)
        if (name.namespace or "").startswith(_NAMESPACE):
            self.interchanges += 1
            return True
        self.skipped[name.localname] += 1
        return False

    def _item(self, element: "etree._Element") -> Item:
        name = _local(element)
        item = Item(RENAMED.get(name, name), element.sourceline or 0)
        item.text = (element.text or "").strip()
        for attribute, value in element.attrib.items():
            if attribute == "ref":
                item.ref = str(value)
            elif attribute != "id":
                item.add(Item(str(attribute), item.line, str(value).strip()))
        for child in element:
            if _is_sensitive(child):
                self.dropped[_local(child)] += 1
            else:
                item.add(self._item(child))
        self._resolve(item)
        return item

    def _resolve(self, item: Item) -> None:
        if item.ref and not item.children and item.ref in self.references:
            # Shared, not copied: what is linked later is seen here too.
            item.children = self.references[item.ref].children


def _below(
    root: "etree._Element", parsed: "Iterable[tuple[str, etree._Element]]"
) -> Iterator["etree._Element"]:
    for event, element in parsed:
        if event == "end" and element.getparent() is root:
            yield element
            element.clear()
            while element.getprevious() is not None:
                del root[0]


def _local(element: "etree._Element") -> str:
    return str(element.tag).rpartition("}")[2]


def _is_sensitive(element: "etree._Element") -> bool:
    """Whether an element is, or is coded by a system of, something we must not hold."""
    if is_sensitive_name(_local(element)):
        return True
    systems = [value for name, value in element.attrib.items() if "System" in str(name)]
    systems += [child.text or "" for child in element if "System" in _local(child)]
    return any(is_sensitive_name(str(system).rpartition("#")[2]) for system in systems)
