"""Asks many nodes at once and says, exactly once for each, how its answer ended.

A node that has no place for a question, and says when it may have one, is asked again then: it
refuses before it decides, reads or writes anything, so that the question still is a new one there.

Frames are passed on as they arrive, untouched and in each node's own order. At most a few frames of
one node wait for the caller; beyond that the node is not read on, so that memory stays bounded
whatever the size of the answer. Time is the running event loop's.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, Protocol, TypeVar

from homeroom.asking_again import pause_before_asking_again
from homeroom.errors import EvidenceInvalidError, HomeroomError, Reason, TooMuchAskedError
from services.gateway.domain.plan import Holder

FRAMES_WAITING = 4
"""How many frames of one node may wait for the caller, at most."""

FRAMES_WAITING_IN_ALL = 50
"""How many frames of all nodes may wait: 25 MB of 512 KB, were none compressed; but one of each."""

Frame = TypeVar("Frame")


class Outcome(StrEnum):
    """How one node's answer ended; equal to `Outcome` of the protos without its prefix."""

    ANSWERED = "ANSWERED"
    NO_PERMITTED_ANSWER = "NO_PERMITTED_ANSWER"
    TIMED_OUT = "TIMED_OUT"
    UNREACHABLE = "UNREACHABLE"
    CANNOT_DECIDE = "CANNOT_DECIDE"


@dataclass(frozen=True, slots=True)
class Piece(Generic[Frame]):
    """One frame as a node sent it, and the two things of it that the gateway reads.

    Attributes:
        outcome: what became of the question there; in the last frame only.
    """

    sequence: int
    outcome: Outcome | None
    frame: Frame


@dataclass(frozen=True, slots=True)
class Passed(Generic[Frame]):
    """A frame to pass on."""

    holder: str
    frame: Frame


@dataclass(frozen=True, slots=True)
class Ended:
    """How one holder's answer ended.

    Attributes:
        error_reason: why it could not decide, where it said so; empty for other outcomes.
        fault: the type of an error of our own, for the log.
    """

    holder: str
    outcome: Outcome
    error_reason: str = ""
    fault: str = ""


class Peers(Protocol[Frame]):
    """Asks one node the question."""

    def answer(self, holder: Holder, seconds: float) -> AsyncGenerator[Piece[Frame], None]:
        """The node's frames as they come; closing the generator cancels the call.

        Raises:
            HomeroomError: if the node cannot be reached, refuses, or breaks off.
        """
        ...


def frames_waiting(nodes: int) -> int:
    """How many frames of each node may wait when so many nodes are asked."""
    return max(1, min(FRAMES_WAITING, FRAMES_WAITING_IN_ALL // max(nodes, 1)))


def pause_within(refused: TooMuchAskedError, chance: float, left: float) -> float | None:
    """The seconds until a node is asked again; None if it is not.

    Args:
        refused: how it refused.
        chance: between 0 and 1: else all who were refused at once would come back at once.
        left: the seconds until the answer must be there.
    """
    pause = pause_before_asking_again(refused, chance)
    return pause if pause is not None and pause < left else None


class FanOut(Generic[Frame]):
    """One question on its way to many nodes."""

    def __init__(
        self,
        peers: Peers[Frame],
        holders: Sequence[Holder],
        seconds: float,
        came: Mapping[str, int] | None = None,
        *,
        chance: Callable[[], float],
    ) -> None:
        """Asks nobody yet.

        Args:
            peers: asks a node.
            holders: whom to ask.
            seconds: how long they have.
            came: how many frames of an answer came before, of answers that are gone on with.
            chance: a number between 0 and 1, another each time.
        """
        self._chance = chance
        self._came = came or {}
        self._peers = peers
        self._holders = holders
        self._seconds = seconds
        self._events: asyncio.Queue[Passed[Frame] | Ended] = asyncio.Queue()
        places = frames_waiting(len(holders))
        self._slots = {holder.organization_id: asyncio.Semaphore(places) for holder in holders}
        self._sources: list[asyncio.Task[None]] = []

    async def events(self) -> AsyncGenerator[Passed[Frame] | Ended, None]:
        """Asks every node now; yields frames as they arrive and one end for each holder."""
        deadline = asyncio.get_running_loop().time() + self._seconds
        self._sources = [
            asyncio.create_task(self._source(holder, deadline)) for holder in self._holders
        ]
        running = len(self._holders)
        try:
            while running:
                event = await self._events.get()
                yield event
                if isinstance(event, Ended):
                    running -= 1
                else:
                    self._slots[event.holder].release()
        finally:
            self.cancel()
            await asyncio.gather(*self._sources, return_exceptions=True)

    def cancel(self) -> None:
        """Gives up: every call to a node that still runs is cancelled."""
        for source in self._sources:
            source.cancel()

    async def _source(self, holder: Holder, deadline: float) -> None:
        answer = _Answer(self._came.get(holder.organization_id, 0))
        failure: Exception | None = None
        try:
            async with asyncio.timeout_at(deadline):
                await self._asked(holder, answer, deadline)
        except Exception as error:  # whatever it is, this holder gets its one end
            failure = error
        self._events.put_nowait(_end_of(holder.organization_id, answer, failure))

    async def _asked(self, holder: Holder, answer: "_Answer", deadline: float) -> None:
        """Asks; and again, as long as the node has no place and there will be time."""
        while True:
            try:
                await self._pass_on(holder, answer, deadline)
            except TooMuchAskedError as refused:
                left = deadline - asyncio.get_running_loop().time()
                pause = None if answer.began else pause_within(refused, self._chance(), left)
                if pause is None:
                    raise
            else:
                return
            await asyncio.sleep(pause)

    async def _pass_on(self, holder: Holder, answer: "_Answer", deadline: float) -> None:
        slots = self._slots[holder.organization_id]
        seconds = deadline - asyncio.get_running_loop().time()
        async with aclosing(self._peers.answer(holder, seconds)) as pieces:
            while True:
                # First the place, then the frame: what has no place yet stays with the node.
                await slots.acquire()
                try:
                    piece = await anext(pieces, None)
                except HomeroomError:
                    slots.release()  # nothing came that could take it
                    raise
                if piece is None:
                    return
                answer.take(piece.sequence, piece.outcome)
                self._events.put_nowait(Passed(holder.organization_id, piece.frame))


class _Answer:
    """How far one node's answer has come.

    Attributes:
        began: whether any frame has come.
        outcome: the node's own word, once its last frame has come.
    """

    def __init__(self, first: int) -> None:
        self._next = first
        self.began = False
        self.outcome: Outcome | None = None

    def take(self, sequence: int, outcome: Outcome | None) -> None:
        """Counts one more frame.

        Raises:
            EvidenceInvalidError: if it is not the next one, or one follows the last.
        """
        self.began = True
        if self.outcome is not None or sequence != self._next:
            self.outcome = None
            raise EvidenceInvalidError("a node's frames are out of order")
        self._next += 1
        self.outcome = outcome


_OUTCOME_OF_REASON = {
    Reason.NOT_PERMITTED: Outcome.NO_PERMITTED_ANSWER,
    Reason.DEADLINE_PASSED: Outcome.TIMED_OUT,
    Reason.SERVICE_UNREACHABLE: Outcome.UNREACHABLE,
}


def _end_of(holder: str, answer: _Answer, failure: Exception | None) -> Ended:
    if answer.outcome is not None:
        # Everything came; how the call was closed afterwards changes nothing.
        return Ended(holder, answer.outcome)
    if failure is None:
        # The stream was closed before its last frame: somebody cut it.
        return Ended(holder, Outcome.UNREACHABLE)
    if isinstance(failure, TimeoutError):
        return Ended(holder, Outcome.TIMED_OUT)
    if not isinstance(failure, HomeroomError):
        fault = type(failure).__name__
        return Ended(holder, Outcome.CANNOT_DECIDE, str(Reason.INTERNAL), fault)
    outcome = _OUTCOME_OF_REASON.get(failure.reason, Outcome.CANNOT_DECIDE)
    reason = str(failure.reason) if outcome is Outcome.CANNOT_DECIDE else ""
    return Ended(holder, outcome, reason)
