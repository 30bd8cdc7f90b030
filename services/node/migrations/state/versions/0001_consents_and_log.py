"""The tables of a node's own state."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Makes the tables."""
    op.create_table(
        "saved_snapshot",
        sa.Column("snapshot_id", sa.Integer(), primary_key=True),
        sa.Column("evidence", sa.LargeBinary(), nullable=False),
    )
    op.create_table(
        "agreement_memory",
        sa.Column("agreement_id", sa.String(), primary_key=True),
        sa.Column("length", sa.BigInteger(), nullable=False),
        sa.Column("head", sa.LargeBinary(), nullable=False),
    )
    op.create_table(
        "consent_progress",
        sa.Column("progress_id", sa.Integer(), primary_key=True),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("organization_sequence", sa.BigInteger(), nullable=False),
        sa.Column("confirmed_at", sa.BigInteger(), nullable=False),
    )
    op.create_table(
        "consent",
        sa.Column("consent_id", sa.String(), primary_key=True),
        sa.Column("recorder", sa.String(), nullable=False),
        sa.Column("statement", sa.LargeBinary(), nullable=False),
        sa.Column("student_key", sa.BigInteger(), nullable=True),
        sa.Column("problem", sa.String(), nullable=True, index=True),
        sa.Column("revoked_at", sa.BigInteger(), nullable=True),
    )
    op.create_table(
        "consent_grant",
        sa.Column("grant_id", sa.Integer(), primary_key=True),
        sa.Column("consent_id", sa.String(), nullable=False),
        sa.Column("student_key", sa.BigInteger(), nullable=False),
        sa.Column("element", sa.String(), nullable=False),
        sa.Column("recipient", sa.String(), nullable=False),
        sa.Column("purpose", sa.String(), nullable=False),
        sa.Column("subject_ref", sa.String(), nullable=False),
        sa.Column("valid_from", sa.BigInteger(), nullable=False),
        sa.Column("valid_to", sa.BigInteger(), nullable=False),
    )
    op.create_index(
        "ix_consent_grant_query",
        "consent_grant",
        ["recipient", "purpose", "student_key", "element"],
    )
    op.create_index("ix_consent_grant_consent", "consent_grant", ["consent_id"])
    op.create_table(
        "link_code",
        sa.Column("code_digest", sa.String(), primary_key=True),
        sa.Column("student_key", sa.BigInteger(), nullable=False, index=True),
    )
    op.create_table(
        "log_entry",
        sa.Column("log_index", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("query_digest", sa.String(), nullable=False),
        sa.Column("written_at", sa.BigInteger(), nullable=False),
        sa.Column("content", sa.String(), nullable=False),
        sa.Column("previous_digest", sa.String(), nullable=False),
        sa.Column("digest", sa.String(), nullable=False),
        sa.UniqueConstraint("kind", "query_digest"),
    )
