"""Writes a node's records as a OneRoster 1.2 CSV package, all bulk.

OneRoster has no attendance, discipline or programs: those stay behind. Loaded into an empty node,
the package gives the same students, spells and places in classes.
"""

import csv
import io
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from services.node.intake.oneroster.binding import KNOWN_FILES
from services.node.store.records import RecordStore

_DISTRICT = "district"
_RACES = {
    "american_indian": "americanIndianOrAlaskaNative",
    "asian": "asian",
    "black": "blackOrAfricanAmerican",
    "pacific_islander": "nativeHawaiianOrOtherPacificIslander",
    "white": "white",
}
_HEADERS = {
    "academicSessions": "title type startDate endDate parentSourcedId schoolYear",
    "orgs": "name type identifier parentSourcedId",
    "courses": "schoolYearSourcedId title courseCode grades orgSourcedId subjects subjectCodes",
    "classes": (
        "title grades courseSourcedId classCode classType location schoolSourcedId termSourcedIds"
        " subjects subjectCodes periods"
    ),
    "users": (
        "enabledUser username userIds givenName familyName middleName identifier email sms phone"
        " agentSourcedIds grades password userMasterIdentifier preferredGivenName"
        " preferredMiddleName preferredFamilyName primaryOrgSourcedId pronouns"
    ),
    "roles": ("userSourcedId roleType role beginDate endDate orgSourcedId userProfileSourcedId"),
    "demographics": (
        "birthDate sex americanIndianOrAlaskaNative asian blackOrAfricanAmerican"
        " nativeHawaiianOrOtherPacificIslander white demographicRaceTwoOrMoreRaces"
        " hispanicOrLatinoEthnicity countryOfBirthCode stateOfBirthAbbreviation cityOfBirth"
        " publicSchoolResidenceStatus"
    ),
    "enrollments": "classSourcedId schoolSourcedId userSourcedId role primary beginDate endDate",
}

CARRIED = {
    "school": ("school_id", "name"),
    "student": (
        *("student_id", "state_id", "given_name", "middle_name", "family_name", "birth_date"),
        *("gender", "races", "hispanic", "grade_level", "school_id"),
    ),
    "enrollment": ("student_id", "school_id", "entry_date", "exit_date", "primary_school"),
    "section_enrollment": (
        *("student_id", "school_id", "section_id", "begin_date"),
        *("course_code", "course_title", "end_date"),
    ),
}
"""The tables, and their columns, that OneRoster has words for; all else stays behind.

So do students who neither are nor were at a school, and the races `other` and `declined`. A role is
primary where nobody said. A course has one code and one title; a section whose id two schools use
comes back with the school's before it.
"""

Objects = dict[str, dict[str, dict[str, str]]]


def export_oneroster(store: RecordStore, path: Path) -> dict[str, int]:
    """Writes the package; returns how many objects each file has."""
    objects: Objects = {name: {} for name in _HEADERS}
    objects["orgs"][_DISTRICT] = {"name": "District", "type": "district"}
    for row in store.rows("school"):
        objects["orgs"][row["school_id"]] = {
            "name": _text(row["name"]),
            "type": "school",
            "parentSourcedId": _DISTRICT,
        }
    _add_students(objects, store.rows("student"))
    for row in store.rows("enrollment"):
        key = "/".join((row["student_id"], row["school_id"], _text(row["entry_date"])))
        objects["roles"].pop(row["student_id"], None)
        objects["roles"][key] = _role(row["student_id"], row["school_id"]) | {
            "roleType": "secondary" if row["primary_school"] is False else "primary",
            "beginDate": _text(row["entry_date"]),
            "endDate": _text(row["exit_date"]),
        }
    _add_sections(objects, list(store.rows("section_enrollment")))
    _write(objects, path)
    return {name: len(found) for name, found in objects.items()}


def _add_students(objects: Objects, rows: Iterable[Mapping[str, Any]]) -> None:
    for row in rows:
        state_id = _text(row["state_id"])
        objects["users"][row["student_id"]] = {
            "enabledUser": "true",
            "username": row["student_id"],
            "userIds": f"{{State:{state_id}}}" if state_id else "",
            "givenName": _text(row["given_name"]),
            "middleName": _text(row["middle_name"]),
            "familyName": _text(row["family_name"]),
            "identifier": row["student_id"],
            "grades": _text(row["grade_level"]),
            "primaryOrgSourcedId": _text(row["school_id"]),
        }
        if row["school_id"]:
            # Without a spell, where the student is now is all that is known; spells follow below.
            objects["roles"][row["student_id"]] = _role(row["student_id"], row["school_id"])
        races = _text(row["races"]).split(";")
        told = {flag: str(race in races).lower() for race, flag in _RACES.items() if races != [""]}
        several = "multiple" in races or sum(value == "true" for value in told.values()) > 1
        objects["demographics"][row["student_id"]] = {
            "birthDate": _text(row["birth_date"]),
            "sex": _text(row["gender"]),
            "demographicRaceTwoOrMoreRaces": str(several).lower() if told else "",
            "hispanicOrLatinoEthnicity": _text(row["hispanic"]).lower(),
            **told,
        }


def _role(student_id: str, school_id: str) -> dict[str, str]:
    return {
        "userSourcedId": student_id,
        "roleType": "primary",
        "role": "student",
        "orgSourcedId": school_id,
    }


def _add_sections(objects: Objects, rows: list[Mapping[str, Any]]) -> None:
    schools: dict[str, set[str]] = {}
    for row in rows:
        schools.setdefault(row["section_id"], set()).add(row["school_id"])
    for row in rows:
        # A class has one id in all of OneRoster; a section, one in its school.
        alone = len(schools[row["section_id"]]) == 1
        class_id = row["section_id"] if alone else f"{row['school_id']}/{row['section_id']}"
        course_code = _text(row["course_code"]) or class_id
        objects["courses"][course_code] = {
            "title": _text(row["course_title"]) or course_code,
            "courseCode": course_code,
            "orgSourcedId": _DISTRICT,
        }
        objects["classes"][class_id] = {
            "title": _text(row["course_title"]) or class_id,
            "courseSourcedId": course_code,
            "classType": "scheduled",
            "schoolSourcedId": row["school_id"],
        }
        begin_date = _text(row["begin_date"])
        objects["enrollments"]["/".join((class_id, row["student_id"], begin_date))] = {
            "classSourcedId": class_id,
            "schoolSourcedId": row["school_id"],
            "userSourcedId": row["student_id"],
            "role": "student",
            "primary": "false",
            "beginDate": begin_date,
            "endDate": _text(row["end_date"]),
        }


def _write(objects: Objects, path: Path) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        properties = [("manifest.version", "1.0"), ("oneroster.version", "1.2")]
        properties += [
            (f"file.{name}", "bulk" if name in objects else "absent")
            for name in sorted(KNOWN_FILES["1.2"])
        ]
        archive.writestr("manifest.csv", _csv([("propertyName", "value"), *properties]))
        for name, said in _HEADERS.items():
            columns = said.split()
            rows = [
                (object_id, "", "", *(content.get(column, "") for column in columns))
                for object_id, content in objects[name].items()
            ]
            header = ("sourcedId", "status", "dateLastModified", *columns)
            archive.writestr(f"{name}.csv", _csv([header, *rows]))


def _csv(rows: Iterable[Iterable[str]]) -> str:
    written = io.StringIO()
    csv.writer(written, lineterminator="\r\n").writerows(rows)
    return written.getvalue()


def _text(value: Any) -> str:
    return "" if value is None else str(value)
