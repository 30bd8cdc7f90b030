"""How fast records come in: a million rows of attendance from CSV, and Ed-Fi XML, in megabytes."""

import csv
import datetime as dt
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from services.node.intake.run import ingest

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
        csv_seconds, csv_mb = _in_a_process("record_csv", csv_set, Path(folder) / "csv.db")
        xml_seconds, xml_mb = _in_a_process("edfi_xml", xml_set, Path(folder) / "xml.db")
    print(f"{_ROWS:,} rows in {csv_seconds:.1f} s; {megabytes:.1f} MB in {xml_seconds:.1f} s")
    return {
        "csv_million_s": round(csv_seconds, 2),
        "peak_mb": round(max(csv_mb, xml_mb)),
        "xml_mb_s": round(megabytes / xml_seconds, 1),
    }


def _in_a_process(format_name: str, path: Path, records: Path) -> tuple[float, float]:
    command = [sys.executable, "-m", "benchmarks.intake", format_name, str(path), str(records)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    seconds, megabytes = done.stdout.split()
    return float(seconds), float(megabytes)


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


def main(format_name: str, path: str, records: str) -> None:
    """One import; prints its seconds, and the most memory that the process had, in megabytes."""
    began = time.perf_counter()
    report = ingest(format_name, Path(path), f"sqlite:///{records}")
    seconds = time.perf_counter() - began
    assert report.rejected == 0, report.rejections[:3]
    print(seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


if __name__ == "__main__":
    main(*sys.argv[1:])
