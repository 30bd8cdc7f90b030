"""Keeps answers open whose callers lost them, for a while, so that these can go on where they were.

What an open answer holds is bounded: its read stands still, in the state of the records in which it
began. Nobody but its requester's same person has more of it, and that only who shows by a digest
what of it came. Time is the running event loop's.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from homeroom.errors import (
    EvidenceInvalidError,
    NotPermittedError,
    QueryReplayedError,
    TooMuchAskedError,
)
from homeroom.signing import digest_of
from services.node.domain.recording import who_came
from services.node.domain.release import Release
from services.node.domain.ruling import Asked

MOST_RESUMES = 16
"""How often one answer is gone on with; then the question is asked anew."""

WAIT_SECONDS = 30.0
"""How long an answer stays open for its caller to come back."""

_WORK_SECONDS = 2.0
"""How long a read may still be at work that nobody waits for."""

_MOST_TOLD = 4
_TOLD_FROM = 2


@dataclass(frozen=True, slots=True)
class Whence:
    """From where a requester wants an answer to go on.

    Attributes:
        piece: the next one that it wants, counted from 0.
        frames_digest: over the content key's commitment and the tags of the pieces that came, which
            nobody has but who opened them; empty where none came.
    """

    piece: int
    frames_digest: bytes


@dataclass(slots=True, eq=False)
class OpenAnswer:
    """An answer that is told, or that waits for its caller.

    Attributes:
        teller: who tells it now.
    """

    asked: Asked
    release: Release
    teller: object = field(default_factory=object)
    resumes: int = 0
    timers: list[asyncio.TimerHandle] = field(default_factory=list)

    def require(self, asked: Asked, whence: Whence) -> None:
        """Lets its own requester go on that has what came before.

        Raises:
            NotPermittedError: if somebody else asks.
            TooMuchAskedError: if it was gone on with too often.
            EvidenceInvalidError: if so much of it never left, or something else came.
        """
        if _who(asked) != _who(self.asked):
            raise NotPermittedError("no permitted answer")
        if self.resumes >= MOST_RESUMES:
            limit = f"{MOST_RESUMES} times"
            raise TooMuchAskedError("the answer was gone on with too often", limit=limit)
        if not self._gave(whence):
            raise EvidenceInvalidError("this is not what came of the answer")

    def _gave(self, whence: Whence) -> bool:
        sent = whence.piece <= self.release.pieces
        return sent and self.release.frames_digest(whence.piece) == whence.frames_digest

    def take(self) -> object:
        """Has somebody else tell it from now on, before whom nobody ends it."""
        for timer in self.timers:
            timer.cancel()
        self.timers.clear()
        self.teller = object()
        return self.teller

    def note(self, whence: Whence) -> tuple[bytes, Mapping[str, Any]]:
        """The digest and the content of the log's entry of its being gone on with once more."""
        self.resumes += 1
        act = digest_of(b"homeroom/resumed/v1\x00" + self.asked.digest + bytes([self.resumes]))
        said = {
            **who_came(self.asked),
            "question": self.asked.digest.hex(),
            "from_piece": whence.piece,
            "pieces_left": self.release.pieces,
        }
        return act, said


class OpenAnswers:
    """The answers of one node that can be gone on with."""

    def __init__(self, most: int = 0, wait_seconds: float = WAIT_SECONDS) -> None:
        """Keeps at most so many that wait for their callers, half of them for one organization."""
        self._most = most
        self._wait_seconds = wait_seconds
        self._open: dict[bytes, OpenAnswer] = {}
        self._waiting: list[OpenAnswer] = []
        self._told: list[OpenAnswer] = []
        self._ending: set[asyncio.Task[None]] = set()

    def begin(self, asked: Asked, release: Release) -> OpenAnswer:
        """An answer that is told from now on."""
        self._open[asked.digest] = begun = OpenAnswer(asked, release)
        return begun

    def find(self, asked: Asked) -> OpenAnswer:
        """The answer to a question, if it is open.

        Raises:
            QueryReplayedError: if it is not, whether it ever was or not.
        """
        found = self._open.get(asked.digest)
        if found is None or not found.release.may_go_on:
            raise QueryReplayedError("there is no answer to go on with")
        return found

    def take(self, answer: OpenAnswer) -> object:
        """Has somebody tell it, who is told of where nobody else tells it by then."""
        self._leave_lists(answer)
        return answer.take()

    async def left(self, answer: OpenAnswer, *, failed: bool = False) -> None:
        """Whoever told it does no more: it waits for its caller where it may, else it ends."""
        release = answer.release
        large = release.pieces >= _TOLD_FROM
        keeps = self._most > 0 and release.may_go_on and not answer.asked.outside
        if failed or not keeps or (release.is_told and not large):
            self._forget(answer)
            await release.end()
            return
        clock = asyncio.get_running_loop()
        if release.is_told:
            await release.let_go()
            self._told.append(answer)
            self._make_room(self._told, _MOST_TOLD)
        else:
            answer.timers.append(clock.call_later(_WORK_SECONDS, self._stop_work, answer))
            self._waiting.append(answer)
            own = [one for one in self._waiting if _organization(one) == _organization(answer)]
            self._make_room(own, max(1, self._most // 2))
            self._make_room(self._waiting, self._most)
        answer.timers.append(clock.call_later(self._wait_seconds, self._end, answer))

    async def close(self) -> None:
        """Ends every answer, and keeps none any more."""
        self._most = 0
        for answer in [*self._waiting, *self._told]:
            self._end(answer)
        await asyncio.gather(*self._ending)

    def _make_room(self, some: list[OpenAnswer], most: int) -> None:
        for answer in some[: max(0, len(some) - most)]:
            self._end(answer)

    def _stop_work(self, answer: OpenAnswer) -> None:
        if answer.release.is_busy:
            self._end(answer)

    def _end(self, answer: OpenAnswer) -> None:
        answer.take()
        self._forget(answer)
        task = asyncio.ensure_future(answer.release.end())
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)

    def _forget(self, answer: OpenAnswer) -> None:
        self._leave_lists(answer)
        self._open.pop(answer.asked.digest, None)

    def _leave_lists(self, answer: OpenAnswer) -> None:
        for some in (self._waiting, self._told):
            if answer in some:
                some.remove(answer)


def _who(asked: Asked) -> tuple[str, str, str]:
    return asked.requester.organization_id, asked.user.organization_id, asked.user.user_id


def _organization(answer: OpenAnswer) -> str:
    return answer.asked.requester.organization_id
