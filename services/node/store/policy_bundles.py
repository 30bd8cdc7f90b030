"""Keeps the bundle of each policy that the node took last, so that it takes none older."""

import time

from sqlalchemy import Engine, delete, insert, select

from homeroom.audit import AuditKind
from homeroom.signing import digest_of
from services.node.store.acts import write_act
from services.node.store.database import available
from services.node.store.state_tables import POLICY_BUNDLE
from services.runtime.database import writing

_BUNDLE = POLICY_BUNDLE.c


class PolicyBundleStore:
    """The bundles, in SQLite or PostgreSQL; implements `BundleShelf`."""

    def __init__(self, state: Engine) -> None:
        self._state = state

    @available()
    def taken(self, scope: str) -> tuple[int, bytes] | None:
        with self._state.connect() as connection:
            row = connection.execute(select(POLICY_BUNDLE).where(_BUNDLE.scope == scope)).first()
        return (row.sequence, row.packed) if row else None

    @available()
    def take(self, scope: str, sequence: int, packed: bytes) -> None:
        with writing(self._state) as connection:
            connection.execute(delete(POLICY_BUNDLE).where(_BUNDLE.scope == scope))
            connection.execute(
                insert(POLICY_BUNDLE).values(
                    scope=scope, sequence=sequence, packed=packed, taken_at=int(time.time())
                )
            )
            told = {
                "scope": scope,
                "sequence": sequence,
                "bundle_digest": digest_of(packed).hex(),
            }
            write_act(connection, AuditKind.POLICY_TAKEN, told)
