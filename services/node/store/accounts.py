"""Reads what the log has of one requester's questions, each with its place in the tree."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Engine, Row, exists, select

from homeroom.audit import AuditKind
from homeroom.audit.accounts import LoggedEntry, LoggedQuestion
from homeroom.merkle import consistency_path, inclusion_path, root_of
from services.node.domain.accounting import Told, Wanted
from services.node.store.database import available
from services.node.store.disclosure_tables import DISCLOSURE_RECORD
from services.node.store.state_tables import LOG, LOG_ENTRY
from services.runtime.audit.tables import Tiles, entry_of
from services.runtime.tiles import TiledTree


class AccountStore:
    """The log as one requester may know it."""

    def __init__(self, state: Engine) -> None:
        self._state = state

    @available()
    def tell(self, wanted: Wanted) -> Told:
        """One page of what the log has of a requester's questions."""
        with self._state.connect() as connection:
            size = LOG.size(connection)
            tree = TiledTree(Tiles(connection, LOG.tile))
            rows = _decided(connection, wanted, size)
            ended = _ended(connection, [row.query_digest for row in rows], size)
            return Told(
                size=size,
                root=root_of(tree, size),
                growth=tuple(
                    consistency_path(tree, known, size) if known <= size else b""
                    for known in wanted.known_sizes
                ),
                questions=tuple(_question(row, ended, tree, size) for row in rows[: wanted.limit]),
                next_index=rows[wanted.limit].log_index if len(rows) > wanted.limit else 0,
            )


def _decided(connection: Connection, wanted: Wanted, size: int) -> Sequence[Row[Any]]:
    """The entries of what was decided, or could not be; one more than the page has."""
    entry, record = LOG_ENTRY, DISCLOSURE_RECORD
    entered = LOG_ENTRY.alias("entered")
    # What a steward entered for someone outside is no question of the organization of that name.
    outside = exists().where(
        entered.c.kind == AuditKind.REQUEST_ENTERED,
        entered.c.query_digest == entry.c.query_digest,
    )
    chosen = (
        select(entry)
        .join(record, record.c.log_index == entry.c.log_index)
        .where(
            record.c.requester == wanted.requester,
            record.c.log_index >= wanted.from_index,
            record.c.log_index < size,
            record.c.recorded_at >= wanted.since,
            ~outside,
        )
        .order_by(record.c.log_index)
        .limit(wanted.limit + 1)
    )
    return connection.execute(chosen).all()


def _ended(connection: Connection, digests: Sequence[str], size: int) -> Mapping[str, Row[Any]]:
    entry = LOG_ENTRY.c
    chosen = select(LOG_ENTRY).where(
        entry.kind == AuditKind.RELEASED, entry.query_digest.in_(digests), entry.log_index < size
    )
    return {row.query_digest: row for row in connection.execute(chosen)}


def _question(
    row: Row[Any], ended: Mapping[str, Row[Any]], tree: TiledTree, size: int
) -> LoggedQuestion:
    # An entry that could not be decided has no end, even if the question was decided later.
    end = ended.get(row.query_digest) if row.kind == AuditKind.DECIDED else None
    return LoggedQuestion(
        bytes.fromhex(row.query_digest),
        _logged(row, tree, size),
        _logged(end, tree, size, entry_of(end).encode()) if end is not None else None,
    )


def _logged(row: Row[Any], tree: TiledTree, size: int, entry: bytes = b"") -> LoggedEntry:
    path = inclusion_path(tree, row.log_index, size)
    return LoggedEntry(row.log_index, row.kind, row.written_at, bytes(row.leaf), path, entry)
