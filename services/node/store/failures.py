"""Reads which checks each named student's own facts fail."""

import datetime as dt
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Select, case, select

from homeroom.checks import RowCondition
from homeroom.vocabulary import Element, ReasonCode
from services.node.domain.consents import AgeRule
from services.node.domain.failures import (
    CODES,
    ConsentOnFile,
    GrantOnFile,
    first_of,
    what_consents_lack,
)
from services.node.domain.selection import Failure, Selection
from services.node.store.conditional import StudentConsents
from services.node.store.conditions import Place, holds, of_rows, old_enough
from services.node.store.consent_tables import CONSENT, CONSENT_GRANT
from services.node.store.consent_tables import SUBJECT_REF as NAMES
from services.node.store.datasets import Source
from services.node.store.element_bits import elements_in
from services.node.store.lists import in_lists, one_listed
from services.node.store.matter_tables import MATTER_STUDENT
from services.node.store.permitted import elements_in_order
from services.node.store.records.tables import RecordTable
from services.node.store.scope import may_be_at_school
from services.node.store.shapes import MATTER, RECIPIENT, SUBJECT_REFS, Shape, shape_of

Fetch = Callable[[Select[Any]], Sequence[Any]]
Withheld = Callable[[Iterable[int]], Sequence[Any]]
"""Reads the rows of some students, by key, that a condition on rows withholds."""

Check = tuple[Element, RowCondition | ReasonCode]

_STUDENT = RecordTable.metadata.tables["student"]
_GRANT = CONSENT_GRANT.c
_LACKING = frozenset({RowCondition.CONSENTED, RowCondition.SOURCES_CONSENTED})


def failures_of(
    selection: Selection, source: Source, fetch: Fetch, withheld: Withheld
) -> Sequence[Failure]:
    """For each named student and element the first check that fails, if one does."""
    failed = _checks_failed(shape_of(selection), source, fetch)
    row_words = of_rows(source)
    for key in {row[0] for row in withheld(failed)} & failed.keys():
        failed[key] += [
            (element, word)
            for element, words in selection.conditions.items()
            for word in words & row_words
        ]
    lacking = [key for key, checks in failed.items() if any(word in _LACKING for _, word in checks)]
    consents = _consents_of(lacking, fetch)
    return [
        (key, element, first_of(codes))
        for key, checks in sorted(failed.items())
        for element, codes in _codes(selection, checks, consents.get(key, ())).items()
    ]


def _checks_failed(shape: Shape, source: Source, fetch: Fetch) -> dict[int, list[Check]]:
    """Each named student, with the checks on the student that fail."""
    consents = StudentConsents(shape, every_day=False, needed=False)
    place = Place(shape, consents, source)
    at_school = may_be_at_school(shape)
    checks: list[Check] = []
    met: list[ColumnElement[bool]] = []
    for element in elements_in_order(shape):
        for word in sorted(shape.conditions[element] - of_rows(source)):
            checks.append((element, word))
            met.append(holds(place, element, word))
        checks.append((element, ReasonCode.LOCAL_RULE_WITHHELD))
        met.append(old_enough(shape, element))
        for condition in at_school:
            checks.append((element, ReasonCode.AGREEMENT_SCHOOL_OUT_OF_SCOPE))
            met.append(condition)
    flags = [case((one, 1), else_=0).label(f"check_{place}") for place, one in enumerate(met)]
    statement = (
        select(_STUDENT.c.student_key, *flags)
        .select_from(consents.joined_to(_STUDENT))
        .where(_STUDENT.c.student_key.in_(_named(shape)))
    )
    return {
        key: [check for check, flag in zip(checks, row, strict=True) if not flag]
        for key, *row in fetch(statement)
    }


def _named(shape: Shape) -> Select[Any]:
    """The students whom the question names, or else the matter."""
    if not shape.names_some:
        of_matter = MATTER_STUDENT.c.matter_key == MATTER
        return select(MATTER_STUDENT.c.student_key).where(of_matter)
    return select(NAMES.c.student_key).where(
        NAMES.c.recipient == RECIPIENT,
        one_listed(NAMES.c.subject_ref, SUBJECT_REFS),
        NAMES.c.student_key.is_not(None),
        NAMES.c.retired_at.is_(None),
    )


def _codes(
    selection: Selection, checks: Iterable[Check], consents: Sequence[ConsentOnFile]
) -> Mapping[Element, list[ReasonCode]]:
    codes: dict[Element, list[ReasonCode]] = {}
    for element, check in checks:
        if isinstance(check, ReasonCode):
            code = check
        elif check is RowCondition.CONSENTED:
            code = what_consents_lack(consents, selection, [element])
        elif check is RowCondition.SOURCES_CONSENTED:
            sources = sorted(selection.sources.get(element, ()))
            code = what_consents_lack(consents, selection, sources or [element])
        else:
            code = CODES[check]
        codes.setdefault(element, []).append(code)
    return codes


def _consents_of(keys: Sequence[int], fetch: Fetch) -> Mapping[int, Sequence[ConsentOnFile]]:
    """What is on file of some students' consents, in force or not."""
    found: dict[int, list[ConsentOnFile]] = {}
    for some in in_lists(keys):
        grants: dict[int, list[GrantOnFile]] = {}
        for consent_key, *grant in fetch(_grants_of(some)):
            recipient, purpose, agreement_id, mask, valid_from, valid_to, rule = grant
            grants.setdefault(consent_key, []).append(
                GrantOnFile(
                    *(recipient, purpose, agreement_id, elements_in(mask)),
                    *(valid_from, valid_to, AgeRule(rule)),
                )
            )
        for key, consent_key, revoked_at, problem, born in fetch(_consents_named(some)):
            found.setdefault(key, []).append(
                ConsentOnFile(
                    _day(born), revoked_at is not None, problem, grants.get(consent_key, ())
                )
            )
    return found


def _consents_named(keys: Sequence[int]) -> Select[Any]:
    return (
        select(
            CONSENT.c.student_key,
            CONSENT.c.consent_key,
            CONSENT.c.revoked_at,
            CONSENT.c.problem,
            _STUDENT.c.birth_date,
        )
        .join(_STUDENT, _STUDENT.c.student_key == CONSENT.c.student_key)
        .where(CONSENT.c.student_key.in_(keys))
        .order_by(CONSENT.c.consent_key)
    )


def _grants_of(keys: Sequence[int]) -> Select[Any]:
    return select(
        _GRANT.consent_key,
        _GRANT.recipient,
        _GRANT.purpose,
        _GRANT.agreement_id,
        _GRANT.elements,
        _GRANT.valid_from,
        _GRANT.valid_to,
        _GRANT.age_rule,
    ).where(_GRANT.student_key.in_(keys))


def _day(stored: Any) -> dt.date | None:
    """A date, which SQLite keeps as text."""
    return None if stored is None else dt.date.fromisoformat(str(stored))
