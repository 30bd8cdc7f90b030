"""The form of the files: the records model in CSV, whole and unambiguous."""

import re
from collections import Counter, defaultdict

from tests.unit.deploy.pilot.pilot_folder import COMMUNITY, DISTRICTS, Pilot

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
