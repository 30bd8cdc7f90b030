"""What 100,000 consents cost: from a CSV file to the holder's grants, and each row asked after."""

import asyncio
import csv
import datetime as dt
import json
import os
import re
import secrets
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.ground import ASKER, PURPOSE
from deploy.local.founding import register_all, sign_agreement, trained_user, write_user_tokens
from deploy.local.layout import Layout, Member, make_layout
from deploy.local.processes import Processes
from homeroom import Answer, Client
from services.node.intake.run import ingest
from services.node.server import open_stores

HOLDER = "holder"
AGREEMENT_ID = "benchmark"
_FEW, _MANY = 500, 50_000
_DAYS = 4
_RUNS = 5
_FIRST_DAY = dt.date(2025, 9, 1)
_FORMS = ("daily_attendance;school_of_enrollment", "name;grade_level")
"""Two forms of each family."""

_GIVEN = ("Ana", "Bao", "Carlos", "Dina", "Elif", "Femi", "Grace", "Hana", "Ivan", "Joana")
_FAMILY = (
    "Reyes",
    "Tran",
    "Lopes",
    "Brown",
    "Haile",
    "Silva",
    "Okafor",
    "Sato",
    "Diaz",
    "Monteiro",
)


@dataclass(frozen=True, slots=True)
class Student:
    """A made-up student; each tenth has a twin, who differs by the given name alone."""

    number: int
    code: str = ""
    subject_ref: str = ""

    @property
    def given_name(self) -> str:
        return f"{_GIVEN[self.number % 10]}{self._letters}" + ("a" if self.number % 10 == 1 else "")

    @property
    def family_name(self) -> str:
        return f"{_FAMILY[self._household % 10]}{self._letters}"

    @property
    def birth_date(self) -> dt.date:
        return dt.date(2009, 1, 1) + dt.timedelta(days=self._household * 7 % 3_000)

    @property
    def _household(self) -> int:
        # Numbers that end in 0 and 1 are twins.
        return self.number - 1 if self.number % 10 == 1 else self.number

    @property
    def _letters(self) -> str:
        return "".join(chr(ord("a") + int(digit)) for digit in f"{self._household:06}")


def run() -> dict[str, Any]:
    """1,000 consents and then 100,000 more; seconds until the holder has taken them all."""
    with tempfile.TemporaryDirectory(prefix="homeroom-") as folder:
        layout = make_layout(Path(folder) / "federation", _members(), "embedded")
        with Processes(layout) as processes:
            students = _found(layout, processes)
            return _measured(layout, processes, students)


def _measured(layout: Layout, processes: Processes, students: Sequence[Student]) -> dict[str, Any]:
    _imported(layout, students[:_FEW])
    few = _row_seconds(layout, _FEW)
    began = time.monotonic()
    lines, importer_mb = _imported(layout, students[_FEW:])
    seconds = time.monotonic() - began
    many = _row_seconds(layout, _FEW + _MANY)
    numbers = processes.process_ids()
    peaks = {name: _peak_mb(numbers[name]) for name in ("consent", HOLDER)}
    peaks["importer"] = importer_mb
    told = ", ".join(f"{name} {peak} MB" for name, peak in peaks.items())
    print(f"{lines:,} consents in {seconds:.1f} s; at most {told}")
    print(
        f"a row of an answer: {few * 1e6:.1f} µs over 1,000 consents, {many * 1e6:.1f} µs over all"
    )
    return {
        "consents": lines,
        "seconds": round(seconds, 1),
        "peak_mb": max(peaks.values()),
        "row_cost_ratio": round(many / few, 2),
        "twins_merged": _merged(layout, students),
    }


def _imported(layout: Layout, students: Sequence[Student]) -> tuple[int, int]:
    """Runs the import; returns once the holder has taken it: how many lines, and the peak in MB."""
    file = layout.folder / f"forms-{len(students)}.csv"
    with file.open("w", encoding="utf-8", newline="") as opened:
        rows = csv.DictWriter(opened, fieldnames=_form(students[0], "").keys())
        rows.writeheader()
        rows.writerows(_form(student, elements) for student in students for elements in _FORMS)
    profile = str(layout.profile(ASKER))
    command = [sys.executable, "-m", "homeroom", "consent", "import", str(file), "--json"]
    environment = os.environ | {"HOMEROOM_PROFILE": profile}
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment) as running:
        assert running.stdout is not None
        said = json.load(running.stdout)
        _, status, usage = os.wait4(running.pid, 0)
        running.returncode = os.waitstatus_to_exitcode(status)
    assert running.returncode == 0, said
    assert said["recorded"] == len(students) * len(_FORMS), said
    with Client(layout.profile(HOLDER)) as own:
        while own.node_status().consent_sequence < said["sequence"]:
            time.sleep(0.1)
    return said["recorded"], usage.ru_maxrss // 1024


def _form(student: Student, elements: str) -> Mapping[str, str]:
    today = dt.datetime.now(dt.UTC).date()
    return {
        "holder": HOLDER,
        "agreement_id": AGREEMENT_ID,
        "link_code": student.code,
        "subject_ref": student.subject_ref,
        "elements": elements,
        "purposes": PURPOSE,
        "signer_relation": "parent",
        "signer_name": f"Parent {student.family_name}",
        "form": "written",
        "sign_date": f"{today}",
        "start_date": f"{today}",
        "end_date": f"{today + dt.timedelta(days=100)}",
        "scan_sha256": secrets.token_hex(32),
        "reference": f"case-{student.number}",
    }


def _row_seconds(layout: Layout, students: int) -> float:
    """Seconds for each row of an answer about everyone; the median of some."""
    with Client(layout.profile(ASKER)) as client:
        while _ask(client, "attendance", "daily_attendance").table.num_rows < students * _DAYS:
            time.sleep(0.1)
        costs: list[float] = []
        for _ in range(_RUNS):
            began = time.perf_counter()
            answer = _ask(client, "attendance", "daily_attendance")
            costs.append((time.perf_counter() - began) / answer.table.num_rows)
    return statistics.median(costs)


def _merged(layout: Layout, students: Sequence[Student]) -> int:
    """How many consents were linked to another student than the family's, twins above all."""
    meant = {student.subject_ref: student.given_name for student in students}
    with Client(layout.profile(ASKER)) as client:
        rows = _ask(client, "students", "name").table.select(["subject_ref", "given_name"])
    linked = zip(rows["subject_ref"].to_pylist(), rows["given_name"].to_pylist(), strict=True)
    return sum(meant[subject_ref] != given_name for subject_ref, given_name in linked)


def _ask(client: Client, dataset: str, element: str) -> Answer:
    answer = client.query(AGREEMENT_ID, PURPOSE, dataset, [element], timeout=120)
    assert answer.complete, answer.sources
    return answer


def _found(layout: Layout, processes: Processes) -> Sequence[Student]:
    """Starts a federation with a roster; returns its students with their codes."""
    processes.start("registry", "consent", "gateway")
    asyncio.run(register_all(layout))
    asyncio.run(sign_agreement(layout, _agreement()))
    students = list(_records(layout))
    processes.start(HOLDER, ASKER)
    write_user_tokens(layout, [trained_user(ASKER, "ana", "case_manager")])
    return students


def _records(layout: Layout) -> Iterator[Student]:
    made = [Student(number) for number in range(_FEW + _MANY)]
    folder = layout.folder / "roster"
    folder.mkdir()
    _write(folder / "school.csv", ("school_id", "name"), [("s1", "School")])
    _write(
        folder / "student.csv",
        ("student_id", "given_name", "family_name", "birth_date", "school_id"),
        (
            (f"{one.number:07}", one.given_name, one.family_name, f"{one.birth_date}", "s1")
            for one in made
        ),
    )
    days = [f"{_FIRST_DAY + dt.timedelta(days=day)}" for day in range(_DAYS)]
    _write(
        folder / "attendance.csv",
        ("student_id", "school_id", "event_date", "category"),
        ((f"{one.number:07}", "s1", day, "in_attendance") for one in made for day in days),
    )
    ingest("record_csv", folder, layout.records_url(HOLDER))
    stores = open_stores(layout.records_url(HOLDER), layout.state_url(HOLDER))
    for form in stores.state.issue_link_codes(None):
        yield Student(int(form.student_id), form.link_code, secrets.token_hex(16))


def _write(
    path: Path, header: Sequence[str], rows: Iterator[Sequence[str]] | Sequence[Sequence[str]]
) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        written = csv.writer(file)
        written.writerow(header)
        written.writerows(rows)


def _members() -> Sequence[Member]:
    return (
        Member(HOLDER, "Holder", "district", ("students", "attendance")),
        Member(ASKER, "Asker", "community_org", ()),
    )


def _agreement() -> str:
    today = dt.datetime.now(dt.UTC).date()
    return f"""\
agreement_id: {AGREEMENT_ID}
version: 1
title: For benchmarks
kind: consented_sharing
parties: {{{HOLDER}: discloser, {ASKER}: recipient}}
legal_basis: [consent]
schedules:
  - purpose: {PURPOSE}
    text: To be measured.
    elements: [name, daily_attendance, school_of_enrollment, grade_level]
schools: {{{HOLDER}: all}}
effective_from: {today - dt.timedelta(days=1)}
effective_to: {today + dt.timedelta(days=300)}
"""


def _peak_mb(process_id: int) -> int:
    """The most memory that a process ever held."""
    status = Path(f"/proc/{process_id}/status").read_text(encoding="utf-8")
    found = re.search(r"^VmHWM:\s+(\d+) kB$", status, re.MULTILINE)
    return int(found.group(1)) // 1024 if found else 0
