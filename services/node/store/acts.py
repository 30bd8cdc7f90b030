"""Writes the log's entries about acts of the node and its keepers, beside what they change."""

import secrets
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, Engine, select

from homeroom.audit import AuditKind, encode_content
from services.node.store.database import available
from services.node.store.state_tables import LOG, LOG_ENTRY
from services.runtime.audit import append_within
from services.runtime.database import writing

_DIGEST_BYTES = 32


def write_act(
    connection: Connection, kind: AuditKind, content: Mapping[str, Any], digest: bytes = b""
) -> None:
    """Writes an entry with whatever else a transaction writes; call it last.

    Args:
        connection: the transaction.
        kind: what the entry tells.
        content: what it says; no student.
        digest: of the act, if it must be told once; otherwise the entry stands for itself.
    """
    act = digest or secrets.token_bytes(_DIGEST_BYTES)
    append_within(connection, LOG, str(kind), act.hex(), encode_content(content))


class ActLog:
    """Notes acts that change nothing in the node's own state."""

    def __init__(self, state: Engine) -> None:
        self._state = state

    @available()
    def note(self, kind: AuditKind, content: Mapping[str, Any], digest: bytes = b"") -> bool:
        """Notes an act; False if one of this kind and digest was noted before.

        Raises:
            LogUnavailableError: if the database is not usable now.
        """
        with writing(self._state) as connection:
            if digest and self._is_noted(connection, kind, digest):
                return False
            write_act(connection, kind, content, digest)
        return True

    def _is_noted(self, connection: Connection, kind: AuditKind, digest: bytes) -> bool:
        kept = LOG_ENTRY.c
        noted = select(kept.log_index).where(
            kept.kind == str(kind), kept.query_digest == digest.hex()
        )
        return connection.scalar(noted) is not None
