"""Makes up a roster and the forms of its families: what B=consents imports.

Most families write down who the student is; some forms bear a link code. Some are about a student
whom the roster does not have, such as the twin at another school.
"""

import datetime as dt
import random
import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from benchmarks.families import Child, make_children, on_file, on_form
from services.node.domain.matching import Identity

SCHOOLS = [f"s{number}" for number in range(25)]
_ELEMENTS = ("daily_attendance;school_of_enrollment", "name;grade_level")
"""Two forms of each family, months apart: each written anew."""
_BOTH, _ENROLLED = 0.8, 0.9
_CODED = 0.1125
"""Of those with both, so that every tenth form bears a code."""
_RIGHT_SCHOOL, _SOME_SCHOOL = 0.85, 0.9
_GENDERS = {"F": "female", "M": "male"}
_ADULT = 18


@dataclass(frozen=True, slots=True)
class Enrolled:
    """A student of the roster, as the district wrote it down."""

    number: int
    identity: Identity
    school_id: str

    @property
    def student_id(self) -> str:
        return f"{self.number:07}"

    @property
    def gender(self) -> str:
        return _GENDERS[self.identity.sex]


@dataclass(frozen=True, slots=True)
class Form:
    """A form, and the child that it is truly about.

    Attributes:
        claim: what it says of the child; None if it bears the child's code.
    """

    child: Child
    elements: str
    subject_ref: str
    claim: Identity | None
    school_id: str

    def cells(self, codes: Mapping[int, str]) -> dict[str, str]:
        """Its cells of a line of CSV that are about the student and the signer."""
        cells = {
            "elements": self.elements,
            "subject_ref": self.subject_ref,
            "signer_relation": "eligible_student" if _is_adult(self.child) else "parent",
            "signer_name": f"Parent {self.child.truth.family}",
            "reference": f"{self.child.number}",
        }
        if self.claim is None:
            return cells | {"link_code": codes[self.child.number]}
        said = self.claim
        return cells | {
            "given_name": said.given,
            "middle_name": said.middle,
            "family_name": said.family,
            "birth_date": f"{said.birth_date or ''}",
            "sex": said.sex,
            "school_id": self.school_id,
            "phone": said.phone,
            "address": said.address,
            "zip": said.zip,
        }


CLAIM_COLUMNS = (
    "link_code",
    "given_name",
    "middle_name",
    "family_name",
    "birth_date",
    "sex",
    "school_id",
    "phone",
    "address",
    "zip",
)


def enrolled_and_forms(
    seed: int, students: int, forms: int
) -> tuple[Sequence[Enrolled], Sequence[Form]]:
    """A roster of so many students, and so many forms, in no order."""
    chance = random.Random(seed + 1)  # noqa: S311  # nothing secret is drawn
    roster: list[Enrolled] = []
    written: list[Form] = []
    for child in make_children(seed, students):
        if len(roster) == students:
            break
        drawn = chance.random()
        if drawn < _ENROLLED:
            roster.append(Enrolled(child.number, on_file(chance, child), _school(child)))
        if drawn < _BOTH or drawn >= _ENROLLED:
            coded = drawn < _BOTH and chance.random() < _CODED
            written.extend(_forms(chance, child, coded=coded))
    chance.shuffle(roster)
    chance.shuffle(written)
    return roster, written[:forms]


def _forms(chance: random.Random, child: Child, *, coded: bool) -> Iterator[Form]:
    subject_ref = secrets.token_hex(16)
    for elements in _ELEMENTS:
        claim = None if coded else on_form(chance, child)
        yield Form(child, elements, subject_ref, claim, _written_school(chance, child))


def _school(child: Child) -> str:
    return SCHOOLS[child.family % len(SCHOOLS)]


def _written_school(chance: random.Random, child: Child) -> str:
    drawn = chance.random()
    if drawn < _RIGHT_SCHOOL:
        return _school(child)
    return chance.choice(SCHOOLS) if drawn < _SOME_SCHOOL else ""


def _is_adult(child: Child) -> bool:
    born = child.truth.birth_date or dt.date.max
    today = dt.datetime.now(dt.UTC).date()
    return today.year - born.year - ((today.month, today.day) < (born.month, born.day)) >= _ADULT
