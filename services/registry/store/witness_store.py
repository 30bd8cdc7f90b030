"""Keeps the checkpoints of organizations' logs, and the evidence against logs that changed."""

import datetime as dt
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Row, Select, delete, func, insert, select

from homeroom.audit.checkpoint import GATEWAY_LOG, Checkpoint
from homeroom.audit.growth import Contradiction
from homeroom.errors import TooMuchAskedError
from services.registry.domain.organizations import RegisteredOrganization
from services.registry.domain.statements import Signature, Statement
from services.registry.domain.thinning import KeptStep, thin
from services.registry.domain.witness import (
    MAX_COSIGNATURES,
    FoundContradiction,
    TakenCheckpoint,
    Verdict,
)
from services.registry.store.organizations import organizations_of
from services.registry.store.tables import RegistryTable
from services.runtime.database import database_errors, open_database, writing

_TABLES = RegistryTable.metadata.tables
_ORGANIZATION = _TABLES["organization"]
_SEQUENCE = _TABLES["registry_sequence"]
_TAKEN = _TABLES["witnessed_checkpoint"]
_LINE = _TABLES["checkpoint_cosignature"]
_FOUND = _TABLES["log_contradiction"]

_MOST_LOOKED_AT = 20_000
_MOST_AT_ONCE = 500


class SqlWitnessStore:
    """What the registry witnessed, behind the port `WitnessStore`."""

    def __init__(self, url: str) -> None:
        self._engine = open_database(url)

    def close(self) -> None:
        self._engine.dispose()

    def decide(
        self,
        organization_id: str,
        rule: Callable[[RegisteredOrganization | None, TakenCheckpoint | None], Verdict],
    ) -> Verdict:
        with database_errors(), writing(self._engine) as connection:
            organization = _locked(connection, organization_id)
            newest = _newest(connection, organization_id)
            verdict = rule(organization, newest)
            if isinstance(verdict, FoundContradiction):
                _keep_contradiction(connection, verdict)
            elif newest is None or verdict.position != newest.position:
                connection.execute(insert(_TAKEN).values(_values_of(verdict)))
            return verdict

    def add_cosignature(
        self,
        organization_id: str,
        position: int,
        rule: Callable[[TakenCheckpoint | None], tuple[str, str]],
    ) -> None:
        of = (_LINE.c.organization_id == organization_id, _LINE.c.position == position)
        with database_errors(), writing(self._engine) as connection:
            _locked(connection, organization_id)
            place = _TAKEN.c.position == position
            found = _taken(connection, _of_log(organization_id).where(place))
            witness, line = rule(found[0] if found else None)
            connection.execute(delete(_LINE).where(*of, _LINE.c.witness == witness))
            count = connection.scalar(select(func.count()).select_from(_LINE).where(*of))
            if (count or 0) >= MAX_COSIGNATURES:
                raise TooMuchAskedError("enough have cosigned", limit=f"{MAX_COSIGNATURES} lines")
            connection.execute(
                insert(_LINE).values(
                    organization_id=organization_id, position=position, witness=witness, line=line
                )
            )

    def organization(self, organization_id: str) -> RegisteredOrganization | None:
        with self._reading() as connection:
            return _organization(connection, organization_id)

    def newest(self, organization_id: str) -> TakenCheckpoint | None:
        with self._reading() as connection:
            return _newest(connection, organization_id)

    def taken(self, organization_id: str, after: int, limit: int) -> Sequence[TakenCheckpoint]:
        later = _of_log(organization_id).where(_TAKEN.c.position > after)
        with self._reading() as connection:
            return _taken(connection, later.order_by(_TAKEN.c.position).limit(limit))

    def logs(self) -> Sequence[str]:
        named = select(_TAKEN.c.organization_id).distinct().order_by(_TAKEN.c.organization_id)
        with self._reading() as connection:
            return list(connection.scalars(named))

    def thin(self, organization_id: str, before: dt.datetime) -> int:
        with database_errors(), writing(self._engine) as connection:
            _locked(connection, organization_id)
            steps = _steps_before(connection, organization_id, before)
            thinned = thin(steps, _followed(connection, organization_id), before)
            for position, path in thinned.paths.items():
                connection.execute(
                    _TAKEN.update()
                    .where(_TAKEN.c.organization_id == organization_id)
                    .where(_TAKEN.c.position == position)
                    .values(path=path)
                )
            for table in (_TAKEN, _LINE):
                for some in _batched(thinned.dropped):
                    connection.execute(
                        delete(table)
                        .where(table.c.organization_id == organization_id)
                        .where(table.c.position.in_(some))
                    )
            return len(thinned.dropped)

    def contradictions(
        self, organization_id: str, after: int, limit: int
    ) -> Sequence[FoundContradiction]:
        query = (
            select(_FOUND)
            .where(_FOUND.c.organization_id == organization_id, _FOUND.c.position > after)
            .order_by(_FOUND.c.position)
            .limit(limit)
        )
        with self._reading() as connection:
            return [_contradiction_of(row) for row in connection.execute(query)]

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        with database_errors(), self._engine.connect() as connection:
            yield connection


def _locked(connection: Connection, log_name: str) -> RegisteredOrganization | None:
    """The organization whose log it is, if it is one's; nobody else writes of the log now."""
    if log_name == GATEWAY_LOG:
        # No organization has a row of that name: the row that every writer locks stands for it.
        connection.execute(select(_SEQUENCE).with_for_update())
        return None
    return _organization(connection, log_name, lock=True)


def _organization(
    connection: Connection, organization_id: str, *, lock: bool = False
) -> RegisteredOrganization | None:
    """The organization; while it is locked, nobody else writes of its log."""
    chosen = select(_ORGANIZATION).where(_ORGANIZATION.c.organization_id == organization_id)
    if lock:
        connection.execute(chosen.with_for_update()).all()
    found = organizations_of(connection, chosen)
    return found[0] if found else None


def _of_log(organization_id: str) -> Select[Any]:
    return select(_TAKEN).where(_TAKEN.c.organization_id == organization_id)


def _newest(connection: Connection, organization_id: str) -> TakenCheckpoint | None:
    last = _of_log(organization_id).order_by(_TAKEN.c.position.desc()).limit(1)
    found = _taken(connection, last)
    return found[0] if found else None


def _taken(connection: Connection, query: Select[Any]) -> list[TakenCheckpoint]:
    rows = connection.execute(query).all()
    if not rows:
        return []
    lines: dict[int, list[str]] = {row.position: [] for row in rows}
    before = connection.scalar(
        select(func.max(_TAKEN.c.position)).where(
            _TAKEN.c.organization_id == rows[0].organization_id,
            _TAKEN.c.position < rows[0].position,
        )
    )
    previous = [before or 0, *lines]
    kept = connection.execute(
        select(_LINE.c.position, _LINE.c.line)
        .where(_LINE.c.organization_id == rows[0].organization_id, _LINE.c.position.in_(lines))
        .order_by(_LINE.c.witness)
    )
    for row in kept:
        lines[row.position].append(row.line)
    return [
        _taken_of(row, lines[row.position], at) for row, at in zip(rows, previous, strict=False)
    ]


def _steps_before(
    connection: Connection, organization_id: str, before: dt.datetime
) -> list[KeptStep]:
    kept = _TAKEN.c
    chosen = (
        select(kept.position, kept.origin, kept.size, kept.root, kept.path, kept.taken_at)
        .add_columns(func.length(kept.beginning).label("beginning"))
        .where(kept.organization_id == organization_id)
        .where(kept.taken_at < int(before.timestamp()))
        .order_by(kept.position)
        .limit(_MOST_LOOKED_AT)
    )
    return [
        KeptStep(
            position=row.position,
            checkpoint=Checkpoint(row.origin, row.size, bytes(row.root)),
            path=bytes(row.path),
            taken_at=dt.datetime.fromtimestamp(row.taken_at, dt.UTC),
            begins=bool(row.beginning),
        )
        for row in connection.execute(chosen)
    ]


def _followed(connection: Connection, organization_id: str) -> set[int]:
    """The newest that each witness cosigned: from there it goes on."""
    newest = (
        select(func.max(_LINE.c.position))
        .where(_LINE.c.organization_id == organization_id)
        .group_by(_LINE.c.witness)
    )
    return set(connection.scalars(newest))


def _batched(positions: Collection[int]) -> Iterator[list[int]]:
    ordered = sorted(positions)
    for begun in range(0, len(ordered), _MOST_AT_ONCE):
        yield ordered[begun : begun + _MOST_AT_ONCE]


def _taken_of(row: Row[Any], lines: Sequence[str], previous: int) -> TakenCheckpoint:
    beginning = None
    if row.beginning:
        signature = Signature(row.organization_id, row.beginning_key_id, row.beginning_signature)
        beginning = Statement(row.beginning, (signature,))
    return TakenCheckpoint(
        organization_id=row.organization_id,
        position=row.position,
        checkpoint=Checkpoint(row.origin, row.size, row.root),
        note=row.note,
        path=row.path,
        taken_at=dt.datetime.fromtimestamp(row.taken_at, dt.UTC),
        beginning=beginning,
        cosignatures=tuple(lines),
        previous=previous,
    )


def _values_of(taken: TakenCheckpoint) -> dict[str, Any]:
    beginning = taken.beginning
    return {
        "organization_id": taken.organization_id,
        "position": taken.position,
        "origin": taken.checkpoint.origin,
        "size": taken.checkpoint.size,
        "root": taken.checkpoint.root,
        "note": taken.note,
        "path": taken.path,
        "taken_at": int(taken.taken_at.timestamp()),
        "beginning": beginning.content if beginning else b"",
        "beginning_key_id": beginning.signatures[0].key_id if beginning else "",
        "beginning_signature": beginning.signatures[0].value if beginning else b"",
    }


def _keep_contradiction(connection: Connection, found: FoundContradiction) -> None:
    """Keeps evidence once: whoever shows the same again adds nothing."""
    of = _FOUND.c.organization_id == found.organization_id
    same = select(_FOUND.c.position).where(
        of,
        _FOUND.c.known_note == found.known_note,
        _FOUND.c.refused_note == found.refused_note,
    )
    if connection.scalar(same) is not None:
        return
    last = connection.scalar(select(func.max(_FOUND.c.position)).where(of))
    connection.execute(
        insert(_FOUND).values(
            organization_id=found.organization_id,
            position=(last or 0) + 1,
            kind=str(found.kind),
            known_note=found.known_note,
            refused_note=found.refused_note,
            refused_at=int(found.refused_at.timestamp()),
        )
    )


def _contradiction_of(row: Row[Any]) -> FoundContradiction:
    return FoundContradiction(
        organization_id=row.organization_id,
        kind=Contradiction(row.kind),
        known_note=row.known_note,
        refused_note=row.refused_note,
        refused_at=dt.datetime.fromtimestamp(row.refused_at, dt.UTC),
        position=row.position,
    )
