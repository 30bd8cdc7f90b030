"""The table of what is known of others' logs."""

import sqlalchemy as sa
from alembic import op


def create_partner_logs() -> None:
    """How far each was followed, and the evidence where one contradicted itself."""
    op.create_table(
        "partner_log",
        sa.Column("organization_id", sa.String(), primary_key=True),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("origin", sa.String(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("root", sa.LargeBinary(), nullable=False),
        sa.Column("note", sa.String(), nullable=False),
        sa.Column("checkpoint_key", sa.LargeBinary(), nullable=False),
        sa.Column("begun_anew", sa.BigInteger(), nullable=False),
        sa.Column("seen_at", sa.BigInteger(), nullable=False),
        sa.Column("contradiction", sa.String(), nullable=False),
        sa.Column("known_note", sa.String(), nullable=False),
        sa.Column("refused_note", sa.String(), nullable=False),
        sa.Column("contradicted_at", sa.BigInteger(), nullable=False),
    )
