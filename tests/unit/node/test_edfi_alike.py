"""What filling rows from templates promises: the rows that the rules of their kind would make."""

import tempfile
from collections.abc import Container, Iterator
from pathlib import Path
from typing import Any, cast

from hypothesis import given, settings
from hypothesis import strategies as st

from services.node.intake.edfi import FileItem
from services.node.intake.edfi.alike import AS_TOLD, AlikeRows
from services.node.intake.edfi.items import Item
from services.node.intake.edfi.lookups import Lookups
from services.node.intake.edfi_xml import EdFiXml

STUDENTS = "".join(
    f"<Student><StudentUniqueId>{n}</StudentUniqueId></Student>" for n in ("1", "2", "é")
)
EVENT = """
  <{kind}><EventDate>{day}</EventDate><AttendanceEventCategory>{category}</AttendanceEventCategory>
    <AttendanceEventReason>{reason}</AttendanceEventReason><EventDuration>{part}</EventDuration>
    <StudentReference><StudentIdentity><StudentUniqueId>{who}</StudentUniqueId></StudentIdentity></StudentReference>
    <SchoolReference><SchoolIdentity><SchoolId>{school}</SchoolId>{second}</SchoolIdentity></SchoolReference></{kind}>"""
WORDS = st.sampled_from(["1", "2", "é", "", " ", "uri://x#1", "2025-09-01", "0.5", "\n 3 "])
EVENTS = st.fixed_dictionaries(
    {
        "kind": st.sampled_from(sorted(AS_TOLD)),
        "category": st.sampled_from(
            ["Tardy", "uri://ed-fi.org/AttendanceEventCategoryDescriptor#Tardy", "Made up", ""]
        ),
        "second": st.sampled_from(
            ["", "<EducationOrganizationId>8</EducationOrganizationId>", "<StateOrganizationId/>"]
        ),
        **dict.fromkeys(("day", "reason", "part", "who", "school"), WORDS),
    }
)


class OneByOne(EdFiXml):
    """The same set, as if each item were made for itself."""

    def items(self, wanted: Container[str], *, first: bool) -> Iterator[FileItem]:
        for file, item in super().items(wanted, first=first):
            item.leaves = None
            yield file, item


def rows_of(of: type[EdFiXml], events: str) -> list[Any]:
    with tempfile.TemporaryDirectory() as folder:
        for name, body in (("Student", STUDENTS), ("StudentAttendance", events)):
            root = f'<Interchange{name} xmlns="http://ed-fi.org/5.2.0">{body}</Interchange{name}>'
            (Path(folder) / f"{name}.xml").write_text(root, "utf-8")
        return list(of(Path(folder)).rows(cast("Any", None)))


@settings(max_examples=60, deadline=None)
@given(events=st.lists(EVENTS, min_size=1, max_size=30), repeated=st.integers(1, 3))
def test_rows_that_are_filled_are_those_that_the_rules_make(
    events: list[dict[str, str]], repeated: int
) -> None:
    # What is alike is learnt of the first few, so the same events come first as many as it takes.
    begun = "".join(EVENT.format(**event) * 20 for event in events[:3])
    told = begun + "".join(EVENT.format(**event) * repeated for event in events)

    assert rows_of(EdFiXml, told) == rows_of(OneByOne, told)


def test_items_told_alike_are_filled() -> None:
    """Else the rules would have made each row above."""
    item, leaf = Item("StudentSchoolAttendanceEvent", 1), Item("EventDate", 1, "2025-09-01")
    item.add(leaf)
    rows = AlikeRows(Lookups())
    one_by_one = rows.row("f", item)
    item.leaves = [leaf]
    told = AlikeRows(Lookups())
    first = told.row("f", item)
    leaf.text = "2025-09-02"
    second = told.row("f", item)

    assert one_by_one is None
    assert first is not None
    assert second is not None
    assert ("2025-09-01" in first.values, "2025-09-02" in second.values) == (True, True)
