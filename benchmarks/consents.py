"""What 100,000 consents cost: from a CSV file to the holder's grants, and each row asked after.

Nine forms of ten name their student by an identity claim, which the holder matches to its roster.
"""

import asyncio
import csv
import datetime as dt
import json
import os
import re
import resource
import secrets
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.families import Child
from benchmarks.forms import CLAIM_COLUMNS, SCHOOLS, Enrolled, Form, enrolled_and_forms
from benchmarks.ground import ASKER, PURPOSE
from deploy.local.founding import register_all, sign_agreement, trained_user, write_user_tokens
from deploy.local.layout import Layout, Member, make_layout
from deploy.local.processes import Processes
from homeroom import Answer, Client
from services.node.intake.run import ingest
from services.node.opening import open_stores

HOLDER = "holder"
AGREEMENT_ID = "benchmark"
CONSENTS = 100_000
_ROSTER = 50_000
_FEW = 1_000
_SEED = 7
_DAYS = 4
_PATIENCE_SECONDS = 60.0
_RUNS = 5
_FIRST_DAY = dt.date(2025, 9, 1)
_TICKS = os.sysconf("SC_CLK_TCK")
_SHARED = ("holder", "agreement_id", "purposes", "form", "sign_date", "start_date", "end_date")
_OWN = ("elements", "subject_ref", "signer_relation", "signer_name", "scan_sha256", "reference")
_STUDENT_COLUMNS = (
    "student_id",
    "given_name",
    "middle_name",
    "family_name",
    "birth_date",
    "gender",
    "school_id",
    "phone",
    "street_address",
    "postal_code",
)


@dataclass(slots=True)
class Imported:
    """What importing files took, added up.

    Attributes:
        importer_cpu_s, importer_mb: CPU seconds and the peak of the importing process.
        children: the child that each consent is truly about, by its identifier.
    """

    seconds: float = 0.0
    importer_cpu_s: float = 0.0
    importer_mb: int = 0
    children: dict[str, int] = field(default_factory=dict)


def run(consents: int = CONSENTS) -> dict[str, Any]:
    """1,000 consents and then the others; seconds until the holder has settled them all.

    Args:
        consents: how many in all, against a roster of 50,000.
    """
    with tempfile.TemporaryDirectory(prefix="homeroom-") as folder:
        layout = make_layout(Path(folder) / "federation", _members(), "embedded")
        roster, forms = enrolled_and_forms(_SEED, _ROSTER, consents)
        with Processes(layout) as processes:
            codes = _found(layout, processes, roster)
            return _measured(layout, processes, forms, codes)


def _measured(
    layout: Layout, processes: Processes, forms: Sequence[Form], codes: Mapping[int, str]
) -> dict[str, Any]:
    numbers = {name: processes.process_id(name) for name in ("consent", HOLDER)}
    numbers["reader"] = _reader_of(numbers[HOLDER])
    before = {name: _cpu_seconds(number) for name, number in numbers.items()}
    done = Imported()
    _import(layout, forms[:_FEW], codes, done)
    few = _row_seconds(layout)
    _import(layout, forms[_FEW:], codes, done)
    used = {name: _cpu_seconds(number) - before[name] for name, number in numbers.items()}
    used["importer"] = done.importer_cpu_s
    peaks = {name: _peak_mb(number) for name, number in numbers.items()}
    peaks["importer"] = done.importer_mb
    many = _row_seconds(layout)
    found = _links(layout, done.children, {form.child.number: form.child for form in forms})
    told = ", ".join(f"{name} {used[name]:.1f} s, {peaks[name]} MB" for name in used)
    load = os.getloadavg()[0]
    print(f"{len(forms):,} consents in {done.seconds:.1f} s, load {load:.1f}; CPU, peak: {told}")
    print(", ".join(f"{count:,} {what}" for what, count in found.items()))
    print(f"a row of an answer: {few * 1e6:.1f} µs over {_FEW:,}, {many * 1e6:.1f} µs over all")
    return {
        "consents": len(forms),
        "seconds": round(done.seconds, 1),
        "peak_mb": max(peaks.values()),
        "row_cost_ratio": round(many / few, 2),
        "twins_merged": found["to a twin or sibling"],
    }


def _import(
    layout: Layout, forms: Sequence[Form], codes: Mapping[int, str], done: Imported
) -> None:
    """Runs the import of some forms; returns once the holder has settled them."""
    file = layout.folder / f"forms-{len(forms)}.csv"
    _write_forms(file, forms, codes)
    profile = str(layout.profile(ASKER))
    command = [sys.executable, "-m", "homeroom", "consent", "import", str(file), "--json"]
    environment = os.environ | {"HOMEROOM_PROFILE": profile}
    began = time.monotonic()
    before = _children_cpu_seconds()
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment) as running:
        assert running.stdout is not None
        while running.poll() is None:
            done.importer_mb = max(done.importer_mb, _peak_mb(running.pid))
            time.sleep(0.05)
        said = json.load(running.stdout)
    assert running.returncode == 0, said
    assert said["recorded"] == len(forms), said
    _wait_until_settled(layout, said["sequence"])
    done.seconds += time.monotonic() - began
    done.importer_cpu_s += _children_cpu_seconds() - before
    with Path(said["report"]).open(encoding="utf-8", newline="") as report:
        done.children |= {
            row["consent_id"]: int(row["reference"]) for row in csv.DictReader(report)
        }


def _wait_until_settled(layout: Layout, sequence: int) -> None:
    # Its state says it too, and asking the node would be work that is measured.
    while not any(
        reached >= sequence
        for (reached,) in _rows(layout.state_url(HOLDER), "SELECT sequence FROM consent_progress")
    ):
        time.sleep(0.1)
    while _rows(layout.state_url(HOLDER), "SELECT 1 FROM consent WHERE due LIMIT 1"):
        time.sleep(0.1)


def _write_forms(file: Path, forms: Iterable[Form], codes: Mapping[int, str]) -> None:
    today = dt.datetime.now(dt.UTC).date()
    end = today + dt.timedelta(days=100)
    shared = dict(
        zip(
            _SHARED,
            (HOLDER, AGREEMENT_ID, PURPOSE, "written", f"{today}", f"{today}", f"{end}"),
            strict=True,
        )
    )
    with file.open("w", encoding="utf-8", newline="") as opened:
        rows = csv.DictWriter(opened, (*_SHARED, *_OWN, *CLAIM_COLUMNS), restval="")
        rows.writeheader()
        rows.writerows(
            shared | form.cells(codes) | {"scan_sha256": secrets.token_hex(32)} for form in forms
        )


def _links(
    layout: Layout, children: Mapping[str, int], truth: Mapping[int, Child]
) -> Mapping[str, int]:
    """What became of the consents, held against whom each is truly about."""
    student_ids = dict(
        _rows(layout.records_url(HOLDER), "SELECT student_key, student_id FROM student")
    )
    rows = _rows(
        layout.state_url(HOLDER),
        "SELECT consent_id, problem, (SELECT min(student_key) FROM consent_grant AS g"
        " WHERE g.consent_key = consent.consent_key) FROM consent",
    )
    found = Counter({"granted": 0, "to a twin or sibling": 0, "to a stranger": 0})
    for consent_id, problem, student_key in rows:
        if student_key is None:
            found[f"{problem}".lower()] += 1
            continue
        found["granted"] += 1
        meant, got = children[consent_id], int(student_ids[student_key])
        if meant != got:
            kin = got in truth and truth[got].family == truth[meant].family
            found["to a twin or sibling" if kin else "to a stranger"] += 1
    return found


def _row_seconds(layout: Layout) -> float:
    """Seconds for each row of an answer about everyone; the median of some."""
    with Client(layout.profile(ASKER)) as client:
        costs: list[float] = []
        for _ in range(_RUNS):
            began = time.perf_counter()
            answer = _ask(client)
            costs.append((time.perf_counter() - began) / answer.table.num_rows)
    return statistics.median(costs)


def _ask(client: Client) -> Answer:
    answer = client.query(AGREEMENT_ID, PURPOSE, "attendance", ["daily_attendance"], timeout=120)
    assert answer.complete, answer.sources
    return answer


def _found(layout: Layout, processes: Processes, roster: Sequence[Enrolled]) -> Mapping[int, str]:
    """Starts a federation with a roster; returns the code of each student's forms."""
    processes.start("registry", "consent", "gateway")
    asyncio.run(register_all(layout))
    asyncio.run(sign_agreement(layout, _agreement()))
    codes = _records(layout, roster)
    processes.start(HOLDER, ASKER)
    write_user_tokens(layout, [trained_user(ASKER, "ana", "case_manager")])
    return codes


def _records(layout: Layout, roster: Sequence[Enrolled]) -> Mapping[int, str]:
    folder = layout.folder / "roster"
    folder.mkdir()
    _write(folder / "school.csv", ("school_id", "name"), ((one, "School") for one in SCHOOLS))
    _write(folder / "student.csv", _STUDENT_COLUMNS, map(_student, roster))
    days = [f"{_FIRST_DAY + dt.timedelta(days=day)}" for day in range(_DAYS)]
    _write(
        folder / "attendance.csv",
        ("student_id", "school_id", "event_date", "category"),
        ((one.student_id, one.school_id, day, "in_attendance") for one in roster for day in days),
    )
    ingest("record_csv", folder, layout.records_url(HOLDER))
    stores = open_stores(layout.records_url(HOLDER), layout.state_url(HOLDER))
    return {int(form.student_id): form.link_code for form in stores.state.issue_link_codes(None)}


def _student(one: Enrolled) -> tuple[str, ...]:
    said = one.identity
    names = (said.given, said.middle, said.family)
    home = (said.phone, said.address, said.zip)
    return (one.student_id, *names, f"{said.birth_date}", one.gender, one.school_id, *home)


def _write(path: Path, header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
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


def _reader_of(process_id: int) -> int:
    """The process beside a node that reads consents for it; the node has just started it."""
    patience = time.monotonic() + _PATIENCE_SECONDS
    while time.monotonic() < patience:
        for task in Path(f"/proc/{process_id}/task").iterdir():
            for number in (task / "children").read_text(encoding="ascii").split():
                if b"commands.reading" in Path(f"/proc/{number}/cmdline").read_bytes():
                    return int(number)
        time.sleep(0.05)
    raise TimeoutError


def _cpu_seconds(process_id: int) -> float:
    """What a process has computed since it began, in all its threads."""
    text = Path(f"/proc/{process_id}/stat").read_text(encoding="utf-8")
    user, system = text.rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / _TICKS


def _children_cpu_seconds() -> float:
    """What processes have computed that were started here and have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _rows(url: str, statement: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as connection:
        return connection.execute(statement).fetchall()
