"""What an organization takes of a machine: idle memory of all it runs, and its node's cold start.

A node that asks OPA's servers and keeps its data in PostgreSQL, as on Kubernetes. Memory is what
they would have if nothing else ran: what a process has alone, and once what several of them have in
common. A start is from the new process until it says that it serves: tables, policies, the
registry's state, the consent service's confirmation and the log's own check are all in it.
"""

import asyncio
import csv
import re
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from deploy.local.founding import register_all
from deploy.local.layout import Layout, Member, make_layout
from deploy.local.processes import Processes
from services.node.intake.run import ingest
from services.node.opening import bring_tables_up_to_date
from tools.postgres import Cluster

_HOLDER = "holder"
_FEW = 500
_STARTS = 5
_IDLE_SECONDS = 20.0
_MAPPED = re.compile(r"^[0-9a-f]+-[0-9a-f]+ \S+ \S+ \S+ \d+ *(?P<what>.*)$")
_KEPT = re.compile(r"^(?P<whose>Shared|Private)_(?:Clean|Dirty): +(?P<kb>\d+) kB$")


def run(students: int = 50_000) -> dict[str, Any]:
    """Idle with 500 students, then starts with many, median of five; idle again with those."""
    with _premises() as (layout, processes, database):
        records = layout.processes[_HOLDER].environment["HOMEROOM_NODE_RECORDS_URL"]
        _import(layout.folder / "few", _FEW, records)
        processes.start(_HOLDER)
        idle = _idle(processes, database)
        processes.stop(_HOLDER)
        _import(layout.folder / "many", students, records)
        starts = [_start(processes) for _ in range(_STARTS)]
        processes.start(_HOLDER)
        idle_with_many = _idle(processes, database)
    print(f"idle, {_FEW} students: {_said(idle)}; {students:,}: {_said(idle_with_many)}")
    print(f"starts: {', '.join(f'{one:.2f}' for one in starts)} s")
    return {
        "idle_mb": round(sum(idle.values()), 1),
        "cold_start_s": round(statistics.median(starts), 2),
        **{f"{name}_mb": round(value, 1) for name, value in idle.items()},
        "idle_many_mb": round(sum(idle_with_many.values()), 1),
        "students": students,
    }


@contextmanager
def _premises() -> Iterator[tuple[Layout, Processes, int]]:
    """A hub that runs, an organization that is registered, and its PostgreSQL's process."""
    cluster = Cluster({})
    try:
        cluster.start()
        cluster.run(f"CREATE DATABASE {_HOLDER}")
        url = cluster.url(_HOLDER)
        bring_tables_up_to_date(url, url)
        with tempfile.TemporaryDirectory(prefix="homeroom-") as folder:
            member = Member(_HOLDER, _HOLDER, "district", ("students", "attendance"))
            told = {"records_url": url, "state_url": url}
            made = make_layout(Path(folder), [member], "server", node_settings=told)
            layout = _as_in_the_image(made)
            with Processes(layout) as processes:
                processes.start("registry", "consent", "gateway")
                asyncio.run(register_all(layout))
                yield layout, processes, cluster.process_id
    finally:
        cluster.remove()


def _as_in_the_image(layout: Layout) -> Layout:
    """The node compiles nothing when it starts, and finds none of the packages for development."""
    hidden = layout.folder / "hidden"
    hidden.mkdir()
    (hidden / "pandas.py").write_text("raise ImportError\n", "utf-8")
    plan = layout.processes[_HOLDER]
    environment = {**plan.environment, "PYTHONPATH": str(hidden), "PYTHONDONTWRITEBYTECODE": ""}
    changed = replace(plan, environment=environment)
    return replace(layout, processes={**layout.processes, _HOLDER: changed})


def _import(folder: Path, students: int, records_url: str) -> None:
    folder.mkdir()
    _write(folder / "school.csv", ["school_id", "name"], [["s1", "School"]])
    _write(
        folder / "student.csv",
        ["student_id", "given_name", "family_name", "birth_date", "school_id"],
        ([f"{n:07}", f"Given{n % 997}", f"Family{n}", "2014-05-06", "s1"] for n in range(students)),
    )
    ingest("record_csv", folder, records_url)


def _write(path: Path, header: list[str], rows: Iterable[list[str]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        written = csv.writer(file)
        written.writerow(header)
        written.writerows(rows)


def _start(processes: Processes) -> float:
    """Seconds of one start, OPA's servers included; it is stopped again."""
    began = time.perf_counter()
    processes.start(_HOLDER)
    seconds = time.perf_counter() - began
    processes.stop(_HOLDER)
    return seconds


def _idle(processes: Processes, database: int) -> dict[str, float]:
    """Megabytes of the node, of OPA's servers and of PostgreSQL with all of its processes."""
    time.sleep(_IDLE_SECONDS)
    of = processes.process_ids()
    servers = [number for name, number in of.items() if name.startswith(f"{_HOLDER} OPA")]
    return {
        "node": _alone_mb([of[_HOLDER]]),
        "opa": _alone_mb(servers),
        "postgres": _alone_mb([database, *_children_of(database)]),
    }


def _alone_mb(numbers: Iterable[int]) -> float:
    """What some processes have, with whatever they share counted once."""
    private, shared = 0, Counter[str]()
    for number in numbers:
        own, common = _memory_of(number)
        private += own
        shared |= common
    return (private + shared.total()) / 1024


def _memory_of(number: int) -> tuple[int, Counter[str]]:
    """Kilobytes that a process alone has, and by what is mapped, those that others have too."""
    private, shared, what = 0, Counter[str](), ""
    for line in Path(f"/proc/{number}/smaps").read_text("utf-8").splitlines():
        if mapped := _MAPPED.match(line):
            what = mapped["what"] or "of nobody"
        elif kept := _KEPT.match(line):
            if kept["whose"] == "Private":
                private += int(kept["kb"])
            else:
                shared[what] += int(kept["kb"])
    return private, shared


def _children_of(process: int) -> list[int]:
    found = Path(f"/proc/{process}/task/{process}/children").read_text("utf-8")
    return [int(one) for one in found.split()]


def _said(idle: dict[str, float]) -> str:
    each = ", ".join(f"{name} {value:.0f}" for name, value in idle.items())
    return f"{sum(idle.values()):.0f} MB ({each})"
