"""Makes items of what expat tells of one interchange file.

Expat makes no tree: parts that no table holds are passed over without an object for each of their
thousands of elements.
"""

from collections import Counter, deque
from collections.abc import Container
from dataclasses import dataclass, field
from functools import lru_cache
from xml.parsers import expat

from homeroom.errors import RequestInvalidError
from services.node.intake.edfi.items import RENAMED, Item
from services.node.intake.sensitive import is_sensitive_name

_NAMESPACE = "http://ed-fi.org/"
ROOT = 1
_TOP = 2

# Parts of elements of which no table holds anything, however large they are.
_PASSED_OVER = frozenset(
    {
        *("StudentObjectiveAssessment", "StudentAssessmentItem", "Accommodation", "Address"),
        *("Telephone", "InstitutionTelephone", "ElectronicMail", "Language", "Citizenship"),
        *("InternationalAddress", "AssessmentPeriod", "ContentStandard", "LearningStandard"),
    }
)
# However many carry an `id`, nothing that is read names them by it.
NEVER_NAMED = frozenset({"StudentAssessment", "StudentSchoolAttendanceEvent"})


@dataclass(slots=True)
class Counts:
    """What reading counts.

    Attributes:
        dropped: sensitive elements, by name; they are in no item.
        skipped: elements that were not wanted, by name.
        interchanges: how many of the files were interchanges of Ed-Fi.
    """

    dropped: Counter[str] = field(default_factory=Counter)
    skipped: Counter[str] = field(default_factory=Counter)
    interchanges: int = 0


@dataclass(slots=True)
class Wish:
    """Which elements of a file are read.

    Attributes:
        names: those of these names.
        with_id: or, instead, those that carry an `id`.
        references: what the elements that carry an `id` are named by.
    """

    names: Container[str]
    references: dict[str, Item]
    with_id: bool = False
    _known: dict[str, bool] = field(default_factory=dict)

    def has(self, name: str, identifier: str) -> bool:
        """Whether an element is one of them."""
        if self.with_id:
            return bool(identifier) and name not in NEVER_NAMED
        known = self._known.get(name)
        if known is None:
            known = self._known[name] = RENAMED.get(name, name) in self.names
        return known


class Reading:
    """One file, as expat tells of it.

    Attributes:
        ready: items that are complete, and their `id`.
        depth: how many elements are open.
        passed_by: how many lines of the file expat was not shown.
        opened_at: where the root began, in bytes.
        closed_at: where the end of the last element below the root began, in bytes.
    """

    def __init__(self, file: str, wish: Wish, counts: Counts) -> None:
        self.ready: deque[tuple[Item, str]] = deque()
        self.depth = 0
        self.passed_by = 0
        self.opened_at = 0
        self.closed_at = -1
        self._file = file
        self._wish = wish
        self._counts = counts
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
            raise self.malformed(self._line()) from None

    def malformed(self, line: int) -> RequestInvalidError:
        """What is raised of a file that is no XML."""
        return RequestInvalidError("a file is not well-formed XML", file=self._file, line=str(line))

    @property
    def passing(self) -> bool:
        """Whether the element that is open is passed over."""
        return self.depth > 0 and self.depth == self._passing

    def skip(self, name: str, count: int = 1) -> None:
        """Counts elements that are not wanted."""
        self._counts.skipped[name] += count

    def drop(self, dropped: Counter[str]) -> None:
        """Counts sensitive elements."""
        self._counts.dropped.update(dropped)

    def _line(self) -> int:
        return self._parser.CurrentLineNumber + self.passed_by

    def _refuse_dtd(self, *_said: object) -> None:
        raise RequestInvalidError("a DTD is not accepted", file=self._file)

    def _take_in(self) -> None:
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._text

    def _pass_over(self) -> None:
        """Only counts how deep it is, until the element that just began has ended."""
        self._passing = self.depth
        self._parser.StartElementHandler = self._deeper
        self._parser.EndElementHandler = self._shallower
        self._parser.CharacterDataHandler = None

    def _deeper(self, _tag: str, _attributes: dict[str, str]) -> None:
        self.depth += 1

    def _shallower(self, _tag: str) -> None:
        if self.depth == self._passing:
            self._take_in()
            self._passing = 0
        if self.depth == _TOP:
            self.closed_at = self._parser.CurrentByteIndex
        self.depth -= 1

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        self.depth += 1
        name, renamed, sensitive = _named(tag)
        if self.depth == ROOT:
            self._begin(tag)
        elif self.depth == _TOP:
            self._id = attributes.get("id", "")
            if self._wish.has(name, self._id):
                self._open(renamed, attributes)
            else:
                self.skip(name)
                self._pass_over()
        elif sensitive:
            self._counts.dropped[name] += 1
            self._pass_over()
        elif name in _PASSED_OVER:
            self._pass_over()
        else:
            self._open(renamed, attributes)

    def _open(self, name: str, attributes: dict[str, str]) -> None:
        item = Item(name, self._line())
        for attribute, value in attributes.items():
            if attribute == "ref":
                item.ref = value
            elif attribute != "id" and " " not in attribute:
                item.add(Item(attribute, item.line, value.strip()))
        self._stack.append(item)
        self._texts.append([])

    def _begin(self, tag: str) -> None:
        self.opened_at = self._parser.CurrentByteIndex
        if tag.startswith(_NAMESPACE):
            self._counts.interchanges += 1
        else:
            self.skip(_named(tag)[0])
            self._pass_over()

    def _text(self, text: str) -> None:
        if self._texts:
            self._texts[-1].append(text)

    def _end(self, _tag: str) -> None:
        depth, self.depth = self.depth, self.depth - 1
        if depth == ROOT:
            return
        item, texts = self._stack.pop(), self._texts.pop()
        # What stands after a child is no text of its parent's own.
        item.text = ("" if item.children else "".join(texts)).strip()
        resolve(item, self._wish.references)
        if depth == _TOP:
            self.closed_at = self._parser.CurrentByteIndex
            self.ready.append((item, self._id))
        elif is_coded_by_what_we_must_not_hold(item):
            self._counts.dropped[item.name] += 1
        else:
            self._stack[-1].add(item)


def systems_of(item: Item) -> list[Item]:
    """What an element names a system by, such as the one that gave a number."""
    return [
        said
        for name, children in item.children.items()
        if "System" in name
        for child in children
        for said in (child, child.at("CodeValue"))
    ]


def is_coded_by_what_we_must_not_hold(item: Item) -> bool:
    """Whether a system that an element names, such as SSN, is one of those."""
    return any(is_sensitive_word(said.text) for said in systems_of(item))


@lru_cache(4_096)
def is_sensitive_word(text: str) -> bool:
    """Whether a descriptor names something that we must not hold."""
    return bool(text) and is_sensitive_name(text.rpartition("#")[2])


@lru_cache(4_096)
def _named(tag: str) -> tuple[str, str, bool]:
    """An element's own name, the name it has with us, and whether it must not be held."""
    name = tag.rpartition(" ")[2]
    return name, RENAMED.get(name, name), is_sensitive_name(name)


def resolve(item: Item, references: dict[str, Item]) -> None:
    """Lets an element that only names another have what that is named by."""
    if item.ref and not item.children and item.ref in references:
        # Shared, not copied: what is linked later is seen here too.
        item.children = references[item.ref].children
