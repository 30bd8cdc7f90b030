"""What an intake refuses, drops and keeps, in small files of each format."""

import json
import zipfile
from pathlib import Path

import pytest

from homeroom.errors import RequestInvalidError
from tests.intake.loaded_records import LoadedRecords

STUDENTS = "student_id,given_name,family_name,birth_date,school_id\n"


def write(folder: Path, name: str, content: str) -> Path:
    """Writes a file of a set, byte for byte; returns the set."""
    (folder / name).write_bytes(content.encode())
    return folder


def interchange(body: str, version: str = "5.2.0", before: str = "") -> str:
    return f'{before}<InterchangeX xmlns="http://ed-fi.org/{version}">{body}</InterchangeX>'


def student(student_id: str, given: str = "Ana", more: str = "") -> str:
    return (
        f"<Student><StudentUniqueId>{student_id}</StudentUniqueId><Name><FirstName>{given}"
        f"</FirstName><LastSurname>Doe</LastSurname></Name><BirthData><BirthDate>2012-02-29"
        f"</BirthDate></BirthData>{more}</Student>"
    )


class TestRecordCsv:
    """The records' own CSV form."""

    def test_bad_rows_are_told_and_good_ones_are_kept(
        self, records: LoadedRecords, folder: Path
    ) -> None:
        lines = [
            "1,Ana,Doe,2012-02-29,a",
            "2,Ben,Doe,2013-02-29,a",
            ",Cem,Doe,2012-01-01,a",
            "4,Di",
        ]
        write(folder, "student.csv", STUDENTS + "\n".join([*lines, "5,Eva,Doe,,a"]))
        report = records.ingest("record_csv", folder)

        assert [(r.file, r.line, r.field, r.reason) for r in report.rejections] == [
            ("student.csv", 3, "birth_date", "is not a date (YYYY-MM-DD)"),
            ("student.csv", 4, "student_id", "is missing"),
            ("student.csv", 5, "", "has not as many cells as the header"),
        ]
        assert records.rows("SELECT student_id FROM student ORDER BY 1") == [("1",), ("5",)]

    def test_a_row_about_an_unknown_student_is_rejected(
        self, records: LoadedRecords, folder: Path
    ) -> None:
        write(folder, "student.csv", STUDENTS + "1,Ana,Doe,,a\n")
        header = "student_id,school_id,event_date,category\n"
        write(folder, "attendance.csv", header + "1,a,2025-09-08,tardy\n2,a,2025-09-08,tardy\n")
        report = records.ingest("record_csv", folder)

        assert [(r.table, r.line, r.field) for r in report.rejections] == [
            ("attendance", 3, "student_id")
        ]
        assert report.tables["attendance"].added == 1

    def test_the_report_lists_250_rejections_and_counts_all(
        self, records: LoadedRecords, folder: Path
    ) -> None:
        write(folder, "student.csv", STUDENTS + ",No,Id,,a\n" * 300)
        report = records.ingest("record_csv", folder)

        assert (len(report.rejections), report.rejected) == (250, 300)

    def test_the_report_names_no_person(self, records: LoadedRecords, folder: Path) -> None:
        write(
            folder, "student.csv", STUDENTS + "S-77,Xanthippe,Quux,1066-13-01,a\nS-77,Y,Quux,x,a\n"
        )
        told = json.dumps(records.ingest("record_csv", folder).to_json())

        assert not [secret for secret in ("S-77", "Xanthippe", "Quux", "1066") if secret in told]

    def test_a_file_without_its_header_tells_no_cell_of_it(
        self, records: LoadedRecords, folder: Path
    ) -> None:
        write(folder, "student.csv", "S-77,Xanthippe,Quux,2012-02-29,a\n")
        report = records.ingest("record_csv", folder)

        assert report.rejections[0].reason == "the file has no such column"
        assert "Xanthippe" not in json.dumps(report.to_json())

    def test_social_security_numbers_and_passwords_are_dropped_and_counted(
        self, records: LoadedRecords, folder: Path
    ) -> None:
        write(
            folder,
            "student.csv",
            "student_id,SSN,Social Security No.,password\n1,078-05-1120,078051120,hunter2\n2,,,\n",
        )
        report = records.ingest("record_csv", folder)

        assert report.dropped == {"SSN": 1, "Social Security No.": 1, "password": 1}
        assert report.rejections == []
        stored = b"".join(file.read_bytes() for file in folder.parent.glob("records.db*"))
        assert b"078" not in stored
        assert b"hunter2" not in stored

    @pytest.mark.parametrize(
        "typed",
        ["Zoë,Muñoz Ortíz", "Zoe\u0308,Mun\u0303oz Orti\u0301z"],
        ids=["composed", "decomposed"],
    )
    def test_names_with_diacritics_are_one_text_however_typed(
        self, records: LoadedRecords, folder: Path, typed: str
    ) -> None:
        write(folder, "student.csv", f"\ufeff{STUDENTS} 007 ,{typed},2012-02-29,a\r\n")
        records.ingest("record_csv", folder)

        assert records.rows(
            "SELECT student_id, given_name, family_name, birth_date FROM student"
        ) == [("007", "Zoë", "Muñoz Ortíz", "2012-02-29")]

    def test_bytes_that_are_no_utf8_reject_their_row_alone(
        self, records: LoadedRecords, folder: Path
    ) -> None:
        (folder / "student.csv").write_bytes(STUDENTS.encode() + b"1,Zo\xeb,D,,a\n2,Ben,D,,a\n")
        report = records.ingest("record_csv", folder)

        assert [(r.line, r.field, r.reason) for r in report.rejections] == [
            (2, "given_name", "is not UTF-8")
        ]
        assert records.rows("SELECT student_id FROM student") == [("2",)]

    def test_lines_may_end_as_on_any_system(self, records: LoadedRecords, folder: Path) -> None:
        write(folder, "student.csv", STUDENTS.replace("\n", "\r") + "1,Ana,Doe,,a\r2,Ben,Doe,,a")
        records.ingest("record_csv", folder)

        assert records.count("SELECT count(*) FROM student") == 2

    def test_an_archive_is_a_set_too(self, records: LoadedRecords, tmp_path: Path) -> None:
        with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive:
            archive.writestr("export/student.csv", STUDENTS + "1,Ana,Doe,,a\n")
        records.ingest("record_csv", tmp_path / "set.zip")

        assert records.count("SELECT count(*) FROM student") == 1

    def test_two_files_of_one_table_are_refused(self, records: LoadedRecords, folder: Path) -> None:
        write(folder, "student.csv", STUDENTS)
        (folder / "more").mkdir()
        write(folder / "more", "student.csv", STUDENTS)

        with pytest.raises(RequestInvalidError, match="two files"):
            records.ingest("record_csv", folder)


class TestEdFiXml:
    """Ed-Fi interchange XML."""

    @pytest.mark.parametrize(
        "before",
        [
            '<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;">]>',
            '<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]>',
            '<!DOCTYPE x SYSTEM "http://127.0.0.1:9/x.dtd">',
        ],
        ids=["bomb", "external entity", "external DTD"],
    )
    def test_a_dtd_is_refused_whatever_it_brings(
        self, records: LoadedRecords, folder: Path, before: str
    ) -> None:
        write(folder, "a.xml", interchange(student("1", "&a;"), before=before))

        with pytest.raises(RequestInvalidError, match="DTD"):
            records.ingest("edfi_xml", folder)

    def test_a_broken_file_leaves_the_node_as_it_was(
        self, records: LoadedRecords, folder: Path
    ) -> None:
        records.ingest("edfi_xml", write(folder, "a.xml", interchange(student("1"))))
        write(folder, "b.xml", interchange(student("2", "Xanthippe"))[:-9])

        with pytest.raises(RequestInvalidError) as refused:
            records.ingest("edfi_xml", folder)

        assert refused.value.metadata["file"] == "b.xml"
        assert "Xanthippe" not in str(refused.value)
        assert records.rows("SELECT student_id FROM student") == [("1",)]

    def test_files_of_another_kind_are_refused(self, records: LoadedRecords, folder: Path) -> None:
        write(folder, "a.xml", "<html><body/></html>")

        with pytest.raises(RequestInvalidError, match="no file is an Ed-Fi interchange"):
            records.ingest("edfi_xml", folder)

    def test_codes_of_social_security_are_dropped_and_counted(
        self, records: LoadedRecords, folder: Path
    ) -> None:
        codes = "".join(
            f"<StudentIdentificationCode><StudentIdentificationSystem>uri://x/S#{system}"
            f"</StudentIdentificationSystem><IdentificationCode>{code}</IdentificationCode>"
            "</StudentIdentificationCode>"
            for system, code in (("SSN", "078051120"), ("State", "0042"))
        )
        report = records.ingest(
            "edfi_xml", write(folder, "a.xml", interchange(student("1", more=codes)))
        )

        assert report.dropped == {"StudentIdentificationCode": 1}
        assert records.rows("SELECT state_id FROM student") == [("0042",)]

    def test_a_reference_finds_an_element_of_a_later_file_through_others(
        self, records: LoadedRecords, folder: Path
    ) -> None:
        """2.x names a section by `id`, which names its offering, which names its school."""
        write(
            folder,
            "a.xml",
            interchange(
                student("1") + "<StudentSectionAssociation><StudentReference><StudentIdentity>"
                "<StudentUniqueId>1</StudentUniqueId></StudentIdentity></StudentReference>"
                '<SectionReference ref="S1"/><BeginDate>2025-09-01</BeginDate>'
                "</StudentSectionAssociation>",
                "0200",
            ),
        )
        write(
            folder,
            "b.xml",
            interchange(
                '<Section id="S1"><UniqueSectionCode>sec</UniqueSectionCode>'
                '<CourseOfferingReference ref="O1"/></Section><CourseOffering id="O1">'
                "<LocalCourseCode>ALG</LocalCourseCode><LocalCourseTitle>Algebra</LocalCourseTitle>"
                '<SchoolReference ref="H1"/></CourseOffering>'
                '<School id="H1"><SchoolId>high</SchoolId></School>',
                "0200",
            ),
        )
        records.ingest("edfi_xml", folder)

        assert records.rows(
            "SELECT school_id, section_id, course_code, course_title FROM section_enrollment"
        ) == [("high", "sec", "ALG", "Algebra")]

    def test_who_once_was_an_english_learner_is_none(
        self, records: LoadedRecords, folder: Path
    ) -> None:
        words = {"1": "Limited", "2": "Limited Monitored 1", "3": "NotLimited"}
        body = "".join(
            student(
                i,
                more="<LimitedEnglishProficiency>uri://ed-fi.org/LimitedEnglishProficiencyDescriptor"
                f"#{word}</LimitedEnglishProficiency>",
            )
            for i, word in words.items()
        )
        records.ingest("edfi_xml", write(folder, "a.xml", interchange(body)))

        assert records.rows("SELECT english_learner FROM student ORDER BY student_id") == [
            (1,),
            (0,),
            (0,),
        ]

    def test_a_bystander_whom_an_action_names_is_rejected(
        self, records: LoadedRecords, folder: Path
    ) -> None:
        who = "<StudentReference><StudentUniqueId>1</StudentUniqueId></StudentReference>"
        incident = (
            "<DisciplineIncidentReference><IncidentIdentifier>7</IncidentIdentifier>"
            "</DisciplineIncidentReference>"
        )
        body = (
            f"{student('1')}<StudentDisciplineIncidentAssociation>{who}{incident}"
            "<StudentParticipationCode>Victim</StudentParticipationCode>"
            "</StudentDisciplineIncidentAssociation><DisciplineAction><DisciplineActionIdentifier>9"
            "</DisciplineActionIdentifier><Disciplines><CodeValue>Expulsion</CodeValue></Disciplines>"
            f"{who}{incident}</DisciplineAction>"
        )
        report = records.ingest("edfi_xml", write(folder, "a.xml", interchange(body, "0100")))

        assert [r.reason for r in report.rejections] == ["is about no offender of the incident"]
        assert records.count("SELECT count(*) FROM discipline_action") == 0
        assert records.count("SELECT count(*) FROM discipline_incident") == 0

    def test_each_student_without_an_id_is_rejected(
        self, records: LoadedRecords, folder: Path
    ) -> None:
        body = student("") + student("1") + student(" ")
        report = records.ingest("edfi_xml", write(folder, "a.xml", interchange(body)))

        assert [(r.table, r.field, r.reason) for r in report.rejections] == [
            ("student", "student_id", "is missing")
        ] * 2
        assert records.rows("SELECT student_id FROM student") == [("1",)]

    def test_the_only_id_of_ed_fi_1_0_is_the_states(
        self, records: LoadedRecords, folder: Path
    ) -> None:
        body = student("0042").replace("StudentUniqueId", "StudentUniqueStateId")
        records.ingest("edfi_xml", write(folder, "a.xml", interchange(body, "0100")))

        assert records.rows("SELECT student_id, state_id FROM student") == [("0042", "0042")]

    def test_ids_keep_their_zeros_and_lose_outer_blanks(
        self, records: LoadedRecords, folder: Path
    ) -> None:
        records.ingest("edfi_xml", write(folder, "a.xml", interchange(student(" 0007 "))))

        assert records.rows("SELECT student_id, birth_date FROM student") == [
            ("0007", "2012-02-29")
        ]


@pytest.mark.parametrize("format_name", ["edfi_xml", "record_csv"])
def test_a_path_with_nothing_to_read_is_refused(
    records: LoadedRecords, folder: Path, format_name: str
) -> None:
    with pytest.raises(RequestInvalidError):
        records.ingest(format_name, folder)


def test_an_unknown_format_is_refused(records: LoadedRecords, folder: Path) -> None:
    with pytest.raises(RequestInvalidError, match="no such format"):
        records.ingest("guesswork", folder)
