"""The tables of frozen counts, and of what each organization was told of them.

Who is in a cell is kept, so that two releases can be compared here; it never leaves the node.
"""

from typing import Any, ClassVar

from sqlalchemy import BigInteger, Index, Integer, UniqueConstraint
from sqlmodel import Field

from services.node.store.state_tables import StateTable, table_of

_KEY = BigInteger().with_variant(Integer, "sqlite")


def _table_key() -> Any:
    return Field(primary_key=True, sa_type=BigInteger)


class AggregateSnapshotRow(StateTable, table=True):
    """An instant at which tables were frozen together."""

    __tablename__ = "aggregate_snapshot"

    snapshot_key: int | None = Field(default=None, primary_key=True, sa_type=_KEY)
    taken_at: int = Field(sa_type=BigInteger)


class AggregateTableRow(StateTable, table=True):
    """A frozen table; `elements` are what a decision must grant before it is told."""

    __tablename__ = "aggregate_table"
    __table_args__ = (UniqueConstraint("snapshot_key", "name"),)

    table_key: int | None = Field(default=None, primary_key=True, sa_type=_KEY)
    snapshot_key: int = Field(sa_type=BigInteger)
    name: str
    measure: str
    dataset: str
    elements: str


class AggregateCellRow(StateTable, table=True):
    """A cell, with its true counts; `rate_percent` where only the share is known."""

    __tablename__ = "aggregate_cell"

    table_key: int = _table_key()
    cell_id: str = Field(primary_key=True)
    place: int
    school_id: str
    group_label: str
    n: int = Field(sa_type=BigInteger)
    numerator: int | None = Field(default=None, sa_type=BigInteger)
    rate_percent: str | None = None
    set_key: int | None = Field(default=None, sa_type=BigInteger)


class AggregateLineRow(StateTable, table=True):
    """One id of a line; the total stands at place 0."""

    __tablename__ = "aggregate_line"

    table_key: int = _table_key()
    line: int = Field(primary_key=True)
    place: int = Field(primary_key=True)
    cell_id: str


class AggregateSetRow(StateTable, table=True):
    """A set of students that some cell counts; the same students are kept once."""

    __tablename__ = "aggregate_set"

    set_key: int | None = Field(default=None, primary_key=True, sa_type=_KEY)
    digest: str = Field(unique=True)
    size: int = Field(sa_type=BigInteger)


class AggregateMemberRow(StateTable, table=True):
    """One student of a set."""

    __tablename__ = "aggregate_member"
    __table_args__: ClassVar[Any] = (
        Index("ix_aggregate_member_student_key", "student_key"),
        {"sqlite_with_rowid": False},
    )

    set_key: int = Field(primary_key=True, sa_type=BigInteger)
    student_key: int = Field(primary_key=True, sa_type=BigInteger)


class PublicTotalRow(StateTable, table=True):
    """A count that anyone can look up, of a cell or of a total beside the table."""

    __tablename__ = "public_total"

    table_key: int = _table_key()
    cell_id: str = Field(primary_key=True)
    counts: str = Field(primary_key=True)
    n: int = Field(sa_type=BigInteger)


class ReleaseLedgerRow(StateTable, table=True):
    """That an organization was told a table, in the words of which log entry."""

    __tablename__ = "release_ledger"

    requester: str = Field(primary_key=True)
    table_key: int = _table_key()
    log_index: int = Field(sa_type=BigInteger)
    min_size: int
    reasons: str


class ReleasedCellRow(StateTable, table=True):
    """What an organization was told of one cell."""

    __tablename__ = "released_cell"

    requester: str = Field(primary_key=True)
    table_key: int = _table_key()
    cell_id: str = Field(primary_key=True)
    mark: str


class EarlierReleaseRow(StateTable, table=True):
    """An answer that an organization had by another way, about nearly the students of a table."""

    __tablename__ = "earlier_release"

    requester: str = Field(primary_key=True)
    table_key: int = _table_key()
    n: int = Field(primary_key=True, sa_type=BigInteger)
    difference: int = Field(primary_key=True, sa_type=BigInteger)


class ContributionRow(StateTable, table=True):
    """How many of the students counted an organization supplied: in a cell, or ('') in all."""

    __tablename__ = "contribution"

    requester: str = Field(primary_key=True)
    table_key: int = _table_key()
    cell_id: str = Field(primary_key=True)
    n: int = Field(sa_type=BigInteger)


AGGREGATE_SNAPSHOT = table_of(AggregateSnapshotRow)
AGGREGATE_TABLE = table_of(AggregateTableRow)
AGGREGATE_CELL = table_of(AggregateCellRow)
AGGREGATE_LINE = table_of(AggregateLineRow)
AGGREGATE_SET = table_of(AggregateSetRow)
AGGREGATE_MEMBER = table_of(AggregateMemberRow)
PUBLIC_TOTAL = table_of(PublicTotalRow)
RELEASE_LEDGER = table_of(ReleaseLedgerRow)
RELEASED_CELL = table_of(ReleasedCellRow)
EARLIER_RELEASE = table_of(EarlierReleaseRow)
CONTRIBUTION = table_of(ContributionRow)
