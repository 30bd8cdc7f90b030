"""Keeps what the node knows of its partners' logs."""

import datetime as dt
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Engine, Row, delete, insert, select

from homeroom.audit.checkpoint import Checkpoint
from homeroom.audit.following import FollowedLog
from services.node.domain.partner_logs import PartnerLog, SeenContradiction
from services.node.store.database import available
from services.node.store.state_tables import PARTNER_LOG
from services.runtime.database import writing


class PartnerLogStore:
    """The node's memory of its partners' logs, behind the port `PartnerShelf`."""

    def __init__(self, state: Engine) -> None:
        self._state = state

    @available()
    def partner_logs(self) -> Mapping[str, PartnerLog]:
        with self._state.connect() as connection:
            return {row.organization_id: _log_of(row) for row in connection.execute(_ALL)}

    @available()
    def keep_partner_log(self, organization_id: str, known: PartnerLog) -> None:
        followed, found = known.followed, known.contradiction
        same = PARTNER_LOG.c.organization_id == organization_id
        with writing(self._state) as connection:
            connection.execute(delete(PARTNER_LOG).where(same))
            connection.execute(
                insert(PARTNER_LOG).values(
                    organization_id=organization_id,
                    position=followed.position,
                    origin=followed.checkpoint.origin,
                    size=followed.checkpoint.size,
                    root=followed.checkpoint.root,
                    note=followed.note,
                    checkpoint_key=followed.key,
                    begun_anew=followed.begun_anew,
                    seen_at=int(known.seen_at.timestamp()),
                    contradiction=found.kind if found else "",
                    known_note=found.known_note if found else "",
                    refused_note=found.refused_note if found else "",
                    contradicted_at=int(found.seen_at.timestamp()) if found else 0,
                )
            )


_ALL = select(PARTNER_LOG)


def _log_of(row: Row[Any]) -> PartnerLog:
    return PartnerLog(
        FollowedLog(
            position=row.position,
            checkpoint=Checkpoint(row.origin, row.size, bytes(row.root)),
            note=row.note,
            key=bytes(row.checkpoint_key),
            begun_anew=row.begun_anew,
        ),
        seen_at=dt.datetime.fromtimestamp(row.seen_at, dt.UTC),
        contradiction=_contradiction_of(row) if row.contradiction else None,
    )


def _contradiction_of(row: Row[Any]) -> SeenContradiction:
    at = dt.datetime.fromtimestamp(row.contradicted_at, dt.UTC)
    return SeenContradiction(row.contradiction, row.known_note, row.refused_note, at)
