"""Holds every holder to the one log of consents that this app is shown itself.

A consent service that hides a withdrawal from a holder must show it another log than the others:
each receipt says which log the holder was shown.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from homeroom.api.consent.v1 import consent_service_pb2 as pb
from homeroom.consent.proofs import open_head
from homeroom.errors import (
    EvidenceInvalidError,
    HomeroomError,
    StateBehindError,
)
from homeroom.merkle import HASH_BYTES, check_consistency

_ANSWER_SECONDS = 2.0
_SILENT_SECONDS = 5.0
_MOST_UNTIED = 16
_DIFFERENT = "the consent service shows different logs of consents"

Fetch = Callable[[pb.GetConsentLogRequest], Awaitable[pb.GetConsentLogResponse]]


@dataclass(frozen=True, slots=True)
class LogState:
    """What a log was when it had so many entries."""

    size: int
    root: bytes


class ConsentLogView:
    """The consent service's log, as far as this process has tied what it was shown together."""

    def __init__(self, federation: str, consent_key: bytes, fetch: Fetch) -> None:
        self._federation = federation
        self._consent_key = consent_key
        self._fetch = fetch
        self._known: LogState | None = None
        self._untied: list[LogState] = []
        self._lock = asyncio.Lock()
        self._silent_until = 0.0

    def saw(self, state: LogState) -> None:
        """Remembers what the consent service said to this app, to hold later answers to it."""
        self._untied = [*self._untied, state][-_MOST_UNTIED:]

    async def require(self, state: LogState) -> None:
        """Lets an answer pass whose holder was shown the same log as this app.

        While the consent service does not answer this app, nothing is held against a holder: its
        own bound on old states decides whether it may answer then.

        Raises:
            EvidenceInvalidError: if the logs differ.
        """
        if not state.size or (state == self._known and not self._untied):
            return
        if len(state.root) != HASH_BYTES:
            raise EvidenceInvalidError("the receipt has no root of the log of consents")
        async with self._lock:
            if asyncio.get_running_loop().time() < self._silent_until:
                return
            while self._untied and await self._tie(self._untied[0]):
                # What differs stays here, and differs for the next answer as well.
                del self._untied[0]
            # A holder's word is not kept: one that lies must not spoil the answers of others.
            await self._tie(state)

    async def _tie(self, state: LogState) -> bool:
        """Whether the consent service answered; then the state is of the log that is known."""
        known = self._known
        if state == known:
            return True
        older, newer = sorted((state, known or state), key=lambda one: one.size)
        request = pb.GetConsentLogRequest(
            known_size=older.size, size=newer.size if known is not None else 0
        )
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                response = await self._fetch(request)
        except StateBehindError as shorter:
            raise EvidenceInvalidError(_DIFFERENT) from shorter
        except (TimeoutError, HomeroomError):
            self._silent_until = asyncio.get_running_loop().time() + _SILENT_SECONDS
            return False
        head = open_head(response.head, self._federation, self._consent_key)
        try:
            check_consistency(
                older.size, older.root, head.size, head.root, response.consistency_path
            )
        except EvidenceInvalidError:
            raise EvidenceInvalidError(_DIFFERENT) from None
        shown = LogState(head.size, head.root)
        if known is not None and shown != newer:
            raise EvidenceInvalidError(_DIFFERENT)
        self._known = shown
        return True
