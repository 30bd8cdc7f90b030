"""Mutated files of every format: no crash, nothing kept in part, no person's value in a report.

`HOMEROOM_FUZZ_EXAMPLES=100000` runs as many of each format as issue trackers ask for.
"""

import json
import os
import random
import zipfile
from pathlib import Path

import pytest

from homeroom.errors import HomeroomError
from tests.intake.loaded_records import LoadedRecords
from tests.intake.test_edfi_json import AT, student
from tests.intake.test_oneroster import package, whole

_EXAMPLES = int(os.environ.get("HOMEROOM_FUZZ_EXAMPLES", "40"))
_SECRETS = ("Xanthippe", "Quuxfamily", "Pseudonymous-77", "2011-02-03")
_STUDENT = "student_id,given_name,family_name,birth_date,gender,races,hispanic,grade_level\n"
_ROW = "Pseudonymous-77,Xanthippe,Quuxfamily,2011-02-03,female,white;asian,true,07\n"
_XML = (
    '<InterchangeX xmlns="http://ed-fi.org/5.2.0"><Student id="S1"><StudentUniqueId>'
    "Pseudonymous-77</StudentUniqueId><Name><FirstName>Xanthippe</FirstName><LastSurname>"
    "Quuxfamily</LastSurname></Name><BirthData><BirthDate>2011-02-03</BirthDate></BirthData>"
    "<Sex>Female</Sex></Student><StudentSchoolAssociation><StudentReference "
    'ref="S1"/><SchoolReference><SchoolIdentity><SchoolId>1</SchoolId></SchoolIdentity>'
    "</SchoolReference><EntryDate>2025-09-01</EntryDate></StudentSchoolAssociation></InterchangeX>"
)
_MAP = (
    "description: x\nfiles:\n  - match: ['*.csv']\n    rows:\n      - table: student\n"
    "        columns: {student_id: student_id, given_name: given_name, family_name: family_name,"
    " birth_date: birth_date}\n"
)
_SPICE = [b'"', b"\x00", b"\xff", b"<", b"]]>", b"&a;", b"\r", b",,", b"\\", b"{", b"\xed\xa0\x80"]


def written(kind: str, folder: Path) -> Path:
    """A small good set of a format; the file that is mutated."""
    folder.mkdir()
    match kind:
        case "edfi_xml":
            content, name = _XML.encode(), "a.xml"
        case "edfi_json":
            who = student("Pseudonymous-77", firstName="Xanthippe", lastSurname="Quuxfamily")
            of = {"studentReference": {"studentUniqueId": "Pseudonymous-77"}}
            told = of | AT | {"entryDate": "2025-09-01"}
            (folder / "studentSchoolAssociations.jsonl").write_text(json.dumps(told), "utf-8")
            content = json.dumps(who | {"birthDate": "2011-02-03"}).encode()
            name = "students.jsonl"
        case "oneroster_csv":
            files = whole(2)
            files["users"][0] |= {"givenName": "Xanthippe", "familyName": "Quuxfamily"}
            package(folder / "a.zip", "bulk", files)
            with zipfile.ZipFile(folder / "a.zip") as archive:
                archive.extractall(folder)
            (folder / "a.zip").unlink()
            return folder / "users.csv"
        case "oneroster_csv in an archive":
            return package(folder / "a.zip", "bulk", whole(2))
        case _:
            content, name = (_STUDENT + _ROW * 3).encode(), "student.csv"
    (folder / name).write_bytes(content)
    return folder / name


def mutated(content: bytes, chance: random.Random) -> bytes:
    """The content with some bytes changed, left out, said again, or spiced."""
    bad = bytearray(content)
    for _ in range(chance.randint(1, 6)):
        at = chance.randrange(len(bad) + 1)
        upto = min(len(bad), at + chance.randint(0, 30))
        match chance.randrange(4):
            case 0:
                bad[at:upto] = b""
            case 1:
                bad[at:at] = chance.choice(_SPICE)
            case 2:
                bad[at:at] = bad[at:upto]
            case _:
                bad[at:upto] = bytes(chance.randrange(256) for _ in range(upto - at))
    return bytes(bad)


@pytest.mark.parametrize(
    "kind",
    [
        *("record_csv", "mapped_csv", "edfi_xml", "edfi_json", "oneroster_csv"),
        "oneroster_csv in an archive",
    ],
)
def test_a_mutated_file_never_crashes_an_import_and_never_shows_a_person(
    tmp_path: Path, kind: str
) -> None:
    records, format_name = LoadedRecords(tmp_path), kind.partition(" ")[0]
    (tmp_path / "map.yaml").write_text(_MAP, "utf-8")
    target = written(kind, tmp_path / "set")
    path = target if target.suffix == ".zip" else target.parent
    good, chance = target.read_bytes(), random.Random(kind)  # noqa: S311  # any will do
    choices = {"dry_run": True, "mapping": str(tmp_path / "map.yaml")}
    assert records.ingest(format_name, path, **choices).rejections == []
    for example in range(_EXAMPLES):
        bad = mutated(good, chance)
        target.write_bytes(bad)
        try:
            told = json.dumps(records.ingest(format_name, path, **choices).to_json())
        except HomeroomError as refused:
            told = f"{refused} {refused.metadata}"
        shown = [secret for secret in _SECRETS if secret in told]
        assert shown == [], (example, bad)
    assert records.count("SELECT count(*) FROM student") == 0
    assert records.count("SELECT count(*) FROM intake_run") == 0
