"""The tables of the consent service."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    _create_order()
    op.create_table(
        "consent",
        sa.Column("consent_id", sa.String(), primary_key=True),
        sa.Column("recorder", sa.String(), nullable=False),
        sa.Column("holder", sa.String(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
    )
    op.create_index("ix_consent_sequence", "consent", ["sequence"])
    op.create_table(
        "consent_body",
        sa.Column("sequence", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("organization_id", sa.String(), primary_key=True),
        sa.Column("sealed_key", sa.LargeBinary(), nullable=False),
        sa.Column("place", sa.Integer(), nullable=False),
        sa.Column("sealed_evidence", sa.LargeBinary(), nullable=False),
    )
    op.create_table(
        "revocation",
        sa.Column("consent_id", sa.String(), primary_key=True),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("organization_id", sa.String(), nullable=False),
        sa.Column("revoke_time", sa.BigInteger(), nullable=False),
        sa.Column("statement", sa.LargeBinary(), nullable=False),
        sa.Column("key_id", sa.String(), nullable=False),
        sa.Column("signature", sa.LargeBinary(), nullable=False),
    )
    op.create_table(
        "consent_notice",
        sa.Column("sequence", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("consent_id", sa.String(), nullable=False),
        sa.Column("organization_id", sa.String(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
    )
    op.create_index("ix_consent_notice_consent_id", "consent_notice", ["consent_id"])
    op.create_table(
        "consent_notice_body",
        sa.Column("sequence", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("organization_id", sa.String(), primary_key=True),
        sa.Column("sealed_statement", sa.LargeBinary(), nullable=False),
    )
    op.create_table(
        "consent_log_tile",
        sa.Column("level", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("place", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("hashes", sa.LargeBinary(), nullable=False),
    )
    op.create_table(
        "saved_snapshot",
        sa.Column("snapshot_id", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("evidence", sa.LargeBinary(), nullable=False),
    )


def _create_order() -> None:
    sequence = op.create_table(
        "consent_sequence",
        sa.Column("sequence_id", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
    )
    op.bulk_insert(sequence, [{"sequence_id": 1, "sequence": 0}])
    op.create_table(
        "consent_change",
        sa.Column("organization_id", sa.String(), primary_key=True),
        sa.Column("sequence", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("previous_sequence", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("consent_id", sa.String(), nullable=False),
        sa.Column("taken_at", sa.BigInteger(), nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "consent_chain",
        sa.Column("organization_id", sa.String(), primary_key=True),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
    )
    op.create_index("ix_consent_chain_sequence", "consent_chain", ["sequence"])
    op.create_table(
        "consent_request",
        sa.Column("organization_id", sa.String(), primary_key=True),
        sa.Column("request_id", sa.String(), primary_key=True),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("recorded_count", sa.Integer(), nullable=False),
    )
