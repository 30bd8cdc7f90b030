"""What the tables of the records have in common."""

from typing import Any, ClassVar

from sqlalchemy import BigInteger, Integer, MetaData
from sqlmodel import Field, SQLModel

STUDENT_KEY = BigInteger().with_variant(Integer, "sqlite")

CLUSTERED: dict[str, Any] = {"sqlite_with_rowid": False}
"""SQLite then stores a row in its primary key instead of beside it."""


class RecordTable(SQLModel):
    """What the tables of the records have in common: their own metadata."""

    metadata: ClassVar[MetaData] = MetaData()


class ImportedRow(RecordTable):
    """What every imported row says of itself.

    Attributes:
        changed_in: the run that last changed it; a live feed reads what changed since a run.
        source_key: the source that first brought it; only that source's bulk files take it away.
    """

    changed_in: int = Field(default=0, sa_column_kwargs={"server_default": "0"})
    source_key: int = Field(default=0, sa_column_kwargs={"server_default": "0"})


def student_key() -> Any:
    """The number of the student that a row is about, the first of its key."""
    return Field(
        sa_type=STUDENT_KEY,
        primary_key=True,
        foreign_key="student.student_key",
    )
