"""The SQL of an extract without names: every row of the schools and the days that are granted."""

from typing import Any

from sqlalchemy import Select, select

from services.node.domain.selection import Selection
from services.node.store.datasets import Source
from services.node.store.records.tables import RecordTable
from services.node.store.scope import rows_in_scope

_STUDENT = RecordTable.metadata.tables["student"]


def rows_of_everyone(selection: Selection, source: Source) -> Select[Any]:
    """The rows, each after its student's key."""
    everyone = select(_STUDENT.c.student_key).subquery("everyone")
    columns = [
        source.column(column.name).label(column.name)
        for column in selection.dataset.columns_of(selection.elements)
    ]
    statement = select(everyone.c.student_key, *columns)
    return rows_in_scope(statement, everyone, selection, source)
