"""Keeps what waits for a steward's approval, and what was decided of it."""

import datetime as dt
import secrets
from collections.abc import Iterable, Sequence
from typing import Any

from google.protobuf.message import DecodeError
from sqlalchemy import Connection, Engine, Row, bindparam, select, update
from sqlalchemy.dialects import postgresql, sqlite

from homeroom.api.common.v1 import evidence_pb2
from homeroom.approvals import ApprovalTerms, read_approval
from homeroom.errors import ChangedMeanwhileError, EvidenceInvalidError
from homeroom.evidence import key_that_signed
from homeroom.key_history import KeyHistory, KeySet, sole_period
from homeroom.vocabulary import Element
from services.node.domain.approving import ApprovalRequest, Approved
from services.node.domain.on_file import Approval, ApprovalState, Looked
from services.node.store.database import available
from services.node.store.matter_tables import APPROVAL
from services.runtime.database import writing
from services.runtime.statements import Statement

_APPROVAL = APPROVAL.c
_OF_USE = (
    select(APPROVAL)
    .where(
        *(_APPROVAL[name] == bindparam(name) for name in ("requester", "purpose", "agreement_id"))
    )
    .order_by(_APPROVAL.approval_key)
)
_KEYS_OF_USE = Statement(_OF_USE.with_only_columns(_APPROVAL.approval_key))
_ID_BYTES = 8
_NEVER = int(dt.datetime(9999, 1, 1, tzinfo=dt.UTC).timestamp())


class ApprovalStore:
    """What waits and what was decided, in SQLite or PostgreSQL; implements `ApprovalShelf`.

    An approval counts only by the statement that the holder's own organization signed: a row that
    says something else says nothing.
    """

    def __init__(self, state: Engine) -> None:
        self._state = state

    @available()
    def find(self, looked: Looked, holder: str, signing_key: bytes) -> tuple[Approval, ...]:
        """What a steward said of each element that waited for this use; the newest word of each.

        Args:
            looked: the use.
            holder: whose statements count.
            signing_key: the key that they are signed with, where `looked` names no keys.
        """
        use = {
            "requester": looked.requester,
            "purpose": looked.purpose,
            "agreement_id": looked.agreement_id,
        }
        with self._state.connect() as connection:
            if _KEYS_OF_USE.execute(connection, use).fetchone() is None:
                # As it is for most uses, and each question asks.
                return ()
            newest = {row.element: row for row in connection.execute(_OF_USE, use)}
        keys = looked.holder_keys or sole_period(KeySet(signing_key, b""))
        found = (_approval(row, looked.at, holder, keys) for _, row in sorted(newest.items()))
        return tuple(one for one in found if one is not None)

    @available()
    def get(self, approval_id: str) -> ApprovalRequest | None:
        """The request of that name."""
        with self._state.connect() as connection:
            return _found(connection, approval_id)

    @available()
    def page(self, after: int, most: int, *, every: bool) -> Sequence[ApprovalRequest]:
        """Some requests, the oldest first, after one of them.

        Args:
            after: the key of that one; 0 begins with the oldest.
            most: how many at most.
            every: whether what was decided is among them.
        """
        chosen = select(APPROVAL).where(_APPROVAL.approval_key > after)
        if not every:
            chosen = chosen.where(_APPROVAL.state == str(ApprovalState.PENDING))
        with self._state.connect() as connection:
            rows = connection.execute(chosen.order_by(_APPROVAL.approval_key).limit(most))
            return [_request(row) for row in rows]

    @available()
    def decide(
        self,
        known: ApprovalRequest,
        state: ApprovalState,
        user_id: str,
        now: dt.datetime,
        approved: Approved | None = None,
    ) -> ApprovalRequest:
        """Keeps what a steward decided of a request.

        Raises:
            ChangedMeanwhileError: if it was decided otherwise meanwhile.
        """
        with writing(self._state) as connection:
            done = connection.execute(
                update(APPROVAL)
                .where(
                    _APPROVAL.approval_id == known.approval_id,
                    _APPROVAL.state == str(known.state),
                )
                .values(
                    state=str(state),
                    decided_at=_seconds(now),
                    decided_by=user_id,
                    valid_from=_seconds(approved.valid_from) if approved else None,
                    valid_to=_seconds(approved.valid_to) if approved else None,
                    statement=approved.statement if approved else b"",
                )
            )
            kept = _found(connection, known.approval_id)
        if not done.rowcount or kept is None:
            raise ChangedMeanwhileError("the request was decided meanwhile")
        return kept


def _approval(row: Row[Any], at: dt.datetime, holder: str, keys: KeyHistory) -> Approval | None:
    state, element = ApprovalState(row.state), Element(row.element)
    if state is not ApprovalState.GRANTED:
        return Approval(element, state)
    terms = _granted(row, holder, keys)
    # Policies read whole seconds, the last one included.
    if terms is None or not terms.valid_from <= at.replace(microsecond=0) <= terms.valid_to:
        return None
    return Approval(element, state, terms.valid_from, terms.valid_to)


def _granted(row: Row[Any], holder: str, keys: KeyHistory) -> ApprovalTerms | None:
    """What the holder signed about exactly this request; None if it did not."""
    try:
        evidence = evidence_pb2.SignedStatement.FromString(row.statement)
        # This node itself saw when it was signed, and says so beside it.
        key = key_that_signed(evidence, holder, keys, _instant(row.decided_at or _NEVER))
        terms = read_approval(evidence, holder, key)
    except (DecodeError, EvidenceInvalidError):
        return None
    said = (terms.approval_id, terms.requester, terms.agreement_id, terms.purpose)
    kept = (row.approval_id, row.requester, row.agreement_id, row.purpose)
    return terms if (*said, terms.element) == (*kept, row.element) else None


def open_requests(
    connection: Connection,
    use: tuple[str, str, str],
    elements: Iterable[Element],
    now: dt.datetime,
) -> None:
    """Has elements wait for a steward, each once for a requester, agreement and purpose.

    One that a steward denied waits no more: asking again does not ask the steward again.
    """
    requester, agreement_id, purpose = use
    about = (
        _APPROVAL.requester == requester,
        _APPROVAL.agreement_id == agreement_id,
        _APPROVAL.purpose == purpose,
    )
    rows = connection.execute(select(APPROVAL).where(*about).order_by(_APPROVAL.approval_key))
    newest = {row.element: row for row in rows}
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    for element in sorted(set(elements)):
        known = newest.get(str(element))
        if known is not None and not _is_over(known, now):
            continue
        new = {
            "approval_id": secrets.token_hex(_ID_BYTES),
            "requester": requester,
            "agreement_id": agreement_id,
            "purpose": purpose,
            "element": str(element),
            "state": str(ApprovalState.PENDING),
            "opened_at": _seconds(now),
            "decided_by": "",
            "statement": b"",
        }
        connection.execute(dialect.insert(APPROVAL).values(new).on_conflict_do_nothing())


def _is_over(row: Row[Any], now: dt.datetime) -> bool:
    lapsed = row.valid_to is None or row.valid_to < _seconds(now)
    return row.state == str(ApprovalState.GRANTED) and lapsed


def _found(connection: Connection, approval_id: str) -> ApprovalRequest | None:
    chosen = select(APPROVAL).where(_APPROVAL.approval_id == approval_id)
    row = connection.execute(chosen).first()
    return None if row is None else _request(row)


def _request(row: Row[Any]) -> ApprovalRequest:
    return ApprovalRequest(
        key=row.approval_key,
        approval_id=row.approval_id,
        requester=row.requester,
        agreement_id=row.agreement_id,
        purpose=row.purpose,
        element=Element(row.element),
        state=ApprovalState(row.state),
        opened_at=_instant(row.opened_at),
        decided_at=_instant(row.decided_at) if row.decided_at is not None else None,
        decided_by=row.decided_by,
        valid_from=_instant(row.valid_from) if row.valid_from is not None else None,
        valid_to=_instant(row.valid_to) if row.valid_to is not None else None,
    )


def _seconds(at: dt.datetime) -> int:
    return int(at.timestamp())


def _instant(seconds: int) -> dt.datetime:
    return dt.datetime.fromtimestamp(seconds, dt.UTC)
