"""What the synthetic pilot promises to whoever tries Homeroom on it."""

import csv
import filecmp
import os
import re
import subprocess
import sys
import tracemalloc
from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import date, timedelta
from itertools import pairwise
from pathlib import Path

import pytest

from deploy.local.pilot import PilotPlan, PilotSummary, generate
from deploy.local.pilot.families import is_adult
from deploy.local.pilot.school_year import days_off, harbor_calendar, mill_river_calendar
from homeroom.errors import RequestInvalidError
from homeroom.vocabulary import Element, SignerRelation

DISTRICTS = ("harbor_ps", "mill_river_ps")
COMMUNITY = ("neighborhood_initiative", "shelter_network")
TODAY = date(2026, 11, 22)

# The records model in its CSV form, written out here on its own: a changed header must be noticed.
HEADERS = {
    "school": "school_id,name,level,attendance_kind",
    "session": "school_id,session_name,school_year,begin_date,end_date,instructional_days",
    "student": (
        "student_id,state_id,given_name,middle_name,family_name,birth_date,gender,races,hispanic,"
        "grade_level,english_learner,special_education,homeless,nighttime_residence,foster_care,"
        "lunch_eligibility,school_id"
    ),
    "enrollment": (
        "student_id,school_id,entry_date,school_year,entry_type,entry_grade_level,exit_date,"
        "exit_type,graduated"
    ),
    "attendance": "student_id,school_id,event_date,category,reason,duration_days",
    "discipline_incident": "incident_id,student_id,behavior,school_id,incident_date",
    "discipline_action": (
        "action_id,student_id,action_type,action_date,school_id,planned_days,actual_days"
    ),
    "section_enrollment": (
        "student_id,school_id,section_id,begin_date,course_code,course_title,end_date"
    ),
    "course_grade": (
        "student_id,school_id,course_code,term,grade_kind,course_title,letter_grade,numeric_grade,"
        "credits_earned"
    ),
    "assessment_result": (
        "student_id,result_id,assessment_title,administration_date,subject,score_metric,score,"
        "performance_level"
    ),
    "program_participation": "student_id,program_name,program_type,begin_date,end_date",
    "service_event": "student_id,service_name,service_date,hours",
    "families": (
        "holder,student_id,recipient,guardian_name,relation,language,answer,elements,purposes,"
        "signed_on"
    ),
}
KEYS = {
    "school": ("school_id",),
    "session": ("school_id", "session_name", "school_year"),
    "student": ("student_id",),
    "enrollment": ("student_id", "school_id", "entry_date"),
    "attendance": ("student_id", "school_id", "event_date", "category"),
    "discipline_incident": ("incident_id", "student_id", "behavior"),
    "discipline_action": ("action_id", "student_id", "action_type"),
    "section_enrollment": ("student_id", "school_id", "section_id", "begin_date"),
    "course_grade": ("student_id", "school_id", "course_code", "term", "grade_kind"),
    "assessment_result": ("student_id", "result_id"),
    "program_participation": ("student_id", "program_name", "program_type", "begin_date"),
    "service_event": ("student_id", "service_name", "service_date"),
    "families": ("holder", "student_id", "recipient"),
}
NUMBER = r"\d+(\.\d+)?"
FLAG = "true|false"
DAY = r"\d{4}-\d{2}-\d{2}"
GRADE = "PK|KG|0[1-9]|1[0-2]"
RACE = "american_indian|asian|black|pacific_islander|white|other|declined"
VALUES = {
    "level": "elementary|middle|high|k8|other",
    "attendance_kind": "every_day|exceptions",
    "instructional_days": r"\d+",
    "gender": "(female|male|nonbinary)?",
    "races": f"(({RACE})(;({RACE}))*)?",
    "hispanic": f"({FLAG})?",
    "grade_level": f"({GRADE})?",
    "entry_grade_level": GRADE,
    "english_learner": f"({FLAG})?",
    "special_education": f"({FLAG})?",
    "homeless": f"({FLAG})?",
    "foster_care": f"({FLAG})?",
    "graduated": FLAG,
    "nighttime_residence": "(doubled_up|hotel_motel|shelter|unsheltered)?",
    "lunch_eligibility": "(free|reduced|full)?",
    "category": ("in_attendance|excused_absence|unexcused_absence|tardy|early_departure|partial"),
    "action_type": "in_school_suspension|out_of_school_suspension|expulsion|other",
    "grade_kind": "transcript|grading_period|gradebook",
    "answer": "yes|no|unanswered",
    "language": "[a-z]{2,3}",
    "recipient": "neighborhood_initiative",
    "holder": "harbor_ps|mill_river_ps|shelter_network",
    **dict.fromkeys(("duration_days", "planned_days", "actual_days"), f"({NUMBER})?"),
    **dict.fromkeys(("numeric_grade", "credits_earned", "hours"), f"({NUMBER})?"),
    **dict.fromkeys(
        ("birth_date", "entry_date", "event_date", "incident_date", "action_date"), DAY
    ),
    **dict.fromkeys(("begin_date", "administration_date", "service_date"), DAY),
    **dict.fromkeys(("end_date", "exit_date", "signed_on"), f"({DAY})?"),
}

Rows = list[dict[str, str]]


class Pilot:
    """A generated folder, read back."""

    def __init__(self, folder: Path, summary: PilotSummary) -> None:
        self.folder = folder
        self.summary = summary

    def rows(self, organization: str, table: str) -> Rows:
        return list(self.stream(self.folder / organization / f"{table}.csv"))

    def families(self) -> Rows:
        return list(self.stream(self.folder / "families.csv"))

    def files(self) -> list[Path]:
        return sorted(self.folder.rglob("*.csv"))

    @staticmethod
    def stream(path: Path) -> Iterator[dict[str, str]]:
        with path.open(encoding="utf-8", newline="") as file:
            yield from csv.DictReader(file)

    def district_students(self) -> Rows:
        return [row for district in DISTRICTS for row in self.rows(district, "student")]


@pytest.fixture(scope="module")
def pilot(tmp_path_factory: pytest.TempPathFactory) -> Pilot:
    """The default pilot; 2,000 students."""
    folder = tmp_path_factory.mktemp("pilot")
    return Pilot(folder, generate(folder))


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


def test_every_file_has_the_headers_of_the_records_model_and_its_values(pilot: Pilot) -> None:
    for path in pilot.files():
        with path.open(encoding="utf-8", newline="") as file:
            assert file.readline() == HEADERS[path.stem] + "\r\n", path.stem
        seen: dict[str, set[str]] = defaultdict(set)
        for row in pilot.stream(path):
            for column in row.keys() & VALUES.keys():
                seen[column].add(row[column])
        for column, values in seen.items():
            wrong = [value for value in values if not re.fullmatch(VALUES[column], value)]
            assert not wrong, (path.stem, column)


def test_organizations_have_files_for_their_own_tables_only(pilot: Pilot) -> None:
    held = {o: {p.stem for p in (pilot.folder / o).iterdir()} for o in DISTRICTS + COMMUNITY}

    district = HEADERS.keys() - {"service_event", "families"}
    community = {"student", "program_participation", "service_event"}
    assert held == dict.fromkeys(DISTRICTS, district) | dict.fromkeys(COMMUNITY, community)


def test_natural_keys_are_unique_and_present(pilot: Pilot) -> None:
    for path in pilot.files():
        columns = KEYS[path.stem]
        keys = [tuple(row[column] for column in columns) for row in pilot.stream(path)]
        assert len(set(keys)) == len(keys), path
        assert all(all(key) for key in keys), path


def test_every_student_and_school_that_is_named_exists(pilot: Pilot) -> None:
    schools = {d: {r["school_id"] for r in pilot.rows(d, "school")} for d in DISTRICTS}
    everywhere = schools["harbor_ps"] | schools["mill_river_ps"]
    for organization in DISTRICTS + COMMUNITY:
        students = {row["student_id"] for row in pilot.rows(organization, "student")}
        for path in (pilot.folder / organization).iterdir():
            rows = list(pilot.stream(path))
            if "student_id" in HEADERS[path.stem]:
                assert {row["student_id"] for row in rows} <= students, path
            named = {row.get("school_id") or "" for row in rows} - {""}
            assert named <= schools.get(organization, everywhere), path


def test_families_answer_for_students_their_holder_has(pilot: Pilot) -> None:
    known = {
        (holder, row["student_id"])
        for holder in (*DISTRICTS, "shelter_network")
        for row in pilot.rows(holder, "student")
    }

    assert {(row["holder"], row["student_id"]) for row in pilot.families()} <= known


def _spells(pilot: Pilot, district: str) -> dict[tuple[str, str], list[tuple[str, str]]]:
    spells = defaultdict(list)
    for row in pilot.rows(district, "enrollment"):
        if row["exit_type"] != "No show":
            spells[row["student_id"], row["school_id"]].append(
                (row["entry_date"], row["exit_date"])
            )
    return spells


def test_attendance_lies_within_a_spell_and_on_instructional_days(pilot: Pilot) -> None:
    closed = {day.isoformat() for day in days_off("2025-2026")}
    for district in DISTRICTS:
        spells = _spells(pilot, district)
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
        for (student, school), spells in _spells(pilot, district).items():
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


def test_shares_are_those_of_a_city(pilot: Pilot) -> None:
    students = pilot.district_students()
    bands = {
        "homeless": (0.03, 0.075),
        "english_learner": (0.21, 0.29),
        "special_education": (0.15, 0.21),
        "hispanic": (0.31, 0.45),
        "foster_care": (0.002, 0.02),
    }
    for column, (low, high) in bands.items():
        assert low <= sum(r[column] == "true" for r in students) / len(students) <= high, column
    poor = sum(row["lunch_eligibility"] != "full" for row in students) / len(students)
    assert 0.55 <= poor <= 0.66
    two_races = sum(";" in row["races"] for row in students) / len(students)
    assert 0.03 <= two_races <= 0.15
    nights = Counter(row["nighttime_residence"] for row in students if row["homeless"] == "true")
    assert nights.most_common(1)[0][0] == "doubled_up"
    assert "" not in nights
    assert all(row["races"] == ";".join(sorted(row["races"].split(";"))) for row in students)


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


def test_birth_dates_fit_grades(pilot: Pilot) -> None:
    for row in pilot.district_students():
        grade = {"PK": -1, "KG": 0}.get(row["grade_level"])
        grade = int(row["grade_level"]) if grade is None else grade
        born = date.fromisoformat(row["birth_date"])
        age = 2025 - born.year - ((born.month, born.day) > (9, 1))
        assert 0 <= age - (5 + grade) <= 1, row["grade_level"]


def test_twins_siblings_leap_days_and_students_without_state_id_are_there(pilot: Pilot) -> None:
    students = pilot.district_students()
    families = defaultdict(list)
    for row in students:
        families[row["family_name"], row["birth_date"]].append(row)
    pairs = [
        rows
        for rows in families.values()
        if len({row["given_name"] for row in rows}) > 1 and len({r["state_id"] for r in rows}) > 1
    ]

    genders = [len({row["gender"] for row in rows}) for rows in pairs]
    assert genders.count(1) >= 5
    assert genders.count(2) >= 5
    assert sum(row["birth_date"].endswith("-02-29") for row in students) >= 3
    assert 3 <= sum(not row["state_id"] for row in students) <= 40
    # Who was born between these days turns eighteen in the school year.
    turning = [r for r in students if "2007-09-01" <= r["birth_date"] <= "2008-06-30"]
    assert len(turning) > 30


def test_names_are_those_of_many_languages(pilot: Pilot) -> None:
    students = pilot.district_students()
    names = [f"{row['given_name']} {row['family_name']}" for row in students]

    assert sum(not name.isascii() for name in names) / len(names) > 0.25
    assert sum(" " in row["family_name"] for row in students) > 100
    assert sum("-" in row["family_name"] for row in students) > 30
    assert sum("'" in name for name in names) > 10
    assert {"Nguyễn", "Évora", "Jean-Baptiste"} <= {row["family_name"] for row in students}


def test_about_twelve_hundred_answers_are_yes(pilot: Pilot) -> None:
    families = pilot.families()
    answers = Counter(row["answer"] for row in families if row["holder"] in DISTRICTS)
    shelter = [row for row in families if row["holder"] == "shelter_network"]

    assert 1_120 <= answers["yes"] <= 1_280
    assert 110 <= answers["no"] + answers["unanswered"] <= 190
    assert 20 <= len(shelter) <= 65
    assert len({row["language"] for row in families}) >= 5


def test_a_yes_names_elements_and_purposes_of_the_vocabulary_and_others_allow_nothing(
    pilot: Pilot,
) -> None:
    shelter = {"program_participation", "program_attendance"}
    for row in pilot.families():
        elements, purposes = row["elements"].split(";"), row["purposes"].split(";")
        if row["answer"] == "yes":
            assert set(elements) <= {element.value for element in Element}
            assert set(purposes) <= {"direct_service", "homelessness_early_warning"}
            assert (set(elements) == shelter) == (row["holder"] == "shelter_network")
        else:
            assert (row["elements"], row["purposes"]) == ("", "")
        assert (row["signed_on"] == "") == (row["answer"] == "unanswered")
        if row["signed_on"]:
            assert "2026-09-01" <= row["signed_on"] < "2026-11-15"
        assert row["relation"] in {relation.value for relation in SignerRelation}


def test_a_student_of_eighteen_answers_for_herself(pilot: Pilot) -> None:
    born = {
        (district, row["student_id"]): date.fromisoformat(row["birth_date"])
        for district in DISTRICTS
        for row in pilot.rows(district, "student")
    }
    own = 0
    for row in pilot.families():
        if row["signed_on"] and row["holder"] in DISTRICTS:
            birth = born[row["holder"], row["student_id"]]
            adult = is_adult(birth, date.fromisoformat(row["signed_on"]))
            assert (row["relation"] == "eligible_student") == adult
            own += adult
    assert own > 0


def test_who_was_born_on_a_leap_day_is_adult_from_the_first_of_march() -> None:
    assert not is_adult(date(2008, 2, 29), date(2026, 2, 28))
    assert is_adult(date(2008, 2, 29), date(2026, 3, 1))


def test_community_organizations_spell_some_names_their_own_way(pilot: Pilot) -> None:
    """Most participants match a district's student by name and birth date, not all."""
    known = {
        (row["given_name"], row["family_name"], row["birth_date"])
        for row in pilot.district_students()
    }
    rows = pilot.rows("neighborhood_initiative", "student")
    same = sum((r["given_name"], r["family_name"], r["birth_date"]) in known for r in rows)

    assert 1_150 <= len(rows) <= 1_380
    assert 0.85 <= same / len(rows) < 0.99
    assert not any(row["state_id"] for row in rows)


def test_the_summary_counts_what_the_files_hold(pilot: Pilot) -> None:
    summary = pilot.summary
    assert summary.students == 2_000
    for made in summary.organizations:
        for table, count in made.rows.items():
            assert count == len(pilot.rows(made.organization, table))
    assert {m.organization: len(m.schools) for m in summary.organizations} == {
        "harbor_ps": 4,
        "mill_river_ps": 2,
        "neighborhood_initiative": 0,
        "shelter_network": 0,
    }
    assert summary.answers == Counter(row["answer"] for row in pilot.families())


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


@pytest.mark.parametrize("first_year", range(2023, 2034))
def test_every_year_has_180_days_from_late_summer_to_june(first_year: int) -> None:
    school_year = f"{first_year}-{first_year + 1}"
    for make in (harbor_calendar, mill_river_calendar):
        calendar = make(school_year, date(2100, 1, 1))
        assert len(set(calendar.planned)) == 180
        assert date(first_year, 8, 25) <= calendar.planned[0] <= date(first_year, 9, 12)
        assert calendar.planned[-1] <= date(first_year + 1, 6, 28)


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
