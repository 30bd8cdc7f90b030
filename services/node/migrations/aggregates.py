"""Makes the tables of frozen counts; a part of the state's first migration."""

import sqlalchemy as sa
from alembic import op


def create_aggregates() -> None:
    """Makes the tables of snapshots, their cells and lines."""
    key = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.create_table(
        "aggregate_snapshot",
        sa.Column("snapshot_key", key, primary_key=True),
        sa.Column("taken_at", sa.BigInteger(), nullable=False),
    )
    op.create_table(
        "aggregate_table",
        sa.Column("table_key", key, primary_key=True),
        sa.Column("snapshot_key", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("measure", sa.String(), nullable=False),
        sa.Column("dataset", sa.String(), nullable=False),
        sa.Column("elements", sa.String(), nullable=False),
        sa.UniqueConstraint("snapshot_key", "name"),
    )
    op.create_table(
        "aggregate_cell",
        sa.Column("table_key", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("cell_id", sa.String(), primary_key=True),
        sa.Column("place", sa.Integer(), nullable=False),
        sa.Column("school_id", sa.String(), nullable=False),
        sa.Column("group_label", sa.String(), nullable=False),
        sa.Column("n", sa.BigInteger(), nullable=False),
        sa.Column("numerator", sa.BigInteger(), nullable=True),
        sa.Column("rate_percent", sa.String(), nullable=True),
        sa.Column("set_key", sa.BigInteger(), nullable=True),
    )
    op.create_table(
        "aggregate_line",
        sa.Column("table_key", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("line", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("place", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("cell_id", sa.String(), nullable=False),
    )


def create_aggregate_sets() -> None:
    """Makes the tables of who is in a cell, and of what anyone can look up."""
    key = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.create_table(
        "aggregate_set",
        sa.Column("set_key", key, primary_key=True),
        sa.Column("digest", sa.String(), nullable=False, unique=True),
        sa.Column("size", sa.BigInteger(), nullable=False),
    )
    op.create_table(
        "aggregate_member",
        sa.Column("set_key", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("student_key", sa.BigInteger(), primary_key=True, autoincrement=False),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_aggregate_member_student_key", "aggregate_member", ["student_key"])
    op.create_table(
        "public_total",
        sa.Column("table_key", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("cell_id", sa.String(), primary_key=True),
        sa.Column("counts", sa.String(), primary_key=True),
        sa.Column("n", sa.BigInteger(), nullable=False),
    )


def create_release_ledger() -> None:
    """Makes the tables of what each organization was told, had before, and supplied."""
    op.create_table(
        "release_ledger",
        sa.Column("requester", sa.String(), primary_key=True),
        sa.Column("table_key", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("log_index", sa.BigInteger(), nullable=False),
        sa.Column("min_size", sa.Integer(), nullable=False),
        sa.Column("reasons", sa.String(), nullable=False),
    )
    op.create_table(
        "released_cell",
        sa.Column("requester", sa.String(), primary_key=True),
        sa.Column("table_key", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("cell_id", sa.String(), primary_key=True),
        sa.Column("mark", sa.String(), nullable=False),
    )
    op.create_table(
        "earlier_release",
        sa.Column("requester", sa.String(), primary_key=True),
        sa.Column("table_key", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("n", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("difference", sa.BigInteger(), primary_key=True, autoincrement=False),
    )
    op.create_table(
        "contribution",
        sa.Column("requester", sa.String(), primary_key=True),
        sa.Column("table_key", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("cell_id", sa.String(), primary_key=True),
        sa.Column("n", sa.BigInteger(), nullable=False),
    )
