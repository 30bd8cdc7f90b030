"""The tables of what a node knows and has done: evidence, link codes, the log.

They stand apart from the records, so that a long import never delays a revocation or a log entry.
Instants are whole seconds since 1970 in UTC: integers compare alike in every database.
"""

from sqlalchemy import BigInteger, LargeBinary, Table
from sqlmodel import Field, MetaData, SQLModel

from services.runtime.audit.tables import log_tables


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


class LinkCodeRow(StateTable, table=True):
    """The digest of a random code that was printed on a form for one student."""

    __tablename__ = "link_code"

    code_digest: str = Field(primary_key=True)
    student_key: int = Field(sa_type=BigInteger, index=True)


class DecisionRecordRow(StateTable, table=True):
    """What one decision was made from, beside its log entry; old ones are deleted."""

    __tablename__ = "decision_record"

    log_index: int = Field(primary_key=True, sa_type=BigInteger)
    decided_at: int = Field(sa_type=BigInteger, index=True)
    query_digest: str = Field(index=True)
    facts: str
    decision: str
    federation_revision: str
    local_revision: str


class PolicyBundleRow(StateTable, table=True):
    """The bundle of one policy that was taken last; none of a lower sequence is taken after it."""

    __tablename__ = "policy_bundle"

    scope: str = Field(primary_key=True)
    sequence: int = Field(sa_type=BigInteger)
    packed: bytes = Field(sa_type=LargeBinary)
    taken_at: int = Field(sa_type=BigInteger)


class PartnerLogRow(StateTable, table=True):
    """How far a partner's log was followed, and the evidence where it contradicted itself."""

    __tablename__ = "partner_log"

    organization_id: str = Field(primary_key=True)
    position: int = Field(sa_type=BigInteger)
    origin: str
    size: int = Field(sa_type=BigInteger)
    root: bytes = Field(sa_type=LargeBinary)
    note: str
    checkpoint_key: bytes = Field(sa_type=LargeBinary)
    begun_anew: int = Field(sa_type=BigInteger)
    seen_at: int = Field(sa_type=BigInteger)
    contradiction: str
    known_note: str
    refused_note: str
    contradicted_at: int = Field(sa_type=BigInteger)


def table_of(row: type[StateTable]) -> Table:
    """The table of a row."""
    return StateTable.metadata.tables[str(row.__tablename__)]


SAVED_SNAPSHOT = table_of(SavedSnapshotRow)
AGREEMENT_MEMORY = table_of(AgreementMemoryRow)
LINK_CODE = table_of(LinkCodeRow)
LOG = log_tables(StateTable.metadata)
LOG_ENTRY, LOG_TILE, LOG_CHECKPOINT = LOG.entry, LOG.tile, LOG.checkpoint
DECISION_RECORD = table_of(DecisionRecordRow)
POLICY_BUNDLE = table_of(PolicyBundleRow)
PARTNER_LOG = table_of(PartnerLogRow)
