"""Spells, attendance and discipline agree with each other and with the calendar."""

from collections import Counter, defaultdict
from datetime import date
from itertools import pairwise

import pytest

from deploy.local.pilot.school_year import days_off, harbor_calendar, mill_river_calendar
from tests.unit.deploy.pilot.pilot_folder import DISTRICTS, Pilot

TODAY = date(2026, 11, 22)


def test_attendance_lies_within_a_spell_and_on_instructional_days(pilot: Pilot) -> None:
    closed = {day.isoformat() for day in days_off("2025-2026")}
    for district in DISTRICTS:
        spells = pilot.spells(district)
        dates = set()
        for row in pilot.rows(district, "attendance"):
            day = row["event_date"]
            dates.add(day)
            assert any(a <= day <= b for a, b in spells[row["student_id"], row["school_id"]])
        assert len(dates) == 180
        assert not dates & closed
        assert all(date.fromisoformat(day).weekday() < 5 for day in dates)


def test_every_day_schools_have_a_row_for_each_day_and_others_exceptions_only(
    pilot: Pilot,
) -> None:
    for district, calendar in (
        ("harbor_ps", harbor_calendar("2025-2026", TODAY)),
        ("mill_river_ps", mill_river_calendar("2025-2026", TODAY)),
    ):
        kinds = {r["school_id"]: r["attendance_kind"] for r in pilot.rows(district, "school")}
        days: dict[tuple[str, str], set[str]] = defaultdict(set)
        for row in pilot.rows(district, "attendance"):
            if kinds[row["school_id"]] == "exceptions":
                assert row["category"] != "in_attendance"
            days[row["student_id"], row["school_id"]].add(row["event_date"])
        for (student, school), spells in pilot.spells(district).items():
            if kinds[school] == "every_day":
                enrolled = {d for d in calendar.days if any(a <= d <= b for a, b in spells)}
                assert days[student, school] == enrolled
    assert sorted(kinds.values()) == ["every_day", "exceptions"]


def test_spells_close_in_order_and_do_not_overlap(pilot: Pilot) -> None:
    for district in DISTRICTS:
        by_student = defaultdict(list)
        for row in pilot.rows(district, "enrollment"):
            assert row["entry_date"] <= row["exit_date"]
            assert row["exit_type"]
            by_student[row["student_id"]].append((row["entry_date"], row["exit_date"]))
        for spells in by_student.values():
            assert all(before[1] < after[0] for before, after in pairwise(sorted(spells)))


def test_who_moves_between_the_districts_is_never_in_both_at_once(pilot: Pilot) -> None:
    by_child = defaultdict[str, list[tuple[str, str]]](list)
    for district in DISTRICTS:
        state_ids = {r["student_id"]: r["state_id"] for r in pilot.rows(district, "student")}
        for (student, _), spells in pilot.spells(district).items():
            if state_ids[student]:
                by_child[state_ids[student]] += spells

    for spells in by_child.values():
        assert all(before[1] < after[0] for before, after in pairwise(sorted(spells)))


def test_every_kind_of_mover_is_there(pilot: Pilot) -> None:
    exits, entries = Counter[str](), Counter[str]()
    for district in DISTRICTS:
        rows = pilot.rows(district, "enrollment")
        exits.update(row["exit_type"] for row in rows)
        entries.update(row["entry_type"] for row in rows)

    assert min(exits["Transferred to another district"], exits["Withdrawn"], exits["No show"]) > 5
    assert min(entries["New to the state"], entries["Re-entry"]) > 5
    harbor, mill_river = ({r["state_id"] for r in pilot.rows(d, "student")} for d in DISTRICTS)
    assert 20 <= len((harbor & mill_river) - {""}) <= 120


def _absent_shares(pilot: Pilot) -> dict[str, tuple[int, int]]:
    """Absent and enrolled days of harbor's students, who have a row for every day."""
    absent, days = Counter[str](), defaultdict[str, set[str]](set)
    for row in pilot.rows("harbor_ps", "attendance"):
        days[row["student_id"]].add(row["event_date"])
        absent[row["student_id"]] += row["category"].endswith("_absence")
    return {student: (absent[student], len(dates)) for student, dates in days.items()}


def test_about_one_in_six_is_chronically_absent_and_homeless_students_more_often(
    pilot: Pilot,
) -> None:
    homeless = {
        r["student_id"] for r in pilot.rows("harbor_ps", "student") if r["homeless"] == "true"
    }
    shares = _absent_shares(pilot)
    chronic = {s for s, (absent, days) in shares.items() if absent * 10 >= days}
    usual = [s for s, (absent, days) in shares.items() if 1 - absent / days >= 0.94]

    assert 0.14 <= len(chronic) / len(shares) <= 0.21
    assert len(chronic & homeless) / len(shares.keys() & homeless) > 0.3
    assert len(usual) / len(shares) > 0.5


def test_a_suspension_out_of_school_is_an_absence(pilot: Pilot) -> None:
    absent = {
        (row["student_id"], row["event_date"])
        for row in pilot.rows("harbor_ps", "attendance")
        if row["reason"] == "out_of_school_suspension"
    }
    actions = pilot.rows("harbor_ps", "discipline_action")
    out = {
        (row["student_id"], row["action_date"])
        for row in actions
        if row["action_type"] == "out_of_school_suspension"
    }

    assert out
    assert out <= absent
    suspended = {row["student_id"] for row in actions}
    assert 0.02 <= len(suspended) / len(pilot.rows("harbor_ps", "student")) <= 0.07


@pytest.mark.parametrize("first_year", range(2023, 2034))
def test_every_year_has_180_days_from_late_summer_to_june(first_year: int) -> None:
    school_year = f"{first_year}-{first_year + 1}"
    for make in (harbor_calendar, mill_river_calendar):
        calendar = make(school_year, date(2100, 1, 1))
        assert len(set(calendar.planned)) == 180
        assert date(first_year, 8, 25) <= calendar.planned[0] <= date(first_year, 9, 12)
        assert calendar.planned[-1] <= date(first_year + 1, 6, 28)
