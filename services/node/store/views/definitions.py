"""What a view has to say of a dataset, and the SQL files in which an organization says it."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Date,
    Float,
    MetaData,
    String,
    Table,
    TextClause,
    text,
)
from sqlalchemy import Column as TableColumn
from sqlalchemy.types import TypeEngine

from homeroom.catalog import CATALOG, Dataset, ValueKind
from homeroom.errors import RequestInvalidError
from services.node.store.datasets import SOURCES, Source

STUDENT_ID = "student_id"
"""How a view names a student: as the node's own records do."""

ROW_KEY = "row_key"
_CONCERNS_OTHERS = "concerns_others"
_SURVEY_CONSENT = "survey_consent"

# Students decide about consents, the others are computed of what the node itself keeps.
_OWN = frozenset({"students", "attendance_rates", "disclosures"})
_STORED_AS: Mapping[ValueKind, TypeEngine[Any]] = {
    ValueKind.TEXT: String(),
    ValueKind.DATE: Date(),
    ValueKind.INTEGER: BigInteger(),
    ValueKind.NUMBER: Float(),
    ValueKind.BOOLEAN: Boolean(),
}


@dataclass(frozen=True, slots=True)
class View:
    """One dataset as the organization's own database has it.

    Attributes:
        columns: what it must give after the student's id, exactly: the catalog's columns, and where
            rows of the dataset may concern others, what tells them apart and what decides of them.
        source: where its rows pass through the node, a batch at a time.
    """

    dataset: Dataset
    sql: str
    columns: tuple[tuple[str, ValueKind], ...]
    source: Source

    @property
    def passing(self) -> Table:
        """The table that holds a batch of its rows while the node selects among them."""
        table = self.source.table
        assert isinstance(table, Table)  # noqa: S101 - made below
        return table

    @property
    def statement(self) -> TextClause:
        """The file's SQL as it stands: nothing in it is a parameter, and a comment ends with it."""
        return text(self.sql.replace(":", r"\:") + "\n")

    @classmethod
    def of(cls, dataset: Dataset, sql: str) -> "View":
        """The view of a dataset that a text of SQL gives."""
        stored = SOURCES[dataset.name]
        columns = [(c.name, c.kind) for c in dataset.columns]
        if stored.concerns_others is not None:
            columns += [(ROW_KEY, ValueKind.TEXT), (_CONCERNS_OTHERS, ValueKind.BOOLEAN)]
        if stored.survey_consent is not None:
            columns += [(_SURVEY_CONSENT, ValueKind.TEXT)]
        return cls(dataset, sql, tuple(columns), _passing_source(stored, columns))


def servable() -> tuple[Dataset, ...]:
    """The datasets that a view may give."""
    return tuple(dataset for dataset in CATALOG if dataset.name not in _OWN)


def read_views(folder: Path) -> tuple[View, ...]:
    """The views of a folder: one file of SQL for each dataset, by the dataset's name.

    Raises:
        RequestInvalidError: naming each file that is of no dataset which a view may give, or empty.
    """
    if not folder.is_dir():
        raise RequestInvalidError("the folder of views is not there", field="views")
    known = {dataset.name: dataset for dataset in servable()}
    problems, found = [], []
    for file in sorted(folder.glob("*.sql")):
        sql = file.read_text("utf-8-sig").strip().removesuffix(";").strip()
        if file.stem not in known:
            problems.append(f"{file.name} is of no dataset that a view may give")
        elif not sql:
            problems.append(f"{file.name} is empty")
        else:
            found.append(View.of(known[file.stem], sql))
    if problems:
        raise RequestInvalidError("views: " + "; ".join(problems), field="views")
    return tuple(found)


def _passing_source(stored: Source, columns: list[tuple[str, ValueKind]]) -> Source:
    """The source that the same selection reads as it would read the node's own table."""
    table = Table(
        "viewed_row",
        MetaData(),
        TableColumn("student_key", BigInteger),
        *(TableColumn(name, _STORED_AS[kind]) for name, kind in columns),
        prefixes=["TEMPORARY"],
    )
    first, last = (
        None if day is None else table.c[str(getattr(day, "name", ""))]
        for day in (stored.first_day, stored.last_day)
    )
    return Source(
        table,
        stored.stored,
        first,
        last,
        key=(table.c[ROW_KEY],) if ROW_KEY in table.c else (),
        concerns_others=table.c.get(_CONCERNS_OTHERS),
        survey_consent=table.c.get(_SURVEY_CONSENT),
    )
