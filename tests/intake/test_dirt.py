"""The oddities of real exports, in every format: read rightly, or told of and left out."""

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

from homeroom.errors import RequestInvalidError
from tests.intake.loaded_records import LoadedRecords
from tests.intake.test_file_sets import STUDENTS, interchange, student
from tests.intake.test_oneroster import as_csv, package, whole

NAMES = "SELECT student_id, given_name FROM student ORDER BY 1"
MAP = """\
description: x
dialect: {dates: ["%m/%d/%Y", excel]}
files:
  - match: ["*.csv"]
    rows:
      - table: student
        columns: {student_id: Student ID, given_name: First, birth_date: Born, homeless: Home}
"""


def reasons(report: Any) -> list[tuple[int, str, str]]:
    return [(told.line, told.field, told.reason) for told in report.rejections]


class TestOwnCsv:
    """The records' own CSV form."""

    @pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
    def test_the_mark_of_an_encoding_is_heeded(
        self, records: LoadedRecords, folder: Path, encoding: str
    ) -> None:
        (folder / "student.csv").write_bytes(f"{STUDENTS}7,Zoë,Doe,,a\r\n".encode(encoding))
        report = records.ingest("record_csv", folder)

        assert report.rejections == []
        assert records.rows(NAMES) == [("7", "Zoë")]

    def test_a_torn_file_in_utf_16_loses_its_last_row_alone(
        self, records: LoadedRecords, folder: Path
    ) -> None:
        text = f"{STUDENTS}7,Zoë,Doe,,a\r\n8,Ana,Doe,,ab".encode("utf-16")
        (folder / "student.csv").write_bytes(text[:-1])
        report = records.ingest("record_csv", folder)

        assert reasons(report) == [(3, "school_id", "is not UTF-8")]
        assert records.rows(NAMES) == [("7", "Zoë")]

    def test_headers_may_be_written_as_people_write_them(
        self, records: LoadedRecords, folder: Path
    ) -> None:
        (folder / "student.csv").write_text("Student ID, GIVEN_NAME \n7,Ana\n", "utf-8")
        records.ingest("record_csv", folder)

        assert records.rows(NAMES) == [("7", "Ana")]

    def test_empty_cells_beyond_the_header_are_no_fault(
        self, records: LoadedRecords, folder: Path
    ) -> None:
        lines = "7,Ana,Doe,,a,,\n8,Ben,Doe,,a,x\n9,Cem,Doe,\n"
        (folder / "student.csv").write_text(STUDENTS + lines, "utf-8")
        report = records.ingest("record_csv", folder)

        assert [line for line, _, _ in reasons(report)] == [3, 4]
        assert records.rows(NAMES) == [("7", "Ana")]

    def test_a_line_break_within_quotes_is_part_of_the_text_and_of_the_count(
        self, records: LoadedRecords, folder: Path
    ) -> None:
        lines = '7,"Ana\nMaria",Doe,,a\r\n8,Ben,Doe,x,a\r\n'
        (folder / "student.csv").write_text(STUDENTS + lines, "utf-8", newline="")
        report = records.ingest("record_csv", folder)

        assert records.rows(NAMES) == [("7", "Ana\nMaria")]
        assert [line for line, _, _ in reasons(report)] == [4]

    @pytest.mark.parametrize(
        "day", ["9/2/2024", "45537", "20240902", "2024-W36-1", "02.09.2024", "2024-9-2"]
    )
    def test_a_day_written_otherwise_is_not_guessed(
        self, records: LoadedRecords, folder: Path, day: str
    ) -> None:
        (folder / "student.csv").write_text(f"{STUDENTS}7,Ana,Doe,{day},a\n", "utf-8")

        assert reasons(records.ingest("record_csv", folder)) == [
            (2, "birth_date", "is not a date (YYYY-MM-DD)")
        ]

    @pytest.mark.parametrize("number", ["1.000,5", "0,5", "1_000", "١٢", "NaN", "1e99", "$5"])
    def test_a_number_written_otherwise_is_not_guessed(
        self, records: LoadedRecords, folder: Path, number: str
    ) -> None:
        text = f'student_id,household_income\n7,"{number}"\n'
        (folder / "student.csv").write_text(text, "utf-8")

        assert reasons(records.ingest("record_csv", folder)) == [
            (2, "household_income", "is not a number")
        ]

    def test_a_column_told_twice_is_told_of(self, records: LoadedRecords, folder: Path) -> None:
        text = "student_id,given_name,given_name\n7,Ana,Eva\n"
        (folder / "student.csv").write_text(text, "utf-8")

        assert reasons(records.ingest("record_csv", folder)) == [
            (1, "column 3", "the table has none such")
        ]


class TestMapped:
    """Any export, by a map."""

    def test_days_of_excel_headers_and_words_for_yes_are_read(
        self, records: LoadedRecords, folder: Path, tmp_path: Path
    ) -> None:
        (tmp_path / "map.yaml").write_text(MAP, "utf-8")
        lines = "student id,FIRST,Born,Home,\n007,Ana,40968,Y,,\n008,Ben,2/29/2012,FALSE,,\n"
        (folder / "a.csv").write_bytes(lines.encode("utf-16"))
        report = records.ingest("mapped_csv", folder, mapping=str(tmp_path / "map.yaml"))

        assert report.rejections == []
        assert records.rows("SELECT student_id, birth_date, homeless FROM student ORDER BY 1") == [
            ("007", "2012-02-29", 1),
            ("008", "2012-02-29", 0),
        ]

    def test_an_encoding_without_a_mark_is_the_maps(
        self, records: LoadedRecords, folder: Path, tmp_path: Path
    ) -> None:
        said = MAP.replace("{dates:", "{encoding: cp1252, dates:")
        (tmp_path / "map.yaml").write_text(said, "utf-8")
        (folder / "a.csv").write_bytes("Student ID,First,Born,Home\n7,Zoë,,\n".encode("cp1252"))
        records.ingest("mapped_csv", folder, mapping=str(tmp_path / "map.yaml"))

        assert records.rows(NAMES) == [("7", "Zoë")]


class TestOneRoster:
    """OneRoster packages."""

    def test_a_packed_folder_is_a_package_too(self, records: LoadedRecords, tmp_path: Path) -> None:
        flat = package(tmp_path / "flat.zip", "bulk", whole(2))
        with (
            zipfile.ZipFile(flat) as source,
            zipfile.ZipFile(tmp_path / "deep.zip", "w") as packed,
        ):
            for name in source.namelist():
                packed.writestr(f"export/{name}", source.read(name))
                packed.writestr(f"__MACOSX/export/._{name}", b"\x00\x05\x16\x07")
                packed.writestr(f"__MACOSX/{name}", b"\x00\x05\x16\x07")
        report = records.ingest("oneroster_csv", tmp_path / "deep.zip")

        assert report.rejections == []
        assert records.count("SELECT count(*) FROM student") == 2

    def test_an_archive_in_an_archive_is_refused(
        self, records: LoadedRecords, tmp_path: Path
    ) -> None:
        inner = package(tmp_path / "inner.zip", "bulk", whole(1))
        with zipfile.ZipFile(tmp_path / "outer.zip", "w") as packed:
            packed.write(inner, "inner.zip")

        with pytest.raises(RequestInvalidError, match=r"no \.csv file"):
            records.ingest("oneroster_csv", tmp_path / "outer.zip")

    def test_headers_of_another_case_and_padding_are_read(
        self, records: LoadedRecords, tmp_path: Path
    ) -> None:
        files = whole(1)
        users = as_csv(files.pop("users")).replace("givenName", "GivenName ")
        path = package(tmp_path / "a.zip", "bulk", files | {"users": []})
        with zipfile.ZipFile(path) as source:
            told = {name: source.read(name) for name in source.namelist()}
        told["users.csv"] = users.replace("\r\n", ",,\r\n").encode()
        with zipfile.ZipFile(path, "w") as archive:
            for name, content in told.items():
                archive.writestr(name, content)
        records.ingest("oneroster_csv", path)

        assert records.rows(NAMES) == [("0", "Given0")]

    def test_a_column_told_twice_is_not_guessed(
        self, records: LoadedRecords, tmp_path: Path
    ) -> None:
        files = whole(1)
        path = package(tmp_path / "a.zip", "bulk", files)
        with zipfile.ZipFile(path) as source:
            told = {name: source.read(name).decode() for name in source.namelist()}
        told["users.csv"] = told["users.csv"].replace("familyName", "givenName")
        with zipfile.ZipFile(path, "w") as archive:
            for name, content in told.items():
                archive.writestr(name, content)

        report = records.ingest("oneroster_csv", path)
        assert (1, "givenName", "the file has it twice") in reasons(report)
        assert records.count("SELECT count(*) FROM student") == 0


class TestEdFi:
    """Ed-Fi, in XML and JSON."""

    @pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "iso-8859-1", "cp1252"])
    def test_xml_may_be_in_any_encoding_that_it_tells(
        self, records: LoadedRecords, folder: Path, encoding: str
    ) -> None:
        told = {"cp1252": "windows-1252", "utf-8-sig": "utf-8"}.get(encoding, encoding)
        before = f'<?xml version="1.0" encoding="{told}"?>'
        content = interchange(student("7", "Zoë"), before=before).encode(encoding)
        (folder / "A.XML").write_bytes(content)
        records.ingest("edfi_xml", folder)

        assert records.rows(NAMES) == [("7", "Zoë")]

    @pytest.mark.parametrize(
        "given",
        [
            *("<![CDATA[Ana & Eva]]>", "Ana &amp; Eva", "<!-- x -->Ana &#38; Eva"),
            *("<?pi?>Ana &amp; Eva", "\r\n  Ana &amp; Eva  \r\n"),
        ],
    )
    def test_a_text_is_the_same_however_xml_writes_it(
        self, records: LoadedRecords, folder: Path, given: str
    ) -> None:
        (folder / "a.xml").write_text(interchange(student("7", given)), "utf-8", newline="")
        records.ingest("edfi_xml", folder)

        assert records.rows(NAMES) == [("7", "Ana & Eva")]

    def test_nil_is_nothing_and_an_extension_is_not_ours(
        self, records: LoadedRecords, folder: Path
    ) -> None:
        more = (
            '<MiddleName xmlns:i="urn:i" i:nil="true"/><x:StudentExtension xmlns:x="urn:x">'
            "<x:BirthDate>1999-01-01</x:BirthDate><x:StudentUniqueId>8</x:StudentUniqueId>"
            "</x:StudentExtension>"
        )
        (folder / "a.xml").write_text(interchange(student("7", more=more)), "utf-8")
        records.ingest("edfi_xml", folder)

        assert records.rows("SELECT student_id, middle_name, birth_date FROM student") == [
            ("7", None, "2012-02-29")
        ]

    def test_prefixed_elements_are_the_same_elements(
        self, records: LoadedRecords, folder: Path
    ) -> None:
        body = student("7").replace("</", "</e:").replace("<", "<e:").replace("<e:/e:", "</e:")
        text = f'<e:InterchangeX xmlns:e="http://ed-fi.org/5.2.0">{body}</e:InterchangeX>'
        (folder / "a.xml").write_text(text, "utf-8")
        records.ingest("edfi_xml", folder)

        assert records.rows(NAMES) == [("7", "Ana")]

    def test_a_huge_text_costs_its_row_alone(self, records: LoadedRecords, folder: Path) -> None:
        body = student("7", "x" * 3_000_000) + student("8")
        (folder / "a.xml").write_text(interchange(body), "utf-8")
        report = records.ingest("edfi_xml", folder)

        assert [told.reason for told in report.rejections] == ["is too long"]
        assert records.rows(NAMES) == [("8", "Ana")]

    @pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
    def test_json_may_be_spread_over_lines_and_marked(
        self, records: LoadedRecords, folder: Path, encoding: str
    ) -> None:
        told = [{"studentUniqueId": n, "firstName": "Zoë"} for n in ("7", "8")]
        text = "\r\n".join(json.dumps(one, indent=2, ensure_ascii=False) for one in told)
        (folder / "students.json").write_bytes(text.encode(encoding))
        report = records.ingest("edfi_json", folder)

        assert report.rejections == []
        assert records.rows(NAMES) == [("7", "Zoë"), ("8", "Zoë")]

    def test_a_broken_line_of_json_costs_itself_alone(
        self, records: LoadedRecords, folder: Path
    ) -> None:
        lines = ["{", '{"studentUniqueId": "7"}', '{"studentUniqueId": ']
        (folder / "students.jsonl").write_text("\n".join(lines), "utf-8")
        report = records.ingest("edfi_json", folder)

        assert [line for line, _, _ in reasons(report)] == [1, 3]
        assert records.rows("SELECT student_id FROM student") == [("7",)]
