"""The same plan gives the same files, of any size, in the same memory."""

import filecmp
import os
import subprocess
import sys
import tracemalloc
from datetime import date, timedelta
from pathlib import Path

import pytest

from deploy.local.pilot import PilotPlan, generate
from homeroom.errors import RequestInvalidError
from tests.unit.deploy.pilot.pilot_folder import DISTRICTS, Pilot


def _same(first: Path, second: Path) -> bool:
    names = sorted(path.relative_to(first) for path in first.rglob("*.csv"))
    assert names == sorted(path.relative_to(second) for path in second.rglob("*.csv"))
    return all(filecmp.cmp(first / name, second / name, shallow=False) for name in names)


def test_the_same_seed_gives_the_same_bytes_in_any_process(tmp_path: Path) -> None:
    for hash_seed in ("1", "2"):
        out = str(tmp_path / hash_seed)
        command = [sys.executable, "-m", "deploy.local.pilot", "--out", out, "--students", "150"]
        environment = os.environ | {"PYTHONHASHSEED": hash_seed}
        subprocess.run(command, check=True, capture_output=True, env=environment)

    assert _same(tmp_path / "1", tmp_path / "2")


def test_another_seed_gives_other_students(tmp_path: Path) -> None:
    generate(tmp_path / "a", PilotPlan(students=30, seed=1))
    generate(tmp_path / "b", PilotPlan(students=30, seed=2))

    assert not _same(tmp_path / "a", tmp_path / "b")


def test_a_household_is_the_same_whatever_comes_after_it(tmp_path: Path) -> None:
    """More students only add rows: nothing global is drawn from."""
    generate(tmp_path / "few", PilotPlan(students=40))
    generate(tmp_path / "many", PilotPlan(students=120))

    # The last household of the shorter run may be cut off, so its rows are left out.
    few = (tmp_path / "few/harbor_ps/student.csv").read_text(encoding="utf-8").splitlines()[:-4]
    many = (tmp_path / "many/harbor_ps/student.csv").read_text(encoding="utf-8").splitlines()
    assert len(few) > 10
    assert many[: len(few)] == few


def test_nothing_is_dated_after_today(tmp_path: Path) -> None:
    """In a year that is under way, spells are open and nothing has happened yet."""
    today = date(2025, 11, 21)
    generate(tmp_path, PilotPlan(students=150, today=today))
    read = Pilot.stream

    for district in DISTRICTS:
        folder = tmp_path / district
        events = [row["event_date"] for row in read(folder / "attendance.csv")]
        assert max(events) == "2025-11-21"
        exits = [row["exit_date"] for row in read(folder / "enrollment.csv")]
        assert exits.count("") > len(exits) // 2
        assert max(exits) <= today.isoformat()
        assert {row["term"] for row in read(folder / "course_grade.csv")} == {"Q1"}
        assert not list(read(folder / "assessment_result.csv"))


@pytest.mark.parametrize("days", [0, 1, 9, 40])
def test_the_first_weeks_of_a_year_can_be_made(tmp_path: Path, days: int) -> None:
    today = date(2025, 9, 4) + timedelta(days=days)

    summary = generate(tmp_path, PilotPlan(students=60, today=today))

    assert summary.students == 60


@pytest.mark.parametrize("school_year", ["2025", "2025-2027", "2025-26", "twenty-two", ""])
def test_a_malformed_school_year_is_refused(tmp_path: Path, school_year: str) -> None:
    with pytest.raises(RequestInvalidError, match="school year"):
        generate(tmp_path, PilotPlan(school_year=school_year))


def test_a_year_that_has_not_begun_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(RequestInvalidError, match="not begun"):
        generate(tmp_path / "out", PilotPlan(school_year="2027-2028"))

    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("students", [0, -1, 5_000_001])
def test_a_pilot_has_a_number_of_students_that_it_can_tell_apart(students: int) -> None:
    with pytest.raises(RequestInvalidError):
        PilotPlan(students=students)


def test_progress_is_told_to_the_last_student(tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []

    generate(tmp_path, PilotPlan(students=25), lambda made, total: told.append((made, total)))

    assert told[-1] == (25, 25)
    assert told == sorted(told)


def _peak_bytes(folder: Path, students: int) -> int:
    tracemalloc.start()
    try:
        generate(folder, PilotPlan(students=students))
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_memory_does_not_grow_with_the_number_of_students(tmp_path: Path) -> None:
    _peak_bytes(tmp_path / "warm", 20)  # so that first-time caches count in neither

    assert _peak_bytes(tmp_path / "many", 1_000) < 1.3 * _peak_bytes(tmp_path / "few", 100)
