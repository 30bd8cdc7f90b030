"""How fast records come in: a million rows of attendance from CSV, and Ed-Fi XML, in megabytes.

The XML is timed twice: until each row is typed, judged and ready for the store, and again with the
store, into an empty node. Beside it stands the floor: what expat needs to parse the same files and
tell nobody of it.
"""

import csv
import datetime as dt
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple
from xml.parsers import expat

from services.node.domain.intake import Identity
from services.node.domain.intake_report import IntakeReport, Tally
from services.node.intake.carrying import Intake
from services.node.intake.edfi_xml import EdFiXml
from services.node.intake.run import Choices, ingest

_ROWS = 1_000_000
_STUDENTS = 5_600
_XML_EVENTS = 60_000
_FIRST_DAY = dt.date(2024, 9, 2)
_EVENT = """\
  <StudentSchoolAttendanceEvent>
    <EventDate>{day}</EventDate>
    <AttendanceEventCategory>uri://ed-fi.org/AttendanceEventCategoryDescriptor#Tardy</AttendanceEventCategory>
    <StudentReference><StudentIdentity><StudentUniqueId>{student}</StudentUniqueId></StudentIdentity></StudentReference>
    <SchoolReference><SchoolIdentity><SchoolId>255901001</SchoolId></SchoolIdentity></SchoolReference>
  </StudentSchoolAttendanceEvent>
"""


def run() -> dict[str, Any]:
    """Each import runs in a process of its own, so that its memory is its own too."""
    with tempfile.TemporaryDirectory(prefix="homeroom-") as folder:
        csv_set, xml_set = Path(folder) / "csv", Path(folder) / "xml"
        _write_csv(csv_set)
        megabytes = _write_xml(xml_set)
        rows = _in_a_process("record_csv", csv_set, Path(folder) / "csv.db")
        ready = _in_a_process("edfi_xml", xml_set)
        stored = _in_a_process("edfi_xml", xml_set, Path(folder) / "xml.db")
        floor = _in_a_process("expat", xml_set)
    print(f"{_ROWS:,} rows of CSV stored in {rows.seconds:.1f} s, {rows.cpu:.1f} s of one core")
    for what, took in (("ready", ready), ("stored", stored), ("only parsed by expat", floor)):
        seconds = f"{took.seconds:.1f} s, {took.cpu:.1f} s of one core"
        print(
            f"{megabytes:.1f} MB of XML {what} in {seconds}: {megabytes / took.cpu:.0f} MB a second"
        )
    return {
        "csv_million_s": round(rows.seconds, 2),
        "csv_million_cpu_s": round(rows.cpu, 2),
        "peak_mb": round(max(rows.peak_mb, stored.peak_mb)),
        "xml_mb_s": round(megabytes / ready.seconds, 1),
        "xml_mb_cpu_s": round(megabytes / ready.cpu, 1),
        "xml_stored_mb_s": round(megabytes / stored.seconds, 1),
        "xml_floor_mb_s": round(megabytes / floor.seconds, 1),
    }


class _Took(NamedTuple):
    """What one import took: by the clock, of a core, and of memory."""

    seconds: float
    cpu: float
    peak_mb: float


def _in_a_process(format_name: str, *paths: Path) -> _Took:
    command = [sys.executable, "-m", "benchmarks.intake", format_name, *map(str, paths)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return _Took(*map(float, done.stdout.split()))


class _Ready:
    """Counts rows in place of the records, and gives each student a key; a `RecordSink`."""

    memory: Any = None

    def __init__(self) -> None:
        self.student_keys: dict[str, int] = {}
        self.identities: dict[int, Identity] = {}

    def load(self, table: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        if table == "student":
            place = columns.index("student_id")
            for row in rows:
                self.student_keys.setdefault(row[place], len(self.student_keys))

    def remove(self, _table: str, _columns: Sequence[str], _rows: Sequence[Any]) -> None:
        raise AssertionError("nothing is removed here")

    def rename(self, _old_student_id: str, _new_student_id: str) -> bool:
        raise AssertionError("nobody is renamed here")

    def settle_complete(self, _tables: Mapping[str, bool], *, may_shrink: bool) -> None:
        assert not may_shrink

    def tallies(self) -> Mapping[str, Tally]:
        return {}

    def findings(self) -> Mapping[str, int]:
        return {}


def _make_ready(path: Path) -> IntakeReport:
    report, choices = IntakeReport("edfi_xml"), Choices()
    Intake(_Ready(), report, lambda _table, _rows: None, choices.today, choices).take(EdFiXml(path))
    return report


def _only_parse(path: Path) -> IntakeReport:
    for file in path.iterdir():
        parser = expat.ParserCreate(namespace_separator=" ")
        with file.open("rb") as handle:
            parser.ParseFile(handle)
    return IntakeReport("edfi_xml")


def _write_csv(folder: Path) -> None:
    folder.mkdir()
    with (folder / "student.csv").open("w", encoding="utf-8", newline="") as file:
        written = csv.writer(file)
        written.writerow(["student_id", "given_name", "family_name", "birth_date", "school_id"])
        written.writerows(
            [f"{n:07}", "Made", "Up", "2014-05-06", f"s{n % 12}"] for n in range(_STUDENTS)
        )
    with (folder / "attendance.csv").open("w", encoding="utf-8", newline="") as file:
        written = csv.writer(file)
        written.writerow(["student_id", "school_id", "event_date", "category"])
        written.writerows(
            [f"{n % _STUDENTS:07}", f"s{n % _STUDENTS % 12}", _day(n), "in_attendance"]
            for n in range(_ROWS)
        )


def _write_xml(folder: Path) -> float:
    folder.mkdir()
    students = "".join(
        f"<Student><StudentUniqueId>{n:07}</StudentUniqueId></Student>" for n in range(_STUDENTS)
    )
    events = "".join(
        _EVENT.format(day=_day(n), student=f"{n % _STUDENTS:07}") for n in range(_XML_EVENTS)
    )
    for name, body in (("Student", students), ("StudentAttendance", events)):
        root = f'<Interchange{name} xmlns="http://ed-fi.org/5.2.0">{body}</Interchange{name}>'
        (folder / f"{name}.xml").write_text(root, "utf-8")
    return sum(file.stat().st_size for file in folder.iterdir()) / 1e6


def _day(number: int) -> str:
    return (_FIRST_DAY + dt.timedelta(days=number // _STUDENTS)).isoformat()


def main(format_name: str, path: str, records: str = "") -> None:
    """One import; prints its seconds, those of a core, and the most memory it had, in megabytes.

    Without records to fill, rows are only made ready for them.
    """
    began, began_cpu = time.perf_counter(), time.process_time()
    if format_name == "expat":
        report = _only_parse(Path(path))
    elif records:
        report = ingest(format_name, Path(path), f"sqlite:///{records}")
    else:
        report = _make_ready(Path(path))
    seconds, cpu = time.perf_counter() - began, time.process_time() - began_cpu
    assert report.rejected == 0, report.rejections[:3]
    assert (
        format_name == "expat" or sum(table.read for table in report.tables.values()) >= _STUDENTS
    )
    print(seconds, cpu, _peak_mb())


def _peak_mb() -> float:
    """The most memory of this program; what the system counts of the process has its parent's."""
    status = Path("/proc/self/status").read_text("utf-8")
    [kilobytes] = re.findall(r"VmHWM:\s+(\d+) kB", status)
    return int(kilobytes) / 1024


if __name__ == "__main__":
    main(*sys.argv[1:])
