"""The tables of consents at the holder: what arrived, what it allows, and whom it names how.

One grant is one row whatever it releases: its elements are the bits of a number. Rows stand in the
order in which a query narrows, and the name of a student is joined to them when it asks.
"""

import datetime as dt
from typing import Any, ClassVar

from sqlalchemy import BigInteger, Index, Integer, LargeBinary, text
from sqlmodel import Field

from services.node.store.state_tables import StateTable, table_of

_KEY = BigInteger().with_variant(Integer, "sqlite")
_CLUSTERED: dict[str, Any] = {"sqlite_with_rowid": False}


def _few(table: str, column: str, where: str, *columns: str) -> Index:
    """An index of the few rows that are looked for by this column, or as it says by others."""
    return Index(
        f"ix_{table}_{column}",
        *columns or (column,),
        sqlite_where=text(where),
        postgresql_where=text(where),
    )


def _flagged(table: str, flag: str, *columns: str, unique: bool = False) -> Index:
    """An index of the rows that have a flag, which each database writes in its own way."""
    return Index(
        f"ix_{table}_{flag}",
        *columns or (flag,),
        unique=unique,
        sqlite_where=text(f"{flag} = 1"),
        postgresql_where=text(flag),
    )


class ConsentProgressRow(StateTable, table=True):
    """How far this node has followed the consent service; one row."""

    __tablename__ = "consent_progress"

    progress_id: int = Field(default=1, primary_key=True)
    sequence: int = Field(sa_type=BigInteger)
    organization_sequence: int = Field(sa_type=BigInteger)
    confirmed_at: int = Field(sa_type=BigInteger)
    log_size: int = Field(sa_type=BigInteger)
    log_root: bytes


class ConsentRulesRow(StateTable, table=True):
    """The revision of the rules by which consents were settled last; one row."""

    __tablename__ = "consent_rules"

    rules_id: int = Field(default=1, primary_key=True)
    revision: str


class ConsentRow(StateTable, table=True):
    """A consent that arrived here: what the recorder signed, and what became of it.

    A revocation may be known before its consent: then `evidence` is empty. `birth_date` is the one
    it was settled by, `code_digest` that of the link code it waits for, `verdict` the codes that
    its recorder is told. What is `due` is to be settled again.
    """

    __tablename__ = "consent"
    __table_args__: ClassVar[Any] = (
        *(
            _few("consent", column, f"{column} IS NOT NULL")
            for column in ("student_key", "problem", "code_digest", "last_date")
        ),
        _flagged("consent", "due"),
        _flagged("consent", "report_due", "recorder", "consent_key"),
    )

    consent_key: int | None = Field(default=None, primary_key=True, sa_type=_KEY)
    consent_id: str = Field(unique=True)
    recorder: str
    evidence: bytes = Field(sa_type=LargeBinary)
    taken_at: int = Field(sa_type=BigInteger)
    student_key: int | None = Field(default=None, sa_type=BigInteger)
    birth_date: dt.date | None = None
    code_digest: str | None = None
    problem: str | None = None
    verdict: str | None = None
    last_date: dt.date | None = None
    due: bool
    report_due: bool
    revoked_at: int | None = Field(default=None, sa_type=BigInteger)


class ConsentWithdrawalRow(StateTable, table=True):
    """A part of a consent that was taken back, for a recipient, or for every one if it is empty.

    It may be known before its consent.
    """

    __tablename__ = "consent_withdrawal"
    __table_args__: ClassVar[Any] = (_few("consent_withdrawal", "recipient", "recipient <> ''"),)

    consent_id: str = Field(primary_key=True)
    recipient: str = Field(primary_key=True)
    elements: int = Field(sa_type=BigInteger)
    withdrawn_at: int = Field(sa_type=BigInteger)


class ConsentGrantRow(StateTable, table=True):
    """One permission of one consent: recipient, purpose, student, elements, from, to.

    `named` has the elements that the consent names itself, beside any general release.
    """

    __tablename__ = "consent_grant"
    __table_args__: ClassVar[Any] = (
        Index("ix_consent_grant_consent_key", "consent_key"),
        Index("ix_consent_grant_student_key", "student_key"),
        # Whether there is any is asked with every question: not by going through all grants.
        _few(
            *("consent_grant", "record_from", "record_from IS NOT NULL"),
            *("recipient", "purpose", "record_from"),
        ),
        _CLUSTERED,
    )

    recipient: str = Field(primary_key=True)
    purpose: str = Field(primary_key=True)
    student_key: int = Field(primary_key=True, sa_type=BigInteger)
    consent_key: int = Field(primary_key=True, sa_type=BigInteger)
    elements: int = Field(sa_type=BigInteger)
    named: int = Field(default=0, sa_type=BigInteger)
    valid_from: int = Field(sa_type=BigInteger)
    valid_to: int = Field(sa_type=BigInteger)
    age_rule: int
    agreement_id: str
    record_from: dt.date | None = None
    record_to: dt.date | None = None


class SubjectRefRow(StateTable, table=True):
    """The name by which one recipient knows a student.

    One is in use for each recipient and student, and stands in answers; others still find the
    student, until they are retired. A name may be replaced before its student is known.
    """

    __tablename__ = "subject_ref"
    __table_args__: ClassVar[Any] = (
        _flagged("subject_ref", "in_use", "student_key", "recipient", unique=True),
        _CLUSTERED,
    )

    recipient: str = Field(primary_key=True)
    subject_ref: str = Field(primary_key=True)
    student_key: int | None = Field(default=None, sa_type=BigInteger)
    in_use: bool
    retired_at: int | None = Field(default=None, sa_type=BigInteger)
    replaced_by: str | None = None


class StudentRightsRow(StateTable, table=True):
    """What the holder's staff noted of the rights over one student's records."""

    __tablename__ = "student_rights"

    student_key: int = Field(primary_key=True, sa_type=BigInteger)
    kind: str = Field(primary_key=True)
    person: str = Field(primary_key=True)
    from_day: dt.date | None = None


CONSENT_PROGRESS = table_of(ConsentProgressRow)
CONSENT_RULES = table_of(ConsentRulesRow)
CONSENT = table_of(ConsentRow)
CONSENT_WITHDRAWAL = table_of(ConsentWithdrawalRow)
CONSENT_GRANT = table_of(ConsentGrantRow)
SUBJECT_REF = table_of(SubjectRefRow)
STUDENT_RIGHTS = table_of(StudentRightsRow)
