"""The tables of a node's own state."""

import sqlalchemy as sa
from alembic import op

from services.node.migrations.aggregates import (
    create_aggregate_sets,
    create_aggregates,
    create_release_ledger,
)
from services.node.migrations.disclosures import create_copies, create_disclosures
from services.node.migrations.partner_logs import create_partner_logs
from services.runtime.audit.migrating import create_log

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
    _create_consents()
    _create_subject_refs()
    _create_claims()
    _create_matters()
    _create_approvals()
    create_aggregates()
    create_aggregate_sets()
    create_release_ledger()
    op.create_table(
        "link_code",
        sa.Column("code_digest", sa.String(), primary_key=True),
        sa.Column("student_key", sa.BigInteger(), nullable=False, index=True),
    )
    create_log()
    create_partner_logs()
    op.create_table(
        "policy_bundle",
        sa.Column("scope", sa.String(), primary_key=True),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("packed", sa.LargeBinary(), nullable=False),
        sa.Column("taken_at", sa.BigInteger(), nullable=False),
    )
    op.create_table(
        "decision_record",
        sa.Column("log_index", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("decided_at", sa.BigInteger(), nullable=False, index=True),
        sa.Column("query_digest", sa.String(), nullable=False, index=True),
        sa.Column("facts", sa.String(), nullable=False),
        sa.Column("decision", sa.String(), nullable=False),
        sa.Column("federation_revision", sa.String(), nullable=False),
        sa.Column("local_revision", sa.String(), nullable=False),
    )
    create_disclosures()
    create_copies()


def _create_consents() -> None:
    op.create_table(
        "consent_progress",
        sa.Column("progress_id", sa.Integer(), primary_key=True),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("organization_sequence", sa.BigInteger(), nullable=False),
        sa.Column("confirmed_at", sa.BigInteger(), nullable=False),
        sa.Column("log_size", sa.BigInteger(), nullable=False),
        sa.Column("log_root", sa.LargeBinary(), nullable=False),
    )
    op.create_table(
        "consent_rules",
        sa.Column("rules_id", sa.Integer(), primary_key=True),
        sa.Column("revision", sa.String(), nullable=False),
    )
    op.create_table(
        "consent",
        sa.Column(
            "consent_key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), primary_key=True
        ),
        sa.Column("consent_id", sa.String(), nullable=False, unique=True),
        sa.Column("recorder", sa.String(), nullable=False),
        sa.Column("evidence", sa.LargeBinary(), nullable=False),
        sa.Column("taken_at", sa.BigInteger(), nullable=False),
        sa.Column("student_key", sa.BigInteger(), nullable=True),
        sa.Column("birth_date", sa.Date(), nullable=True),
        sa.Column("code_digest", sa.String(), nullable=True),
        sa.Column("problem", sa.String(), nullable=True),
        sa.Column("verdict", sa.String(), nullable=True),
        sa.Column("last_date", sa.Date(), nullable=True),
        sa.Column("due", sa.Boolean(), nullable=False),
        sa.Column("report_due", sa.Boolean(), nullable=False),
        sa.Column("revoked_at", sa.BigInteger(), nullable=True),
    )
    for column in ("student_key", "problem", "code_digest", "last_date"):
        _create_index("consent", column, f"{column} IS NOT NULL")
    _create_flag_index("consent", "due", ["due"])
    _create_flag_index("consent", "report_due", ["recorder", "consent_key"])
    op.create_table(
        "consent_withdrawal",
        sa.Column("consent_id", sa.String(), primary_key=True),
        sa.Column("recipient", sa.String(), primary_key=True),
        sa.Column("elements", sa.BigInteger(), nullable=False),
        sa.Column("withdrawn_at", sa.BigInteger(), nullable=False),
    )
    _create_index("consent_withdrawal", "recipient", "recipient <> ''")
    op.create_table(
        "consent_grant",
        sa.Column("recipient", sa.String(), primary_key=True),
        sa.Column("purpose", sa.String(), primary_key=True),
        sa.Column("student_key", sa.BigInteger(), primary_key=True),
        sa.Column("consent_key", sa.BigInteger(), primary_key=True),
        sa.Column("elements", sa.BigInteger(), nullable=False),
        sa.Column("named", sa.BigInteger(), nullable=False),
        sa.Column("valid_from", sa.BigInteger(), nullable=False),
        sa.Column("valid_to", sa.BigInteger(), nullable=False),
        sa.Column("age_rule", sa.Integer(), nullable=False),
        sa.Column("agreement_id", sa.String(), nullable=False),
        sa.Column("record_from", sa.Date(), nullable=True),
        sa.Column("record_to", sa.Date(), nullable=True),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_consent_grant_consent_key", "consent_grant", ["consent_key"])
    op.create_index("ix_consent_grant_student_key", "consent_grant", ["student_key"])
    _create_index(
        *("consent_grant", "record_from", "record_from IS NOT NULL"),
        *("recipient", "purpose", "record_from"),
    )


def _create_subject_refs() -> None:
    op.create_table(
        "subject_ref",
        sa.Column("recipient", sa.String(), primary_key=True),
        sa.Column("subject_ref", sa.String(), primary_key=True),
        sa.Column("student_key", sa.BigInteger(), nullable=True),
        sa.Column("in_use", sa.Boolean(), nullable=False),
        sa.Column("retired_at", sa.BigInteger(), nullable=True),
        sa.Column("replaced_by", sa.String(), nullable=True),
        sqlite_with_rowid=False,
    )
    _create_flag_index("subject_ref", "in_use", ["student_key", "recipient"], unique=True)
    op.create_table(
        "student_rights",
        sa.Column("student_key", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("kind", sa.String(), primary_key=True),
        sa.Column("person", sa.String(), primary_key=True),
        sa.Column("from_day", sa.Date(), nullable=True),
    )


def _create_claims() -> None:
    op.create_table(
        "claim_link",
        sa.Column("consent_id", sa.String(), primary_key=True),
        sa.Column("claim", sa.String(), nullable=False),
        sa.Column("identity_digest", sa.String(), nullable=False),
        sa.Column("birth_date", sa.Date(), nullable=True, index=True),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("student_key", sa.BigInteger(), nullable=True, index=True),
        sa.Column("bits", sa.Float(), nullable=False),
        sa.Column("lane", sa.String(), nullable=False),
        sa.Column("offers", sa.String(), nullable=False),
        sa.Column("known", sa.String(), nullable=False),
        sa.Column("rejected", sa.String(), nullable=False),
        sa.Column("changed_at", sa.BigInteger(), nullable=False),
        sa.Column("recorder", sa.String(), nullable=True),
        sa.Column("known_as", sa.String(), nullable=True),
    )
    op.create_index(
        "ix_claim_link_known_as",
        "claim_link",
        ["recorder", "known_as"],
        sqlite_where=sa.text("known_as IS NOT NULL"),
        postgresql_where=sa.text("known_as IS NOT NULL"),
    )
    op.create_table(
        "recorder_name",
        sa.Column("recorder", sa.String(), primary_key=True),
        sa.Column("known_as", sa.String(), primary_key=True),
        sa.Column(
            "student_key", sa.BigInteger(), primary_key=True, autoincrement=False, index=True
        ),
    )
    waiting = sa.text("state IN ('review', 'contested', 'undone')")
    op.create_index(
        "ix_claim_link_queue",
        "claim_link",
        ["consent_id"],
        sqlite_where=waiting,
        postgresql_where=waiting,
    )
    op.create_table(
        "undone_link",
        sa.Column("pair_digest", sa.String(), primary_key=True),
        sa.Column("undone_at", sa.BigInteger(), nullable=False),
        sa.Column("undone_by", sa.String(), nullable=False),
        sa.Column("confirmed_by", sa.String(), nullable=True),
    )
    op.create_table(
        "retraction",
        sa.Column("recipient", sa.String(), primary_key=True),
        sa.Column("query_digest", sa.String(), primary_key=True),
        sa.Column("subject_ref", sa.String(), primary_key=True),
        sa.Column("noted_at", sa.BigInteger(), nullable=False),
        sa.Column("sent", sa.Boolean(), nullable=False),
    )
    op.create_table(
        "review_act",
        sa.Column("request_id", sa.String(), primary_key=True),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("ending", sa.String(), nullable=False),
    )
    op.create_table(
        "matching",
        sa.Column("matching_id", sa.Integer(), primary_key=True),
        sa.Column("digest_key", sa.LargeBinary(), nullable=False),
        sa.Column("seen_run", sa.BigInteger(), nullable=False),
    )


def _create_matters() -> None:
    op.create_table(
        "matter",
        sa.Column(
            "matter_key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), primary_key=True
        ),
        sa.Column("matter_id", sa.String(), nullable=False, unique=True),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("requester", sa.String(), nullable=False),
        sa.Column("valid_from", sa.BigInteger(), nullable=False),
        sa.Column("valid_to", sa.BigInteger(), nullable=False),
        sa.Column("facts", sa.String(), nullable=False),
        sa.Column("entered_by", sa.String(), nullable=False),
        sa.Column("entered_at", sa.BigInteger(), nullable=False),
        sa.Column("evidence_digest", sa.String(), nullable=False),
        sa.Column("requester_keys", sa.String(), nullable=True),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
    )
    op.create_index("ix_matter_requester", "matter", ["requester", "kind"])
    op.create_table(
        "matter_student",
        sa.Column("matter_key", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("student_key", sa.BigInteger(), primary_key=True, autoincrement=False),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_matter_student_student_key", "matter_student", ["student_key"])


def _create_approvals() -> None:
    op.create_table(
        "approval",
        sa.Column(
            "approval_key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), primary_key=True
        ),
        sa.Column("approval_id", sa.String(), nullable=False, unique=True),
        sa.Column("requester", sa.String(), nullable=False),
        sa.Column("agreement_id", sa.String(), nullable=False),
        sa.Column("purpose", sa.String(), nullable=False),
        sa.Column("element", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("opened_at", sa.BigInteger(), nullable=False),
        sa.Column("decided_at", sa.BigInteger(), nullable=True),
        sa.Column("decided_by", sa.String(), nullable=False),
        sa.Column("valid_from", sa.BigInteger(), nullable=True),
        sa.Column("valid_to", sa.BigInteger(), nullable=True),
        sa.Column("statement", sa.LargeBinary(), nullable=False),
    )
    op.create_index("ix_approval_requester", "approval", ["requester", "purpose"])
    pending = sa.text("state = 'pending'")
    op.create_index(
        "ix_approval_pending",
        "approval",
        ["requester", "agreement_id", "purpose", "element"],
        unique=True,
        sqlite_where=pending,
        postgresql_where=pending,
    )


def _create_index(table: str, column: str, where: str, *columns: str) -> None:
    """An index of the few rows that are looked for by this column, or as it says by others."""
    op.create_index(
        f"ix_{table}_{column}",
        table,
        columns or [column],
        sqlite_where=sa.text(where),
        postgresql_where=sa.text(where),
    )


def _create_flag_index(table: str, flag: str, columns: list[str], *, unique: bool = False) -> None:
    """An index of the rows that have a flag, which each database writes in its own way."""
    op.create_index(
        f"ix_{table}_{flag}",
        table,
        columns,
        unique=unique,
        sqlite_where=sa.text(f"{flag} = 1"),
        postgresql_where=sa.text(flag),
    )
