"""Fan-out: every planned holder ends exactly once, in time, whatever the nodes do."""

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homeroom.errors import (
    ERROR_OF_REASON,
    DeadlinePassedError,
    NotPermittedError,
    Reason,
    ServiceUnreachableError,
)
from services.gateway.domain.fan_out import (
    FRAMES_WAITING,
    FRAMES_WAITING_IN_ALL,
    Ended,
    FanOut,
    Outcome,
    Passed,
    Piece,
    frames_waiting,
)
from services.gateway.domain.plan import Holder
from tests.unit.gateway.virtual_time import run

HANG = 1_000_000.0


def never_late() -> float:
    """The chance that adds nothing to what a node says."""
    return 0.0


@dataclass(frozen=True)
class Send:
    """A node sends a frame, after some seconds."""

    sequence: int
    outcome: Outcome | None = None
    after: float = 0.0


@dataclass(frozen=True)
class Fail:
    """A node's call fails, after some seconds."""

    error: Exception
    after: float = 0.0


@dataclass(frozen=True)
class Hang:
    """A node says nothing for ever."""


Step = Send | Fail | Hang


@dataclass
class ScriptedPeers:
    """Nodes that do what their script says, and note how far they were read."""

    scripts: Mapping[str, Sequence[Step]]
    sent: dict[str, int] = field(default_factory=dict)
    closed: list[str] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)

    async def answer(self, holder: Holder, seconds: float) -> AsyncGenerator[Piece[str], None]:
        name = holder.organization_id
        self.seconds[name] = seconds
        self.sent[name] = 0
        try:
            for step in self.scripts[name]:
                if isinstance(step, Hang):
                    await asyncio.sleep(HANG)
                    continue
                await asyncio.sleep(step.after)
                if isinstance(step, Fail):
                    raise step.error
                self.sent[name] += 1
                yield Piece(step.sequence, step.outcome, f"{name}-{step.sequence}")
        finally:
            self.closed.append(name)


@dataclass(frozen=True)
class Told:
    """What the caller was told, and when it was over."""

    events: list[Passed[str] | Ended]
    seconds: float
    peers: ScriptedPeers

    def ends(self) -> dict[str, Ended]:
        return {event.holder: event for event in self.events if isinstance(event, Ended)}

    def frames(self, holder: str) -> list[str]:
        return [e.frame for e in self.events if isinstance(e, Passed) and e.holder == holder]


def ask(scripts: Mapping[str, Sequence[Step]], seconds: float = 10.0) -> Told:
    async def collect() -> Told:
        peers = ScriptedPeers(scripts)
        holders = [Holder(name, f"{name}:1") for name in scripts]
        events = [
            event async for event in FanOut(peers, holders, seconds, chance=never_late).events()
        ]
        return Told(events, asyncio.get_running_loop().time(), peers)

    return run(collect())


def whole(count: int, after: float = 0.0) -> list[Step]:
    """A whole answer of so many frames."""
    steps: list[Step] = [Send(number, after=after) for number in range(count - 1)]
    return [*steps, Send(count - 1, Outcome.ANSWERED, after)]


def test_a_whole_answer_is_passed_on_in_order_and_ends_as_the_node_said() -> None:
    told = ask({"ana": whole(3)})

    assert told.frames("ana") == ["ana-0", "ana-1", "ana-2"]
    assert told.events[-1] == Ended("ana", Outcome.ANSWERED)


@pytest.mark.parametrize("outcome", list(Outcome))
def test_the_nodes_own_outcome_is_passed_on(outcome: Outcome) -> None:
    told = ask({"ana": [Send(0, outcome)]})

    assert told.ends() == {"ana": Ended("ana", outcome)}


def test_nobody_to_ask_ends_at_once() -> None:
    told = ask({})

    assert (told.events, told.seconds) == ([], 0.0)


def test_a_hung_node_delays_neither_the_others_nor_the_end() -> None:
    """Another's frames come when they come; the end comes at the deadline."""
    told = ask({"ana": [Hang()], "bo": whole(2, after=1.0)}, seconds=5.0)

    assert told.ends()["ana"] == Ended("ana", Outcome.TIMED_OUT)
    assert told.ends()["bo"] == Ended("bo", Outcome.ANSWERED)
    assert told.events[-1].holder == "ana"
    assert told.seconds == pytest.approx(5.0)


def test_a_node_that_is_slow_between_frames_times_out_with_what_it_sent() -> None:
    told = ask({"ana": whole(10, after=2.0)}, seconds=5.0)

    assert told.frames("ana") == ["ana-0", "ana-1"]
    assert told.ends()["ana"].outcome is Outcome.TIMED_OUT


def test_every_node_is_asked_at_once_with_the_whole_time() -> None:
    told = ask({"ana": whole(1, after=3.0), "bo": whole(1, after=3.0)}, seconds=5.0)

    assert told.peers.seconds == {"ana": pytest.approx(5.0), "bo": pytest.approx(5.0)}
    assert told.seconds == pytest.approx(3.0)


def test_no_time_left_is_timed_out_for_everyone() -> None:
    told = ask({"ana": [Hang()], "bo": [Hang()]}, seconds=0.0)

    assert {end.outcome for end in told.ends().values()} == {Outcome.TIMED_OUT}
    assert told.seconds == pytest.approx(0.0)


def test_a_stream_cut_before_its_last_frame_is_unreachable() -> None:
    told = ask({"ana": [Send(0), Send(1)]})

    assert told.frames("ana") == ["ana-0", "ana-1"]
    assert told.ends()["ana"] == Ended("ana", Outcome.UNREACHABLE)


@pytest.mark.parametrize("reason", list(Reason))
def test_each_reason_a_node_aborts_with_has_its_outcome(reason: Reason) -> None:
    """A refusal is no permitted answer; what could not be decided says why."""
    told = ask({"ana": [Fail(ERROR_OF_REASON[reason]("it failed"))]})

    expected = {
        Reason.NOT_PERMITTED: Ended("ana", Outcome.NO_PERMITTED_ANSWER),
        Reason.DEADLINE_PASSED: Ended("ana", Outcome.TIMED_OUT),
        Reason.SERVICE_UNREACHABLE: Ended("ana", Outcome.UNREACHABLE),
    }
    assert told.ends()["ana"] == expected.get(
        reason, Ended("ana", Outcome.CANNOT_DECIDE, str(reason))
    )


def test_a_fault_of_our_own_ends_its_holder_alone_and_is_named_for_the_log() -> None:
    told = ask({"ana": [Fail(ZeroDivisionError("secret"))], "bo": whole(1)})

    assert told.ends()["ana"] == Ended(
        "ana", Outcome.CANNOT_DECIDE, "INTERNAL", "ZeroDivisionError"
    )
    assert told.ends()["bo"].outcome is Outcome.ANSWERED


@pytest.mark.parametrize(
    ("script", "passed"),
    [
        ([Send(1)], []),
        ([Send(0), Send(2, Outcome.ANSWERED)], ["ana-0"]),
        ([Send(0), Send(0)], ["ana-0"]),
        ([Send(0, Outcome.ANSWERED), Send(1)], ["ana-0"]),
        ([Send(0, Outcome.ANSWERED), Send(0, Outcome.ANSWERED)], ["ana-0"]),
    ],
)
def test_frames_out_of_order_or_after_the_last_are_not_passed_on(
    script: list[Step], passed: list[str]
) -> None:
    told = ask({"ana": script})

    assert told.frames("ana") == passed
    assert told.ends()["ana"] == Ended("ana", Outcome.CANNOT_DECIDE, "EVIDENCE_INVALID")


@pytest.mark.parametrize("after_last", [Hang(), Fail(ServiceUnreachableError("cut"))])
def test_how_a_call_is_closed_after_its_last_frame_changes_nothing(after_last: Step) -> None:
    told = ask({"ana": [Send(0, Outcome.ANSWERED), after_last]}, seconds=2.0)

    assert told.ends()["ana"] == Ended("ana", Outcome.ANSWERED)


def test_a_caller_that_does_not_read_stops_the_node_after_a_few_frames() -> None:
    """Memory is bounded: what has no place waiting stays with the node."""

    async def read_one() -> tuple[int, int]:
        peers = ScriptedPeers({"ana": whole(100)})
        events = FanOut(peers, [Holder("ana", "ana:1")], 10.0, chance=never_late).events()
        await anext(events)
        await asyncio.sleep(1)
        before = peers.sent["ana"]
        await anext(events)
        await asyncio.sleep(1)
        after = peers.sent["ana"]
        await events.aclose()
        return before, after

    assert run(read_one()) == (FRAMES_WAITING, FRAMES_WAITING + 1)


@given(nodes=st.integers(0, 1000))
def test_however_many_nodes_are_asked_the_frames_that_wait_are_bounded(nodes: int) -> None:
    """Each node has a place, and all places together grow no further than one for each node."""
    places = frames_waiting(nodes)

    assert 1 <= places <= FRAMES_WAITING
    assert nodes * places <= max(FRAMES_WAITING_IN_ALL, nodes)


def test_a_slow_caller_of_one_node_does_not_keep_another_node_waiting() -> None:
    """Each node has places of its own."""

    async def read_one() -> dict[str, int]:
        peers = ScriptedPeers({"ana": whole(100), "bo": whole(3, after=0.1)})
        events = FanOut(
            peers, [Holder("ana", "ana:1"), Holder("bo", "bo:1")], 10.0, chance=never_late
        ).events()
        await anext(events)
        await asyncio.sleep(1)
        sent = dict(peers.sent)
        await events.aclose()
        return sent

    assert run(read_one()) == {"ana": FRAMES_WAITING, "bo": 3}


def test_a_caller_that_goes_away_ends_every_call() -> None:
    async def leave() -> list[str]:
        peers = ScriptedPeers({"ana": [Hang()], "bo": whole(100), "cy": [Send(0), Hang()]})
        holders = [Holder(name, f"{name}:1") for name in peers.scripts]
        events = FanOut(peers, holders, 10.0, chance=never_late).events()
        await anext(events)
        await events.aclose()
        return sorted(peers.closed)

    assert run(leave()) == ["ana", "bo", "cy"]


def test_giving_up_from_outside_ends_every_call() -> None:
    """As when the caller leaves while a frame is being sent, and nobody asks for the next."""

    async def give_up() -> list[str]:
        peers = ScriptedPeers({"ana": [Send(0), Hang()], "bo": [Hang()]})
        fan_out = FanOut(
            peers, [Holder("ana", "ana:1"), Holder("bo", "bo:1")], 10.0, chance=never_late
        )
        events = fan_out.events()
        await anext(events)
        fan_out.cancel()
        await asyncio.sleep(0.1)
        closed = sorted(peers.closed)
        await events.aclose()
        return closed

    assert run(give_up()) == ["ana", "bo"]


delays = st.floats(0, 4, allow_nan=False)
outcomes = st.sampled_from(list(Outcome))
errors = st.sampled_from(
    [
        NotPermittedError("no"),
        DeadlinePassedError("late"),
        ServiceUnreachableError("gone"),
        ZeroDivisionError(),
        TimeoutError(),
        *(ERROR_OF_REASON[reason]("x") for reason in Reason),
    ]
)
steps = st.one_of(
    st.builds(Send, st.integers(0, 5), st.none() | outcomes, delays),
    st.builds(Fail, errors, delays),
    st.just(Hang()),
)
whole_scripts = st.builds(whole, st.integers(1, 12), delays)
scripts_of_anyone = whole_scripts | st.lists(steps, max_size=8)
federations = st.dictionaries(
    st.sampled_from(["ana", "bo", "cy", "dee", "eli"]), scripts_of_anyone, max_size=5
)


@given(scripts=federations, seconds=st.floats(0, 20, allow_nan=False))
def test_every_holder_ends_exactly_once_and_in_time_whatever_the_nodes_do(
    scripts: dict[str, list[Step]], seconds: float
) -> None:
    told = ask(scripts, seconds)

    ends = [event.holder for event in told.events if isinstance(event, Ended)]
    assert sorted(ends) == sorted(scripts)
    assert told.seconds <= seconds + 0.05
    assert sorted(told.peers.closed) == sorted(told.peers.sent)


@given(scripts=federations)
def test_what_is_passed_on_is_the_node_s_own_beginning_and_nothing_after_its_end(
    scripts: dict[str, list[Step]],
) -> None:
    told = ask(scripts)

    for name in scripts:
        of_holder = [event for event in told.events if event.holder == name]
        assert isinstance(of_holder[-1], Ended)
        assert told.frames(name) == [f"{name}-{n}" for n in range(len(of_holder) - 1)]


@given(scripts=federations, data=st.data())
def test_the_order_in_which_nodes_are_asked_changes_no_nodes_frames_or_end(
    scripts: dict[str, list[Step]], data: st.DataObject
) -> None:
    order = data.draw(st.permutations(list(scripts)))
    told, again = ask(scripts), ask({name: scripts[name] for name in order})

    assert again.ends() == told.ends()
    assert {n: again.frames(n) for n in scripts} == {n: told.frames(n) for n in scripts}
