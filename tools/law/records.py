"""The records of a case: each student, and one record of everything that can be asked about."""

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from homeroom.vocabulary import Element
from services.node.domain.record_tables import DOCUMENTED
from services.node.store.records import RecordStore
from tools.law.case import Case, Facts, day_of_text

_LARGE_GROUP = 30
_BYSTANDER = "another-student"
_GRADES = {"K": "KG", "PK": "PK", "KG": "KG"}

Row = dict[str, Any]


def seat_records(case: Case, store: RecordStore) -> Mapping[str, int]:
    """Loads the records; returns the key of each student."""
    with store.intake() as run:
        if case.level == "deidentified_student":
            _seat_population(case, run)
        bystander = {"student_id": _BYSTANDER, "given_name": "Kim", "family_name": "Other"}
        schools = {facts["school"] for facts in case.facts["students"]}
        every_day = {"attendance_kind": "every_day"}
        _load(run, "school", [{"school_id": school, **every_day} for school in sorted(schools)])
        _load(run, "student", [*map(_student, case.facts["students"]), bystander])
        for facts in case.facts["students"]:
            for table, row in _records(case, facts):
                _load(run, table, [{"student": facts["id"], **row}])
            if "discipline_incident_detail" in case.request["joint_records"]:
                incident = _incident(case, facts)
                _load(run, "discipline_incident", [{"student": _BYSTANDER, **incident}])
    return store.student_keys()


def _seat_population(case: Case, run: Any) -> None:
    """Everyone of whom records without names are asked: two groups, the smaller as the case says.

    Whatever is asked for, the students of one group have the same, and those of the other another.
    """
    found = case.special.get("deidentification") or {}
    smaller = found.get("smallest_group") or _LARGE_GROUP
    school = (case.request["schools"] or ["school"])[0]
    _load(run, "school", [{"school_id": school, "attendance_kind": "every_day"}])
    for group, size in enumerate((smaller, max(smaller, _LARGE_GROUP))):
        for number in range(size):
            name = f"p{group}-{number}"
            _load(run, "student", [_pupil(name, school, group)])
            for table, row in _records_of_pupil(day_of_records(case), school, group):
                _load(run, table, [{"student": name, **row}])


def _pupil(name: str, school: str, group: int) -> Row:
    return {
        "student_id": name,
        "birth_date": dt.date(2014, 1, 1 + group),
        "gender": ("female", "male")[group],
        "races": ("white", "black")[group],
        "hispanic": False,
        "grade_level": ("04", "05")[group],
        "english_learner": bool(group),
        "special_education": bool(group),
        "homeless": False,
        "school_id": school,
    }


def _records_of_pupil(day: dt.date, school: str, group: int) -> Iterator[tuple[str, Row]]:
    facts = {"school": school, "grade": ("4", "5")[group]}
    for table, row in _dated_records(day, facts):
        values = dict(row)
        if table == "assessment_result":
            values["score"] = ("240", "250")[group]
        elif table == "attendance":
            values["category"] = ("excused_absence", "in_attendance")[group]
        elif table == "course_grade":
            values["letter_grade"] = ("B", "A")[group]
        yield table, values


def day_of_records(case: Case) -> dt.date:
    """The day that the records are about: in the period asked for, else the day before."""
    if case.request["period"] is not None:
        return day_of_text(case.request["period"][0])
    return case.now.date() - dt.timedelta(days=1)


def _load(run: Any, table: str, rows: Iterable[Row]) -> None:
    for row in rows:
        values = dict(row)
        if "student" in values:
            values = {"student_key": run.student_keys[values.pop("student")], **values}
        run.load(table, tuple(values), [tuple(values.values())])


def _student(facts: Facts) -> Row:
    homeless = facts["experiencing_homelessness"]
    return {
        "student_id": facts["id"],
        "given_name": "Ana",
        "family_name": "Case",
        "birth_date": day_of_text(facts["birth_date"]),
        "gender": "female",
        "races": "white",
        "hispanic": False,
        "grade_level": _grade(str(facts["grade"])),
        "english_learner": True,
        "special_education": facts["has_disability_record"],
        "homeless": homeless,
        "nighttime_residence": "shelter" if homeless else "doubled_up",
        "foster_care": facts["in_foster_care"],
        "lunch_eligibility": "free",
        "school_id": facts["school"],
        "street_address": "1 Elm Street",
        "city": "Harbor",
        "state": "MA",
        "postal_code": "02101",
        "phone": "617-555-0100",
        "email": "ana@example.org",
        "photo": "yearbook/1",
        "household_income": 20_000.0,
    }


def _grade(text: str) -> str:
    return f"{int(text):02d}" if text.isdigit() else _GRADES.get(text, "12")


def _records(case: Case, facts: Facts) -> Iterator[tuple[str, Row]]:
    yield from _dated_records(day_of_records(case), facts)
    yield "discipline_incident", _incident(case, facts)
    for element in sorted(DOCUMENTED):
        yield "document", _document(case, element)
    for element in facts["directory_opt_out"]:
        yield "directory_opt_out", {"element": element}
    for element in facts["contested_statement_on"]:
        filed = {"element": element, "filed_on": case.now.date(), "statement": "It was not so."}
        yield "contested_statement", filed


def _dated_records(day: dt.date, facts: Facts) -> Iterator[tuple[str, Row]]:
    at_school = {"school_id": facts["school"]}
    begun = day - dt.timedelta(days=30)
    yield (
        "enrollment",
        {
            **at_school,
            "entry_date": begun,
            "school_year": str(day.year),
            "entry_grade_level": _grade(str(facts["grade"])),
            "exit_type": "transferred",
            "graduated": False,
            "first_day": begun,
            "last_day": dt.date(2100, 1, 1),
        },
    )
    absent = {"event_date": day, "category": "excused_absence", "duration_days": 1.0}
    yield "attendance", {**at_school, **absent}
    for number, kind in enumerate(("out_of_school_suspension", "expulsion")):
        action = {"action_id": f"a{number}", "action_type": kind, "action_date": day}
        yield "discipline_action", {**at_school, **action, "actual_days": 1.0}
    course = {**at_school, "course_code": "MATH", "course_title": "Mathematics"}
    yield "section_enrollment", {**course, "section_id": "1", "begin_date": day}
    grade = {"term": "Q1", "grade_kind": "transcript", "letter_grade": "B", "numeric_grade": 85.0}
    yield "course_grade", {**course, **grade, "credits_earned": 1.0}
    yield from _few_words(day)


def _few_words(day: dt.date) -> Iterator[tuple[str, Row]]:
    test = {"assessment_title": "State test", "subject": "Mathematics", "score": "240"}
    yield "assessment_result", {"result_id": "r1", "administration_date": day, **test}
    program = {"program_name": "Mentoring", "program_type": "mentoring", "begin_date": day}
    yield "program_participation", program
    yield "service_event", {"service_name": "Tutoring", "service_date": day, "hours": 1.0}
    contact = {"relation": "mother", "given_name": "Eva", "phone": "617-555-0101"}
    yield "guardian", {"guardian_id": "g1", "family_name": "Case", **contact}
    yield (
        "gpa",
        {
            "school_year": str(day.year),
            "term": "cumulative",
            "weighted": False,
            "grade_point_average": 3.1,
        },
    )


def _incident(case: Case, facts: Facts) -> Row:
    """An incident of this student alone, unless another is added to it."""
    named = {"incident_id": f"i-{facts['id']}", "behavior": "fighting"}
    return {**named, "school_id": facts["school"], "incident_date": day_of_records(case)}


def _document(case: Case, element: Element) -> Row:
    return {
        "document_id": str(element),
        "element": str(element),
        "title": "A document",
        "document_date": day_of_records(case),
        "text": "What it says.",
        "concerns_others": element in case.request["joint_records"],
        "survey_consent": _survey_consent(case),
    }


def _survey_consent(case: Case) -> str | None:
    survey = case.special.get("survey")
    if survey is None:
        return None
    if survey["prior_written_consent"]:
        return "given"
    asked_for = survey["ed_funded"] and survey["required_of_student"]
    return "missing" if asked_for else "not_required"
