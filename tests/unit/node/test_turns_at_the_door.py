"""Whose line a question stands in at a node, and what the node's page tells of the lines."""

from dataclasses import replace
from typing import cast

import pytest

from homeroom.errors import TooMuchAskedError
from homeroom.held_keys import HeldKeys
from services.node.api.node import Door, NodeApi, NodeCounts
from services.node.domain.admissions import Admissions
from services.runtime.metrics import Reading, measure_turns
from services.runtime.turns import TurnLimits, Turns
from tests.unit.node import federation as small
from tests.unit.node.answering import Node

UNCOUNTED = cast("NodeCounts", None)
"""Nobody asks this node for its status."""
NO_WAITING = TurnLimits(small=2, large=1, waiting_each=4, wait_seconds=0)


def door_of(node: Node, turns: Turns) -> NodeApi:
    holder = small.holder()
    held = HeldKeys(small.HOLDER.signing, tuple)
    door = Door(Admissions(node.log, node.clock), turns)
    return NodeApi(holder, held, node.replica, node.answerer(), UNCOUNTED, door)


def values(readings: tuple[Reading, ...]) -> dict[str, float]:
    told = {one.name.removeprefix("homeroom_turns_"): one.read() for one in readings}
    return {name: dict(value)[("small",)] for name, value in told.items()}  # type: ignore[arg-type]


async def test_what_a_steward_enters_stands_in_the_own_organizations_line() -> None:
    """A partner that floods takes no turn from it, nor it one from the partner."""
    turns = Turns(NO_WAITING)
    api = door_of(Node(), turns)
    question = small.asked(subject_refs=("ana",), everyone=False)
    entered = replace(question, entered_by=question.user)
    with await api.turn(question, None):
        with pytest.raises(TooMuchAskedError):
            await api.turn(question, None)
        with await api.turn(entered, None):
            assert values(measure_turns(turns)) == {"places": 2, "places_held": 2, "waiting": 0}
            with pytest.raises(TooMuchAskedError):
                await api.turn(entered, None)
    assert values(measure_turns(turns)) == {"places": 2, "places_held": 0, "waiting": 0}
