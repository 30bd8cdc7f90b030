"""Whose question begins next, where more is asked than can be worked on at once.

What is at work is bounded by its cost. What waits has a short line for each organization; the next
place goes to the organization that was given the least, by cost (start-time fair queueing): one
question of one organization waits no longer than one question of each other, however many those
send. Who could not begin in time is refused at once, with the seconds after which to ask again.
"""

from collections import deque
from dataclasses import dataclass
from enum import StrEnum

from homeroom.errors import TooMuchAskedError

_LEARNING = 0.1
"""How much the newest question counts in what is thought of how long places are held."""
_LEAST_WAIT = 0.1
_MOST_WAIT = 30.0


class _State(StrEnum):
    WAITING = "waiting"
    AT_WORK = "at work"
    OVER = "over"


@dataclass(eq=False, slots=True)
class Ticket:
    """One question: it waits, or it holds places.

    Attributes:
        cost: how many places it takes.
        begin_by: when it is too late to begin; that may be before it came.
    """

    organization: str
    cost: int
    begin_by: float
    _held: int = 0
    _since: float = 0.0
    _spent: float = 0.0
    _state: _State = _State.WAITING

    @property
    def at_work(self) -> bool:
        return self._state is _State.AT_WORK

    @property
    def held(self) -> int:
        """The places that it holds now."""
        return self._held

    def _hold(self, places: int, now: float) -> None:
        self._spent += self._held * (now - self._since)
        self._held, self._since = places, now


@dataclass(frozen=True, slots=True)
class Standing:
    """How full a queue is.

    Attributes:
        at_work: the places that are held.
        waiting: how many questions wait.
        begun, refused: how many there were so far.
    """

    places: int
    at_work: int
    waiting: int
    begun: int
    refused: int


class _Line:
    """One organization's questions: those that wait, and what those at work hold."""

    def __init__(self) -> None:
        self.waiting: deque[Ticket] = deque()
        self.at_work = 0
        # Where its next question stands among those of others: after the cost of all before it.
        self.next_start = 0.0

    @property
    def cost_waiting(self) -> int:
        return sum(ticket.cost for ticket in self.waiting)


class FairQueue:
    """The places for questions of one kind, and the lines before them. Times are given to it."""

    def __init__(self, places: int, waiting_each: int) -> None:
        """Has places that are all free.

        Args:
            places: the cost that may be at work at once; half of it for one organization, so that
                another's question finds some free.
            waiting_each: how many questions of one organization may wait.
        """
        self._places = places
        self._most_each = max(1, places // 2)
        self._waiting_each = waiting_each
        self._free = places
        self._lines: dict[str, _Line] = {}
        self._virtual = 0.0
        self._held_seconds: float | None = None
        self._begun = self._refused = 0

    @property
    def standing(self) -> Standing:
        # Whoever measures reads this in another thread: lines may come and go meanwhile.
        waiting = sum(len(line.waiting) for line in list(self._lines.values()))
        held = self._places - self._free
        return Standing(self._places, held, waiting, self._begun, self._refused)

    def ask(self, organization: str, cost: int, now: float, begin_by: float) -> Ticket:
        """A question comes: it is at work, or it waits.

        Raises:
            TooMuchAskedError: if it could not begin in time, as far as can be foreseen.
        """
        ticket = Ticket(organization, min(max(cost, 1), self._most_each), begin_by)
        line = self._line(organization)
        # With half of its places free it begins even late: it may be quicker than was thought, and
        # if none began, nobody would ever learn so.
        late = begin_by < now and line.at_work > self._most_each // 2
        line.waiting.append(ticket)
        if not late:
            self._serve(now)
        if ticket.at_work:
            return ticket
        # It waits already: what is foreseen has it in its place among the others.
        wait = self._foreseen(line)
        if late or len(line.waiting) > self._waiting_each or now + wait > begin_by:
            self._remove(line, ticket)
            raise self._refusal(wait)
        return ticket

    def leave(self, ticket: Ticket, now: float) -> list[Ticket]:
        """A question is over, at work or not, however it ended; those that begin in its place."""
        if ticket._state is _State.OVER:
            return []
        line, held = self._lines[ticket.organization], ticket.held
        if not ticket.at_work:
            self._remove(line, ticket)
            return self._serve(now)
        ticket._hold(0, now)
        ticket._state = _State.OVER
        self._learn(ticket._spent / ticket.cost)
        return self._give(line, held, now)

    def give(self, ticket: Ticket, places: int, now: float) -> list[Ticket]:
        """A question at work gives places back, all but one; those that begin in them."""
        places = min(places, ticket.held - 1)
        if places < 1:
            return []
        ticket._hold(ticket.held - places, now)
        return self._give(self._lines[ticket.organization], places, now)

    def too_late(self, ticket: Ticket, now: float) -> tuple[TooMuchAskedError, list[Ticket]]:
        """A question's time to begin has passed: its refusal, and those that begin now."""
        line = self._lines[ticket.organization]
        self._remove(line, ticket)
        return self._refusal(self._foreseen(line)), self._serve(now)

    def _give(self, line: _Line, places: int, now: float) -> list[Ticket]:
        line.at_work -= places
        self._free += places
        begun = self._serve(now)
        if self._free == self._places:
            # Nobody is here, so nobody had more than another; and lines of long ago are let go of.
            self._lines.clear()
            self._virtual = 0.0
        return begun

    def _serve(self, now: float) -> list[Ticket]:
        """Lets begin whoever is next, as long as there is place."""
        begun: list[Ticket] = []
        while (line := self._next()) is not None:
            ticket = line.waiting[0]
            if ticket.cost > self._free:
                break  # nobody overtakes: small ones would keep a large one out for good
            line.waiting.popleft()
            self._virtual = max(self._virtual, line.next_start)
            line.next_start = self._virtual + ticket.cost
            line.at_work += ticket.cost
            self._free -= ticket.cost
            ticket._hold(ticket.cost, now)
            ticket._state = _State.AT_WORK
            self._begun += 1
            begun.append(ticket)
        return begun

    def _next(self) -> _Line | None:
        """Of those who wait and hold less than one may, the one that was given the least."""
        lines = [
            line
            for line in self._lines.values()
            if line.waiting and line.at_work + line.waiting[0].cost <= self._most_each
        ]
        return min(lines, key=lambda line: line.next_start, default=None)

    def _line(self, organization: str) -> _Line:
        line = self._lines.setdefault(organization, _Line())
        if not line.waiting:
            # Who asked for nothing a while saved nothing up.
            line.next_start = max(line.next_start, self._virtual)
        return line

    def _remove(self, line: _Line, ticket: Ticket) -> None:
        line.waiting.remove(ticket)
        ticket._state = _State.OVER

    def _foreseen(self, line: _Line) -> float:
        """The seconds until the last of a line begins, by how long places were held lately."""
        own = line.cost_waiting
        others = sum(
            min(other.cost_waiting, own) for other in self._lines.values() if other is not line
        )
        # Alone, it has its own half; with others it shares all of them.
        places = self._places if others else self._most_each
        return (own + others) * (self._held_seconds or 0.0) / places

    def _learn(self, held: float) -> None:
        before = held if self._held_seconds is None else self._held_seconds
        self._held_seconds = before + _LEARNING * (held - before)

    def _refusal(self, wait: float) -> TooMuchAskedError:
        self._refused += 1
        seconds = min(max(wait, _LEAST_WAIT), _MOST_WAIT)
        return TooMuchAskedError("too many questions at once", retry_after=f"{seconds:.1f}")
