"""OneRoster's REST binding, over real sockets: what the node holds is what the source says."""

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
)
from services.node.intake.pulling import pull
from services.node.intake.rest import Access
from tests.intake import web_server
from tests.intake.pulled_records import QUICK, PulledRecords
from tests.intake.roster_server import RosterServer
from tests.intake.web_server import KEY, SECRET, Asked, Spoil


@pytest.fixture
def server() -> Iterator[RosterServer]:
    started = RosterServer()
    yield started
    started.close()


@pytest.fixture
def records(tmp_path: Path, server: RosterServer) -> PulledRecords:
    return node(tmp_path / "node", server)


def node(folder: Path, server: RosterServer) -> PulledRecords:
    folder.mkdir()
    token_url = f"{server.url}/oauth/token"
    return PulledRecords(folder, "oneroster_api", server.url, token_url=token_url)


def user(server: RosterServer, number: int, school: str = "s1", **more: Any) -> None:
    role = {
        "roleType": "primary",
        "role": "student",
        "org": {"sourcedId": school, "type": "org"},
        "beginDate": "2025-09-01",
    }
    content: dict[str, Any] = {
        "givenName": f"Zoë{number}",
        "familyName": f"Muñoz{number}",
        "identifier": f"{number}",
        "grades": ["09"],
        "roles": [role],
    }
    server.put("users", f"u{number}", **content | more)


def roster_of(server: RosterServer, count: int) -> None:
    for school in ("s1", "s2"):
        server.put("orgs", school, name=f"School {school}", type="school")
    dates = {"startDate": "2025-09-01", "endDate": "2026-06-15", "schoolYear": "2026"}
    server.put("academicSessions", "y", title="2025-26", type="schoolYear", **dates)
    server.put("courses", "k", title="Algebra", courseCode="ALG")
    of_class: dict[str, Any] = {"course": {"sourcedId": "k"}, "school": {"sourcedId": "s1"}}
    server.put("classes", "c", title="Algebra 1", terms=[{"sourcedId": "y"}], **of_class)
    for n in range(count):
        user(server, n)
        server.put("demographics", f"u{n}", birthDate=f"2011-03-{n + 1:02}", asian="true")
        of: dict[str, Any] = {"class": {"sourcedId": "c"}, "user": {"sourcedId": f"u{n}"}}
        server.put("enrollments", f"e{n}", role="student", **of, school={"sourcedId": "s1"})


def assert_true(records: PulledRecords, server: RosterServer, folder: Path) -> None:
    """The node holds what an empty node gets from the source now."""
    fresh = node(folder, server)
    fresh.pull()
    assert records.told() == fresh.told()


@pytest.mark.parametrize("links", [False, True], ids=["offsets", "links"])
def test_all_is_read_the_first_time_and_nothing_changes_the_second(
    records: PulledRecords, server: RosterServer, links: bool
) -> None:
    roster_of(server, 8)
    server.links = links
    first, again = records.pull(), records.pull()

    assert records.count("SELECT count(*) FROM enrollment") == 8
    assert records.count("SELECT count(*) FROM section_enrollment") == 8
    assert records.rows("SELECT races, grade_level FROM student WHERE student_id = '3'") == [
        ("asian", "09")
    ]
    assert first.rejected == 0
    assert {(t.added, t.changed, t.removed) for t in again.tables.values()} == {(0, 0, 0)}
    assert any("dateLastModified>" in asked.fields.get("filter", "") for asked in server.asked)


def test_what_changed_moved_and_ended_is_taken_over(
    records: PulledRecords, server: RosterServer, tmp_path: Path
) -> None:
    roster_of(server, 8)
    records.pull()
    user(server, 1, school="s2")
    user(server, 2, givenName="Ana")
    user(server, 8)
    server.end("enrollments", "e3")
    server.put("courses", "k", title="Algebra I", courseCode="ALG")
    records.pull()

    assert records.count("SELECT school_id FROM student WHERE student_id = '1'") == "s2"
    assert records.count("SELECT count(*) FROM section_enrollment") == 7
    assert records.count("SELECT count(*) FROM enrollment") == 9
    assert_true(records, server, tmp_path / "fresh")


def test_who_is_to_be_deleted_is_at_no_school_and_stays_a_student(
    records: PulledRecords, server: RosterServer
) -> None:
    roster_of(server, 3)
    records.pull()
    server.end("users", "u1")
    server.end("enrollments", "e1")
    records.pull()

    assert records.count("SELECT count(*) FROM enrollment") == 2
    assert records.count("SELECT school_id FROM student WHERE student_id = '1'") is None


def test_nothing_is_lost_when_a_page_shifts(
    records: PulledRecords, server: RosterServer, tmp_path: Path
) -> None:
    roster_of(server, 20)
    pages = 0

    def shift(asked: Asked) -> None:
        nonlocal pages
        if asked.path.endswith("/enrollments"):
            pages += 1
            if pages in {3, 4}:
                del server.entities["enrollments"][min(server.entities["enrollments"])]

    server.before = shift
    records.pull()
    server.before = lambda _asked: None

    gone = 20 - len(server.entities["enrollments"])
    assert gone == 2
    assert records.count("SELECT count(*) FROM section_enrollment") >= 18
    records.pull(bulk=True, may_shrink=True)
    assert records.count("SELECT count(*) FROM section_enrollment WHERE end_date IS NULL") == 18


def test_a_token_may_end_in_the_middle_and_a_busy_source_is_asked_again(
    records: PulledRecords, server: RosterServer
) -> None:
    roster_of(server, 8)
    server.token_uses = 5
    server.spoil("/users", web_server.status(429, retry_after="0"), after=1)
    server.spoil("/enrollments", web_server.status(503), times=2)
    records.pull()

    assert records.count("SELECT count(*) FROM section_enrollment") == 8
    assert sum(asked.path == "/oauth/token" for asked in server.asked) > 2


@pytest.mark.parametrize(
    ("how", "error"),
    [
        (web_server.status(500), ServiceUnreachableError),
        (web_server.cut_off, ServiceUnreachableError),
        (web_server.no_json, EvidenceInvalidError),
        (web_server.elsewhere("https://other.example/users"), EvidenceInvalidError),
    ],
    ids=["500", "cut off", "no JSON", "elsewhere"],
)
def test_a_broken_run_changes_nothing_and_tells_no_value(
    records: PulledRecords, server: RosterServer, how: Spoil, error: type[HomeroomError]
) -> None:
    roster_of(server, 5)
    records.pull()
    before = records.told()
    for n in range(5, 12):
        user(server, n)
    server.spoil("/users", how, after=1, times=9)
    with pytest.raises(error) as broken:
        records.pull()

    told = broken.value.message + str(broken.value.metadata)
    assert records.told() == before
    assert SECRET not in told
    assert "Zo" not in told


def test_a_resource_that_was_read_before_is_not_forgotten(
    records: PulledRecords, server: RosterServer
) -> None:
    roster_of(server, 3)
    server.forbidden = {"demographics"}
    first = records.pull()
    server.forbidden = set()
    records.pull(bulk=True)
    server.forbidden = {"demographics"}
    with pytest.raises(NotPermittedError):
        records.pull()

    assert first.skipped == {"demographics, which the source does not offer": 1}
    assert records.count("SELECT count(birth_date) FROM student") == 3


def test_passwords_and_ids_of_the_state_are_dropped_at_the_door(
    records: PulledRecords, server: RosterServer
) -> None:
    roster_of(server, 1)
    ids = [{"type": "SSN", "identifier": "078051120"}, {"type": "LDAP", "identifier": "zoe"}]
    user(server, 0, password="hunter2", userIds=ids)  # noqa: S106  # what must not be kept
    report = records.pull()
    kept = str(records.rows("SELECT content FROM source_object"))

    assert report.dropped == {"password": 1, "userIds": 1}
    assert "078051120" not in kept
    assert "hunter2" not in kept


def test_an_object_without_an_id_is_rejected_by_its_page_and_place(
    records: PulledRecords, server: RosterServer
) -> None:
    roster_of(server, 4)
    server.entities["users"]["u9"] = {"sourcedId": "", "givenName": "Zoë"}
    [told] = records.pull(page_size=10).rejections

    assert (told.file, told.line, told.field) == ("users?page=1", 1, "sourcedId")


def test_version_1_1_is_read_where_the_url_names_it(
    records: PulledRecords, server: RosterServer
) -> None:
    roster_of(server, 2)
    server.root = "/ims/oneroster/v1p1/"
    for n in range(2):
        told = server.entities["users"][f"u{n}"]
        del told["roles"]
        told |= {"role": "student", "orgs": [{"sourcedId": "s1"}]}
    records.service += "/ims/oneroster/v1p1"
    records.pull()
    scopes = {asked.fields["scope"] for asked in server.asked if asked.method == "POST"}

    assert records.count("SELECT count(*) FROM student WHERE school_id = 's1'") == 2
    assert all("/v1p1/" in scope for scope in scopes)


def test_a_source_is_named_by_https_and_without_a_password(tmp_path: Path) -> None:
    for url in ("http://sis.example/", "https://" + "key:word@sis.example/", "ftp://sis.example/"):
        access = Access(KEY, SECRET, limits=QUICK)
        with pytest.raises(RequestInvalidError) as refused:
            pull("oneroster_api", url, f"sqlite:///{tmp_path}/records.db", access)
        assert "word" not in str(refused.value.metadata)
