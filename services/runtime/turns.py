"""Gives questions their turn: how much is at work at once is bounded, and nobody crowds others out.

Large answers have places of their own, so that they never shut small ones out. A refusal costs next
to nothing: it comes before anything is decided, read or written.
"""

import asyncio
import math
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import NamedTuple, Self

from homeroom.question import Level, Question
from services.runtime.fair_queue import FairQueue, Standing, Ticket

_REMEMBERED = 10_000
_LEARNING = 0.3
LARGEST = 8
"""Beyond so many batches an answer takes no more places: it takes them for longer."""
_SMALL = 4
_BATCHES_OF_A_STUDENT = 0.05
"""About a year of attendance."""


class Extent(NamedTuple):
    """What makes an answer large or small, as far as a question says it.

    Attributes:
        who: the organization that asks.
        what: the agreement, the dataset and the level.
        numbers: how many students are named, schools, and days, each about.
    """

    who: str
    what: tuple[str, str, Level]
    numbers: tuple[int, int, int]

    @classmethod
    def of(cls, question: Question, who: str) -> "Extent":
        what = (question.agreement_id, question.dataset, question.level)
        period = question.period
        days = (period.end_date - period.start_date).days if period else 0
        # By powers of two: few kinds, each of which is soon known.
        students, schools = len(question.subject_refs), len(question.school_ids)
        return cls(who, what, (students.bit_length(), schools.bit_length(), days.bit_length()))


def _most(question: Question) -> float:
    """How many batches one source may have at most, as far as a question says."""
    if question.validate_only or question.level is Level.AGGREGATE:
        return 0
    if question.everyone:
        return math.inf
    return len(question.subject_refs) * _BATCHES_OF_A_STUDENT


@dataclass(frozen=True, slots=True)
class Load:
    """What a question is thought to cost.

    Attributes:
        cost: how many places it takes.
        large: whether it takes them among large answers.
        seconds: how long it holds them, about; 0 if there was none like it.
    """

    cost: int
    large: bool
    seconds: float = 0.0


class Took(NamedTuple):
    """What an answer took.

    Attributes:
        batches: of one source.
        seconds: from its turn until its last source had answered.
    """

    batches: float
    seconds: float

    def then(self, newest: "Took") -> "Took":
        """What the next is thought to take: more at once, less little by little.

        For one that takes more than was thought does harm: a large answer among small ones, and one
        that was begun with too little time left, so that its work is lost.
        """
        return Took(_then(self.batches, newest.batches), _then(self.seconds, newest.seconds))


def _then(old: float, new: float) -> float:
    return max(new, old + _LEARNING * (new - old))


class Estimates:
    """What answers took, by what was asked: the next one is thought to take as much."""

    def __init__(self) -> None:
        self._known: OrderedDict[Extent, Took] = OrderedDict()

    def load(self, question: Question, who: str, sources: int = 1) -> Load:
        """What a question costs; of one like no other before the most is feared.

        Args:
            question: what is asked.
            who: the organization that asks; it is proved.
            sources: how many are asked, about.
        """
        most = _most(question)
        known = self._known.get(Extent.of(question, who), Took(most, 0.0))
        batches = min(known.batches, most)
        each = round(min(max(batches, 1), LARGEST))
        return Load(each * max(sources, 1), batches > _SMALL, known.seconds)

    def learn(self, question: Question, who: str, took: Took) -> None:
        """Notes what an answer took that came."""
        if question.validate_only:
            return
        asked = Extent.of(question, who)
        self._known[asked] = self._known.get(asked, took).then(took)
        self._known.move_to_end(asked)
        if len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)


class Turn:
    """The places that one question holds, until the block ends."""

    def __init__(
        self, turns: "Turns", queue: FairQueue, ticket: Ticket, question: Question
    ) -> None:
        self._turns = turns
        self._queue = queue
        self._ticket = ticket
        self._question = question
        self._began = _now()

    @property
    def held(self) -> int:
        """How many there are now."""
        return self._ticket.held

    def give(self, places: int) -> None:
        """Gives places back before the end; the last one stays."""
        self._turns.begin(self._queue.give(self._ticket, places, _now()))

    def answered(self, batches: float, ended: float | None = None) -> None:
        """Learns what the answer took.

        Args:
            batches: how many one source had.
            ended: when the last source had answered, by the running event loop; now, if not said.
        """
        took = Took(batches, (_now() if ended is None else ended) - self._began)
        self._turns.estimates.learn(self._question, self._ticket.organization, took)

    def leave(self) -> None:
        """Gives every place back; a second time nothing happens."""
        self._turns.begin(self._queue.leave(self._ticket, _now()))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.leave()


@dataclass(frozen=True, slots=True)
class TurnLimits:
    """How much may be at work, and who may wait how long.

    Attributes:
        small, large: how many small answers may be at work at once, and how many large ones.
        waiting_each: how many questions of one organization may wait, of each kind.
        wait_seconds: how long at most; never longer than half of what the caller's time has beyond
            the time that the answer takes, for in a crowd it may take longer.
    """

    small: int
    large: int
    waiting_each: int
    wait_seconds: float


class Turns:
    """The places of one service.

    Attributes:
        estimates: what questions are thought to cost.
    """

    def __init__(self, limits: TurnLimits) -> None:
        self.estimates = Estimates()
        self._wait_seconds = limits.wait_seconds
        self._small = FairQueue(limits.small, limits.waiting_each)
        self._large = FairQueue(limits.large * LARGEST, limits.waiting_each)
        self._waiting: dict[Ticket, asyncio.Future[None]] = {}

    @property
    def standing(self) -> Mapping[str, Standing]:
        """How full it is, by the size of answers."""
        return {"small": self._small.standing, "large": self._large.standing}

    @property
    def are_free(self) -> bool:
        """Whether nobody is answered, and nobody waits."""
        return not any(one.at_work or one.waiting for one in self.standing.values())

    async def take(
        self, organization: str, question: Question, seconds: float | None, sources: int = 1
    ) -> Turn:
        """Waits for a question's turn; whoever has it gives it back.

        Where answers like it take longer than it has, it begins only if there is plenty of room:
        amid others its work would be lost.

        Args:
            organization: who asks; it is proved.
            question: what is asked.
            seconds: how long the answer may take, as far as it is known.
            sources: how many are asked, about.

        Raises:
            TooMuchAskedError: if it could not begin in time.
        """
        load = self.estimates.load(question, organization, sources)
        queue = self._large if load.large else self._small
        now = _now()
        wait = self._wait_seconds
        if seconds is not None:
            wait = min(wait, (seconds - load.seconds) / 2)
        ticket = queue.ask(organization, load.cost, now, now + wait)
        if not ticket.at_work:
            await self._begun(queue, ticket)
        return Turn(self, queue, ticket, question)

    def begin(self, tickets: list[Ticket]) -> None:
        """Tells those whose turn it is."""
        for ticket in tickets:
            waiting = self._waiting.get(ticket)
            if waiting is not None and not waiting.done():
                waiting.set_result(None)

    async def _begun(self, queue: FairQueue, ticket: Ticket) -> None:
        loop = asyncio.get_running_loop()
        self._waiting[ticket] = waiting = loop.create_future()
        too_late = loop.call_at(ticket.begin_by, self._too_late, queue, ticket)
        try:
            await waiting
        except BaseException:
            self.begin(queue.leave(ticket, _now()))
            raise
        finally:
            too_late.cancel()
            del self._waiting[ticket]

    def _too_late(self, queue: FairQueue, ticket: Ticket) -> None:
        if ticket.at_work:
            return
        refusal, begun = queue.too_late(ticket, _now())
        waiting = self._waiting[ticket]
        if not waiting.done():
            waiting.set_exception(refusal)
        self.begin(begun)


def _now() -> float:
    return asyncio.get_running_loop().time()
