"""The tables of documents about a student, and of what families said about records."""

from datetime import date

from sqlmodel import Field

from services.node.store.records.bases import CLUSTERED, ImportedRow, student_key


class GpaRow(ImportedRow, table=True):
    """A student's grade point average in one term, or of all terms so far."""

    __tablename__ = "gpa"
    __table_args__ = CLUSTERED

    student_key: int = student_key()
    school_year: str = Field(primary_key=True)
    term: str = Field(primary_key=True)
    weighted: bool = Field(primary_key=True)
    grade_point_average: float | None = None


class DocumentRow(ImportedRow, table=True):
    """A document about a student, of the kind that its element names.

    Attributes:
        concerns_others: whether it tells of another student too; not known counts as yes.
        survey_consent: of survey answers, whether the prior consent of 20 USC 1232h(b) was given.
    """

    __tablename__ = "document"
    __table_args__ = CLUSTERED

    student_key: int = student_key()
    document_id: str = Field(primary_key=True)
    element: str | None = None
    title: str | None = None
    document_date: date | None = None
    text: str | None = None
    concerns_others: bool | None = None
    survey_consent: str | None = None


class DirectoryOptOutRow(ImportedRow, table=True):
    """A kind of directory information that a family keeps from everyone, or `all` of it."""

    __tablename__ = "directory_opt_out"
    __table_args__ = CLUSTERED

    student_key: int = student_key()
    element: str = Field(primary_key=True)


class ContestedStatementRow(ImportedRow, table=True):
    """What a family put on file against a part of a record (34 CFR 99.21(b)(2))."""

    __tablename__ = "contested_statement"
    __table_args__ = CLUSTERED

    student_key: int = student_key()
    element: str = Field(primary_key=True)
    filed_on: date = Field(primary_key=True)
    statement: str | None = None
