"""The number that is raised with each election of the replica that answers."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Makes the table, of one row."""
    made = op.create_table(
        "writer_epoch",
        sa.Column("epoch_id", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
    )
    op.bulk_insert(made, [{"epoch_id": 1, "epoch": 0}])


def downgrade() -> None:
    """Takes it back."""
    op.drop_table("writer_epoch")
