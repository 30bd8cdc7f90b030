"""Ed-Fi's API, over real sockets: what the node holds is what the source says, or as it was."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from homeroom.errors import (
    EvidenceInvalidError,
    HomeroomError,
    NotPermittedError,
    RequestInvalidError,
    ServiceUnreachableError,
    TooMuchAskedError,
)
from services.node.intake.rest import Limits
from tests.intake import web_server
from tests.intake.ods_server import OdsServer
from tests.intake.pulled_records import PulledRecords
from tests.intake.web_server import SECRET, Asked, Spoil

SCHOOL = 255901001
AT = {"schoolReference": {"schoolId": SCHOOL}}
EVENTS = "studentSchoolAttendanceEvents"
SPELLS = "studentSchoolAssociations"


@pytest.fixture
def server() -> Iterator[OdsServer]:
    started = OdsServer()
    yield started
    started.close()


BY_TOKENS_AND_OFFSETS = pytest.mark.parametrize("cursors", [True, False], ids=["tokens", "offsets"])
"""A source pages in one of these two ways."""


@pytest.fixture
def records(tmp_path: Path, server: OdsServer) -> PulledRecords:
    return node(tmp_path / "node", server)


def node(folder: Path, server: OdsServer) -> PulledRecords:
    folder.mkdir()
    return PulledRecords(folder, "edfi_api", server.url)


def of(student_id: str) -> dict[str, Any]:
    return {"studentReference": {"studentUniqueId": student_id}}


def code(kind: str, value: str) -> str:
    return f"uri://ed-fi.org/{kind}Descriptor#{value}"


def student(number: int) -> dict[str, Any]:
    names = {"firstName": f"Zoë{number}", "lastSurname": f"Muñoz{number}"}
    return {"studentUniqueId": f"00{number}", "birthDate": f"2012-02-{number % 28 + 1:02}"} | names


def event(student_id: str, day: str = "2025-09-08", category: str = "Tardy") -> dict[str, Any]:
    said = code("AttendanceEventCategory", category)
    return of(student_id) | AT | {"eventDate": day, "attendanceEventCategoryDescriptor": said}


def spell(student_id: str, entry: str = "2025-08-15") -> dict[str, Any]:
    grade = code("GradeLevel", "Ninth grade")
    return of(student_id) | AT | {"entryDate": entry, "entryGradeLevelDescriptor": grade}


def school_with(server: OdsServer, count: int) -> list[str]:
    """A school with students, a spell and an event each; the ids of the students."""
    server.put("schools", {"schoolId": SCHOOL, "nameOfInstitution": "Grand Bend High"})
    ids = [server.put("students", student(n)) for n in range(count)]
    for n in range(count):
        server.put(SPELLS, spell(f"00{n}"))
        server.put(EVENTS, event(f"00{n}"))
    return ids


def assert_true(records: PulledRecords, server: OdsServer, folder: Path) -> None:
    """The node holds what an empty node gets from the source now."""
    fresh = node(folder, server)
    fresh.pull()
    assert records.told() == fresh.told()


@BY_TOKENS_AND_OFFSETS
def test_all_is_read_the_first_time_and_nothing_changes_the_second(
    records: PulledRecords, server: OdsServer, cursors: bool
) -> None:
    server.cursors = cursors
    school_with(server, 8)
    first = records.pull()
    asked = len(server.asked)
    again = records.pull()

    assert records.count("SELECT count(*) FROM attendance") == 8
    assert records.count("SELECT grade_level FROM student WHERE student_id = '003'") == "09"
    assert first.tables["student"].added == 8
    assert first.rejected == 0
    assert {(t.added, t.changed, t.removed) for t in again.tables.values()} <= {(0, 0, 0)}
    assert len(server.asked) - asked < 10  # it asks what changed, and nothing did


@BY_TOKENS_AND_OFFSETS
def test_what_changed_came_and_went_is_taken_over(
    records: PulledRecords, server: OdsServer, tmp_path: Path, cursors: bool
) -> None:
    server.cursors = cursors
    school_with(server, 8)
    records.pull()
    [gone, changed, *_] = list(server.objects[EVENTS])
    server.delete(EVENTS, gone)
    server.put(EVENTS, event("001", "2025-09-09", "Excused Absence"), changed)
    server.put("students", student(8))
    server.put(SPELLS, spell("008"))
    server.put(EVENTS, event("008"))
    report = records.pull()

    attendance = report.tables["attendance"]
    assert (attendance.read, attendance.added, attendance.removed) == (2, 2, 2)
    assert records.count("SELECT count(*) FROM attendance") == 8
    assert_true(records, server, tmp_path / "fresh")


def test_a_change_of_what_rows_name_changes_the_rows(
    records: PulledRecords, server: OdsServer, tmp_path: Path
) -> None:
    school_with(server, 2)
    section = {"schoolId": SCHOOL, "sectionIdentifier": "X1", "localCourseCode": "ALG"}
    offering = {"schoolId": SCHOOL, "localCourseCode": "ALG"}
    course = server.put(
        "courses",
        {
            "courseCode": "ALG-1",
            "courseTitle": "Algebra",
            "educationOrganizationReference": {"educationOrganizationId": SCHOOL},
        },
    )
    to_course = {"courseCode": "ALG-1", "educationOrganizationId": SCHOOL}
    server.put("courseOfferings", AT | offering | {"courseReference": to_course})
    server.put("sections", {"sectionIdentifier": "X1", "courseOfferingReference": offering})
    place = {"sectionReference": section, "beginDate": "2025-08-15"}
    server.put("studentSectionAssociations", of("001") | place)
    records.pull()
    server.put("courses", server.objects["courses"][course] | {"courseTitle": "Algebra I"}, course)
    records.pull()

    assert records.count("SELECT course_title FROM section_enrollment") == "Algebra I"
    assert_true(records, server, tmp_path / "fresh")


def test_a_row_that_two_objects_say_goes_with_the_second(
    records: PulledRecords, server: OdsServer, tmp_path: Path
) -> None:
    """Ed-Fi knows an event by its session too; ours of two sessions are one row."""
    school_with(server, 2)
    first, second = (
        server.put(EVENTS, event("001", "2025-09-10") | {"attendanceEventReason": why})
        for why in ("bus", "rain")
    )
    records.pull()
    server.delete(EVENTS, second)
    records.pull()
    reasons = records.rows("SELECT reason FROM attendance WHERE event_date = '2025-09-10'")
    assert_true(records, server, tmp_path / "fresh")
    server.delete(EVENTS, first)
    records.pull()

    assert reasons == [("bus",)]
    assert records.count("SELECT count(*) FROM attendance") == 2


@BY_TOKENS_AND_OFFSETS
def test_a_token_may_end_in_the_middle(
    records: PulledRecords, server: OdsServer, cursors: bool
) -> None:
    server.cursors = cursors
    school_with(server, 12)
    server.token_uses = 7
    records.pull()

    assert records.count("SELECT count(*) FROM attendance") == 12
    assert sum(asked.path == "/oauth/token" for asked in server.asked) > 3


@pytest.mark.parametrize(
    "how",
    [
        web_server.status(429, retry_after="1"),
        web_server.status(503),
        web_server.cut_off,
        web_server.broken_json,
    ],
    ids=["429", "503", "cut off", "broken"],
)
def test_what_passes_is_asked_again(records: PulledRecords, server: OdsServer, how: Spoil) -> None:
    school_with(server, 8)
    server.spoil("/students", how, after=1, times=2)
    records.pull()

    assert records.count("SELECT count(*) FROM student") == 8


def test_who_asks_to_wait_is_not_asked_before(server: OdsServer, tmp_path: Path) -> None:
    school_with(server, 1)
    server.spoil("/students", web_server.status(429, retry_after="60"))
    with pytest.raises(ServiceUnreachableError, match="wait too long"):
        node(tmp_path / "node", server).pull()
    times = sum(asked.path.endswith("/students") for asked in server.asked)

    assert times == 1


def test_a_refusal_is_not_asked_again(records: PulledRecords, server: OdsServer) -> None:
    school_with(server, 2)
    server.spoil("/students", web_server.status(400))
    server.spoil("/students", web_server.status(400))
    with pytest.raises(EvidenceInvalidError):
        records.pull()

    # Once by tokens, once by offsets, for a source may know one of them.
    assert sum(asked.path.endswith("/students") for asked in server.asked) == 2


@BY_TOKENS_AND_OFFSETS
def test_nothing_is_lost_when_a_page_shifts(
    records: PulledRecords, server: OdsServer, tmp_path: Path, cursors: bool
) -> None:
    """Rows go and change while the list is read; each later row moves to an earlier page."""
    server.cursors = cursors
    school_with(server, 20)
    pages = 0

    def shift(asked: Asked) -> None:
        nonlocal pages
        if asked.path.endswith(f"/{EVENTS}"):
            pages += 1
            if pages in {2, 4, 5}:
                server.delete(EVENTS, next(iter(server.objects[EVENTS])))
                moved = list(server.objects[EVENTS])[1]
                server.put(EVENTS, server.objects[EVENTS][moved] | {"note": pages}, moved)

    server.before = shift
    records.pull()
    server.before = lambda _asked: None

    assert pages > 5
    assert records.count("SELECT count(*) FROM attendance") == 17
    assert_true(records, server, tmp_path / "fresh")


def test_an_object_that_changes_while_it_is_read_is_read_in_the_next_round(
    records: PulledRecords, server: OdsServer, tmp_path: Path
) -> None:
    ids = school_with(server, 6)

    def change(asked: Asked) -> None:
        if asked.path.endswith("/students") and server.newest < 30:
            server.put("students", student(5) | {"middleName": "Ana"}, ids[5])

    server.before = change
    records.pull()

    assert records.count("SELECT middle_name FROM student WHERE student_id = '005'") == "Ana"
    assert records.count("SELECT count(*) FROM attendance") == 6
    assert_true(records, server, tmp_path / "fresh")


def test_a_key_change_followed_by_a_delete_leaves_no_row(
    records: PulledRecords, server: OdsServer, tmp_path: Path
) -> None:
    school_with(server, 4)
    records.pull()
    [first, second, *_] = list(server.objects[SPELLS])
    server.rekey(SPELLS, first, entryDate="2025-08-20")
    server.delete(SPELLS, first)
    server.rekey(SPELLS, second, entryDate="2025-08-21")
    records.pull()

    days = records.rows("SELECT entry_date FROM enrollment ORDER BY entry_date")
    assert [day for [day] in days] == ["2025-08-15", "2025-08-15", "2025-08-21"]
    assert_true(records, server, tmp_path / "fresh")


def test_a_key_that_comes_again_after_a_delete_stays(
    records: PulledRecords, server: OdsServer, tmp_path: Path
) -> None:
    """A delete is of an object, not of whoever has its key by now."""
    school_with(server, 3)
    records.pull()
    server.delete(EVENTS, next(iter(server.objects[EVENTS])))
    server.put(EVENTS, event("000"))
    records.pull()

    assert records.count("SELECT count(*) FROM attendance") == 3
    assert_true(records, server, tmp_path / "fresh")


@pytest.mark.parametrize("tells", [True, False], ids=["also told as a change", "not told"])
def test_who_has_another_id_stays_the_same_student(
    records: PulledRecords, server: OdsServer, tells: bool
) -> None:
    """Consents and links follow the student's key, and so do the rows."""
    ids = school_with(server, 3)
    records.pull()
    keys = dict(records.rows("SELECT student_id, student_key FROM student"))
    server.rekey("students", ids[1], tells=tells, studentUniqueId="X1")
    records.pull()
    server.delete(EVENTS, list(server.objects[EVENTS])[1])
    report = records.pull()

    after = dict(records.rows("SELECT student_id, student_key FROM student"))
    assert after == {"000": keys["000"], "X1": keys["001"], "002": keys["002"]}
    assert report.tables["attendance"].removed == 1
    assert records.count("SELECT count(*) FROM attendance") == 2


def test_students_may_change_places_and_old_ids_may_be_given_anew(
    records: PulledRecords, server: OdsServer
) -> None:
    ids = school_with(server, 3)
    records.pull()
    keys = dict(records.rows("SELECT student_id, student_key FROM student"))
    server.rekey("students", ids[0], studentUniqueId="001")
    server.rekey("students", ids[1], studentUniqueId="000")
    server.rekey("students", ids[2], studentUniqueId="X2")
    newcomer = student(7) | {"studentUniqueId": "002"}
    server.put("students", newcomer)
    server.put(EVENTS, event("002", "2025-09-12"))
    report = records.pull()

    after = dict(records.rows("SELECT student_id, student_key FROM student"))
    assert report.rejected == 0
    assert (after["001"], after["000"], after["X2"]) == (keys["000"], keys["001"], keys["002"])
    names = dict(records.rows("SELECT student_id, given_name FROM student"))
    assert (names["001"], names["002"], names["X2"]) == ("Zoë0", "Zoë7", "Zoë2")
    days = "SELECT event_date FROM attendance JOIN student USING (student_key) WHERE student_id = "
    assert records.rows(days + "'002'") == [("2025-09-12",)]
    assert records.rows(days + "'X2'") == [("2025-09-08",)]


def test_a_student_who_is_told_late_gets_what_was_told_before(
    records: PulledRecords, server: OdsServer, tmp_path: Path
) -> None:
    school_with(server, 3)
    server.put(EVENTS, event("009"))
    assert records.pull().tables["attendance"].rejected == 1
    server.put("students", student(9))
    records.pull()

    assert records.count("SELECT count(*) FROM attendance") == 4
    assert_true(records, server, tmp_path / "fresh")


def test_a_snapshot_is_read_where_there_is_one(records: PulledRecords, server: OdsServer) -> None:
    school_with(server, 3)
    server.snapshots = True
    records.pull()
    used = {asked.headers.get("use-snapshot") for asked in server.asked if "/ed-fi/" in asked.path}

    assert used == {"true"}


def test_a_source_without_changes_is_read_whole_each_time(tmp_path: Path) -> None:
    server = OdsServer(cursors=False, changes=False)
    records = node(tmp_path / "node", server)
    school_with(server, 8)
    records.pull()
    server.delete(EVENTS, next(iter(server.objects[EVENTS])))
    report = records.pull()
    server.close()

    assert report.tables["attendance"].removed == 1
    assert report.tables["attendance"].unchanged == 7
    assert not any("bellSchedules" in asked.path for asked in server.asked)


@pytest.mark.parametrize("why", ["forgotten", "put back"])
def test_a_source_that_cannot_tell_what_changed_is_read_whole(
    records: PulledRecords, server: OdsServer, tmp_path: Path, why: str
) -> None:
    school_with(server, 8)
    records.pull()
    server.objects[EVENTS].pop(next(iter(server.objects[EVENTS])))
    if why == "forgotten":
        server.newest += 9
        server.oldest = server.newest
    else:
        server.newest -= 2
        for content in (c for of_kind in server.objects.values() for c in of_kind.values()):
            content["v"] = min(content["v"], server.newest)
    records.pull()

    assert records.count("SELECT count(*) FROM attendance") == 7


def test_a_whole_reading_that_tells_far_less_stops_for_a_person(
    records: PulledRecords, server: OdsServer
) -> None:
    school_with(server, 8)
    records.pull()
    before = records.told()
    for gone in list(server.objects[EVENTS])[:3]:
        server.objects[EVENTS].pop(gone)
    with pytest.raises(RequestInvalidError, match="shrink"):
        records.pull(bulk=True)
    assert records.told() == before
    records.pull(bulk=True, may_shrink=True)

    assert records.count("SELECT count(*) FROM attendance") == 5


BROKEN: list[tuple[Spoil, type[HomeroomError]]] = [
    (web_server.status(500), ServiceUnreachableError),
    (web_server.cut_off, ServiceUnreachableError),
    (web_server.no_json, EvidenceInvalidError),
    (web_server.huge(2_000_000), TooMuchAskedError),
    (web_server.elsewhere("https://other.example/students"), EvidenceInvalidError),
]


@pytest.mark.parametrize(
    ("how", "error"), BROKEN, ids=["500", "cut off", "no JSON", "huge", "elsewhere"]
)
def test_a_broken_run_changes_nothing_and_tells_no_value(
    records: PulledRecords, server: OdsServer, how: Spoil, error: type[HomeroomError]
) -> None:
    school_with(server, 5)
    records.pull()
    before = records.told()
    for n in range(5, 9):
        server.put("students", student(n))
    server.spoil("/students", how, after=1, times=9)
    with pytest.raises(error) as broken:
        records.pull()

    told = repr(broken.value) + broken.value.message + str(broken.value.metadata)
    assert records.told() == before
    assert SECRET not in told
    assert "Zo" not in told
    assert "token-" not in told


def test_neither_token_nor_secret_follows_a_redirect(server: OdsServer, tmp_path: Path) -> None:
    other = OdsServer()
    for path in ("/oauth/token", "/students"):
        server.spoil(path, web_server.elsewhere(f"{other.url}{path}"))
        with pytest.raises((EvidenceInvalidError, NotPermittedError)):
            node(tmp_path / path.replace("/", "-"), server).pull()
    other.close()

    assert other.asked == []


def test_a_source_that_names_another_host_gets_no_token(
    records: PulledRecords, server: OdsServer
) -> None:
    other = OdsServer()
    urls = {"oauth": f"{other.url}/oauth/token", "dataManagementApi": f"{server.url}/data/v3/"}
    server.spoil("/", lambda handler: handler.send(web_server.Answer({"urls": urls})))
    with pytest.raises(EvidenceInvalidError, match="another host"):
        records.pull()
    other.close()

    assert other.asked == []


def test_a_source_that_does_not_answer_in_time_is_given_up(
    records: PulledRecords, server: OdsServer
) -> None:
    school_with(server, 2)
    released = threading.Event()
    server.spoil("/students", web_server.slow(released), times=2)
    limits = Limits(seconds=0.2, first_wait=0.001, attempts=2)
    try:
        with pytest.raises(ServiceUnreachableError, match="not answer"):
            records.pull(limits=limits)
    finally:
        released.set()


def test_a_resource_is_not_forgotten_when_the_key_may_read_it_no_more(
    records: PulledRecords, server: OdsServer
) -> None:
    school_with(server, 3)
    server.forbidden = {"grades"}
    report = records.pull()
    server.forbidden = {EVENTS}
    server.put("students", student(4))
    with pytest.raises(NotPermittedError):
        records.pull()

    assert report.skipped["ed-fi/grades, which the source does not offer"] == 1
    assert records.count("SELECT count(*) FROM attendance") == 3


def test_one_name_is_one_source(records: PulledRecords, server: OdsServer) -> None:
    school_with(server, 1)
    records.pull(source="sis")
    other = OdsServer()
    records.service = other.url
    with pytest.raises(RequestInvalidError, match="another source"):
        records.pull(source="sis")
    other.close()


def test_a_source_without_a_list_of_its_resources_is_read_by_ours(
    records: PulledRecords, server: OdsServer
) -> None:
    """The order is that in which they depend on each other."""
    school_with(server, 2)
    server.lists_dependencies = False
    records.pull()
    asked = [a.path.rpartition("/")[2] for a in server.asked if a.path.startswith("/data")]

    assert records.count("SELECT count(*) FROM attendance") == 2
    assert asked.index("schools") < asked.index("students") < asked.index(SPELLS)


def test_what_is_dropped_or_not_needed_is_not_kept(
    records: PulledRecords, server: OdsServer
) -> None:
    school_with(server, 1)
    system = code("StudentIdentificationSystem", "SSN")
    server.put(
        "studentEducationOrganizationAssociations",
        of("000")
        | {
            "educationOrganizationReference": {"educationOrganizationId": 255901},
            "studentIdentificationCodes": [
                {
                    "studentIdentificationSystemDescriptor": system,
                    "identificationCode": "078051120",
                }
            ],
            "visas": [{"visaDescriptor": code("Visa", "Green")}],
        },
    )
    report = records.pull()
    kept = str(records.rows("SELECT content FROM source_object"))

    assert report.dropped == {"studentIdentificationCodes": 1}
    assert "078051120" not in kept
    assert "Green" not in kept


def test_a_run_that_only_tries_keeps_nothing(records: PulledRecords, server: OdsServer) -> None:
    school_with(server, 2)
    report = records.pull(dry_run=True)

    assert report.tables["student"].added == 2
    assert records.count("SELECT count(*) FROM source_object") == 0
    assert records.pull().tables["student"].added == 2


def test_a_run_that_is_stopped_leaves_the_node_as_it_was(
    records: PulledRecords, server: OdsServer
) -> None:
    school_with(server, 3)
    records.pull()
    before = records.told(), records.rows("SELECT * FROM source_object")
    server.put("students", student(7))

    def stop(_table: str, _rows: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        records.pull(on_progress=stop)
    assert (records.told(), records.rows("SELECT * FROM source_object")) == before
    records.pull()

    assert records.count("SELECT count(*) FROM student") == 4
