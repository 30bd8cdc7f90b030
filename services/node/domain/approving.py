"""Lets a steward decide about elements that the holder's own rules hold for approval.

Each decision is in the log with its user before it takes effect.
"""

import asyncio
import datetime as dt
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Protocol

from homeroom.audit import AuditKind
from homeroom.clock import Clock
from homeroom.errors import NotPermittedError, QueryReplayedError, RequestInvalidError
from homeroom.facts import moment
from homeroom.signing import digest_of
from homeroom.vocabulary import Element
from services.node.domain.log import Log
from services.node.domain.on_file import ApprovalState
from services.node.domain.reviewing import Act, Notified


@dataclass(frozen=True, slots=True)
class ApprovalRequest:
    """One element that waits, or waited, for a steward.

    Attributes:
        key: the holder's own number for it.
        agreement_id: the agreement relied on; empty if none is.
        valid_from, valid_to: the instants between which an approval counts.
    """

    key: int
    approval_id: str
    requester: str
    agreement_id: str
    purpose: str
    element: Element
    state: ApprovalState
    opened_at: dt.datetime
    decided_at: dt.datetime | None = None
    decided_by: str = ""
    valid_from: dt.datetime | None = None
    valid_to: dt.datetime | None = None

    @property
    def about(self) -> tuple[str, ...]:
        """What a statement that approves it has to be about."""
        use = (self.requester, self.agreement_id, self.purpose)
        return (self.approval_id, *use, str(self.element))


@dataclass(frozen=True, slots=True)
class Approved:
    """What a steward signed.

    Attributes:
        about: the request, the requester, the agreement, the purpose and the element.
        valid_from, valid_to: the instants between which it counts.
        statement: the signed statement, as it is kept.
    """

    about: tuple[str, ...]
    valid_from: dt.datetime
    valid_to: dt.datetime
    statement: bytes


class ApprovalShelf(Protocol):
    """Where requests for approval are kept."""

    def get(self, approval_id: str) -> ApprovalRequest | None:
        """The request of that name."""
        ...

    def page(self, after: int, most: int, *, every: bool) -> Sequence[ApprovalRequest]:
        """Some requests, the oldest first."""
        ...

    def decide(
        self,
        known: ApprovalRequest,
        state: ApprovalState,
        user_id: str,
        now: dt.datetime,
        approved: Approved | None = None,
    ) -> ApprovalRequest:
        """Keeps what a steward decided of a request."""
        ...


@dataclass(frozen=True, slots=True)
class Approving:
    """Decides about the requests at one holder."""

    shelf: ApprovalShelf
    log: Log
    feed: Notified
    clock: Clock

    async def page(self, after: int, most: int, *, every: bool) -> Sequence[ApprovalRequest]:
        """Some requests, the oldest first."""
        return await asyncio.to_thread(lambda: self.shelf.page(after, most, every=every))

    async def approve(self, act: Act, approval_id: str, approved: Approved) -> ApprovalRequest:
        """Approves what waits, for the time that was signed; it may lengthen an approval.

        Raises:
            NotPermittedError: if there is no such request.
            RequestInvalidError: if what was signed is about something else.
        """
        known = await self._known(approval_id)
        if known.about != approved.about:
            raise RequestInvalidError("the statement is about another request", field="approved")
        between = (approved.valid_from, approved.valid_to)
        if known.state is ApprovalState.GRANTED and (known.valid_from, known.valid_to) == between:
            return known
        said = {
            "from": moment(approved.valid_from),
            "to": moment(approved.valid_to),
            "statement_digest": digest_of(approved.statement).hex(),
        }
        return await self._decide(act, known, ApprovalState.GRANTED, said, approved)

    async def deny(self, act: Act, approval_id: str) -> ApprovalRequest:
        """Denies what waits, or takes an approval back at once.

        Raises:
            NotPermittedError: if there is no such request.
        """
        known = await self._known(approval_id)
        if known.state is ApprovalState.DENIED:
            return known
        return await self._decide(act, known, ApprovalState.DENIED, {})

    async def _decide(
        self,
        act: Act,
        known: ApprovalRequest,
        state: ApprovalState,
        said: Mapping[str, Any],
        approved: Approved | None = None,
    ) -> ApprovalRequest:
        content = {
            "approval": known.approval_id,
            "requester": known.requester,
            "agreement": known.agreement_id,
            "purpose": known.purpose,
            "element": known.element,
            "decision": state,
            "user": act.user.user_id,
            "role": act.user.role,
            **said,
        }
        # Noted before and then not done: it is done now.
        with suppress(QueryReplayedError):
            await self.log.append(AuditKind.APPROVAL_DECIDED, act.digest, content)
        decided = await asyncio.to_thread(
            self.shelf.decide, known, state, act.user.user_id, self.clock(), approved
        )
        self.feed.note_change()
        return decided

    async def _known(self, approval_id: str) -> ApprovalRequest:
        known = await asyncio.to_thread(self.shelf.get, approval_id)
        if known is None:
            raise NotPermittedError("there is no such request here")
        return known
