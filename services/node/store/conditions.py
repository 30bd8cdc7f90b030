"""What each row condition means in SQL, for one student or one row, at the selection's instant.

Each is true, or it is not: what is unknown is not true. A word without a function here cannot be
enforced, and then this module cannot be imported.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from sqlalchemy import ColumnElement, and_, exists, false, func, or_, select, true

from homeroom.checks import RowCondition
from homeroom.vocabulary import Element
from services.node.domain.decision import ENFORCED
from services.node.domain.record_tables import ALL_ELEMENTS
from services.node.domain.selection import Relation, RightsClaim
from services.node.store.consent_tables import STUDENT_RIGHTS
from services.node.store.consent_tables import SUBJECT_REF as NAMES
from services.node.store.datasets import Source
from services.node.store.lists import one_listed
from services.node.store.matter_tables import MATTER as MATTER_TABLE
from services.node.store.matter_tables import MATTER_STUDENT
from services.node.store.records.tables import RecordTable
from services.node.store.rights import RightsKind
from services.node.store.shapes import (
    ADULTS_BORN_BY,
    AS_OF,
    CASELOAD,
    INSTANT,
    MATTER,
    RECIPIENT,
    TODAY,
    Shape,
    born_by_now,
)

_TABLES = RecordTable.metadata.tables
_STUDENT = _TABLES["student"].c
_STATUS = _TABLES["student_status"].c
_OPT_OUT = _TABLES["directory_opt_out"].c
_RIGHTS = STUDENT_RIGHTS.c


class Consents(Protocol):
    """What the consents of the student that is looked at cover."""

    def cover(
        self, element: Element, *, recipient: str = "", by_name: bool = False
    ) -> ColumnElement[bool]:
        """That one covers an element, for the requester or for another recipient.

        With `by_name` it must name the element itself, beside any general release.
        """
        ...


@dataclass(frozen=True, slots=True)
class Place:
    """Where a condition is looked at: a student of the records, and one row of a dataset."""

    shape: Shape
    consents: Consents
    source: Source


Condition = Callable[[Place, Element], ColumnElement[bool]]


def holds(place: Place, element: Element, word: RowCondition) -> ColumnElement[bool]:
    """That a condition on an element is met."""
    return CONDITIONS[word](place, element)


def of_rows(source: Source) -> frozenset[RowCondition]:
    """The conditions that ask something of each row of a dataset."""
    asked = {
        RowCondition.SURVEY_CONSENTED: source.survey_consent,
        RowCondition.SINGLE_SUBJECT: source.concerns_others,
    }
    return frozenset(word for word, known in asked.items() if known is not None)


def old_enough(shape: Shape, element: Element) -> ColumnElement[bool]:
    """That the student is of the age from which an element leaves."""
    years = shape.min_ages.get(element, 0)
    if not years:
        return true()
    return func.coalesce(_STUDENT.birth_date <= born_by_now(years), false())


def homeless() -> ColumnElement[bool]:
    """That a student is known to experience homelessness."""
    return or_(
        _STUDENT.homeless.is_(true()),
        _STUDENT.nighttime_residence.is_not(None),
        _has_status("homeless", TODAY),
    )


def _consented(place: Place, element: Element) -> ColumnElement[bool]:
    return place.consents.cover(element)


def _specifically_consented(place: Place, element: Element) -> ColumnElement[bool]:
    return place.consents.cover(element, by_name=True)


def _onward_consented(place: Place, element: Element) -> ColumnElement[bool]:
    onward = sorted(place.shape.onward_to)
    return _all(*[place.consents.cover(element, recipient=one) for one in onward])


def _sources_consented(place: Place, element: Element) -> ColumnElement[bool]:
    sources = sorted(place.shape.sources.get(element, ()))
    return _all(*[place.consents.cover(source) for source in sources])


def _survey_consented(place: Place, _: Element) -> ColumnElement[bool]:
    known = place.source.survey_consent
    if known is None:
        return false()
    return func.coalesce(known, "missing").in_(["given", "not_required"])


def _part_b_consented(place: Place, element: Element) -> ColumnElement[bool]:
    # An answer may tell of an earlier day: who had a disability then is told of as having one.
    without_disability = and_(
        _STUDENT.special_education.is_(false()),
        ~_has_status("special_education", TODAY),
        ~_has_status("special_education", AS_OF),
    )
    return or_(without_disability, place.consents.cover(element))


def _on_caseload(place: Place, _: Element) -> ColumnElement[bool]:
    if not place.shape.has_caseload:
        return true()
    return _STUDENT.student_key.in_(
        select(NAMES.c.student_key).where(
            NAMES.c.recipient == RECIPIENT,
            one_listed(NAMES.c.subject_ref, CASELOAD),
            NAMES.c.retired_at.is_(None),
        )
    )


def _named_in_matter(place: Place, _: Element) -> ColumnElement[bool]:
    if not place.shape.has_matter:
        return false()
    return _STUDENT.student_key.in_(
        select(MATTER_STUDENT.c.student_key)
        .join(MATTER_TABLE, MATTER_TABLE.c.matter_key == MATTER_STUDENT.c.matter_key)
        .where(
            MATTER_TABLE.c.matter_key == MATTER,
            MATTER_TABLE.c.valid_from <= INSTANT,
            MATTER_TABLE.c.valid_to >= INSTANT,
            MATTER_TABLE.c.ended_at.is_(None),
        )
    )


def _directory_not_opted_out(_: Place, element: Element) -> ColumnElement[bool]:
    return ~exists(
        select(_OPT_OUT.element).where(
            _OPT_OUT.student_key == _STUDENT.student_key,
            _OPT_OUT.element.in_([element.value, ALL_ELEMENTS]),
        )
    )


def _living_situation_hidden(place: Place, _: Element) -> ColumnElement[bool]:
    then = _has_status("homeless", AS_OF)
    return and_(_STUDENT.homeless.is_(false()), ~homeless(), ~then)


def _single_subject(place: Place, _: Element) -> ColumnElement[bool]:
    others = place.source.concerns_others
    return true() if others is None else others.is_(false())


def _rights_held(place: Place, _: Element) -> ColumnElement[bool]:
    claim = place.shape.rights
    if claim is None:
        return false()
    if claim.relation is Relation.STUDENT:
        return true()
    moved = exists(
        select(_RIGHTS.kind).where(
            _RIGHTS.student_key == _STUDENT.student_key,
            _RIGHTS.kind == RightsKind.POSTSECONDARY.value,
            or_(_RIGHTS.from_day.is_(None), _RIGHTS.from_day <= TODAY),
        )
    )
    minor = func.coalesce(_STUDENT.birth_date > ADULTS_BORN_BY, false())
    still_theirs = true() if claim.dependent_for_tax else and_(minor, ~moved)
    return and_(still_theirs, _not_limited(claim))


def _not_limited(claim: RightsClaim) -> ColumnElement[bool]:
    """That no court ended a person's rights: with any order on file, staff must have noted so."""
    person = claim.person.strip().casefold()
    orders, cleared = (
        exists(
            select(_RIGHTS.kind).where(
                _RIGHTS.student_key == _STUDENT.student_key,
                _RIGHTS.kind == kind.value,
                *([func.lower(_RIGHTS.person) == person] if whose else []),
            )
        )
        for kind, whose in ((RightsKind.COURT_LIMIT, False), (RightsKind.ENTITLED, True))
    )
    return or_(~orders, cleared)


def _never(_place: Place, _element: Element) -> ColumnElement[bool]:
    """What leaves only as counts, or without what identifies, is never a student's row."""
    return false()


def _has_status(status: str, day: ColumnElement[Any]) -> ColumnElement[bool]:
    return exists(
        select(_STATUS.status).where(
            _STATUS.student_key == _STUDENT.student_key,
            _STATUS.status == status,
            _STATUS.begin_date <= day,
            or_(_STATUS.end_date.is_(None), _STATUS.end_date >= day),
        )
    )


def _all(*parts: ColumnElement[bool]) -> ColumnElement[bool]:
    """That each of some parts holds; where there is none, nothing was said that could hold."""
    return and_(*parts) if parts else false()


_MEANINGS: Mapping[RowCondition, Condition] = {
    RowCondition.CONSENTED: _consented,
    RowCondition.SPECIFICALLY_CONSENTED: _specifically_consented,
    RowCondition.ONWARD_CONSENTED: _onward_consented,
    RowCondition.SOURCES_CONSENTED: _sources_consented,
    RowCondition.SURVEY_CONSENTED: _survey_consented,
    RowCondition.PART_B_CONSENTED: _part_b_consented,
    RowCondition.ON_CASELOAD: _on_caseload,
    RowCondition.NAMED_IN_MATTER: _named_in_matter,
    RowCondition.DIRECTORY_NOT_OPTED_OUT: _directory_not_opted_out,
    RowCondition.LIVING_SITUATION_HIDDEN: _living_situation_hidden,
    RowCondition.SINGLE_SUBJECT: _single_subject,
    RowCondition.RIGHTS_HELD: _rights_held,
    RowCondition.AGGREGATED: _never,
    RowCondition.DEIDENTIFIED: _never,
}

CONDITIONS: Mapping[RowCondition, Condition] = {word: _MEANINGS[word] for word in ENFORCED}
"""The meaning of each condition that a node holds its answers to."""

OF_CONSENT = frozenset(
    {
        RowCondition.CONSENTED,
        RowCondition.SPECIFICALLY_CONSENTED,
        RowCondition.ONWARD_CONSENTED,
        RowCondition.SOURCES_CONSENTED,
        RowCondition.PART_B_CONSENTED,
    }
)
"""Those that ask what consents cover; where one is for the records of some days, row by row."""

OF_STUDENT = frozenset(
    {RowCondition.NAMED_IN_MATTER, RowCondition.ON_CASELOAD, RowCondition.RIGHTS_HELD}
)
"""Those that ask the same of a student whatever the element."""
