"""Whatever happens at an Ed-Fi source, following it ends where reading it whole would."""

import tempfile
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.intake.ods_server import OdsServer
from tests.intake.pulled_records import PulledRecords

SCHOOL = 255901001
AT = {"schoolReference": {"schoolId": SCHOOL}}
SECTION = {"schoolId": SCHOOL, "sectionIdentifier": "X", "localCourseCode": "ALG"}
STUDENTS = range(4)
NUMBER = st.integers(0, 30)


def code(kind: str, value: str) -> str:
    return f"uri://ed-fi.org/{kind}Descriptor#{value}"


def of(number: int) -> dict[str, Any]:
    return {"studentReference": {"studentUniqueId": f"00{number}"}}


def content(resource: str, number: int, variant: int) -> dict[str, Any]:
    """An object of a resource, of one of a few students and in one of a few variants."""
    about = of(number % len(STUDENTS))
    day = f"2025-09-{8 + variant % 3:02}"
    match resource:
        case "studentSchoolAttendanceEvents":
            said = code("AttendanceEventCategory", ("Tardy", "Excused Absence")[variant % 2])
            told = {"eventDate": day, "attendanceEventCategoryDescriptor": said}
            return about | AT | told
        case "studentSchoolAssociations":
            return about | AT | {"entryDate": day}
        case "studentSectionAssociations":
            return about | {"sectionReference": SECTION, "beginDate": day}
        case "courseOfferings":
            return AT | {"localCourseCode": "ALG", "localCourseTitle": f"Algebra {variant}"}
        case "programs":
            return {"programId": "P", "programName": f"After school {variant % 2}"}
        case _:
            return about | {"programReference": {"programId": "P"}, "beginDate": day}


RESOURCES = (
    *("studentSchoolAttendanceEvents", "studentSchoolAssociations", "studentSectionAssociations"),
    *("courseOfferings", "programs", "studentProgramAssociations"),
)
STEP = st.tuples(st.sampled_from(["put", "change", "delete"]), st.sampled_from(RESOURCES))
HISTORY = st.lists(st.tuples(STEP, NUMBER, NUMBER), max_size=12)


def play(server: OdsServer, history: list[tuple[tuple[str, str], int, int]]) -> None:
    for (act, resource), number, variant in history:
        held = list(server.objects.get(resource, {}))
        if act == "put" or not held:
            server.put(resource, content(resource, number, variant))
        elif act == "delete":
            server.delete(resource, held[number % len(held)])
        else:
            known = held[number % len(held)]
            server.put(resource, content(resource, number, variant), known)


@given(before=HISTORY, between=st.lists(HISTORY, min_size=1, max_size=2))
@settings(max_examples=6)
def test_following_a_source_ends_where_reading_it_whole_would(
    before: list[tuple[tuple[str, str], int, int]],
    between: list[list[tuple[tuple[str, str], int, int]]],
) -> None:
    """Objects come, change and go, also those that rows of others are completed from."""
    server = OdsServer()
    try:
        server.put("schools", {"schoolId": SCHOOL, "nameOfInstitution": "Grand Bend High"})
        for n in STUDENTS:
            server.put("students", {"studentUniqueId": f"00{n}", "firstName": f"Given{n}"})
        play(server, before)
        with tempfile.TemporaryDirectory() as followed, tempfile.TemporaryDirectory() as fresh:
            node = PulledRecords(Path(followed), "edfi_api", server.url)
            node.pull()
            for history in between:
                play(server, history)
                node.pull()
            whole = PulledRecords(Path(fresh), "edfi_api", server.url)
            whole.pull()
            assert node.told() == whole.told()
    finally:
        server.close()
