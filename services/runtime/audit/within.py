"""Appends an entry within a transaction that writes what the entry tells of."""

import secrets
import time

from sqlalchemy import Connection

from homeroom.audit import AuditEntry
from homeroom.audit.entry import SALT_BYTES
from services.runtime.audit.tables import LogTables


def append_within(
    connection: Connection, tables: LogTables, kind: str, act_digest: str, content: str
) -> AuditEntry:
    """Adds one entry that is durable with whatever else the transaction writes.

    No one else appends until the transaction ends: call it last.

    Args:
        connection: a transaction that writes.
        tables: where the log is.
        kind: what the entry tells.
        act_digest: hexadecimal; of the act, or random where the same may happen again.
        content: as `encode_content` writes it.
    """
    tables.lock(connection)
    salt, at = secrets.token_bytes(SALT_BYTES), int(time.time())
    entry = AuditEntry(tables.size(connection), at, kind, act_digest, salt, content)
    tables.append(connection, [entry])
    return entry
