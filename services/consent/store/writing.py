"""Writes consents and revocations into the order, in the transaction of one call."""

from collections.abc import Iterable, Sequence

from sqlalchemy import Connection, delete, func, insert, select, update

from homeroom.errors import AlreadyRecordedError
from services.consent.domain.consents import Consent
from services.consent.domain.ledger import ChangeRequest, Recorded
from services.consent.domain.revocations import Revocation
from services.consent.store.instants import microseconds_of
from services.consent.store.tables import ConsentTable

_TABLES = ConsentTable.metadata.tables
_SEQUENCE = _TABLES["consent_sequence"]
_CONSENT = _TABLES["consent"]
_BODY = _TABLES["consent_body"]
_REVOCATION = _TABLES["revocation"]
_CHANGE = _TABLES["consent_change"]
_CHAIN = _TABLES["consent_chain"]
_REQUEST = _TABLES["consent_request"]

_THE_SEQUENCE = _SEQUENCE.c.sequence_id == 1


def lock_sequence(connection: Connection) -> int:
    """The sequence; other replicas that would write wait until this transaction ends."""
    query = select(_SEQUENCE.c.sequence).where(_THE_SEQUENCE).with_for_update()
    return int(connection.execute(query).scalar_one())


def answered(connection: Connection, request: ChangeRequest) -> Recorded | None:
    """What this call was answered before, if it was.

    Raises:
        AlreadyRecordedError: if its id was used before for another call.
    """
    row = connection.execute(
        select(_REQUEST).where(
            _REQUEST.c.organization_id == request.organization_id,
            _REQUEST.c.request_id == request.request_id,
        )
    ).one_or_none()
    if row is None:
        return None
    if row.digest != request.digest:
        raise AlreadyRecordedError(
            "this request id was used for another request", field="request_id"
        )
    return Recorded(row.sequence, row.recorded_count)


def note_answer(connection: Connection, request: ChangeRequest, recorded: Recorded) -> Recorded:
    """Keeps what a call is answered; returns it."""
    connection.execute(
        insert(_REQUEST).values(
            organization_id=request.organization_id,
            request_id=request.request_id,
            digest=request.digest,
            sequence=recorded.sequence,
            recorded_count=recorded.count,
        )
    )
    return recorded


def recorded_digests(connection: Connection, consent_ids: Sequence[str]) -> dict[str, bytes]:
    """The digests of those of the consents that are recorded."""
    query = select(_CONSENT.c.consent_id, _CONSENT.c.digest).where(
        _CONSENT.c.consent_id.in_(consent_ids)
    )
    return {row.consent_id: bytes(row.digest) for row in connection.execute(query)}


def newest_of(connection: Connection, consent_ids: Sequence[str]) -> int:
    """The newest sequence at which one of the consents was recorded."""
    query = select(func.max(_CONSENT.c.sequence)).where(_CONSENT.c.consent_id.in_(consent_ids))
    return int(connection.execute(query).scalar_one())


def concerned_by(connection: Connection, consent_id: str) -> frozenset[str]:
    """The organizations that a consent concerns; nobody if there is none."""
    row = connection.execute(
        select(_CONSENT.c.recorder, _CONSENT.c.holder).where(_CONSENT.c.consent_id == consent_id)
    ).one_or_none()
    if row is None:
        return frozenset()
    readers = connection.scalars(
        select(_BODY.c.organization_id).where(_BODY.c.consent_id == consent_id)
    )
    return frozenset({row.recorder, row.holder, *readers})


def revoked_at(connection: Connection, consent_id: str) -> int | None:
    """The sequence of a consent's revocation, if it was revoked."""
    query = select(_REVOCATION.c.sequence).where(_REVOCATION.c.consent_id == consent_id)
    return connection.execute(query).scalar_one_or_none()


def write_consents(connection: Connection, consents: Sequence[Consent], sequence: int) -> None:
    """Adds new consents after a sequence, each one step further."""
    numbered = list(enumerate(consents, start=sequence + 1))
    connection.execute(
        insert(_CONSENT),
        [
            {
                "consent_id": consent.consent_id,
                "recorder": consent.recorder,
                "holder": consent.holder,
                "digest": consent.digest(),
                "sequence": place,
            }
            for place, consent in numbered
        ],
    )
    connection.execute(
        insert(_BODY),
        [
            {
                "consent_id": consent.consent_id,
                "organization_id": body.organization_id,
                "sealed_key": body.sealed_key,
                "place": body.place,
                "sealed_evidence": body.sealed_evidence,
            }
            for _, consent in numbered
            for body in consent.bodies
        ],
    )
    steps = [(place, consent.consent_id, consent.concerned) for place, consent in numbered]
    _write_steps(connection, steps, revoked=False)


def write_revocation(
    connection: Connection, revocation: Revocation, concerned: frozenset[str], sequence: int
) -> None:
    """Adds a revocation as the step of that sequence."""
    connection.execute(
        insert(_REVOCATION).values(
            consent_id=revocation.consent_id,
            sequence=sequence,
            organization_id=revocation.organization_id,
            revoke_time=microseconds_of(revocation.revoke_time),
            statement=revocation.content,
            key_id=revocation.key_id,
            signature=revocation.signature,
        )
    )
    _write_steps(connection, [(sequence, revocation.consent_id, concerned)], revoked=True)


def _write_steps(
    connection: Connection, steps: Iterable[tuple[int, str, frozenset[str]]], *, revoked: bool
) -> None:
    newest = {row.organization_id: row.sequence for row in connection.execute(select(_CHAIN))}
    moved: dict[str, int] = {}
    rows, last = [], 0
    for place, consent_id, concerned in steps:
        last = place
        for organization_id in sorted(concerned):
            rows.append(
                {
                    "organization_id": organization_id,
                    "sequence": place,
                    "previous_sequence": newest.get(organization_id, 0),
                    "consent_id": consent_id,
                    "revoked": revoked,
                }
            )
            newest[organization_id] = moved[organization_id] = place
    connection.execute(insert(_CHANGE), rows)
    connection.execute(delete(_CHAIN).where(_CHAIN.c.organization_id.in_(list(moved))))
    connection.execute(
        insert(_CHAIN),
        [{"organization_id": name, "sequence": place} for name, place in moved.items()],
    )
    connection.execute(update(_SEQUENCE).where(_THE_SEQUENCE).values(sequence=last))
