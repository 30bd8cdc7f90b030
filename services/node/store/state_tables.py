"""The tables of what a node knows and has done: consents, grants, link codes, evidence, the log.

They stand apart from the records, so that a long import never delays a revocation or a log entry.
Instants are whole seconds since 1970 in UTC: integers compare alike in every database.
"""

from sqlalchemy import BigInteger, Index, LargeBinary, Table, UniqueConstraint
from sqlmodel import Field, MetaData, SQLModel


class StateTable(SQLModel):
    """The base of these tables, with metadata of their own."""

    metadata = MetaData()


class SavedSnapshotRow(StateTable, table=True):
    """The newest registry snapshot, as signed; one row."""

    __tablename__ = "saved_snapshot"

    snapshot_id: int = Field(default=1, primary_key=True)
    evidence: bytes = Field(sa_type=LargeBinary)


class AgreementMemoryRow(StateTable, table=True):
    """How far an agreement's history was seen; one that lacks any of that is not believed."""

    __tablename__ = "agreement_memory"

    agreement_id: str = Field(primary_key=True)
    length: int = Field(sa_type=BigInteger)
    head: bytes = Field(sa_type=LargeBinary)


class ConsentProgressRow(StateTable, table=True):
    """How far this node has followed the consent service; one row."""

    __tablename__ = "consent_progress"

    progress_id: int = Field(default=1, primary_key=True)
    sequence: int = Field(sa_type=BigInteger)
    organization_sequence: int = Field(sa_type=BigInteger)
    confirmed_at: int = Field(sa_type=BigInteger)


class ConsentRow(StateTable, table=True):
    """A consent that arrived here: the recorder's signed statement, and what became of it.

    A revocation may be known before its consent: then `statement` is empty.
    """

    __tablename__ = "consent"

    consent_id: str = Field(primary_key=True)
    recorder: str
    statement: bytes = Field(sa_type=LargeBinary)
    student_key: int | None = Field(default=None, sa_type=BigInteger)
    problem: str | None = Field(default=None, index=True)
    revoked_at: int | None = Field(default=None, sa_type=BigInteger)


class ConsentGrantRow(StateTable, table=True):
    """One permission of one consent: student, element, recipient, purpose, from, to."""

    __tablename__ = "consent_grant"
    __table_args__ = (
        # The order in which a query narrows: who asks, why, for whom, what.
        Index("ix_consent_grant_query", "recipient", "purpose", "student_key", "element"),
        Index("ix_consent_grant_consent", "consent_id"),
    )

    grant_id: int | None = Field(default=None, primary_key=True)
    consent_id: str
    student_key: int = Field(sa_type=BigInteger)
    element: str
    recipient: str
    purpose: str
    subject_ref: str
    valid_from: int = Field(sa_type=BigInteger)
    valid_to: int = Field(sa_type=BigInteger)


class LinkCodeRow(StateTable, table=True):
    """The digest of a random code that was printed on a form for one student."""

    __tablename__ = "link_code"

    code_digest: str = Field(primary_key=True)
    student_key: int = Field(sa_type=BigInteger, index=True)


class LogEntryRow(StateTable, table=True):
    """One entry of the append-only log; each digest covers the one before."""

    __tablename__ = "log_entry"
    __table_args__ = (UniqueConstraint("kind", "query_digest"),)

    log_index: int = Field(primary_key=True, sa_type=BigInteger)
    kind: str
    query_digest: str
    written_at: int = Field(sa_type=BigInteger)
    content: str
    previous_digest: str
    digest: str


def _table(row: type[StateTable]) -> Table:
    return StateTable.metadata.tables[str(row.__tablename__)]


SAVED_SNAPSHOT = _table(SavedSnapshotRow)
AGREEMENT_MEMORY = _table(AgreementMemoryRow)
CONSENT_PROGRESS = _table(ConsentProgressRow)
CONSENT = _table(ConsentRow)
CONSENT_GRANT = _table(ConsentGrantRow)
LINK_CODE = _table(LinkCodeRow)
LOG_ENTRY = _table(LogEntryRow)
