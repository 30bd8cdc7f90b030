"""Makes rows of the items of Ed-Fi, which it reads twice.

The first pass gathers what items name in others and puts the facts of each student together; it
keeps no event, so it grows with students and sections only. The second makes the rows.
"""

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Container, Iterator, Mapping

from services.node.domain.intake import Piece, SourceMemory, SourceRow
from services.node.domain.intake_report import Rejection
from services.node.domain.record_tables import RECORD_TABLES, STUDENT_ID
from services.node.intake.edfi.alike import AlikeRows
from services.node.intake.edfi.items import OWN, Item, texts_of
from services.node.intake.edfi.lookups import FirstPassNames, Lookups, is_program_association
from services.node.intake.edfi.row import source_row
from services.node.intake.edfi.rows import TRANSLATE, Row, Translate, program_participation

# What the first pass takes whole; the second has nothing to add.
_GATHERED_WHOLE = {
    "Assessment",
    "Contact",
    "Course",
    "CourseOffering",
    "DisciplineIncident",
    "GradebookEntry",
    "GradingPeriod",
    "Program",
    "Section",
    "Student",
    "StudentDisciplineIncidentNonOffenderAssociation",
    "StudentEducationOrganizationAssociation",
}


FileItem = tuple[str, Item]
"""The name of a file, and an item that stands in it."""


class EdFiSource(ABC):
    """The rows of a set of items."""

    def __init__(self, *, bulk: bool = False) -> None:
        self.dropped: Counter[str] = Counter()
        self.skipped: Counter[str] = Counter()
        self._bulk = bulk
        self._nameless: list[tuple[str, int]] = []

    @property
    def complete(self) -> Mapping[str, bool]:
        """Every table, if the set is said to be all there is."""
        return dict.fromkeys(RECORD_TABLES, False) if self._bulk else {}

    @property
    def position(self) -> str | None:
        """A file set is read whole each time."""
        return None

    @abstractmethod
    def items(self, wanted: Container[str], *, first: bool) -> Iterator[FileItem]:
        """The items of some names; each is good until the next is asked for.

        What is dropped is counted in the first pass, what is passed over in the second.

        Raises:
            RequestInvalidError: if the set cannot be read.
        """

    def rows(self, _memory: SourceMemory) -> Iterator[Piece]:
        """The rows of the set: students first, then what is about them."""
        lookups = Lookups()
        told_by = self._first_pass(lookups)
        for file, line in self._nameless:
            yield Rejection("student", file, line, STUDENT_ID, "is missing", "missing")
        for student_id, facts in lookups.students.items():
            if student_id in told_by:
                yield source_row(Row("student", facts), *told_by[student_id])
        yield from self._second_pass(lookups)

    def _first_pass(self, lookups: Lookups) -> dict[str, tuple[str, int]]:
        """Gathers; returns the file and line of each student's own item."""
        told_by: dict[str, tuple[str, int]] = {}
        for file, item in self.items(FirstPassNames(), first=True):
            lookups.gather(item)
            student_id = item.at("StudentUniqueId").text
            if item.name == "Student" and student_id:
                told_by[student_id] = (file, item.line)
            elif item.name == "Student":
                self._nameless.append((file, item.line))
        lookups.finish()
        return told_by

    def _second_pass(self, lookups: Lookups) -> Iterator[SourceRow | Rejection]:
        alike = AlikeRows(lookups)
        for file, item in self.items(SecondPassNames(), first=False):
            if item.leaves is not None and (told := alike.row(file, item)) is not None:
                yield told
                continue
            for made in translation(item.name)(item, lookups):
                row = _as_told(made, item)
                if row.refused:
                    yield Rejection(row.table, file, item.line, STUDENT_ID, row.refused)
                else:
                    yield source_row(row, file, item.line)
        for name in _GATHERED_WHOLE:
            self.skipped.pop(name, None)


class SecondPassNames:
    """The items that rows are made of."""

    def __contains__(self, name: object) -> bool:
        return name in TRANSLATE or is_program_association(str(name))


def translation(name: str) -> Translate:
    """What makes rows of the items of a name that has rows."""
    return TRANSLATE.get(name, program_participation)


def _as_told(row: Row, item: Item) -> Row:
    """A row with the columns that another node told beside Ed-Fi's own words."""
    own = item.at(OWN, row.table).children
    return row._replace(texts={**row.texts, **texts_of(own)}) if own else row
