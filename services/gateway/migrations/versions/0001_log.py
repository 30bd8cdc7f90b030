"""The tables of the gateway's log."""

from services.runtime.audit.migrating import create_log

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    create_log()
