"""The tables of the registry."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    sequence = op.create_table(
        "registry_sequence",
        sa.Column("sequence_id", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
    )
    op.bulk_insert(sequence, [{"sequence_id": 1, "sequence": 0}])
    op.create_table(
        "organization",
        sa.Column("organization_id", sa.String(), primary_key=True),
        sa.Column("record", sa.LargeBinary(), nullable=False),
        sa.Column("key_id", sa.String(), nullable=False),
        sa.Column("signature", sa.LargeBinary(), nullable=False),
        sa.Column("record_version", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("signing_key", sa.LargeBinary(), nullable=False),
        sa.Column("sealing_key", sa.LargeBinary(), nullable=False),
        sa.Column("checkpoint_key", sa.LargeBinary(), nullable=False),
        sa.Column("standing", sa.String(), nullable=False),
        sa.Column("standing_time", sa.BigInteger(), nullable=False),
        sa.Column("classes", sa.String(), nullable=False),
        sa.Column("debarred_until", sa.Date(), nullable=True),
    )
    op.create_table(
        "agreement_statement",
        sa.Column("agreement_id", sa.String(), primary_key=True),
        sa.Column("position", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("statement", sa.LargeBinary(), nullable=False),
        sa.Column("organization_id", sa.String(), nullable=False),
        sa.Column("key_id", sa.String(), nullable=False),
        sa.Column("signature", sa.LargeBinary(), nullable=False),
    )
    op.create_table(
        "agreement_document",
        sa.Column("agreement_id", sa.String(), primary_key=True),
        sa.Column("position", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
    )
    op.create_table(
        "agreement_party",
        sa.Column("agreement_id", sa.String(), primary_key=True),
        sa.Column("organization_id", sa.String(), primary_key=True),
    )
    op.create_index("ix_agreement_party_organization_id", "agreement_party", ["organization_id"])
    op.create_table(
        "registry_request",
        sa.Column("organization_id", sa.String(), primary_key=True),
        sa.Column("request_id", sa.String(), primary_key=True),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("answer", sa.LargeBinary(), nullable=False),
    )
