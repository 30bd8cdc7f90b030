"""Where a demonstration's organizations and families come from: made up, or from real data."""

import csv
import datetime as dt
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from deploy.local.layout import Member
from deploy.local.pilot import PilotPlan, generate
from homeroom.consents import SignedForm
from homeroom.errors import RequestInvalidError
from homeroom.vocabulary import ConsentForm, SignerRelation

ASKER = "neighborhood_initiative"
"""The community organization that asks."""

AGREEMENT_ID = "after-school-2026"
PURPOSE = "direct_service"

DISTRICT_DATASETS = (
    "students",
    "enrollments",
    "attendance",
    "suspensions",
    "expulsions",
    "discipline_incidents",
    "course_enrollments",
    "course_grades",
    "assessments",
    "programs",
)
_COMMUNITY_DATASETS = ("students", "programs", "services")
_ASKER_MEMBER = Member(ASKER, "Neighborhood Initiative", "community_org", _COMMUNITY_DATASETS)
_CONSENT_YEARS = dt.timedelta(days=240)
_OF_AGE_YEARS = 18

LinkCodes = Mapping[tuple[str, str], str]
"""For a holder and its student id, the code printed on the student's form."""


@dataclass(frozen=True, slots=True)
class FileSet:
    """One organization's records, and the format they are in."""

    organization_id: str
    format_name: str
    path: Path


class Source(Protocol):
    """The organizations of a demonstration and what they hold."""

    @property
    def title(self) -> str: ...

    @property
    def members(self) -> Sequence[Member]: ...

    def file_sets(self, folder: Path) -> Sequence[FileSet]:
        """The records of each organization; made first, where they are made."""
        ...

    def forms(self, codes: LinkCodes, records: Mapping[str, Path]) -> Iterator[SignedForm]:
        """The forms that families have signed.

        Args:
            codes: what was printed on each form.
            records: each holder's database of records.
        """
        ...


class SyntheticPilot:
    """Two districts and two community organizations that never were."""

    title = "the synthetic pilot"
    members = (
        Member("harbor_ps", "Harbor Public Schools", "district", DISTRICT_DATASETS),
        Member("mill_river_ps", "Mill River Public Schools", "district", DISTRICT_DATASETS),
        _ASKER_MEMBER,
        Member("shelter_network", "Shelter Network", "shelter", _COMMUNITY_DATASETS),
    )

    def __init__(self, today: dt.date, students: int = 2_000, seed: int = 7) -> None:
        self._plan = PilotPlan(students=students, seed=seed, today=today)
        self._families = Path()

    def file_sets(self, folder: Path) -> Sequence[FileSet]:
        made = generate(folder / "pilot", self._plan)
        self._families = folder / "pilot" / "families.csv"
        return [
            FileSet(o.organization, "record_csv", folder / "pilot" / o.organization)
            for o in made.organizations
        ]

    def forms(self, codes: LinkCodes, records: Mapping[str, Path]) -> Iterator[SignedForm]:
        del records
        with self._families.open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                if row["answer"] == "yes":
                    signed_on = dt.date.fromisoformat(row["signed_on"])
                    yield _form(
                        row["holder"],
                        codes[row["holder"], row["student_id"]],
                        row["elements"].split(";"),
                        row["purposes"].split(";"),
                        row["relation"],
                        signed_on,
                    )


class RealDistricts:
    """Two districts of public sample data; every family allows, and every student is fictional."""

    title = "two real districts' sample data"
    members = (
        Member("daybreak", "Daybreak (inBloom)", "district", DISTRICT_DATASETS),
        Member("grand_bend", "Grand Bend (Ed-Fi)", "district", DISTRICT_DATASETS),
        _ASKER_MEMBER,
    )
    _FOLDERS: Mapping[str, str] = {
        "daybreak": "inbloom-il-daybreak",
        "grand_bend": "edfi-grandbend-ds52-xml",
    }
    _ELEMENTS = ("daily_attendance", "school_of_enrollment", "course_grades", "test_scores")

    def __init__(self, data: Path, today: dt.date) -> None:
        self._data = data
        self._today = today

    def file_sets(self, folder: Path) -> Sequence[FileSet]:
        del folder
        for name in self._FOLDERS.values():
            if not (self._data / name).is_dir():
                raise RequestInvalidError(f"there is no {name} in {self._data}")
        return [
            FileSet(organization_id, "edfi_xml", self._data / name)
            for organization_id, name in self._FOLDERS.items()
        ]

    def forms(self, codes: LinkCodes, records: Mapping[str, Path]) -> Iterator[SignedForm]:
        signed_on = self._today - dt.timedelta(days=30)
        for holder in self._FOLDERS:
            for student_id, birth_date in _birth_dates(records[holder]):
                yield _form(
                    holder,
                    codes[holder, student_id],
                    self._ELEMENTS,
                    [PURPOSE],
                    _signer(birth_date, signed_on),
                    signed_on,
                )


def agreement_text(source: Source, today: dt.date) -> str:
    """The one agreement that all members sign, as a steward writes it."""
    roles = {m.organization_id: "discloser" for m in source.members} | {ASKER: "both"}
    parties = "\n".join(f"  {name}: {role}" for name, role in roles.items())
    schools = "\n".join(f"  {name}: all" for name in roles)
    return f"""\
agreement_id: {AGREEMENT_ID}
version: 1
title: Attendance and grades for after-school case work
kind: consented_sharing
parties:
{parties}
legal_basis: [consent]
schedules:
  - purpose: direct_service
    text: Case workers help the students of their program to stay in school and to pass.
    elements: [daily_attendance, school_of_enrollment, grade_level, course_enrollment,
      course_grades, test_scores, program_participation, program_attendance]
  - purpose: homelessness_early_warning
    text: Case workers notice early that a family may be losing its home.
    elements: [daily_attendance, suspensions, homeless_status]
schools:
{schools}
authorized_roles: [case_manager]
clauses:
  use_only_for_purpose: {{text: What is received serves these purposes and no other.}}
  redisclosure: {{to: []}}
  destruction: {{when_no_longer_needed: true, within_days_of_end: 60, on_revocation: destroy}}
  safeguards: {{policies: [Written information security program of each recipient]}}
  breach_notice: {{within_hours: 72}}
  audit_right: {{notice_days: 10, times_a_year: 1, scope: How this agreement is kept.}}
effective_from: {today - dt.timedelta(days=120)}
effective_to: {today + _CONSENT_YEARS}
"""


def _form(
    holder: str,
    link_code: str,
    elements: Sequence[str],
    purposes: Sequence[str],
    relation: str,
    signed_on: dt.date,
) -> SignedForm:
    return SignedForm(
        holder=holder,
        link_code=link_code,
        agreement_id=AGREEMENT_ID,
        elements=elements,
        purposes=purposes,
        signer_relation=relation,
        form=ConsentForm.WRITTEN,
        sign_date=signed_on,
        start_date=signed_on,
        end_date=signed_on + _CONSENT_YEARS,
    )


def _birth_dates(records: Path) -> Sequence[tuple[str, dt.date]]:
    with closing(sqlite3.connect(f"file:{records}?mode=ro", uri=True)) as connection:
        found = connection.execute(
            "SELECT student_id, birth_date FROM student WHERE birth_date IS NOT NULL"
        )
        return [(student_id, dt.date.fromisoformat(day)) for student_id, day in found]


def of_age(birth_date: dt.date, day: dt.date) -> bool:
    """Whether someone is 18 on a day; born on 29 February, from 1 March in a common year."""
    born = (birth_date.year + _OF_AGE_YEARS, birth_date.month, birth_date.day)
    return born <= (day.year, day.month, day.day)


def _signer(birth_date: dt.date, signed_on: dt.date) -> str:
    """Who may sign: the parent, or from the 18th birthday on the student (34 CFR 99.5)."""
    grown = of_age(birth_date, signed_on)
    return SignerRelation.ELIGIBLE_STUDENT if grown else SignerRelation.PARENT
