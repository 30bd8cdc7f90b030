"""Reads Ed-Fi interchange XML, from 1.0 to 5.x, into rows of the records.

The file set is read twice. The first pass gathers what elements name in others and puts the facts
of each student together; it keeps no event, so it grows with students and sections only. The
second makes the rows.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

from homeroom.errors import RequestInvalidError
from services.node.domain.intake import SourceMemory, SourceRow
from services.node.domain.intake_report import Rejection
from services.node.domain.record_tables import RECORD_TABLES, STUDENT_ID
from services.node.intake.edfi_xml.elements import Elements, Item
from services.node.intake.edfi_xml.lookups import FirstPassNames, Lookups, is_program_association
from services.node.intake.edfi_xml.rows import TRANSLATE, Row, Translate, program_participation
from services.node.intake.file_set import FileSet

__all__ = ["EdFiXml"]

# What the first pass takes whole; the second has nothing to add.
_GATHERED_WHOLE = {
    "Assessment",
    "Course",
    "CourseOffering",
    "DisciplineIncident",
    "GradebookEntry",
    "GradingPeriod",
    "Program",
    "Section",
    "Student",
    "StudentAcademicRecord",
    "StudentDisciplineIncidentNonOffenderAssociation",
    "StudentEducationOrganizationAssociation",
}


class EdFiXml:
    """The rows of a set of interchange files."""

    position: str | None = None

    def __init__(self, path: Path, *, bulk: bool = False) -> None:
        self._bulk = bulk
        self.dropped: Counter[str] = Counter()
        self.skipped: Counter[str] = Counter()
        self._files = FileSet(path, ".xml")
        self._references: dict[str, Item] = {}
        self._nameless: list[tuple[str, int]] = []

    @property
    def complete(self) -> Mapping[str, bool]:
        """Every table, if the set is said to be all there is."""
        return dict.fromkeys(RECORD_TABLES, False) if self._bulk else {}

    def rows(self, _memory: SourceMemory) -> Iterator[SourceRow | Rejection]:
        """The rows of the set: students first, then what is about them."""
        lookups = Lookups()
        told_by = self._first_pass(lookups)
        for file, line in self._nameless:
            yield Rejection("student", file, line, STUDENT_ID, "is missing")
        for student_id, facts in lookups.students.items():
            if student_id in told_by:
                file, line = told_by[student_id]
                yield _source_row(Row("student", facts), file, line)
        yield from self._second_pass(lookups)

    def _first_pass(self, lookups: Lookups) -> dict[str, tuple[str, int]]:
        """Gathers; returns the file and line of each student's own element."""
        # An element may name one in a file that comes later, so these are collected before.
        collecting = Elements(self._references)
        for file in self._files:
            collecting.collect(file)
        if not collecting.interchanges:
            raise RequestInvalidError("no file is an Ed-Fi interchange", field="path")
        collecting.link()
        elements = Elements(self._references, dropped=self.dropped)
        told_by: dict[str, tuple[str, int]] = {}
        for file in self._files:
            for item in elements.of(file, FirstPassNames()):
                lookups.gather(item)
                student_id = item.at("StudentUniqueId").text
                if item.name == "Student" and student_id:
                    told_by[student_id] = (file.name, item.line)
                elif item.name == "Student":
                    self._nameless.append((file.name, item.line))
        lookups.finish()
        return told_by

    def _second_pass(self, lookups: Lookups) -> Iterator[SourceRow | Rejection]:
        elements = Elements(self._references, skipped=self.skipped)
        for file in self._files:
            for item in elements.of(file, _SecondPassNames()):
                for row in _translation(item.name)(item, lookups):
                    if row.refused:
                        yield Rejection(row.table, file.name, item.line, STUDENT_ID, row.refused)
                    else:
                        yield _source_row(row, file.name, item.line)
        for name in _GATHERED_WHOLE:
            self.skipped.pop(name, None)


class _SecondPassNames:
    """The elements that rows are made of."""

    def __contains__(self, name: object) -> bool:
        return name in TRANSLATE or is_program_association(str(name))


def _translation(name: str) -> Translate:
    return program_participation if is_program_association(name) else TRANSLATE[name]


def _source_row(row: Row, file: str, line: int) -> SourceRow:
    columns = RECORD_TABLES[row.table].column_names
    return SourceRow(row.table, columns, file, line, [row.texts.get(c) for c in columns])
