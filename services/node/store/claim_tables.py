"""The tables of identity claims: what became of each, and what speaks against links."""

import datetime as dt
from typing import Any, ClassVar

from sqlalchemy import BigInteger, Index, LargeBinary, text
from sqlmodel import Field

from services.node.store.state_tables import StateTable, table_of

_QUEUE = "state IN ('review', 'contested', 'undone')"


class ClaimLinkRow(StateTable, table=True):
    """The claim of one consent, and what became of it.

    `offers`, `known` and `rejected` are JSON. `identity_digest` is a keyed digest of the names and
    the birth date: claims that say the same have the same. `known_as` is the name by which the
    recorder knows the student, if it says so.
    """

    __tablename__ = "claim_link"
    __table_args__: ClassVar[Any] = (
        Index(
            "ix_claim_link_queue",
            "consent_id",
            sqlite_where=text(_QUEUE),
            postgresql_where=text(_QUEUE),
        ),
        Index(
            "ix_claim_link_known_as",
            "recorder",
            "known_as",
            sqlite_where=text("known_as IS NOT NULL"),
            postgresql_where=text("known_as IS NOT NULL"),
        ),
    )

    consent_id: str = Field(primary_key=True)
    claim: str
    identity_digest: str
    birth_date: dt.date | None = Field(default=None, index=True)
    state: str
    student_key: int | None = Field(default=None, sa_type=BigInteger, index=True)
    bits: float
    lane: str
    offers: str
    known: str
    rejected: str
    changed_at: int = Field(sa_type=BigInteger)
    recorder: str | None = None
    known_as: str | None = None


class RecorderNameRow(StateTable, table=True):
    """Which student a recorder's own name is, as the code on a form says."""

    __tablename__ = "recorder_name"

    recorder: str = Field(primary_key=True)
    known_as: str = Field(primary_key=True)
    student_key: int = Field(primary_key=True, sa_type=BigInteger, index=True)


class UndoneLinkRow(StateTable, table=True):
    """A link that a person undid, by the keyed digest of its names and its student.

    It is made again only once two persons have said so; `confirmed_by` is the first.
    """

    __tablename__ = "undone_link"

    pair_digest: str = Field(primary_key=True)
    undone_at: int = Field(sa_type=BigInteger)
    undone_by: str
    confirmed_by: str | None = None


class RetractionRow(StateTable, table=True):
    """An answer that a requester has to give up, and whether it was told."""

    __tablename__ = "retraction"

    recipient: str = Field(primary_key=True)
    query_digest: str = Field(primary_key=True)
    subject_ref: str = Field(primary_key=True)
    noted_at: int = Field(sa_type=BigInteger)
    sent: bool


class MatchingRow(StateTable, table=True):
    """The key of the digests, and the import up to which links were held against the roster."""

    __tablename__ = "matching"

    matching_id: int = Field(default=1, primary_key=True)
    digest_key: bytes = Field(sa_type=LargeBinary)
    seen_run: int = Field(sa_type=BigInteger)


class ReviewActRow(StateTable, table=True):
    """What a person at the review queue asked to be done, and how it ended."""

    __tablename__ = "review_act"

    request_id: str = Field(primary_key=True)
    digest: bytes = Field(sa_type=LargeBinary)
    ending: str


CLAIM_LINK = table_of(ClaimLinkRow)
RECORDER_NAME = table_of(RecorderNameRow)
UNDONE_LINK = table_of(UndoneLinkRow)
RETRACTION = table_of(RetractionRow)
MATCHING = table_of(MatchingRow)
REVIEW_ACT = table_of(ReviewActRow)
