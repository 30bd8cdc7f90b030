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
        sa.Column("signatures", sa.String(), nullable=False),
        sa.Column("record_version", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("signing_key", sa.LargeBinary(), nullable=False),
        sa.Column("sealing_key", sa.LargeBinary(), nullable=False),
        sa.Column("checkpoint_key", sa.LargeBinary(), nullable=False),
        sa.Column("recovery_key", sa.LargeBinary(), nullable=False),
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
    _create_key_records()
    _create_witness()


def _create_key_records() -> None:
    op.create_table(
        "organization_key_record",
        sa.Column("organization_id", sa.String(), primary_key=True),
        sa.Column("position", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("record", sa.LargeBinary(), nullable=False),
        sa.Column("signatures", sa.String(), nullable=False),
        sa.Column("signing_key", sa.LargeBinary(), nullable=False),
        sa.Column("sealing_key", sa.LargeBinary(), nullable=False),
        sa.Column("checkpoint_key", sa.LargeBinary(), nullable=False),
        sa.Column("recovery_key", sa.LargeBinary(), nullable=False),
        sa.Column("succession", sa.String(), nullable=False),
        sa.Column("taken_at", sa.BigInteger(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("heads", sa.String(), nullable=False),
        sa.Column("compromised_since", sa.BigInteger(), nullable=True),
    )


def _create_witness() -> None:
    op.create_table(
        "witnessed_checkpoint",
        sa.Column("organization_id", sa.String(), primary_key=True),
        sa.Column("position", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("origin", sa.String(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("root", sa.LargeBinary(), nullable=False),
        sa.Column("note", sa.String(), nullable=False),
        sa.Column("path", sa.LargeBinary(), nullable=False),
        sa.Column("taken_at", sa.BigInteger(), nullable=False),
        sa.Column("beginning", sa.LargeBinary(), nullable=False),
        sa.Column("beginning_key_id", sa.String(), nullable=False),
        sa.Column("beginning_signature", sa.LargeBinary(), nullable=False),
    )
    op.create_table(
        "checkpoint_cosignature",
        sa.Column("organization_id", sa.String(), primary_key=True),
        sa.Column("position", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("witness", sa.String(), primary_key=True),
        sa.Column("line", sa.String(), nullable=False),
    )
    op.create_table(
        "log_contradiction",
        sa.Column("organization_id", sa.String(), primary_key=True),
        sa.Column("position", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("known_note", sa.String(), nullable=False),
        sa.Column("refused_note", sa.String(), nullable=False),
        sa.Column("refused_at", sa.BigInteger(), nullable=False),
    )
