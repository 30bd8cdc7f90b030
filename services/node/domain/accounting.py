"""Tells an organization what this node's log has of the organization's own questions."""

import asyncio
import datetime as dt
from dataclasses import dataclass
from typing import Protocol

from homeroom.audit.accounts import Account, AccountRequest, LoggedQuestion
from homeroom.errors import ClockSkewedError, NotPermittedError
from services.node.domain.ruling import Holder

_PAGE = 100
_LARGEST_PAGE = 200


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which entries an account is to tell of.

    Attributes:
        since: recorded then or later, in seconds since 1970.
        limit: how many questions, at most.
        known_sizes: the sizes since which growth is to be proved.
    """

    requester: str
    since: int
    from_index: int
    limit: int
    known_sizes: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Told:
    """What the log has, and how it stands now."""

    size: int
    root: bytes
    growth: tuple[bytes, ...]
    questions: tuple[LoggedQuestion, ...]
    next_index: int


class Accounts(Protocol):
    """Where the log is read."""

    def tell(self, wanted: Wanted) -> Told:
        """One page of what the log has of a requester's questions."""
        ...


class Notes(Protocol):
    """Where the log's checkpoints are signed and kept."""

    def note(self, size: int, root: bytes) -> str:
        """The signed checkpoint of a log that was just read; one for each size, for good."""
        ...


class Accounting:
    """Answers requests for accounts, each about the asker's own questions alone."""

    def __init__(self, holder: Holder, accounts: Accounts, notes: Notes) -> None:
        self._holder = holder
        self._accounts = accounts
        self._notes = notes

    async def account(self, request: AccountRequest, now: dt.datetime) -> Account:
        """One page of the account, with the checkpoint that it is proved by.

        Args:
            request: signed by its requester.
            now: this node's clock.

        Raises:
            NotPermittedError: if it is put to another holder.
            ClockSkewedError: if the request's time is too far from this clock.
        """
        own = self._holder.organization_id
        if request.holder != own:
            raise NotPermittedError("the request is put to another holder")
        if abs(now - request.asked_at) > self._holder.max_clock_skew:
            raise ClockSkewedError("the request's time is too far from this clock")
        wanted = Wanted(
            request.requester,
            request.since,
            request.from_index,
            min(request.page_size or _PAGE, _LARGEST_PAGE),
            request.known_sizes,
        )
        told = await asyncio.to_thread(self._accounts.tell, wanted)
        note = await asyncio.to_thread(self._notes.note, told.size, told.root)
        return Account(own, request.requester, note, told.growth, told.questions, told.next_index)
