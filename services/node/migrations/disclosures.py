"""The tables of the disclosure record, and of what left."""

import sqlalchemy as sa
from alembic import op


def create_disclosures() -> None:
    """The record, its students, and how each answer ended."""
    words = (
        *(
            "query_digest",
            "event",
            "regimes",
            "requester",
            "affiliation",
            "user_id",
            "role",
            "purpose",
        ),
        *("interest", "basis", "agreement_id", "matter_id", "onward_to", "onward", "authorities"),
        *("dataset", "elements", "released", "reasons", "withheld", "obligations"),
        *("federation_revision", "local_revision", "released_by", "releaser_role"),
        "releaser_key",
    )
    op.create_table(
        "disclosure_record",
        _index_of_entry(),
        sa.Column("recorded_at", sa.BigInteger(), nullable=False),
        sa.Column("recorded_on", sa.Date(), nullable=False),
        *(sa.Column(name, sa.String(), nullable=False) for name in words),
        sa.Column("agreement_version", sa.Integer(), nullable=False),
        sa.Column("first_day", sa.Date(), nullable=True),
        sa.Column("last_day", sa.Date(), nullable=True),
        sa.Column("everyone", sa.Boolean(), nullable=False),
        sa.Column("secret", sa.Boolean(), nullable=False),
        sa.Column("secret_until", sa.BigInteger(), nullable=True),
    )
    op.create_index(
        "ix_disclosure_record_requester", "disclosure_record", ["requester", "log_index"]
    )
    _create_students()
    _create_manifest()
    _create_certificates()


def _create_students() -> None:
    """Who stands beside the entries."""
    _create_beside("disclosed", sa.Column("elements", sa.BigInteger(), nullable=False))
    _create_beside("disclosure_refused", sa.Column("reason", sa.String(), nullable=False))
    _create_beside("record_shown")
    op.create_table(
        "disclosed_consent",
        _index_of_entry(),
        sa.Column("student_key", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("consent_key", sa.BigInteger(), primary_key=True, autoincrement=False),
        sqlite_with_rowid=False,
    )


def _create_manifest() -> None:
    """How each answer ended."""
    op.create_table(
        "disclosure_manifest",
        _index_of_entry(),
        sa.Column("ended_index", sa.BigInteger(), nullable=False),
        sa.Column("ended_at", sa.BigInteger(), nullable=False),
        sa.Column("pieces", sa.Integer(), nullable=False),
        sa.Column("row_count", sa.BigInteger(), nullable=False),
        sa.Column("frames_digest", sa.String(), nullable=False),
        sa.Column("cut", sa.Boolean(), nullable=False),
    )


def _create_certificates() -> None:
    """What recipients have certified to be destroyed."""
    words = ("recipient", "agreement_id", "method", "role")
    op.create_table(
        "destruction_certificate",
        sa.Column("digest", sa.String(), primary_key=True),
        sa.Column("log_index", sa.BigInteger(), nullable=False),
        sa.Column("received_at", sa.BigInteger(), nullable=False),
        *(sa.Column(name, sa.String(), nullable=False) for name in words),
        sa.Column("destroyed_on", sa.Date(), nullable=False),
        sa.Column("evidence", sa.LargeBinary(), nullable=False),
    )
    op.create_table(
        "destruction_certified",
        _index_of_entry(),
        sa.Column("consent_id", sa.String(), primary_key=True),
        sa.Column("digest", sa.String(), primary_key=True),
        sa.Column("kept_because", sa.String(), nullable=False),
        sqlite_with_rowid=False,
    )


def create_copies() -> None:
    """What left, sealed, and the keys it is sealed with."""
    op.create_table(
        "copy_key",
        sa.Column("key_id", sa.String(), primary_key=True),
        sa.Column("sealed_key", sa.LargeBinary(), nullable=False),
        sa.Column("made_at", sa.BigInteger(), nullable=False),
    )
    op.create_table(
        "released_copy",
        sa.Column("query_digest", sa.String(), primary_key=True),
        sa.Column("sequence", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("key_id", sa.String(), nullable=False),
        sa.Column("place", sa.BigInteger(), nullable=False),
        sa.Column("made_at", sa.BigInteger(), nullable=False, index=True),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
    )


def _create_beside(table: str, *columns: "sa.Column[object]") -> None:
    """A table of students who stand beside an entry of the log."""
    op.create_table(
        table,
        _index_of_entry(),
        sa.Column("student_key", sa.BigInteger(), primary_key=True, autoincrement=False),
        *columns,
        sqlite_with_rowid=False,
    )
    op.create_index(f"ix_{table}_student_key", table, ["student_key"])


def _index_of_entry() -> "sa.Column[int]":
    return sa.Column("log_index", sa.BigInteger(), primary_key=True, autoincrement=False)
