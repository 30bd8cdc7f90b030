"""What reading for answers promises, on SQLite and on PostgreSQL alike: only what is permitted."""

import datetime as dt
from collections.abc import Sequence
from itertools import product
from typing import Any

import pyarrow as pa
import pytest
from sqlalchemy import update

from homeroom.audit import AuditKind
from homeroom.catalog import CATALOG, SUBJECT_REF, Dataset, dataset_named
from homeroom.errors import LogUnavailableError
from homeroom.question import Period
from homeroom.vocabulary import Element
from services.node.domain.consent_book import Revoked
from services.node.domain.log import Disclosed, Note
from services.node.domain.register import Decided, Keeping, Requested, record_of
from services.node.store.disclosure_tables import DISCLOSURE_RECORD
from services.node.store.log import LogStore
from services.node.store.records.tables import TABLES
from services.runtime.database import open_database, writing
from tests.conditions import consented
from tests.contract.holding import (
    ATTENDANCE,
    MONDAY,
    Holding,
    event,
    holding,
    only,
    selection,
    student,
    two,
)
from tests.contract.node_stores import DAY, urls
from tests.organizations import NOW

__all__ = ["holding", "two", "urls"]

LEAP_DAY = dt.date(2024, 2, 29)
STUDENT = {
    "student_id": "Ø-1",
    "given_name": "Žofie",
    "middle_name": "李",
    "family_name": "O'Brien; DROP",
    "birth_date": LEAP_DAY,
    "gender": "female",
    "races": "asian;white",
    "hispanic": True,
    "grade_level": "KG",
    "english_learner": False,
    "special_education": True,
    "homeless": False,
    "nighttime_residence": "shelter",
    "foster_care": False,
    "lunch_eligibility": "free",
    "household_income": 31_000.5,
    "school_id": "elm",
    "street_address": "12 Elm St, № 3",
    "city": "Brockton",
    "state": "MA",
    "postal_code": "02301",
    "phone": "+1 508 555 0100",
    "email": "z@example.org",
    "photo": "photos/1.jpg",
}
DOCUMENT = {"title": "Título", "document_date": LEAP_DAY, "text": "один"}
DOCUMENTS = {
    "honors": Element.HONORS_AWARDS,
    "activities": Element.ACTIVITIES_SPORTS,
    "transcripts": Element.TRANSCRIPT,
    "ieps": Element.IEP,
    "special_education_evaluations": Element.SPED_EVALUATION,
    "immunizations": Element.HEALTH_IMMUNIZATION,
    "health_conditions": Element.HEALTH_CONDITIONS,
    "early_warning_flags": Element.EARLY_WARNING_FLAG,
    "survey_responses": Element.SURVEY_PROTECTED_RESPONSES,
    "case_notes": Element.CASE_NOTES,
}
RECORDS: dict[str, dict[str, Any]] = {
    "enrollment": {
        "school_id": "elm",
        "entry_date": LEAP_DAY,
        "exit_date": MONDAY,
        "entry_grade_level": "PK",
        "exit_type": "transfer",
        "graduated": False,
    },
    "attendance": {
        "school_id": "elm",
        "event_date": LEAP_DAY,
        "category": "tardy",
        "duration_days": 0.5,
    },
    "discipline_action": {
        "action_id": "x1",
        "action_type": "in_school_suspension",
        "action_date": LEAP_DAY,
        "school_id": "elm",
        "planned_days": 2.0,
    },
    "discipline_incident": {
        "incident_id": "i1",
        "behavior": "křik",
        "school_id": "elm",
        "incident_date": LEAP_DAY,
    },
    "section_enrollment": {
        "school_id": "elm",
        "section_id": "s1",
        "begin_date": LEAP_DAY,
        "course_code": "m",
        "course_title": "Mathématiques",
        "end_date": MONDAY,
    },
    "course_grade": {
        "school_id": "elm",
        "course_code": "m",
        "term": "T1",
        "grade_kind": "transcript",
        "course_title": "Mathématiques",
        "letter_grade": "A",
        "numeric_grade": 93.5,
        "credits_earned": 1.0,
    },
    "assessment_result": {
        "result_id": "r1",
        "assessment_title": "Test",
        "administration_date": LEAP_DAY,
        "subject": "reading",
        "score": "12",
        "score_metric": "scale",
        "performance_level": "met",
    },
    "program_participation": {
        "program_name": "Club",
        "program_type": "after_school",
        "begin_date": LEAP_DAY,
        "end_date": MONDAY,
    },
    "service_event": {"service_name": "Club", "service_date": LEAP_DAY, "hours": 1.5},
    "guardian": {
        "guardian_id": "g1",
        "relation": "mother",
        "given_name": "Ana",
        "family_name": "Núñez",
        "phone": "+1 508 555 0101",
        "email": "a@example.org",
    },
    "gpa": {
        "school_year": "2024",
        "term": "cumulative",
        "weighted": True,
        "grade_point_average": 3.25,
    },
}
EXPECTED: dict[str, dict[str, Any]] = {
    "students": {k: v for k, v in STUDENT.items() if k != "student_id"}
    | {"student_number": "Ø-1", "enrollment_status": "transfer", "graduated": False},
    "enrollments": RECORDS["enrollment"],
    "attendance": RECORDS["attendance"],
    "suspensions": {
        "school_id": "elm",
        "action_date": LEAP_DAY,
        "suspension_type": "in_school",
        "days": 2.0,
    },
    "expulsions": {"school_id": "elm", "action_date": LEAP_DAY, "days": 5.0},
    "discipline_incidents": {
        "school_id": "elm",
        "incident_date": LEAP_DAY,
        "behavior": "křik",
    },
    "course_enrollments": {
        k: v for k, v in RECORDS["section_enrollment"].items() if k != "course_code"
    },
    "course_grades": {
        k: v for k, v in RECORDS["course_grade"].items() if k not in ("course_code", "grade_kind")
    },
    "assessments": {k: v for k, v in RECORDS["assessment_result"].items() if k != "result_id"},
    "programs": RECORDS["program_participation"],
    "services": RECORDS["service_event"],
    "contacts": {k: v for k, v in RECORDS["guardian"].items() if k != "guardian_id"},
    "gpas": RECORDS["gpa"],
    "attendance_rates": {
        "school_id": "elm",
        "first_day": dt.date(2026, 7, 1),
        "last_day": NOW.date(),
        "days_enrolled": 4,
        "days_absent": 1,
        "attendance_rate": 0.75,
    },
    "disclosures": {
        "event": "disclosure",
        "requester": "shelter",
        "role": "nurse",
        "purpose": "direct_service",
        "basis": "consent",
        "elements_asked": "daily_attendance",
        "elements_released": "daily_attendance",
        "onward_to": "league",
        "recorded_on": LEAP_DAY,
    },
    **dict.fromkeys(DOCUMENTS, DOCUMENT),
}


# Every dataset of the catalog.


def test_this_page_has_a_record_for_every_dataset() -> None:
    assert set(EXPECTED) == {dataset.name for dataset in CATALOG}
    for dataset in CATALOG:
        names = set(dataset.schema_of(dataset.elements).names) - {SUBJECT_REF}
        assert set(EXPECTED[dataset.name]) == names


def fill(holding: Holding) -> None:
    """One record in every table, and a student about whom nothing more is known."""
    holding.add("student", STUDENT, {"student_id": "blank"})
    for table, record in RECORDS.items():
        holding.add(table, {"student": "Ø-1", **record})
        nothing = {
            name: value
            for name, value in record.items()
            if name in TABLES[table].primary_key.columns
        }
        holding.add(table, {"student": "blank", **nothing})
    expelled = {"action_id": "x2", "action_type": "expulsion", "planned_days": 9.0}
    dated = {"action_date": LEAP_DAY, "school_id": "elm", "actual_days": 5.0}
    holding.add("discipline_action", {"student": "Ø-1", **expelled, **dated})
    for name, element in DOCUMENTS.items():
        kind = {"document_id": name, "element": str(element)}
        holding.add("document", {"student": "Ø-1", **kind, **DOCUMENT})
        holding.add("document", {"student": "blank", "document_id": name, "element": str(element)})


async def disclose(holding: Holding) -> None:
    """One student's attendance went to the shelter; the other student was refused."""
    asked = Requested(
        requester="shelter",
        user_id="u1",
        role="nurse",
        purpose="direct_service",
        ground="consent",
        elements=(Element.DAILY_ATTENDANCE,),
        onward_to=("league",),
    )
    allowed, secret = (
        Decided(frozenset(asked.elements), whole=True, reasons=(), secret=hidden)
        for hidden in (False, True)
    )
    blank, known = holding.keys["blank"], holding.keys["Ø-1"]
    engine = open_database(holding.urls.state)
    log = LogStore(engine)
    for number, decided in enumerate((allowed, secret)):
        record = record_of(Keeping(), asked, decided, {blank: None, known: None})
        notes: list[Note] = [Disclosed([(known, 1)]), record]
        await log.append(AuditKind.DECIDED, bytes([number]), {}, notes)
    with writing(engine) as connection:
        connection.execute(update(DISCLOSURE_RECORD).values(recorded_on=LEAP_DAY))
    engine.dispose()


def measure(holding: Holding) -> None:
    """Four days at school this year, of which one was missed."""
    holding.add("school", {"school_id": "elm", "attendance_kind": "every_day"})
    spell = {"school_id": "elm", "entry_date": MONDAY, "school_year": "2026"}
    holding.add("enrollment", {"student": "Ø-1", **spell})
    there = [{**event("Ø-1", MONDAY + n * DAY), "category": "in_attendance"} for n in range(3)]
    missed = event("Ø-1", MONDAY + 3 * DAY) | {"category": "unexcused_absence"}
    holding.add("attendance", *there, missed)


@pytest.mark.parametrize("dataset", CATALOG, ids=lambda dataset: dataset.name)
async def test_every_dataset_is_read_with_the_types_of_the_catalog(
    holding: Holding, dataset: Dataset
) -> None:
    """Text of any script, a leap day, booleans and numbers; nulls before values."""
    fill(holding)
    if dataset.name == "attendance_rates":
        measure(holding)
    if dataset.name == "disclosures":
        await disclose(holding)
    holding.grant("blank", *dataset.elements)
    holding.grant("Ø-1", *dataset.elements)
    rows = await holding.rows(selection(dataset.name))

    assert [row for row in rows if row[SUBJECT_REF] == "ref-Ø-1"] == [
        {SUBJECT_REF: "ref-Ø-1"} | EXPECTED[dataset.name]
    ]
    assert {row[SUBJECT_REF] for row in rows} <= {"ref-Ø-1", "ref-blank"}


@pytest.mark.parametrize("dataset", CATALOG, ids=lambda dataset: dataset.name)
async def test_a_dataset_without_a_row_still_has_its_schema(
    holding: Holding, dataset: Dataset
) -> None:
    holding.add("student", student("ana"))

    assert await holding.rows(selection(dataset.name)) == []


@pytest.mark.parametrize("dataset", CATALOG, ids=lambda dataset: dataset.name)
async def test_one_element_alone_can_be_read(holding: Holding, dataset: Dataset) -> None:
    fill(holding)
    if dataset.name == "attendance_rates":
        measure(holding)
    if dataset.name == "disclosures":
        await disclose(holding)
    holding.grant("Ø-1", *dataset.elements)
    for element in dataset.elements:
        (row,) = (
            await holding.rows(selection(dataset.name, conditions=consented({element})))
            if (dataset.row_element in (None, element))
            else [{}]
        )
        assert all(row[name] == EXPECTED[dataset.name][name] for name in set(row) - {SUBJECT_REF})


async def test_columns_whose_first_rows_are_null_keep_their_type(holding: Holding) -> None:
    holding.add("student", student("ana"))
    early = [event("ana", MONDAY + n * DAY) for n in range(5)]
    late = [{**event("ana", MONDAY + n * DAY), "duration_days": 0.25} for n in range(5, 8)]
    holding.add("attendance", *early, *late)
    holding.grant("ana", *ATTENDANCE)
    rows = await holding.rows(selection())

    assert sorted(row["duration_days"] or 0 for row in rows) == [0] * 5 + [0.25] * 3


async def test_incidents_of_gradebooks_are_no_final_grades(holding: Holding) -> None:
    holding.add("student", student("ana"))
    grade = RECORDS["course_grade"]
    kinds = ("transcript", "gradebook")
    holding.add("course_grade", *({"student": "ana", **grade, "grade_kind": k} for k in kinds))
    holding.grant("ana", *dataset_named("course_grades").elements)

    assert len(await holding.rows(selection("course_grades"))) == 1


# Grants.


async def test_without_a_grant_nothing_is_read(two: Holding) -> None:
    assert await two.rows(selection()) == []
    assert await two.covered(selection()) == {}


@pytest.mark.parametrize(
    "changed",
    [
        {"recipient": "shelter"},
        {"purpose": "research"},
        {"valid_from": NOW + dt.timedelta(seconds=1)},
        {"valid_to": NOW},
        {"valid_to": NOW - DAY},
    ],
    ids=["recipient", "purpose", "not yet", "just over", "over"],
)
async def test_a_grant_for_another_recipient_purpose_or_time_gives_nothing(
    two: Holding, changed: dict[str, Any]
) -> None:
    two.grant("ana", *ATTENDANCE, **changed)
    two.grant("ben", *ATTENDANCE)

    assert await two.refs(selection()) == ["ref-ben"]
    assert set(await two.covered(selection())) == {"ref-ben"}


async def test_a_grant_counts_from_its_first_instant_and_until_its_last(two: Holding) -> None:
    two.grant("ana", *ATTENDANCE, valid_from=NOW, valid_to=NOW + dt.timedelta(seconds=1))

    assert await two.refs(selection()) == ["ref-ana"]
    assert await two.refs(selection(instant=NOW + dt.timedelta(seconds=1))) == []


async def test_an_element_that_a_family_did_not_allow_is_null(two: Holding) -> None:
    two.grant("ana", Element.DAILY_ATTENDANCE)
    two.grant("ben", *ATTENDANCE)
    rows = {row[SUBJECT_REF]: row for row in await two.rows(selection())}

    assert rows["ref-ana"]["school_id"] is None
    assert rows["ref-ana"]["event_date"] == MONDAY
    assert rows["ref-ben"]["school_id"] == "elm"


async def test_without_the_element_that_a_row_is_a_student_has_no_row(two: Holding) -> None:
    """How many days somebody was late is told by the number of rows."""
    two.grant("ana", Element.SCHOOL_OF_ENROLLMENT)
    two.grant("ben", *ATTENDANCE)

    assert await two.refs(selection()) == ["ref-ben"]


async def test_several_consents_add_up_and_double_no_row(two: Holding) -> None:
    two.grant("ana", Element.DAILY_ATTENDANCE)
    two.grant("ana", Element.SCHOOL_OF_ENROLLMENT)
    two.grant("ana", *ATTENDANCE, valid_to=NOW + 2 * DAY)
    (row,) = await two.rows(selection())

    assert (row[SUBJECT_REF], row["school_id"], row["event_date"]) == ("ref-ana", "elm", MONDAY)


async def test_a_revoked_consent_gives_nothing_at_once(two: Holding) -> None:
    consent_id = two.grant("ana", *ATTENDANCE)
    assert await two.refs(selection()) == ["ref-ana"]
    two.apply(Revoked(consent_id, NOW))

    assert await two.refs(selection()) == []


async def test_who_revokes_while_an_answer_is_open_is_no_longer_covered(two: Holding) -> None:
    """The open read is of one state of the database; the answer asks who is covered by now."""
    consent_id = two.grant("ana", *ATTENDANCE)
    reader = await two.store.open(selection())
    two.apply(Revoked(consent_id, NOW))
    covered = await two.covered(selection())
    await reader.close()

    assert covered == {}


@pytest.mark.parametrize("asked", [frozenset(ATTENDANCE), frozenset({Element.DAILY_ATTENDANCE})])
async def test_who_is_covered_agrees_with_what_is_read(
    two: Holding, asked: frozenset[Element]
) -> None:
    two.grant("ana", Element.DAILY_ATTENDANCE)
    two.grant("ben", *ATTENDANCE, valid_to=NOW)
    two.grant("ben", Element.SCHOOL_OF_ENROLLMENT)
    chosen = selection(conditions=consented(asked))
    covered = await two.covered(chosen)
    read = await two.rows(chosen)

    expected = {"ref-ana": frozenset({Element.DAILY_ATTENDANCE})}
    if Element.SCHOOL_OF_ENROLLMENT in asked:
        expected["ref-ben"] = frozenset({Element.SCHOOL_OF_ENROLLMENT})
    assert covered == expected
    for row in read:
        allowed = {c.name for c in chosen.dataset.columns_of(covered[row[SUBJECT_REF]])}
        assert {name for name, value in row.items() if value is not None} <= allowed | {SUBJECT_REF}


# Schools, periods and students.


SCOPES = {
    "row in, now in": ("elm", "elm", 1),
    "row in, now out": ("elm", "oak", 0),
    "row out, now in": ("oak", "elm", 0),
    "row out, now out": ("oak", "oak", 0),
    "row in, now unknown": ("elm", None, 1),
    "row out, now unknown": ("oak", None, 0),
}


@pytest.mark.parametrize(("row", "now", "count"), SCOPES.values(), ids=SCOPES.keys())
async def test_rows_are_of_covered_schools_about_students_who_are_at_one_now(
    holding: Holding, row: str, now: str | None, count: int
) -> None:
    holding.add("student", student("ana", now))
    holding.add("attendance", event("ana", school=row))
    holding.grant("ana", *ATTENDANCE)
    chosen = selection(schools=only("elm", "fir"))

    assert len(await holding.rows(chosen)) == count
    assert len(await holding.rows(selection())) == 1
    assert await holding.rows(selection(schools=only())) == []


@pytest.mark.parametrize(("now", "count"), [("elm", 1), ("oak", 0), (None, 0)])
async def test_rows_without_a_school_go_by_where_the_student_is_now(
    holding: Holding, now: str | None, count: int
) -> None:
    holding.add("student", student("ana", now))
    holding.add("service_event", {"student": "ana", **RECORDS["service_event"]})
    for dataset in ("services", "students"):
        holding.grant("ana", *dataset_named(dataset).elements)

        assert len(await holding.rows(selection(dataset, schools=only("elm")))) == count


def period(start: int, end: int) -> Period:
    """Days counted from Monday, both included."""
    return Period(MONDAY + start * DAY, MONDAY + end * DAY)


@pytest.mark.parametrize(("days", "count"), [((0, 0), 1), ((-1, 1), 1), ((1, 9), 0), ((-9, -1), 0)])
async def test_days_of_a_period_are_both_included(
    two: Holding, days: tuple[int, int], count: int
) -> None:
    two.grant("ana", *ATTENDANCE)

    assert len(await two.rows(selection(period=period(*days)))) == count


@pytest.mark.parametrize(
    ("days", "open_count", "closed_count"),
    [((-9, -1), 0, 0), ((-9, 0), 1, 1), ((2, 3), 1, 1), ((5, 9), 1, 1), ((6, 9), 1, 0)],
)
async def test_a_spell_is_of_every_period_that_it_touches(
    holding: Holding, days: tuple[int, int], open_count: int, closed_count: int
) -> None:
    """One that has no last day goes on."""
    holding.add("student", student("open"), student("closed"))
    spell = {"school_id": "elm", "entry_date": MONDAY}
    holding.add("enrollment", {"student": "open", **spell})
    holding.add("enrollment", {"student": "closed", **spell, "exit_date": MONDAY + 5 * DAY})
    for name in ("open", "closed"):
        holding.grant(name, *dataset_named("enrollments").elements)
    read = await holding.refs(selection("enrollments", period=period(*days)))

    assert (read.count("ref-open"), read.count("ref-closed")) == (open_count, closed_count)


async def test_only_the_named_students_are_read(two: Holding) -> None:
    two.grant("ana", *ATTENDANCE)
    two.grant("ben", *ATTENDANCE, recipient="shelter")

    assert await two.refs(selection(subject_refs=("ref-ana", "ref-ben", "nobody"))) == ["ref-ana"]
    assert await two.refs(selection(subject_refs=("nobody",))) == []
    assert await two.covered(selection(subject_refs=("nobody",))) == {}


async def test_another_recipients_name_for_a_student_finds_nobody(two: Holding) -> None:
    two.grant("ana", *ATTENDANCE, recipient="shelter", subject_ref="theirs")
    two.grant("ana", *ATTENDANCE)

    assert await two.refs(selection(subject_refs=("theirs",))) == []


async def test_ten_thousand_students_can_be_named(two: Holding) -> None:
    two.grant("ana", *ATTENDANCE)
    named = (*(f"nobody-{n}" for n in range(9_999)), "ref-ana")
    chosen = selection(subject_refs=named)

    assert await two.refs(chosen) == ["ref-ana"]
    assert set(await two.covered(chosen)) == {"ref-ana"}


async def test_many_rows_come_in_batches_with_none_lost_or_doubled(holding: Holding) -> None:
    names, days = [f"s{n}" for n in range(30)], [MONDAY + n * DAY for n in range(600)]
    holding.add("student", *(student(name) for name in names))
    holding.add("attendance", *(event(name, day) for name, day in product(names, days)))
    for name in names:
        holding.grant(name, *ATTENDANCE)
    batches: Sequence[pa.RecordBatch] = await holding.batches(selection())
    read = [(row[SUBJECT_REF], row["event_date"]) for b in batches for row in b.to_pylist()]

    assert len(batches) > 2
    assert len(read) == 18_000
    assert set(read) == {(f"ref-{name}", day) for name, day in product(names, days)}


async def test_a_reader_can_be_closed_before_its_end(two: Holding) -> None:
    two.grant("ana", *ATTENDANCE)
    reader = await two.store.open(selection())
    await reader.close()

    assert await two.refs(selection()) == ["ref-ana"]


async def test_a_beginning_names_whom_the_question_names(two: Holding) -> None:
    two.grant("ana", *ATTENDANCE)
    begun = await two.store.begin(selection(), ("ref-ana", "nobody"))

    assert begun.named == {"ref-ana": two.keys["ana"]}
    assert begun.reader is not None
    await begun.reader.close()


async def test_rows_that_cannot_be_read_leave_the_coverage_known(
    two: Holding, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that what was asked for can be written down; whoever opens them hears what is wrong."""
    two.grant("ana", *ATTENDANCE)

    def away(*_: object, **__: object) -> None:
        raise LogUnavailableError("away")

    monkeypatch.setattr(two.store, "_open", away)
    begun = await two.store.begin(selection(), ())

    assert set(begun.coverage.elements) == {"ref-ana"}
    assert begun.reader is None
    with pytest.raises(LogUnavailableError):
        await two.store.open(selection())
