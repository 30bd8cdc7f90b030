"""The tables of the registry.

Instants are microseconds since 1970 in UTC; of checkpoints seconds, as cosignatures have them.
"""

import datetime as dt
from typing import ClassVar

from sqlalchemy import BigInteger, LargeBinary, MetaData
from sqlmodel import Field, SQLModel


class RegistryTable(SQLModel):
    """The base of these tables, with metadata of their own."""

    metadata: ClassVar[MetaData] = MetaData()


class SequenceRow(RegistryTable, table=True):
    """The number of changes so far; one row, which every writer locks first."""

    __tablename__ = "registry_sequence"

    sequence_id: int = Field(primary_key=True)
    sequence: int = Field(sa_type=BigInteger)


class OrganizationRow(RegistryTable, table=True):
    """An organization's newest record, its standing, and its classes; signatures as JSON."""

    __tablename__ = "organization"

    organization_id: str = Field(primary_key=True)
    record: bytes = Field(sa_type=LargeBinary)
    signatures: str
    record_version: int = Field(sa_type=BigInteger)
    kind: str
    signing_key: bytes = Field(sa_type=LargeBinary)
    sealing_key: bytes = Field(sa_type=LargeBinary)
    checkpoint_key: bytes = Field(sa_type=LargeBinary)
    recovery_key: bytes = Field(sa_type=LargeBinary)
    standing: str
    standing_time: int = Field(sa_type=BigInteger)
    classes: str
    debarred_until: dt.date | None = None


class KeyRecordRow(RegistryTable, table=True):
    """A record that brought an organization other keys, as signed; only a mark is ever added."""

    __tablename__ = "organization_key_record"

    organization_id: str = Field(primary_key=True)
    position: int = Field(sa_type=BigInteger, primary_key=True)
    record: bytes = Field(sa_type=LargeBinary)
    signatures: str
    signing_key: bytes = Field(sa_type=LargeBinary)
    sealing_key: bytes = Field(sa_type=LargeBinary)
    checkpoint_key: bytes = Field(sa_type=LargeBinary)
    recovery_key: bytes = Field(sa_type=LargeBinary)
    succession: str
    taken_at: int = Field(sa_type=BigInteger)
    sequence: int = Field(sa_type=BigInteger)
    heads: str
    compromised_since: int | None = Field(default=None, sa_type=BigInteger)


class StatementRow(RegistryTable, table=True):
    """One statement of an agreement's history, as signed; rows are only ever added."""

    __tablename__ = "agreement_statement"

    agreement_id: str = Field(primary_key=True)
    position: int = Field(sa_type=BigInteger, primary_key=True)
    statement: bytes = Field(sa_type=LargeBinary)
    organization_id: str
    key_id: str
    signature: bytes = Field(sa_type=LargeBinary)


class DocumentRow(RegistryTable, table=True):
    """The exact bytes of a document that was proposed."""

    __tablename__ = "agreement_document"

    agreement_id: str = Field(primary_key=True)
    position: int = Field(sa_type=BigInteger, primary_key=True)
    content: bytes = Field(sa_type=LargeBinary)


class PartyRow(RegistryTable, table=True):
    """An organization that is or was a party or joiner of an agreement."""

    __tablename__ = "agreement_party"

    agreement_id: str = Field(primary_key=True)
    organization_id: str = Field(primary_key=True, index=True)


class WitnessedCheckpointRow(RegistryTable, table=True):
    """A checkpoint of a log as it was taken; what is old is thinned, with the path over it."""

    __tablename__ = "witnessed_checkpoint"

    organization_id: str = Field(primary_key=True)
    position: int = Field(sa_type=BigInteger, primary_key=True)
    origin: str
    size: int = Field(sa_type=BigInteger)
    root: bytes = Field(sa_type=LargeBinary)
    note: str
    path: bytes = Field(sa_type=LargeBinary)
    taken_at: int = Field(sa_type=BigInteger)
    beginning: bytes = Field(sa_type=LargeBinary)
    beginning_key_id: str
    beginning_signature: bytes = Field(sa_type=LargeBinary)


class CosignatureRow(RegistryTable, table=True):
    """Another witness's line below a checkpoint."""

    __tablename__ = "checkpoint_cosignature"

    organization_id: str = Field(primary_key=True)
    position: int = Field(sa_type=BigInteger, primary_key=True)
    witness: str = Field(primary_key=True)
    line: str


class ContradictionRow(RegistryTable, table=True):
    """A checkpoint that was refused, beside the one that it contradicts; never taken out."""

    __tablename__ = "log_contradiction"

    organization_id: str = Field(primary_key=True)
    position: int = Field(sa_type=BigInteger, primary_key=True)
    kind: str
    known_note: str
    refused_note: str
    refused_at: int = Field(sa_type=BigInteger)


class RequestRow(RegistryTable, table=True):
    """A call that was answered, so that a retry is answered the same."""

    __tablename__ = "registry_request"

    organization_id: str = Field(primary_key=True)
    request_id: str = Field(primary_key=True)
    digest: bytes = Field(sa_type=LargeBinary)
    answer: bytes = Field(sa_type=LargeBinary)
