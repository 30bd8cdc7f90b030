"""Small good sets of every format, whose people's values are like no other text."""

import io
import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass

SECRETS = ("Xanthippe", "Quuxwold", "Zyxwid-77", "Zyxwid-78", "2011-02-03", "Yggdrasil")
"""What the sets say of people; a report must have no part of it."""

_MAP = """\
description: Students and their days.
dialect: {escape: "\\\\", nulls: ["NULL"], dates: ["%Y-%m-%d", "%m/%d/%y"]}
codes: {sexes: {F: female, M: male}}
lookups: {names: {match: ["names*.csv"], key: [id]}}
files:
  - match: ["students*.csv"]
    rows:
      - table: student
        columns:
          student_id: id
          given_name: {lookup: {file: names, by: [id], column: [given]}}
          family_name: {column: name, pattern: '^([^,]+)'}
          birth_date: born
          gender: {column: sex, shared_codes: sexes}
      - table: enrollment
        columns: {student_id: id, school_id: {value: a}, entry_date: since}
  - match: ["days*.csv"]
    rows:
      - table: attendance
        attendance: {kind: exceptions}
        columns:
          student_id: id
          school_id: {value: a}
          event_date: day
          category: {cases: [{when: {code: [A]}, then: unexcused_absence}, {then: tardy}]}
"""


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of set.

    Attributes:
        format_name: what it is imported as.
        files: its files, by name.
        zipped: whether they come as one archive.
        mapping: the text of a map.
    """

    format_name: str
    files: Mapping[str, bytes]
    zipped: bool = False
    mapping: str = ""

    def archive(self, files: Mapping[str, bytes]) -> bytes:
        """Files as one archive."""
        written = io.BytesIO()
        with zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in files.items():
                archive.writestr(zipfile.ZipInfo(name), content)
        return written.getvalue()


def _record_csv() -> dict[str, bytes]:
    student = "student_id,given_name,family_name,birth_date,gender,races,hispanic,ssn,school_id\n"
    rows = "Zyxwid-77,Xanthippe,Quuxwold,2011-02-03,female,white;asian,true,078-05-1120,a\n"
    days = "student_id,school_id,event_date,category,duration_days\n"
    day = "Zyxwid-77,a,2025-09-08,tardy,0.5\nZyxwid-77,a,2025-09-09,excused_absence,1\n"
    guardian = (
        "student_id,guardian_id,relation,given_name,family_name\nZyxwid-77,g1,Mother,Yggdrasil,X\n"
    )
    spell = "student_id,school_id,entry_date,exit_date\nZyxwid-77,a,2025-08-15,\n"
    files = {
        "student": student + rows + rows.replace("-77", "-78"),
        "attendance": days + day,
        "guardian": guardian,
        "enrollment": spell,
    }
    return {f"{name}.csv": text.encode() for name, text in files.items()}


def _mapped_csv() -> dict[str, bytes]:
    files = {
        "students": 'id,name,born,sex,since\nZyxwid-77,"Quuxwold, X.",02/03/11,F,2025-09-01\n',
        "names": "id,given,password\nZyxwid-77,Xanthippe,hunter2\n",
        "days": 'id,day,code\nZyxwid-77,2025-09-08,A\nZyxwid-77,2025-09-09,"L\\"ATE"\n',
    }
    return {f"{name}.csv": text.encode() for name, text in files.items()}


def _edfi_5() -> dict[str, bytes]:
    who = (
        "<StudentReference><StudentIdentity><StudentUniqueId>Zyxwid-77</StudentUniqueId>"
        "</StudentIdentity></StudentReference>"
    )
    at = (
        "<SchoolReference><SchoolIdentity><SchoolId>1</SchoolId></SchoolIdentity></SchoolReference>"
    )
    day = (
        f"<StudentSchoolAttendanceEvent><EventDate>2025-09-08</EventDate><AttendanceEventCategory>"
        f"uri://ed-fi.org/AttendanceEventCategoryDescriptor#Tardy</AttendanceEventCategory>{who}{at}"
        "</StudentSchoolAttendanceEvent>\n"
    )
    student = (
        '<Student id="S1"><StudentUniqueId>Zyxwid-77</StudentUniqueId><Name><FirstName>Xanthippe'
        "</FirstName><LastSurname>Quuxwold</LastSurname></Name><BirthData><BirthDate>2011-02-03"
        "</BirthDate></BirthData></Student><StudentSchoolAssociation><StudentReference "
        f'ref="S1"/>{at}<EntryDate>2025-09-01</EntryDate></StudentSchoolAssociation>'
        f"<StudentEducationOrganizationAssociation>{who}<Sex>uri://ed-fi.org/SexDescriptor#Female"
        "</Sex><StudentIdentificationCode><StudentIdentificationSystem>uri://x/S#SSN"
        "</StudentIdentificationSystem><IdentificationCode>078051120</IdentificationCode>"
        "</StudentIdentificationCode></StudentEducationOrganizationAssociation>"
    )
    return {
        "Student.xml": _interchange("5.2.0", student),
        "StudentAttendance.xml": _interchange("5.2.0", day * 20),
    }


def _edfi_older(version: str) -> dict[str, bytes]:
    number = "StudentUniqueStateId" if version == "0100" else "StudentUniqueId"
    student = (
        f'<Student id="S1"><{number}>Zyxwid-77</{number}><Name><FirstName>Xanthippe</FirstName>'
        "<LastSurname>Quuxwold</LastSurname></Name><BirthData><BirthDate>2011-02-03</BirthDate>"
        "</BirthData><Race><RacialCategory>White</RacialCategory></Race></Student>"
        '<School id="H1"><StateOrganizationId>High</StateOrganizationId><NameOfInstitution>High'
        '</NameOfInstitution></School><Section id="C1"><UniqueSectionCode>sec</UniqueSectionCode>'
        '<SchoolReference ref="H1"/></Section>'
    )
    more = (
        '<StudentSectionAssociation><StudentReference ref="S1"/><SectionReference ref="C1"/>'
        "<BeginDate>2025-09-01</BeginDate></StudentSectionAssociation><DisciplineAction>"
        "<DisciplineActionIdentifier>9</DisciplineActionIdentifier><Disciplines><CodeValue>Expulsion"
        "</CodeValue></Disciplines><DisciplineDate>2025-10-01</DisciplineDate><StudentReference"
        ' ref="S1"/></DisciplineAction>'
    )
    return {"a.xml": _interchange(version, student), "b.xml": _interchange(version, more)}


def _interchange(version: str, body: str) -> bytes:
    start = (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<InterchangeX xmlns="http://ed-fi.org/{version}">'
    )
    return f"{start}{body}</InterchangeX>".encode()


def _edfi_json() -> dict[str, bytes]:
    who: dict[str, object] = {"studentReference": {"studentUniqueId": "Zyxwid-77"}}
    at: dict[str, object] = {"schoolReference": {"schoolId": 1}}
    names: dict[str, object] = {
        "firstName": "Xanthippe",
        "lastSurname": "Quuxwold",
        "birthDate": "2011-02-03",
    }
    tardy = "uri://ed-fi.org/AttendanceEventCategoryDescriptor#Tardy"
    event: dict[str, object] = {
        "eventDate": "2025-09-08",
        "attendanceEventCategoryDescriptor": tardy,
    }
    system = {
        "studentIdentificationSystemDescriptor": "uri://x/S#SSN",
        "identificationCode": "0780",
    }
    files: dict[str, list[dict[str, object]]] = {
        "students": [names | {"studentUniqueId": "Zyxwid-77"}],
        "studentSchoolAssociations": [who | at | {"entryDate": "2025-09-01"}],
        "studentSchoolAttendanceEvents": [who | at | event] * 3,
        "studentEducationOrganizationAssociations": [
            who | {"studentIdentificationCodes": [system]}
        ],
    }
    return {
        f"{name}.jsonl": "".join(json.dumps(row) + "\n" for row in rows).encode()
        for name, rows in files.items()
    }


def _oneroster(version: str, mode: str) -> dict[str, bytes]:
    stamp = "active,2025-10-01T00:00:00.000Z" if mode == "delta" else ","
    head = "sourcedId,status,dateLastModified,"
    person = f"u1,{stamp},Xanthippe,Quuxwold,Zyxwid-77,hunter2,09"
    files = {
        "orgs": [head + "name,type,identifier", f"s1,{stamp},North,school,10"],
        "academicSessions": [
            head + "title,type,startDate,endDate,schoolYear",
            f"y,{stamp},2025,schoolYear,2025-08-15,2026-06-10,2026",
        ],
        "courses": [head + "title,courseCode", f"k1,{stamp},Algebra,ALG"],
        "classes": [
            head + "title,courseSourcedId,schoolSourcedId,termSourcedIds",
            f'c1,{stamp},Algebra,k1,s1,"y"',
        ],
        "demographics": [head + "birthDate,sex,asian", f"u1,{stamp},2011-02-03,female,true"],
        "enrollments": [
            head + "classSourcedId,schoolSourcedId,userSourcedId,role,beginDate,endDate",
            f"e1,{stamp},c1,s1,u1,student,,",
        ],
    }
    columns = "givenName,familyName,identifier,password,grades"
    if version == "1.1":
        files["users"] = [head + columns + ",role,orgSourcedIds", person + ',student,"s1"']
    else:
        files["users"] = [head + columns, person]
        files["roles"] = [
            head + "userSourcedId,roleType,role,beginDate,endDate,orgSourcedId",
            f"r1,{stamp},u1,primary,student,2025-09-01,,s1",
        ]
    told = ["propertyName,value", "manifest.version,1.0", f"oneroster.version,{version}"]
    told += [f"file.{name},{mode}" for name in files]
    return {
        f"{name}.csv": "\r\n".join([*lines, ""]).encode()
        for name, lines in {"manifest": told, **files}.items()
    }


def kinds() -> dict[str, Kind]:
    """Every kind of set, by name."""
    return {
        "record_csv": Kind("record_csv", _record_csv()),
        "mapped_csv": Kind("mapped_csv", _mapped_csv(), mapping=_MAP),
        "edfi_xml 5": Kind("edfi_xml", _edfi_5()),
        "edfi_xml 2": Kind("edfi_xml", _edfi_older("0200")),
        "edfi_xml 1": Kind("edfi_xml", _edfi_older("0100")),
        "edfi_json": Kind("edfi_json", _edfi_json()),
        "oneroster 1.2 bulk": Kind("oneroster_csv", _oneroster("1.2", "bulk")),
        "oneroster 1.2 delta": Kind("oneroster_csv", _oneroster("1.2", "delta"), zipped=True),
        "oneroster 1.1 bulk": Kind("oneroster_csv", _oneroster("1.1", "bulk"), zipped=True),
        "edfi_xml zip": Kind("edfi_xml", _edfi_5(), zipped=True),
    }
