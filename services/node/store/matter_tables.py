"""The tables of what the holder has on file for a ground other than consent, and of approvals.

Instants are whole seconds since 1970 in UTC.
"""

from typing import Any, ClassVar

from sqlalchemy import BigInteger, Index, Integer, LargeBinary, text
from sqlmodel import Field

from services.node.store.state_tables import StateTable, table_of

_KEY = BigInteger().with_variant(Integer, "sqlite")
_PENDING = text("state = 'pending'")


class MatterRow(StateTable, table=True):
    """What is on file for one ground and one requester; `facts` are its kind's, as JSON.

    Both ends are included. `requester_keys` is the digest of the keys that the requester had, none
    for a party outside the federation. `evidence_digest` is the SHA-256 digest of the paper that it
    rests on.
    """

    __tablename__ = "matter"
    __table_args__: ClassVar[Any] = (Index("ix_matter_requester", "requester", "kind"),)

    matter_key: int | None = Field(default=None, primary_key=True, sa_type=_KEY)
    matter_id: str = Field(unique=True)
    kind: str
    requester: str
    valid_from: int = Field(sa_type=BigInteger)
    valid_to: int = Field(sa_type=BigInteger)
    facts: str
    entered_by: str
    entered_at: int = Field(sa_type=BigInteger)
    evidence_digest: str
    requester_keys: str | None = None
    ended_at: int | None = Field(default=None, sa_type=BigInteger)


class MatterStudentRow(StateTable, table=True):
    """One student whom a matter names."""

    __tablename__ = "matter_student"
    __table_args__: ClassVar[Any] = (
        Index("ix_matter_student_student_key", "student_key"),
        {"sqlite_with_rowid": False},
    )

    matter_key: int = Field(primary_key=True, sa_type=BigInteger)
    student_key: int = Field(primary_key=True, sa_type=BigInteger)


class ApprovalRow(StateTable, table=True):
    """An element that waits, or waited, for the holder's steward.

    `statement` is what the steward signed; empty while nobody decided.
    """

    __tablename__ = "approval"
    __table_args__: ClassVar[Any] = (
        Index("ix_approval_requester", "requester", "purpose"),
        Index(
            "ix_approval_pending",
            *("requester", "agreement_id", "purpose", "element"),
            unique=True,
            sqlite_where=_PENDING,
            postgresql_where=_PENDING,
        ),
    )

    approval_key: int | None = Field(default=None, primary_key=True, sa_type=_KEY)
    approval_id: str = Field(unique=True)
    requester: str
    agreement_id: str
    purpose: str
    element: str
    state: str
    opened_at: int = Field(sa_type=BigInteger)
    decided_at: int | None = Field(default=None, sa_type=BigInteger)
    decided_by: str = ""
    valid_from: int | None = Field(default=None, sa_type=BigInteger)
    valid_to: int | None = Field(default=None, sa_type=BigInteger)
    statement: bytes = Field(sa_type=LargeBinary)


MATTER = table_of(MatterRow)
MATTER_STUDENT = table_of(MatterStudentRow)
APPROVAL = table_of(ApprovalRow)
