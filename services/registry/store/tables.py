"""The tables of the registry. Instants are microseconds since 1970 in UTC."""

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
    """An organization's newest record, as signed, its standing, and its classes as JSON."""

    __tablename__ = "organization"

    organization_id: str = Field(primary_key=True)
    record: bytes = Field(sa_type=LargeBinary)
    key_id: str
    signature: bytes = Field(sa_type=LargeBinary)
    record_version: int = Field(sa_type=BigInteger)
    signing_key: bytes = Field(sa_type=LargeBinary)
    sealing_key: bytes = Field(sa_type=LargeBinary)
    standing: str
    standing_time: int = Field(sa_type=BigInteger)
    classes: str


class AgreementRow(RegistryTable, table=True):
    """One version of an agreement; its ending is empty while it has not ended."""

    __tablename__ = "agreement"

    agreement_id: str = Field(primary_key=True)
    version: int = Field(sa_type=BigInteger, primary_key=True)
    document: bytes = Field(sa_type=LargeBinary)
    state: str
    ending: bytes | None = Field(default=None, sa_type=LargeBinary)
    ended_by: str | None = None
    ending_key_id: str | None = None
    ending_signature: bytes | None = Field(default=None, sa_type=LargeBinary)


class PartyRow(RegistryTable, table=True):
    """A party of a version, and its signature once it has signed."""

    __tablename__ = "agreement_party"

    agreement_id: str = Field(primary_key=True)
    version: int = Field(sa_type=BigInteger, primary_key=True)
    organization_id: str = Field(primary_key=True, index=True)
    key_id: str | None = None
    signature: bytes | None = Field(default=None, sa_type=LargeBinary)


class RequestRow(RegistryTable, table=True):
    """A call that was answered, so that a retry is answered the same."""

    __tablename__ = "registry_request"

    organization_id: str = Field(primary_key=True)
    request_id: str = Field(primary_key=True)
    digest: bytes = Field(sa_type=LargeBinary)
    answer: bytes = Field(sa_type=LargeBinary)
