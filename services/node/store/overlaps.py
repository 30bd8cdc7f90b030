"""By how few students the groups of a table differ from groups that were told of before."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, Select, func, select

from services.node.domain.disclosure.table import Mark
from services.node.store.aggregate_tables import (
    AGGREGATE_CELL,
    AGGREGATE_MEMBER,
    AGGREGATE_SET,
    AGGREGATE_TABLE,
    RELEASED_CELL,
)


def small_differences(
    connection: Connection, requester: str, table_key: int, min_size: int
) -> Mapping[int, frozenset[int]]:
    """For each set of students of a table, in how few it differs from one of older snapshots.

    Only groups that the requester was told of are compared, and only differences below the minimum
    are given.
    """
    new = AGGREGATE_SET.alias("new")
    old = AGGREGATE_SET.alias("old")
    in_new = AGGREGATE_MEMBER.alias("in_new")
    in_old = AGGREGATE_MEMBER.alias("in_old")
    of_table = select(AGGREGATE_CELL.c.set_key).where(AGGREGATE_CELL.c.table_key == table_key)
    apart = new.c.size + old.c.size - 2 * func.count()
    statement = (
        select(new.c.set_key, apart)
        .select_from(new)
        .join(in_new, in_new.c.set_key == new.c.set_key)
        .join(in_old, in_old.c.student_key == in_new.c.student_key)
        .join(old, old.c.set_key == in_old.c.set_key)
        .where(
            new.c.set_key.in_(of_table),
            old.c.set_key.in_(_told_before(requester, table_key)),
            old.c.set_key != new.c.set_key,
            func.abs(new.c.size - old.c.size) < min_size,
        )
        .group_by(new.c.set_key, old.c.set_key, new.c.size, old.c.size)
        .having(apart < min_size)
    )
    found: dict[int, set[int]] = {}
    for set_key, difference in connection.execute(statement):
        found.setdefault(set_key, set()).add(difference)
    return {set_key: frozenset(differences) for set_key, differences in found.items()}


def _told_before(requester: str, table_key: int) -> Select[Any]:
    """The sets of students of cells that the requester was shown in older snapshots."""
    this = select(AGGREGATE_TABLE.c.snapshot_key).where(AGGREGATE_TABLE.c.table_key == table_key)
    return (
        select(AGGREGATE_CELL.c.set_key)
        .join(
            RELEASED_CELL,
            (RELEASED_CELL.c.table_key == AGGREGATE_CELL.c.table_key)
            & (RELEASED_CELL.c.cell_id == AGGREGATE_CELL.c.cell_id),
        )
        .join(AGGREGATE_TABLE, AGGREGATE_TABLE.c.table_key == AGGREGATE_CELL.c.table_key)
        .where(
            RELEASED_CELL.c.requester == requester,
            RELEASED_CELL.c.mark != str(Mark.WITHHELD),
            AGGREGATE_TABLE.c.snapshot_key != this.scalar_subquery(),
            AGGREGATE_CELL.c.set_key.is_not(None),
        )
    )
