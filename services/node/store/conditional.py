"""The SQL of what may leave where elements wait for more than a consent.

Each student who may be meant is a candidate, with a flag for each element: whether the student's
own facts let it go. Conditions on a row are asked of each row. Consents are flags of candidates
too, unless one of them is for the records of some days: then each row is compared with each grant.
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import (
    CTE,
    BigInteger,
    ColumnElement,
    FromClause,
    Select,
    and_,
    case,
    exists,
    func,
    literal,
    or_,
    select,
    true,
)

from homeroom.catalog import SUBJECT_REF
from homeroom.checks import RowCondition
from homeroom.vocabulary import Element
from services.node.store.conditions import OF_CONSENT, OF_STUDENT, Place, holds, of_rows, old_enough
from services.node.store.consent_tables import CONSENT_GRANT
from services.node.store.consent_tables import SUBJECT_REF as NAMES
from services.node.store.datasets import Source
from services.node.store.element_bits import bit_of
from services.node.store.grants import of_age, released_to, valid_for
from services.node.store.obligations import obligation_columns
from services.node.store.permitted import elements_in_order
from services.node.store.records.tables import RecordTable
from services.node.store.scope import may_be_at_school, named, rows_in_scope, within
from services.node.store.shapes import Recipient, Shape

_STUDENT = RecordTable.metadata.tables["student"]
_GRANT = CONSENT_GRANT.c
_BY_EVERY = frozenset({RowCondition.CONSENTED, RowCondition.SPECIFICALLY_CONSENTED})


class StudentConsents:
    """Consents as flags of each student, in a common table for each recipient."""

    def __init__(self, shape: Shape, *, every_day: bool, needed: bool | None = None) -> None:
        """Makes the tables.

        With `every_day` only grants for the records of every day count. Students who lack what is
        `needed` are left out: by default where every element needs a consent.
        """
        own = _granted(shape, shape.recipients, every_day, "granted")
        others = {
            party: _granted(shape, [party], every_day, f"granted_onward_{place}")
            for place, party in enumerate(sorted(shape.onward_to))
        }
        self._tables = {"": own, **others}
        self._needed = _need_consent(shape) if needed is None else needed

    def cover(
        self, element: Element, *, recipient: str = "", by_name: bool = False
    ) -> ColumnElement[bool]:
        flag = f"n_{element}" if by_name else f"e_{element}"
        return func.coalesce(self._tables[recipient].c[flag], 0) == 1

    def joined_to(self, students: FromClause) -> FromClause:
        """The students with their flags; without those who lack what every element needs."""
        for recipient, table in self._tables.items():
            same = table.c.student_key == _STUDENT.c.student_key
            inner = self._needed and recipient == ""
            students = students.join(table, same, isouter=not inner)
        return students


class _RowConsents:
    """Consents compared with one row: a grant may be for the records of some days only."""

    def __init__(self, shape: Shape, source: Source) -> None:
        self._shape = shape
        self._source = source

    def cover(
        self, element: Element, *, recipient: str = "", by_name: bool = False
    ) -> ColumnElement[bool]:
        shape = self._shape
        recipients = [recipient] if recipient else shape.recipients
        first, last = _GRANT.record_from, _GRANT.record_to
        return exists(
            select(_GRANT.consent_key).where(
                *valid_for(recipients),
                _GRANT.student_key == _STUDENT.c.student_key,
                of_age(),
                _releases(recipients, element, by_name=by_name),
                or_(first.is_(None), within(self._source, first, last, shape)),
            )
        )


def rows_conditional(shape: Shape, source: Source, *, limited: bool) -> Select[Any]:
    """The rows that may leave; a value that may not is null.

    `limited` says that some grant is for the records of some days only.
    """
    flagged = None if limited else StudentConsents(shape, every_day=True)
    candidate = _candidates(shape, source, flagged)
    flags = _row_flags(shape, candidate, source, limited=limited)
    columns = [
        case((flags[column.element], source.column(column.name))).label(column.name)
        for column in shape.dataset.columns_of(shape.elements)
    ]
    told = obligation_columns(shape, flags)
    statement = rows_in_scope(
        select(candidate.c.subject_ref, *columns, *told), candidate, shape, source
    ).where(candidate.c.subject_ref.is_not(None))
    row_element = shape.dataset.row_element
    if row_element is not None:
        return statement.where(flags[row_element])
    return statement.where(or_(*flags.values()))


def students_conditional(shape: Shape, source: Source) -> Select[Any]:
    """Each student of whom something may leave: key, name, elements as one number.

    What is asked of single rows is not looked at here, nor of which days a consent is.
    """
    candidate = _candidates(shape, source, StudentConsents(shape, every_day=False))
    mask: ColumnElement[int] = literal(0, BigInteger)
    for element in elements_in_order(shape):
        bit = literal(bit_of(element), BigInteger)
        mask = mask + candidate.c[f"e_{element}"] * bit
    covered = select(candidate.c.student_key, candidate.c.subject_ref, mask.label("elements"))
    inner = covered.subquery("covered")
    return select(inner).where(inner.c.elements != 0)


def withholds_rows(shape: Shape, source: Source) -> bool:
    """Whether a condition asks something of each row."""
    return any(words & of_rows(source) for words in shape.conditions.values())


def rows_withheld(shape: Shape, source: Source) -> Select[Any]:
    """The rows that a condition on rows withholds, by student; there must be such a condition.

    A row that is withheld in the middle of an answer, and was not before, has left or will.
    """
    place = Place(shape, _RowConsents(shape, source), source)
    unmet = [
        ~holds(place, element, word)
        for element, words in shape.conditions.items()
        for word in sorted(words & of_rows(source))
    ]
    return (
        select(source.table.c.student_key, *source.key)
        .select_from(source.table)
        .where(source.where, or_(*unmet))
    )


def _candidates(shape: Shape, source: Source, flagged: StudentConsents | None) -> CTE:
    """The students who may be meant: key, subject_ref, a flag for each element.

    Without `flagged`, consents are left to be asked of each row.
    """
    place = Place(shape, flagged or _RowConsents(shape, source), source)
    left_out = of_rows(source) | (frozenset() if flagged else OF_CONSENT)
    of_all = _of_all(shape)
    students = flagged.joined_to(_STUDENT) if flagged else _STUDENT
    flags = [
        case(
            (
                _every(
                    old_enough(shape, element),
                    *_each(place, element, shape.conditions[element] - left_out - of_all),
                ),
                1,
            ),
            else_=0,
        ).label(f"e_{element}")
        for element in elements_in_order(shape)
    ]
    return (
        select(_STUDENT.c.student_key, NAMES.c.subject_ref.label(SUBJECT_REF), *flags)
        .select_from(named(students, _STUDENT.c.student_key, shape))
        .where(
            *may_be_at_school(shape),
            *_of_everyone(place, of_all),
            *([] if flagged else _with_grant(shape)),
        )
        .cte("candidate")
        .prefix_with("MATERIALIZED")
    )


def _need_consent(shape: Shape) -> bool:
    """Whether nothing of a student without a consent can leave."""
    every = shape.conditions.values()
    return bool(every) and all(words & _BY_EVERY for words in every)


def _with_grant(shape: Shape) -> list[ColumnElement[bool]]:
    """That a student has a grant at all, where nothing leaves without one."""
    if not _need_consent(shape):
        return []
    granted = select(_GRANT.student_key).where(*valid_for(shape.recipients))
    return [_STUDENT.c.student_key.in_(granted)]


def _of_all(shape: Shape) -> frozenset[RowCondition]:
    """What every element waits for, and is the same for each: who is no candidate at all."""
    every = list(shape.conditions.values())
    return OF_STUDENT.intersection(*every) if every else frozenset()


def _of_everyone(place: Place, words: frozenset[RowCondition]) -> list[ColumnElement[bool]]:
    return [holds(place, next(iter(Element)), word) for word in sorted(words)]


def _row_flags(
    shape: Shape, candidate: CTE, source: Source, *, limited: bool
) -> dict[Element, ColumnElement[bool]]:
    """For each element whether it may leave in a row."""
    place = Place(shape, _RowConsents(shape, source), source)
    of_row = of_rows(source) | (OF_CONSENT if limited else frozenset())
    return {
        element: _every(
            candidate.c[f"e_{element}"] == 1,
            *_each(place, element, shape.conditions[element] & of_row),
        )
        for element in elements_in_order(shape)
    }


def _each(
    place: Place, element: Element, words: frozenset[RowCondition]
) -> list[ColumnElement[bool]]:
    return [holds(place, element, word) for word in sorted(words)]


def _every(*parts: ColumnElement[bool]) -> ColumnElement[bool]:
    return and_(true(), *parts)


def _granted(shape: Shape, recipients: Sequence[Recipient], every_day: bool, name: str) -> CTE:
    """For each student what valid grants release to some recipients, a flag for each element."""
    flags = [
        func.max(case((_releases(recipients, element, by_name=by_name), 1), else_=0)).label(
            f"{letter}_{element}"
        )
        for letter, by_name, elements in (
            ("e", False, shape.elements_and_sources),
            ("n", True, shape.elements),
        )
        for element in sorted(elements)
    ]
    days = [_GRANT.record_from.is_(None)] if every_day else []
    return (
        select(_GRANT.student_key, *flags)
        .join(_STUDENT, _STUDENT.c.student_key == _GRANT.student_key)
        .where(*valid_for(recipients), of_age(), *days)
        .group_by(_GRANT.student_key)
        .cte(name)
    )


def _releases(
    recipients: Sequence[Recipient], element: Element, *, by_name: bool
) -> ColumnElement[bool]:
    """That a grant releases an element; `by_name`, that its consent names the element itself."""
    released = released_to(recipients)
    if by_name:
        released = released.bitwise_and(_GRANT.named)
    return released.bitwise_and(literal(bit_of(element))) != 0
