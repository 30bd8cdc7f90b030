"""Places and lines: never more at work than there are, nobody crowded out, no place lost."""

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    invariant,
    rule,
)

from homeroom.errors import TooMuchAskedError
from services.runtime.fair_queue import FairQueue, Ticket

PLACES, EACH = 12, 6
NAMES = st.sampled_from(["ana", "ben", "cho", "dee"])
NEVER = 1e9


def all_taken(places: int = PLACES) -> tuple[FairQueue, list[Ticket]]:
    """A queue whose places two others hold, one each."""
    queue = FairQueue(places, 1_000)
    return queue, [queue.ask(f"x{n % 2}", 1, 0.0, NEVER) for n in range(places)]


class Crowd(RuleBasedStateMachine):
    """Everything that can happen to a queue, in any order."""

    tickets = Bundle("tickets")

    def __init__(self) -> None:
        super().__init__()
        self.queue = FairQueue(PLACES, EACH)
        self.now = 0.0
        self.here: dict[Ticket, None] = {}

    def began(self, tickets: list[Ticket]) -> None:
        assert all(ticket.at_work and ticket in self.here for ticket in tickets)

    @rule(target=tickets, name=NAMES, cost=st.integers(0, 20), wait=st.floats(-1, 5))
    def ask(self, name: str, cost: int, wait: float) -> Ticket:
        waiting = {ticket for ticket in self.here if not ticket.at_work}
        try:
            ticket = self.queue.ask(name, cost, self.now, self.now + wait)
        except TooMuchAskedError:
            ticket = Ticket(name, 1, 0.0)
        else:
            self.here[ticket] = None
        # Who came last lets nobody begin who waited before: those would never hear of it.
        assert not any(one.at_work for one in waiting)
        return ticket

    @rule(ticket=consumes(tickets), seconds=st.floats(0, 2))
    def leave(self, ticket: Ticket, seconds: float) -> None:
        if ticket not in self.here:
            return
        self.now += seconds
        self.here.pop(ticket)
        self.began(self.queue.leave(ticket, self.now))
        assert self.queue.leave(ticket, self.now) == []

    @rule(ticket=tickets, places=st.integers(0, 9))
    def give(self, ticket: Ticket, places: int) -> None:
        if ticket in self.here:
            self.began(self.queue.give(ticket, places, self.now))
            assert not ticket.at_work or ticket.held >= 1

    @rule(ticket=consumes(tickets))
    def too_late(self, ticket: Ticket) -> None:
        if ticket in self.here and not ticket.at_work:
            self.here.pop(ticket)
            _, begun = self.queue.too_late(ticket, self.now)
            self.began(begun)

    @invariant()
    def no_more_at_work_than_there_are_places(self) -> None:
        held: Counter[str] = Counter()
        for ticket in self.here:
            held[ticket.organization] += ticket.held
        assert sum(held.values()) == self.queue.standing.at_work <= PLACES
        assert max(held.values(), default=0) <= PLACES // 2

    @invariant()
    def nobody_waits_without_reason(self) -> None:
        """Places are free only where the next one does not fit, or has its half already."""
        free = PLACES - self.queue.standing.at_work
        held: Counter[str] = Counter()
        for ticket in self.here:
            held[ticket.organization] += ticket.held
        heads: dict[str, Ticket] = {}
        for ticket in self.here:
            if not ticket.at_work:
                heads.setdefault(ticket.organization, ticket)
        may = [t for name, t in heads.items() if held[name] + t.cost <= PLACES // 2]
        assert not may or max(ticket.cost for ticket in may) > free

    @invariant()
    def lines_are_short(self) -> None:
        waiting = Counter(ticket.organization for ticket in self.here if not ticket.at_work)
        assert max(waiting.values(), default=0) <= EACH
        assert self.queue.standing.waiting == waiting.total()

    def teardown(self) -> None:
        """When all have gone, every place is free again."""
        while self.here:
            self.queue.leave(self.here.popitem()[0], self.now)
        assert self.queue.standing.at_work == 0
        assert self.queue.standing.waiting == 0
        assert self.queue.ask("eve", PLACES, self.now, self.now).at_work


TestCrowd = Crowd.TestCase
TestCrowd.settings = settings(max_examples=60, stateful_step_count=40)


@given(
    floods=st.lists(st.integers(1, 40), min_size=1, max_size=5),
    costs=st.lists(st.integers(1, PLACES), min_size=1, max_size=7),
    cost=st.integers(1, PLACES),
)
@settings(max_examples=100)
def test_one_question_waits_for_at_most_one_of_each_other_organization(
    floods: list[int], costs: list[int], cost: int
) -> None:
    queue, at_work = all_taken()
    for number, flood in enumerate(floods):
        for n in range(flood):
            queue.ask(f"flood{number}", costs[n % len(costs)], 0.0, NEVER)
    for _ in range(3):  # some turns have been given by then
        at_work += queue.leave(at_work.pop(0), 0.0)
    alone = queue.ask("alone", cost, 0.0, NEVER)

    before: Counter[str] = Counter()
    while not alone.at_work:
        begun = queue.leave(at_work.pop(0), 0.0)
        at_work += begun
        sooner = begun[: begun.index(alone)] if alone in begun else begun
        before.update(ticket.organization for ticket in sooner)
    assert max(before.values(), default=0) <= 1


@given(costs=st.tuples(st.sampled_from([1, 2, 3, 6]), st.sampled_from([1, 2, 3, 6])))
@settings(max_examples=30)
def test_two_that_ask_on_and_on_are_given_the_same_by_cost(costs: tuple[int, int]) -> None:
    queue, at_work = all_taken()
    for _ in range(120):
        for name, cost in zip(("ana", "ben"), costs, strict=True):
            queue.ask(name, cost, 0.0, NEVER)
    given: Counter[str] = Counter()
    while min(given["ana"], given["ben"]) < 60:
        begun = queue.leave(at_work.pop(0), 0.0)
        at_work += begun
        for ticket in begun:
            given[ticket.organization] += ticket.cost
    assert abs(given["ana"] - given["ben"]) <= 2 * PLACES


def test_a_question_that_could_not_begin_in_time_is_refused_at_once() -> None:
    queue = FairQueue(2, 100)
    for _ in range(3):  # places were held for ten seconds each
        queue.leave(queue.ask("ana", 1, 0.0, NEVER), 10.0)
    queue.ask("ana", 1, 20.0, NEVER)

    with pytest.raises(TooMuchAskedError) as refused:
        queue.ask("ana", 1, 20.0, 25.0)
    assert refused.value.metadata == {"retry_after": "10.0"}
    assert queue.standing.waiting == 0
    assert not queue.ask("ana", 1, 20.0, 31.0).at_work


@given(late=st.floats(0.001, 5), others=st.integers(0, 3))
def test_amid_its_own_no_question_begins_late_and_with_half_of_them_free_it_does(
    late: float, others: int
) -> None:
    queue = FairQueue(16, 100)
    for _ in range(others):
        queue.ask("ben", 1, 9.0, NEVER)
    for _ in range(5):  # more than half of the eight that one may have
        assert queue.ask("ana", 1, 9.0, 9.0 - late).at_work
    with pytest.raises(TooMuchAskedError) as refused:
        queue.ask("ana", 1, 9.0, 9.0 - late)

    assert float(refused.value.metadata["retry_after"]) >= 0.1
    assert queue.standing.waiting == 0
    # Whoever is in time begins still.
    assert queue.ask("ana", 1, 9.0, NEVER).at_work


def test_a_line_is_short() -> None:
    queue = FairQueue(2, 3)
    asked = [queue.ask("ana", 1, 0.0, NEVER) for _ in range(4)]

    assert [ticket.at_work for ticket in asked] == [True, False, False, False]
    with pytest.raises(TooMuchAskedError):
        queue.ask("ana", 1, 0.0, NEVER)
    # Another's line is its own.
    assert queue.ask("ben", 1, 0.0, NEVER).at_work
    assert not queue.ask("ben", 1, 0.0, NEVER).at_work


def test_a_large_question_is_not_overtaken_for_good() -> None:
    """Whoever is next waits for its places, though smaller ones would fit."""
    queue = FairQueue(4, 100)
    first = [queue.ask("ana", 1, 0.0, NEVER), queue.ask("ben", 1, 0.0, NEVER)]
    second = [queue.ask("ana", 1, 0.0, NEVER)]
    large = queue.ask("cho", 2, 0.0, NEVER)
    small = queue.ask("dee", 1, 0.0, NEVER)

    assert not large.at_work
    assert not small.at_work
    assert queue.leave(first[0], 1.0) == [large]
    assert queue.leave(second[0], 1.0) == [small]


def test_places_given_back_early_let_others_begin() -> None:
    queue = FairQueue(8, 100)
    wide = queue.ask("ana", 4, 0.0, NEVER)
    waits = queue.ask("ana", 3, 0.0, NEVER)

    assert queue.give(wide, 2, 1.0) == []
    assert queue.give(wide, 9, 1.0) == [waits]
    assert wide.held == 1
    assert queue.leave(wide, 2.0) == []
    assert queue.standing.at_work == 3


def test_organizations_of_long_ago_are_forgotten() -> None:
    queue = FairQueue(4, 4)
    for number in range(3_000):
        queue.leave(queue.ask(f"o{number}", 1, float(number), NEVER), float(number))

    assert queue._lines == {}
