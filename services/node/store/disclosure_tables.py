"""The tables of the disclosure record, and of what left.

They stand beside the log's entries and are written with them. Unlike the log they name students.
Instants are whole seconds since 1970 in UTC.
"""

import datetime as dt
from typing import Any, ClassVar

from sqlalchemy import BigInteger, Index, LargeBinary
from sqlmodel import Field

from services.node.store.state_tables import StateTable, table_of


def _by_student(table: str) -> Any:
    index = Index(f"ix_{table}_student_key", "student_key")
    return index, {"sqlite_with_rowid": False}


class DisclosedRow(StateTable, table=True):
    """One student whose records an answer may have held; written with the answer's first entry."""

    __tablename__ = "disclosed"
    __table_args__: ClassVar[Any] = _by_student("disclosed")

    log_index: int = Field(primary_key=True, sa_type=BigInteger)
    student_key: int = Field(primary_key=True, sa_type=BigInteger)
    elements: int = Field(sa_type=BigInteger)


class DisclosedConsentRow(StateTable, table=True):
    """A consent that let records of a student leave."""

    __tablename__ = "disclosed_consent"
    __table_args__: ClassVar[Any] = {"sqlite_with_rowid": False}

    log_index: int = Field(primary_key=True, sa_type=BigInteger)
    student_key: int = Field(primary_key=True, sa_type=BigInteger)
    consent_key: int = Field(primary_key=True, sa_type=BigInteger)


class DisclosureRecordRow(StateTable, table=True):
    """What the holder must write down of one request (34 CFR 99.32); lists are joined by ';'.

    Its students are in `disclosed` and, where not all may leave, in `disclosure_refused`. `onward`
    and `withheld` are JSON: why an organization gets it, why an element was withheld.
    """

    __tablename__ = "disclosure_record"
    __table_args__ = (Index("ix_disclosure_record_requester", "requester", "log_index"),)

    log_index: int = Field(primary_key=True, sa_type=BigInteger)
    query_digest: str
    recorded_at: int = Field(sa_type=BigInteger)
    recorded_on: dt.date
    event: str
    regimes: str
    requester: str
    affiliation: str
    user_id: str
    role: str
    purpose: str
    interest: str
    basis: str
    agreement_id: str
    agreement_version: int
    matter_id: str
    onward_to: str
    onward: str
    authorities: str
    dataset: str
    first_day: dt.date | None = None
    last_day: dt.date | None = None
    elements: str
    released: str
    reasons: str
    withheld: str
    obligations: str
    federation_revision: str
    local_revision: str
    released_by: str
    releaser_role: str
    releaser_key: str
    everyone: bool
    secret: bool
    secret_until: int | None = Field(default=None, sa_type=BigInteger)


class DisclosureRefusedRow(StateTable, table=True):
    """A student who was named in a request, and why not all that was asked may leave."""

    __tablename__ = "disclosure_refused"
    __table_args__: ClassVar[Any] = _by_student("disclosure_refused")

    log_index: int = Field(primary_key=True, sa_type=BigInteger)
    student_key: int = Field(primary_key=True, sa_type=BigInteger)
    reason: str


class DisclosureManifestRow(StateTable, table=True):
    """How an answer about students ended: what left of its stream, and the digest over it."""

    __tablename__ = "disclosure_manifest"

    log_index: int = Field(primary_key=True, sa_type=BigInteger)
    ended_index: int = Field(sa_type=BigInteger)
    ended_at: int = Field(sa_type=BigInteger)
    pieces: int
    row_count: int = Field(sa_type=BigInteger)
    frames_digest: str
    cut: bool


class CopyKeyRow(StateTable, table=True):
    """A key that copies are sealed with, itself sealed to the holder."""

    __tablename__ = "copy_key"

    key_id: str = Field(primary_key=True)
    sealed_key: bytes = Field(sa_type=LargeBinary)
    made_at: int = Field(sa_type=BigInteger)


class ReleasedCopyRow(StateTable, table=True):
    """A piece of an answer as it left, sealed to the holder."""

    __tablename__ = "released_copy"

    query_digest: str = Field(primary_key=True)
    sequence: int = Field(primary_key=True)
    key_id: str
    place: int = Field(sa_type=BigInteger)
    made_at: int = Field(sa_type=BigInteger, index=True)
    sealed: bytes = Field(sa_type=LargeBinary)


class DestructionCertificateRow(StateTable, table=True):
    """A recipient's certificate of destruction, as it signed it."""

    __tablename__ = "destruction_certificate"

    digest: str = Field(primary_key=True)
    log_index: int = Field(sa_type=BigInteger)
    received_at: int = Field(sa_type=BigInteger)
    recipient: str
    agreement_id: str
    method: str
    destroyed_on: dt.date
    role: str
    evidence: bytes = Field(sa_type=LargeBinary)


class DestructionCertifiedRow(StateTable, table=True):
    """An entry of the disclosure record that a certificate is about, or a consent's part of it.

    `kept_because` is empty where it was destroyed.
    """

    __tablename__ = "destruction_certified"
    __table_args__: ClassVar[Any] = {"sqlite_with_rowid": False}

    log_index: int = Field(primary_key=True, sa_type=BigInteger)
    consent_id: str = Field(primary_key=True)
    digest: str = Field(primary_key=True)
    kept_because: str


class RecordShownRow(StateTable, table=True):
    """The student whose disclosure record an entry of the log says was shown."""

    __tablename__ = "record_shown"
    __table_args__: ClassVar[Any] = _by_student("record_shown")

    log_index: int = Field(primary_key=True, sa_type=BigInteger)
    student_key: int = Field(primary_key=True, sa_type=BigInteger)


DISCLOSED = table_of(DisclosedRow)
DISCLOSED_CONSENT = table_of(DisclosedConsentRow)
DISCLOSURE_RECORD = table_of(DisclosureRecordRow)
DISCLOSURE_REFUSED = table_of(DisclosureRefusedRow)
DISCLOSURE_MANIFEST = table_of(DisclosureManifestRow)
COPY_KEY = table_of(CopyKeyRow)
RELEASED_COPY = table_of(ReleasedCopyRow)
RECORD_SHOWN = table_of(RecordShownRow)
DESTRUCTION_CERTIFICATE = table_of(DestructionCertificateRow)
DESTRUCTION_CERTIFIED = table_of(DestructionCertifiedRow)
