"""OneRoster CSV: the rules of the manifest, bulk and delta, and who is one student."""

import csv
import io
import json
import zipfile
from datetime import date
from pathlib import Path

import pytest

from homeroom.errors import RequestInvalidError
from tests.intake.loaded_records import LoadedRecords
from tests.intake.shared_sets import shared_set

TODAY = date(2026, 1, 15)
FILES = {
    "1.1": (
        *("academicSessions", "categories", "classes", "classResources", "courses"),
        *("courseResources", "demographics", "enrollments", "lineItems", "orgs", "resources"),
        *("results", "users"),
    ),
    "1.2": (
        *("academicSessions", "categories", "classes", "classResources", "courses"),
        *("courseResources", "demographics", "enrollments", "lineItems", "orgs", "resources"),
        *("results", "users", "roles", "userProfiles", "userResources", "scoreScales"),
        *("lineItemLearningObjectiveIds", "lineItemScoreScales", "resultScoreScales"),
        "resultLearningObjectiveIds",
    ),
}
Table = list[dict[str, str]]


def write(path: Path, mode: str = "bulk", **files: Table) -> Path:
    """Writes a package as a zip archive."""
    return package(path, mode, files)


def package(path: Path, mode: str, files: dict[str, Table], version: str = "1.2") -> Path:
    """Writes a package of a version as a zip archive."""
    manifest = [{"propertyName": "manifest.version", "value": "1.0"}]
    manifest.append({"propertyName": "oneroster.version", "value": version})
    manifest += [
        {"propertyName": f"file.{name}", "value": mode if name in files else "absent"}
        for name in FILES[version]
    ]
    with zipfile.ZipFile(path, "w") as archive:
        for name, rows in [("manifest", manifest), *files.items()]:
            archive.writestr(f"{name}.csv", as_csv(rows))
    return path


def as_csv(rows: Table) -> str:
    written = io.StringIO()
    names = list(dict.fromkeys(name for row in rows for name in row))
    writer = csv.DictWriter(written, names, lineterminator="\r\n")
    writer.writeheader()
    writer.writerows(rows)
    return "\ufeff" + written.getvalue()


def user(number: int, **more: str) -> dict[str, str]:
    base = {"sourcedId": f"u{number}", "status": "", "dateLastModified": ""}
    names = {"givenName": f"Given{number}", "familyName": f"Family{number}"}
    return base | names | {"identifier": f"{number}"} | more


def role(number: int, school: str = "s1", begin: str = "2025-09-01") -> dict[str, str]:
    return {
        "sourcedId": f"r{number}{school}",
        "status": "",
        "dateLastModified": "",
        "userSourcedId": f"u{number}",
        "roleType": "primary",
        "role": "student",
        "beginDate": begin,
        "endDate": "",
        "orgSourcedId": school,
    }


def enrollment(number: int, of_class: str = "c1") -> dict[str, str]:
    return {
        "sourcedId": f"e{number}{of_class}",
        "status": "",
        "dateLastModified": "",
        "classSourcedId": of_class,
        "schoolSourcedId": "s1",
        "userSourcedId": f"u{number}",
        "role": "student",
        "beginDate": "",
        "endDate": "",
    }


ORGS = [
    {"sourcedId": "d", "name": "District", "type": "district", "identifier": "1"},
    {"sourcedId": "s1", "name": "North", "type": "school", "identifier": "10"},
    {"sourcedId": "s2", "name": "South", "type": "school", "identifier": "20"},
]
SESSIONS = [
    {
        "sourcedId": "y",
        "title": "2025-2026",
        "type": "schoolYear",
        "startDate": "2025-08-15",
        "endDate": "2026-06-10",
        "schoolYear": "2025-2026",
    }
]
COURSES = [{"sourcedId": "k1", "title": "Algebra 1", "courseCode": "ALG-1"}]
CLASSES = [
    {
        "sourcedId": "c1",
        "title": "Algebra, period 1",
        "courseSourcedId": "k1",
        "schoolSourcedId": "s1",
        "termSourcedIds": "y",
    }
]


def whole(students: int = 10) -> dict[str, Table]:
    numbers = range(students)
    return {
        "orgs": ORGS,
        "academicSessions": SESSIONS,
        "courses": COURSES,
        "classes": CLASSES,
        "users": [user(n) for n in numbers],
        "roles": [role(n) for n in numbers],
        "enrollments": [enrollment(n) for n in numbers],
    }


def changed(row: dict[str, str], status: str, at: str = "2026-01-10") -> dict[str, str]:
    return row | {"status": status, "dateLastModified": f"{at}T00:00:00.000Z"}


class TestGenerated:
    """The packages of a public generator, version 1.1."""

    @pytest.mark.parametrize(
        ("name", "students", "schools", "sections"),
        [("dev-district-small", 248, 3, 1_736), ("dev-school-small", 72, 1, 504)],
    )
    def test_the_counts_are_those_of_the_files(
        self, records: LoadedRecords, name: str, students: int, schools: int, sections: int
    ) -> None:
        report = records.ingest("oneroster_csv", shared_set("oneroster-gospelnerd") / name)

        assert report.rejections == []
        assert records.count("SELECT count(*) FROM student") == students
        assert records.count("SELECT count(*) FROM school") == schools
        assert records.count("SELECT count(*) FROM section_enrollment") == sections
        assert records.count("SELECT count(*) FROM student WHERE birth_date IS NULL") == 0
        assert records.count("SELECT count(*) FROM section_enrollment WHERE course_title = ''") == 0

    def test_two_or_more_races_without_a_race_is_not_lost(self, records: LoadedRecords) -> None:
        records.ingest("oneroster_csv", shared_set("oneroster-gospelnerd") / "dev-district-small")

        assert records.count("SELECT count(*) FROM student WHERE races = 'multiple'") == 17
        assert records.count("SELECT count(*) FROM student WHERE races LIKE '%;multiple%'") == 0

    def test_a_second_import_changes_nothing(self, records: LoadedRecords) -> None:
        folder = shared_set("oneroster-gospelnerd") / "dev-school-small"
        records.ingest("oneroster_csv", folder)
        again = records.ingest("oneroster_csv", folder)

        assert {(t.added, t.changed, t.removed, t.ended) for t in again.tables.values()} == {
            (0, 0, 0, 0)
        }


class TestManifest:
    """What the manifest and the files must agree on."""

    @pytest.mark.parametrize(
        ("line", "match"),
        [
            ("file.users,bulk\r\n", "missing"),
            ("file.orgs,bulk\r\n", "twice"),
            ("file.pupils,bulk\r\n", "unknown"),
            ("oneroster.version,2.0\r\n", "twice"),
        ],
    )
    def test_a_manifest_that_does_not_fit_is_refused(
        self, records: LoadedRecords, tmp_path: Path, line: str, match: str
    ) -> None:
        folder = tmp_path / "set"
        folder.mkdir()
        manifest = "propertyName,value\r\nmanifest.version,1.0\r\noneroster.version,1.2\r\n"
        (folder / "manifest.csv").write_text(f"{manifest}file.orgs,bulk\r\n{line}", "utf-8")
        (folder / "orgs.csv").write_text(as_csv(ORGS), "utf-8")

        with pytest.raises(RequestInvalidError, match=match):
            records.ingest("oneroster_csv", folder)

    def test_a_file_the_manifest_calls_absent_is_refused(
        self, records: LoadedRecords, tmp_path: Path
    ) -> None:
        path = write(tmp_path / "a.zip", orgs=ORGS)
        with zipfile.ZipFile(path, "a") as archive:
            archive.writestr("users.csv", as_csv([user(1)]))

        with pytest.raises(RequestInvalidError, match="does not tell of"):
            records.ingest("oneroster_csv", path)

    @pytest.mark.parametrize("name", ["notes.csv", "more/orgs.csv"])
    def test_unknown_files_and_folders_are_refused(
        self, records: LoadedRecords, tmp_path: Path, name: str
    ) -> None:
        path = write(tmp_path / "a.zip", orgs=ORGS)
        with zipfile.ZipFile(path, "a") as archive:
            archive.writestr(name, "a\r\n")

        with pytest.raises(RequestInvalidError):
            records.ingest("oneroster_csv", path)

    def test_a_set_without_a_manifest_is_refused(
        self, records: LoadedRecords, tmp_path: Path
    ) -> None:
        with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
            archive.writestr("orgs.csv", as_csv(ORGS))

        with pytest.raises(RequestInvalidError, match=r"manifest\.csv"):
            records.ingest("oneroster_csv", tmp_path / "a.zip")


class TestDeltas:
    """Changes upon what was said before."""

    @pytest.fixture
    def loaded(self, records: LoadedRecords, tmp_path: Path) -> LoadedRecords:
        report = records.ingest("oneroster_csv", package(tmp_path / "bulk.zip", "bulk", whole()))
        assert report.rejections == []
        return records

    def test_a_bulk_package_gives_students_spells_and_sections(self, loaded: LoadedRecords) -> None:
        assert loaded.rows(
            "SELECT e.school_id, e.entry_date, course_code, course_title, begin_date"
            " FROM student s JOIN enrollment e USING (student_key)"
            " JOIN section_enrollment USING (student_key) WHERE student_id = '3'"
        ) == [("s1", "2025-09-01", "ALG-1", "Algebra 1", "2025-08-15")]

    def test_a_delta_changes_only_what_it_names(
        self, loaded: LoadedRecords, tmp_path: Path
    ) -> None:
        path = write(
            tmp_path / "delta.zip",
            "delta",
            users=[changed(user(3, familyName="Renamed"), "active"), changed(user(77), "active")],
            roles=[changed(role(77), "active")],
            enrollments=[changed(enrollment(77), "active")],
        )
        report = loaded.ingest("oneroster_csv", path)

        assert report.rejections == []
        assert loaded.count("SELECT count(*) FROM student") == 11
        assert loaded.count("SELECT count(*) FROM section_enrollment") == 11
        assert loaded.rows("SELECT family_name FROM student WHERE student_id = '3'") == [
            ("Renamed",)
        ]

    def test_a_delete_names_only_the_id(self, loaded: LoadedRecords, tmp_path: Path) -> None:
        gone = {
            "sourcedId": "e3c1",
            "status": "ToBeDeleted",
            "dateLastModified": "2026-01-10T00:00:00.000Z",
            "classSourcedId": "",
            "userSourcedId": "",
            "role": "",
        }
        report = loaded.ingest(
            "oneroster_csv", write(tmp_path / "delta.zip", "delta", enrollments=[gone])
        )

        assert report.tables["section_enrollment"].removed == 1
        assert loaded.count("SELECT count(*) FROM section_enrollment") == 9

    def test_an_older_delta_does_not_undo_a_newer_one(
        self, loaded: LoadedRecords, tmp_path: Path
    ) -> None:
        for at, name in (("2026-01-10", "New"), ("2026-01-09", "Old")):
            users = [changed(user(3, familyName=name), "active", at)]
            loaded.ingest("oneroster_csv", write(tmp_path / f"{at}.zip", "delta", users=users))

        assert loaded.rows("SELECT family_name FROM student WHERE student_id = '3'") == [("New",)]

    def test_a_bulk_file_that_shrinks_stops_and_a_small_loss_ends_spells(
        self, loaded: LoadedRecords, tmp_path: Path
    ) -> None:
        with pytest.raises(RequestInvalidError, match="shrink"):
            loaded.ingest(
                "oneroster_csv", package(tmp_path / "small.zip", "bulk", whole(7)), today=TODAY
            )
        loaded.ingest(
            "oneroster_csv", package(tmp_path / "less.zip", "bulk", whole(9)), today=TODAY
        )

        assert loaded.count("SELECT count(*) FROM student") == 10
        assert loaded.rows("SELECT exit_date FROM enrollment WHERE exit_date IS NOT NULL") == [
            ("2026-01-15",)
        ]


def test_two_users_with_one_identifier_are_one_student_at_two_schools(
    records: LoadedRecords, tmp_path: Path
) -> None:
    files = whole(3)
    files["users"].append(user(1) | {"sourcedId": "u1-south"})
    files["roles"].append(role(1, "s2", "2026-01-07") | {"userSourcedId": "u1-south"})
    records.ingest("oneroster_csv", package(tmp_path / "a.zip", "bulk", files))

    assert records.count("SELECT count(*) FROM student") == 3
    assert records.rows(
        "SELECT e.school_id FROM enrollment e JOIN student USING (student_key)"
        " WHERE student_id = '1' ORDER BY 1"
    ) == [("s1",), ("s2",)]


def test_what_names_nothing_is_rejected_with_its_line(
    records: LoadedRecords, tmp_path: Path
) -> None:
    files = whole(2)
    files["enrollments"].append(enrollment(1, "nowhere"))
    report = records.ingest("oneroster_csv", package(tmp_path / "a.zip", "bulk", files))

    assert [(r.file, r.line, r.field, r.reason) for r in report.rejections] == [
        ("enrollments.csv", 4, "classSourcedId", "names no class")
    ]


def test_passwords_and_social_security_numbers_are_dropped_and_told(
    records: LoadedRecords, tmp_path: Path
) -> None:
    files = whole(2)
    files["users"] = [
        user(0, password="hunter2", userIds="{SSN:078051120},{State:4711}", sms="+1555"),  # noqa: S106  # what is dropped
        user(1),
    ]
    report = records.ingest("oneroster_csv", package(tmp_path / "a.zip", "bulk", files))

    assert report.dropped == {"password": 1, "userIds": 1}
    assert records.rows("SELECT state_id FROM student WHERE student_id = '0'") == [("4711",)]
    stored = b"".join(file.read_bytes() for file in tmp_path.glob("records.db*"))
    assert not [secret for secret in (b"hunter2", b"078051120", b"+1555") if secret in stored]
    assert "Given0" not in json.dumps(report.to_json())


def test_misspelt_and_unknown_columns_are_accepted(records: LoadedRecords, tmp_path: Path) -> None:
    files = whole(1)
    files["users"] = [
        user(
            0,
            **{"prefferedGivenName": "G", "ext_bus": "7", "metadata.x": "y", "shoe": "42", "": ""},
        )
    ]
    report = records.ingest("oneroster_csv", package(tmp_path / "a.zip", "bulk", files))

    assert report.rejections == []
    assert [notice.reason for notice in report.notices] == [
        "1 columns that OneRoster does not have"
    ]
