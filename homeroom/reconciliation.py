"""Asks holders for accounts of their logs, and holds them to the receipts that were kept."""

import asyncio
import datetime as dt
import secrets
from collections.abc import Collection
from dataclasses import dataclass, field

from homeroom.api.gateway.v1 import account_service_pb2 as pb
from homeroom.audit.account_wire import NONCE_BYTES, open_account, sign_request
from homeroom.audit.accounts import Account, AccountRequest, LoggedQuestion
from homeroom.audit.checkpoint import Checkpoint, log_origin
from homeroom.audit.following import opened_by
from homeroom.audit.reconciling import (
    Gap,
    OwnRecord,
    OwnRecords,
    WitnessedNote,
    compare,
    proof_gaps,
    unproved,
)
from homeroom.clock import utc_now
from homeroom.errors import (
    EvidenceInvalidError,
    HomeroomError,
    NotPermittedError,
)
from homeroom.federation import FederationState, Organization
from homeroom.key_history import KeyHistory
from homeroom.profile import required
from homeroom.receipts import DamagedLine
from homeroom.session import Session, call, in_turn
from homeroom.witnessed_logs import newest_witnessed

_AT_ONCE = 8
_FIRST = dt.datetime(1970, 1, 2, tzinfo=dt.UTC)
_CLOCKS_APART = dt.timedelta(days=1)
"""How much further back a holder is asked, so that two clocks never make a gap."""


@dataclass(frozen=True, slots=True)
class Reconciled:
    """What came of holding one holder's log to the receipts.

    Attributes:
        failure: why the holder gave no account that can be used; empty if it did.
        size: how many entries its log has.
        witnessed_size: how many its newest witnessed checkpoint had; 0 if there is none.
        witness_failure: why the log was not held to its witness; empty if it was.
        questions: how many questions of ours its log has, as far as it was asked.
        receipts: how many receipts of this holder were compared.
    """

    holder: str
    failure: str = ""
    size: int = 0
    witnessed_size: int = 0
    witness_failure: str = ""
    questions: int = 0
    receipts: int = 0
    gaps: tuple[Gap, ...] = ()


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """What came of it at every holder, and which lines of one's own files cannot be read."""

    holders: tuple[Reconciled, ...]
    damaged: tuple[DamagedLine, ...] = ()

    @property
    def whole(self) -> bool:
        """Whether every holder gave an account, and nothing is amiss on either side."""
        return not self.damaged and not any(
            one.failure or one.witness_failure or one.gaps for one in self.holders
        )


async def reconcile(
    session: Session, holders: Collection[str], since: dt.datetime
) -> Reconciliation:
    """Compares the receipts of a profile with the logs of holders.

    Args:
        session: of the app that asked.
        holders: those to ask; empty asks every organization that runs a node.
        since: only what was asked in that second or later.

    Raises:
        RequestInvalidError: if the profile keeps no receipts.
        NotPermittedError: if a named holder is not known.
    """
    files = required(session.receipts, "receipts")
    # A log tells whole seconds.
    since = since.replace(microsecond=0)
    # Asked for now: a holder may sign with a key that took another's place a moment ago.
    state = await session.registry_view.refreshed()
    asked = [_known(state, name) for name in sorted(set(holders))] or _holders(state, session)
    before = await asyncio.to_thread(lambda: OwnRecords(files.kept()))
    until = utc_now()
    turns = asyncio.Semaphore(_AT_ONCE)

    async def shown(holder: Organization) -> Shown:
        async with turns:
            longest = before.of(holder.organization_id).longest_seen
            return await _LogReading(session, holder, longest).read(since)

    logs = await asyncio.gather(*(shown(holder) for holder in asked))
    # Read again: what was asked while the logs were read stands here too.
    own = await asyncio.to_thread(lambda: OwnRecords(files.kept()))
    for log in logs:
        if log.note and not log.gaps:
            # Only what was proved: a log that was rewritten must not become what is expected.
            files.keep_checkpoint(log.holder, log.note)
    span = (since, until)
    return Reconciliation(
        tuple(
            _reconciled(log, own.of(log.holder), holder.keys, span)
            for holder, log in zip(asked, logs, strict=True)
        ),
        tuple(own.damaged),
    )


def _known(state: FederationState, name: str) -> Organization:
    organization = state.organizations.get(name)
    if organization is None:
        raise NotPermittedError("no such holder is known here")
    return organization


def _holders(state: FederationState, session: Session) -> list[Organization]:
    return [
        organization
        for name, organization in sorted(state.organizations.items())
        if organization.node_address and name != session.organization_id
    ]


def _reconciled(
    log: "Shown", own: OwnRecord, keys: KeyHistory, span: tuple[dt.datetime, dt.datetime]
) -> Reconciled:
    since, until = span
    gaps = [*log.gaps, *unproved(own, log.holder, keys, since, until)]
    if not log.failure:
        gaps += compare(log.questions, own, since, until)
    return Reconciled(
        log.holder,
        log.failure,
        log.size,
        log.witnessed_size,
        log.witness_failure,
        questions=sum(one.decided.at >= since.timestamp() for one in log.questions),
        receipts=sum(since <= one.at < until for many in own.receipts.values() for one in many),
        gaps=tuple(gaps),
    )


@dataclass(slots=True)
class Shown:
    """What a holder showed of its log.

    Attributes:
        failure: why it showed nothing that can be used; empty if it did.
        note: its newest checkpoint.
        gaps: what its tree does not prove.
    """

    holder: str
    failure: str = ""
    note: str = ""
    size: int = 0
    witnessed_size: int = 0
    witness_failure: str = ""
    questions: list[LoggedQuestion] = field(default_factory=list)
    gaps: list[Gap] = field(default_factory=list)


class _LogReading:
    """Reads what one holder's log has of our questions, page by page, and checks each page."""

    def __init__(self, session: Session, holder: Organization, seen: Checkpoint | None) -> None:
        self._session = session
        self._holder = holder
        self._seen = seen
        self._witnessed: WitnessedNote | None = None
        self._shown = Shown(holder.organization_id)

    async def read(self, since: dt.datetime) -> Shown:
        """Everything that was recorded since then, and a little earlier."""
        earlier = max(0, int((since - _CLOCKS_APART).timestamp())) if since > _FIRST else 0
        place = 0
        await self._ask_witness()
        try:
            while True:
                account = await self._page(earlier, place)
                self._take(account)
                if not account.next_index:
                    return self._shown
                if account.next_index <= place or not account.questions:
                    raise EvidenceInvalidError("an account goes round in circles")
                place = account.next_index
        except HomeroomError as failure:
            self._shown.failure = str(failure.reason)
            return self._shown

    async def _ask_witness(self) -> None:
        """Before the holder is asked: what was witnessed by then its log must have."""
        try:
            self._witnessed = await newest_witnessed(self._session, self._holder)
        except HomeroomError as failure:
            self._shown.witness_failure = str(failure.reason)
        if self._witnessed is not None:
            self._shown.witnessed_size = self._witnessed.checkpoint.size

    def _take(self, account: Account) -> None:
        federation = self._session.profile.federation
        origin = log_origin(federation, self._holder.organization_id)
        keys = self._holder.keys.checkpoint_keys_at(utc_now())
        state, _ = opened_by(account.note, origin, keys)
        known = [self._seen] if self._seen is not None else []
        self._shown.gaps += proof_gaps(account, state, known, self._witnessed)
        self._shown.questions += account.questions
        self._shown.note, self._shown.size = account.note, state.size
        # The next page has to continue this one, which continues what was witnessed.
        self._seen, self._witnessed = state, None

    async def _page(self, since: int, place: int) -> Account:
        session, holder = self._session, self._holder
        known = (self._seen, self._witnessed.checkpoint if self._witnessed else None)
        request = AccountRequest(
            requester=session.organization_id,
            holder=holder.organization_id,
            asked_at=utc_now(),
            since=since,
            from_index=place,
            known_sizes=tuple(one.size for one in known if one is not None),
        )
        evidence = sign_request(request, secrets.token_bytes(NONCE_BYTES), session.asking_key)
        message = pb.GetAccountRequest(request=evidence)
        response = await in_turn(lambda: call(session.accounts.GetAccount, message))
        keys = holder.keys.signing_keys_at(utc_now())
        return open_account(response.sealed_account, evidence.statement, keys, session.sealing_key)
