"""The SQL of an extract without names: every row of the schools and the days that are granted."""

from typing import Any

from sqlalchemy import Select, select

from services.node.store.datasets import Source
from services.node.store.records.tables import RecordTable
from services.node.store.scope import rows_in_scope
from services.node.store.shapes import Shape

_STUDENT = RecordTable.metadata.tables["student"]


def rows_of_everyone(shape: Shape, source: Source) -> Select[Any]:
    """The rows, each after its student's key."""
    everyone = select(_STUDENT.c.student_key).subquery("everyone")
    columns = [
        source.column(column.name).label(column.name)
        for column in shape.dataset.columns_of(shape.elements)
    ]
    statement = select(everyone.c.student_key, *columns)
    return rows_in_scope(statement, everyone, shape, source)
