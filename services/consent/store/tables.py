"""The tables of the consent service. Instants are microseconds since 1970 in UTC.

Nothing here names a person: what a family allowed stands in bodies that this service cannot open.
"""

from typing import Any, ClassVar

from sqlalchemy import BigInteger, LargeBinary, MetaData
from sqlmodel import Field, SQLModel

# SQLite then stores a row in its primary key instead of beside it.
_CLUSTERED: dict[str, Any] = {"sqlite_with_rowid": False}


class ConsentTable(SQLModel):
    """The base of these tables, with metadata of their own."""

    metadata: ClassVar[MetaData] = MetaData()


class SequenceRow(ConsentTable, table=True):
    """The number of changes so far; one row, which every writer locks first."""

    __tablename__ = "consent_sequence"

    sequence_id: int = Field(primary_key=True)
    sequence: int = Field(sa_type=BigInteger)


class ConsentRow(ConsentTable, table=True):
    """A consent, and its place in the order."""

    __tablename__ = "consent"

    consent_id: str = Field(primary_key=True)
    recorder: str
    holder: str
    digest: bytes = Field(sa_type=LargeBinary)
    sequence: int = Field(sa_type=BigInteger, index=True)


class BodyRow(ConsentTable, table=True):
    """The body for one organization of the consent of that sequence, sealed to it."""

    __tablename__ = "consent_body"

    sequence: int = Field(sa_type=BigInteger, primary_key=True)
    organization_id: str = Field(primary_key=True)
    sealed_key: bytes = Field(sa_type=LargeBinary)
    place: int
    sealed_evidence: bytes = Field(sa_type=LargeBinary)


class RevocationRow(ConsentTable, table=True):
    """The first revocation of a consent, as signed."""

    __tablename__ = "revocation"

    consent_id: str = Field(primary_key=True)
    sequence: int = Field(sa_type=BigInteger)
    organization_id: str
    revoke_time: int = Field(sa_type=BigInteger)
    statement: bytes = Field(sa_type=LargeBinary)
    key_id: str
    signature: bytes = Field(sa_type=LargeBinary)


class ChangeRow(ConsentTable, table=True):
    """One step of one organization's chain."""

    __tablename__ = "consent_change"
    __table_args__ = _CLUSTERED

    organization_id: str = Field(primary_key=True)
    sequence: int = Field(sa_type=BigInteger, primary_key=True)
    previous_sequence: int = Field(sa_type=BigInteger)
    kind: str
    consent_id: str
    taken_at: int = Field(sa_type=BigInteger)


class NoticeRow(ConsentTable, table=True):
    """One organization's word about consents: a partial withdrawal, verdicts, or new names."""

    __tablename__ = "consent_notice"

    sequence: int = Field(sa_type=BigInteger, primary_key=True)
    kind: str
    consent_id: str = Field(index=True)
    organization_id: str
    digest: bytes = Field(sa_type=LargeBinary)


class NoticeBodyRow(ConsentTable, table=True):
    """A notice's statement for one organization, sealed to it."""

    __tablename__ = "consent_notice_body"

    sequence: int = Field(sa_type=BigInteger, primary_key=True)
    organization_id: str = Field(primary_key=True)
    sealed_statement: bytes = Field(sa_type=LargeBinary)


class TileRow(ConsentTable, table=True):
    """Up to 256 hashes of one level of the log's tree, in order."""

    __tablename__ = "consent_log_tile"

    level: int = Field(primary_key=True)
    place: int = Field(sa_type=BigInteger, primary_key=True)
    hashes: bytes = Field(sa_type=LargeBinary)


class ChainRow(ConsentTable, table=True):
    """The newest step of one organization's chain."""

    __tablename__ = "consent_chain"

    organization_id: str = Field(primary_key=True)
    sequence: int = Field(sa_type=BigInteger, index=True)


class RequestRow(ConsentTable, table=True):
    """A call that was answered, so that a retry is answered the same."""

    __tablename__ = "consent_request"

    organization_id: str = Field(primary_key=True)
    request_id: str = Field(primary_key=True)
    digest: bytes = Field(sa_type=LargeBinary)
    sequence: int = Field(sa_type=BigInteger)
    recorded_count: int


class SavedSnapshotRow(ConsentTable, table=True):
    """The newest registry snapshot, as signed; one row."""

    __tablename__ = "saved_snapshot"

    snapshot_id: int = Field(primary_key=True)
    evidence: bytes = Field(sa_type=LargeBinary)
