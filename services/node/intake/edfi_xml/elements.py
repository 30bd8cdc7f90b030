"""Streams the elements of Ed-Fi interchange files, one at a time, in one shape for all versions.

Files are read by expat, which makes no tree: parts that no table holds are passed over without an
object for each of their thousands of elements.
"""

import re
from collections import Counter, deque
from collections.abc import Container, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from xml.parsers import expat

from homeroom.errors import RequestInvalidError
from services.node.intake.edfi.items import RENAMED, Item
from services.node.intake.file_set import SetFile
from services.node.intake.sensitive import is_sensitive_name

_NAMESPACE = "http://ed-fi.org/"
_CHUNK = 1 << 18
_ROOT, _TOP = 1, 2

# Parts of elements of which no table holds anything, however large they are.
_PASSED_OVER = frozenset(
    {
        *("StudentObjectiveAssessment", "StudentAssessmentItem", "Accommodation", "Address"),
        *("Telephone", "InstitutionTelephone", "ElectronicMail", "Language", "Citizenship"),
        *("InternationalAddress", "AssessmentPeriod", "ContentStandard", "LearningStandard"),
    }
)
_TAG = re.compile(rb"<(?:[A-Za-z_][\w.-]*:)?([A-Za-z_][\w.-]*)")
_TAG_WITH_ID = re.compile(rb"<(?:[A-Za-z_][\w.-]*:)?([A-Za-z_][\w.-]*)[^<>]*?\sid\s*=")
# However many carry an `id`, nothing that is read names them by it.
_NEVER_NAMED = frozenset({"StudentAssessment", "StudentSchoolAttendanceEvent"})


@dataclass(frozen=True, slots=True)
class Contents:
    """What a file may have: the names in it, at any depth, and whether anything carries an `id`."""

    names: frozenset[str]
    has_ids: bool


def contents_of(file: SetFile) -> Contents:
    """What a file may have, found without parsing it; too much is no harm."""
    names: set[bytes] = set()
    named: set[bytes] = set()
    rest = b""
    with file.open() as handle:
        while chunk := handle.read(_CHUNK):
            seen = rest + chunk
            names.update(_TAG.findall(seen))
            if b"id=" in seen or b"id =" in seen:  # a hundred times quicker than the pattern
                named.update(_TAG_WITH_ID.findall(seen))
            rest = seen[-256:]
    # A file in UTF-16 has zero bytes between its letters: then anything may be in it.
    told = frozenset(RENAMED.get(n, n) for n in (name.decode() for name in names))
    has_ids = not told or bool({name.decode() for name in named} - _NEVER_NAMED)
    return Contents(told, has_ids)


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
        for item, _ in self._items(file, wanted, with_id=False):
            yield item

    def collect(self, file: SetFile) -> None:
        """Keeps what names each element of a file that others may name by its `id`."""
        for item, identifier in self._items(file, (), with_id=True):
            self.references.setdefault(identifier, item.identity())

    def link(self) -> None:
        """Lets the elements collected so far find those that they themselves name."""
        for item in self.references.values():
            self._link(item)

    def _link(self, item: Item) -> None:
        for named in item.children.values():
            for child in named:
                if child.ref:
                    _resolve(child, self.references)
                else:
                    self._link(child)

    def _items(
        self, file: SetFile, wanted: Container[str], *, with_id: bool
    ) -> Iterator[tuple[Item, str]]:
        reading = _Reading(self, file.name, wanted, with_id=with_id)
        with file.open() as handle:
            while chunk := handle.read(_CHUNK):
                reading.feed(chunk)
                while reading.ready:
                    yield reading.ready.popleft()
            reading.feed(b"", last=True)
            while reading.ready:
                yield reading.ready.popleft()


class _Reading:
    """One file, as expat tells of it.

    Attributes:
        ready: items that are complete, and their `id`.
    """

    def __init__(
        self, elements: Elements, file: str, wanted: Container[str], *, with_id: bool
    ) -> None:
        self.ready: deque[tuple[Item, str]] = deque()
        self._elements = elements
        self._file = file
        self._wanted = wanted
        self._with_id = with_id
        self._depth = 0
        self._passing = 0
        self._id = ""
        self._stack: list[Item] = []
        self._texts: list[list[str]] = []
        self._parser = expat.ParserCreate(namespace_separator=" ")
        self._parser.buffer_text = True
        self._parser.StartDoctypeDeclHandler = self._refuse_dtd
        self._take_in()

    def feed(self, chunk: bytes, *, last: bool = False) -> None:
        """Reads on.

        Raises:
            RequestInvalidError: if this is not well-formed XML, or brings a DTD.
        """
        try:
            self._parser.Parse(chunk, last)
        except (expat.ExpatError, ValueError, LookupError):
            # The parser's message may quote the file.
            line = str(self._parser.CurrentLineNumber)
            raise RequestInvalidError(
                "a file is not well-formed XML", file=self._file, line=line
            ) from None

    def _refuse_dtd(self, *_said: object) -> None:
        raise RequestInvalidError("a DTD is not accepted", file=self._file)

    def _take_in(self) -> None:
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._text

    def _pass_over(self) -> None:
        """Only counts how deep it is, until the element that just began has ended."""
        self._passing = self._depth
        self._parser.StartElementHandler = self._deeper
        self._parser.EndElementHandler = self._shallower
        self._parser.CharacterDataHandler = None

    def _deeper(self, _tag: str, _attributes: dict[str, str]) -> None:
        self._depth += 1

    def _shallower(self, _tag: str) -> None:
        if self._depth == self._passing:
            self._take_in()
        self._depth -= 1

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        self._depth += 1
        name, renamed, sensitive = _named(tag)
        if self._depth == _ROOT:
            self._begin(tag)
        elif self._depth == _TOP:
            self._id = attributes.get("id", "")
            if self._is_wanted(name, renamed):
                self._open(renamed, attributes)
            else:
                self._elements.skipped[name] += 1
                self._pass_over()
        elif sensitive:
            self._elements.dropped[name] += 1
            self._pass_over()
        elif name in _PASSED_OVER:
            self._pass_over()
        else:
            self._open(renamed, attributes)

    def _is_wanted(self, name: str, renamed: str) -> bool:
        if self._with_id:
            return bool(self._id) and name not in _NEVER_NAMED
        return renamed in self._wanted

    def _open(self, name: str, attributes: dict[str, str]) -> None:
        item = Item(name, self._parser.CurrentLineNumber)
        for attribute, value in attributes.items():
            if attribute == "ref":
                item.ref = value
            elif attribute != "id" and " " not in attribute:
                item.add(Item(attribute, item.line, value.strip()))
        self._stack.append(item)
        self._texts.append([])

    def _begin(self, tag: str) -> None:
        if tag.startswith(_NAMESPACE):
            self._elements.interchanges += 1
        else:
            self._elements.skipped[_named(tag)[0]] += 1
            self._pass_over()

    def _text(self, text: str) -> None:
        if self._texts:
            self._texts[-1].append(text)

    def _end(self, _tag: str) -> None:
        depth, self._depth = self._depth, self._depth - 1
        if depth == _ROOT:
            return
        item, texts = self._stack.pop(), self._texts.pop()
        # What stands after a child is no text of its parent's own.
        item.text = ("" if item.children else "".join(texts)).strip()
        _resolve(item, self._elements.references)
        if depth == _TOP:
            self.ready.append((item, self._id))
        elif is_coded_by_what_we_must_not_hold(item):
            self._elements.dropped[item.name] += 1
        else:
            self._stack[-1].add(item)


def is_coded_by_what_we_must_not_hold(item: Item) -> bool:
    """Whether a system that an element names, such as SSN, is one of those."""
    for name, children in item.children.items():
        if "System" in name:
            for child in children:
                for said in (child.text, child.at("CodeValue").text):
                    if said and _is_sensitive_word(said):
                        return True
    return False


@lru_cache(4_096)
def _is_sensitive_word(text: str) -> bool:
    return is_sensitive_name(text.rpartition("#")[2])


@lru_cache(4_096)
def _named(tag: str) -> tuple[str, str, bool]:
    """An element's own name, the name it has with us, and whether it must not be held."""
    name = tag.rpartition(" ")[2]
    return name, RENAMED.get(name, name), is_sensitive_name(name)


def _resolve(item: Item, references: dict[str, Item]) -> None:
    if item.ref and not item.children and item.ref in references:
        # Shared, not copied: what is linked later is seen here too.
        item.children = references[item.ref].children
