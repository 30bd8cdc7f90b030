"""Turns over time: no place is lost however a question ends, and nobody is crowded out."""

import asyncio
import random
from collections import Counter
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from homeroom.errors import TooMuchAskedError
from homeroom.question import Level, Question
from homeroom.vocabulary import Element
from services.runtime.turns import LARGEST, Estimates, Took, Turns
from services.runtime.turns import TurnLimits as Limits
from tests.unit.gateway.virtual_time import run

LIMITS = Limits(small=6, large=2, waiting_each=20, wait_seconds=5)


def asked(*students: str, everyone: bool = False, level: Level = Level.STUDENT) -> Question:
    return Question(
        purpose="direct_service",
        dataset="attendance",
        elements=(Element.DAILY_ATTENDANCE,),
        agreement_id="a",
        subject_refs=students,
        everyone=everyone,
        level=level,
        table="t" if level is Level.AGGREGATE else "",
    )


ONE = asked("s1")
EVERYONE = asked(everyone=True)


def at_work(turns: Turns) -> int:
    return sum(standing.at_work for standing in turns.standing.values())


def waiting(turns: Turns) -> int:
    return sum(standing.waiting for standing in turns.standing.values())


async def question(turns: Turns, chance: random.Random, most: Counter[str]) -> None:
    """One that ends somehow; notes the most that was at work."""
    await asyncio.sleep(chance.random() * 3)
    name, one = chance.choice("abc"), chance.choice([ONE, EVERYONE])
    with suppress(TooMuchAskedError, ValueError):
        turn = await turns.take(name, one, chance.choice([None, 0, 1, 8]))
        for size, standing in turns.standing.items():
            most[size] = max(most[size], standing.at_work)
        with turn:
            await asyncio.sleep(chance.random())
            turn.give(chance.randint(0, 3))
            await asyncio.sleep(chance.random())
            if chance.random() < 0.2:
                raise ValueError


@given(seed=st.integers(0, 2**32))
@settings(max_examples=40)
def test_no_place_is_lost_and_never_more_are_taken(seed: int) -> None:
    """Questions end, fail, are cancelled while they wait or work, and come too late."""
    chance = random.Random(seed)  # noqa: S311  # to be repeated
    most: Counter[str] = Counter()

    async def crowd() -> None:
        turns = Turns(LIMITS)
        tasks = [asyncio.create_task(question(turns, chance, most)) for _ in range(60)]
        for task in chance.sample(tasks, 20):
            await asyncio.sleep(chance.random() * 0.3)
            task.cancel()
        done = await asyncio.gather(*tasks, return_exceptions=True)
        assert all(one is None or isinstance(one, asyncio.CancelledError) for one in done)
        assert at_work(turns) == waiting(turns) == 0

    run(crowd())
    assert most["small"] <= LIMITS.small
    assert most["large"] <= LIMITS.large * LARGEST


def test_large_answers_shut_no_small_one_out() -> None:
    async def crowd() -> None:
        turns = Turns(LIMITS)
        flood = [
            asyncio.create_task(turns.take(name, EVERYONE, None)) for name in "ab" for _ in range(9)
        ]
        await asyncio.sleep(0.1)
        assert turns.standing["large"].at_work == LIMITS.large * LARGEST
        async with asyncio.timeout(0.1):
            await turns.take("a", ONE, None)
            await turns.take("c", ONE, None)
        for task in flood:
            task.cancel()

    run(crowd())


def test_who_asks_once_waits_for_one_of_whoever_floods() -> None:
    """Two others hold every place and have many more that wait."""

    async def crowd() -> float:
        turns = Turns(LIMITS)
        clock = asyncio.get_running_loop().time

        async def one(name: str) -> None:
            with await turns.take(name, ONE, None):
                await asyncio.sleep(0.6)

        flood = [asyncio.create_task(one(name)) for name in "ab" for _ in range(20)]
        await asyncio.sleep(0.1)
        began = clock()
        with await turns.take("c", ONE, None):
            waited = clock() - began
        for task in flood:
            task.cancel()
        await asyncio.gather(*flood, return_exceptions=True)
        return waited

    assert run(crowd()) <= 0.6


def test_a_question_waits_no_longer_than_half_of_its_callers_time() -> None:
    """Where nothing is known of what its answer takes."""

    async def crowd() -> None:
        turns = Turns(LIMITS)
        held = [await turns.take("a", ONE, None) for _ in range(LIMITS.small // 2)]
        clock = asyncio.get_running_loop().time
        for seconds, most in ((2.0, 1.0), (0.0, 0.0), (100.0, LIMITS.wait_seconds), (None, 5.0)):
            began = clock()
            with pytest.raises(TooMuchAskedError) as refused:
                await turns.take("a", ONE, seconds)
            assert abs(clock() - began - most) < 0.01
            assert float(refused.value.metadata["retry_after"]) > 0
        assert waiting(turns) == 0
        assert turns.standing["small"].refused == 4
        for turn in held:
            turn.leave()
            turn.leave()
        assert at_work(turns) == 0

    run(crowd())


@given(took=st.lists(st.floats(0, 4), min_size=1, max_size=6), seconds=st.floats(0, 4))
@settings(max_examples=60)
def test_a_question_waits_for_half_of_the_time_that_answers_like_it_leave_over(
    took: list[float], seconds: float
) -> None:
    """Later its work could be lost, so it is refused as soon as it can begin in time no more.

    Amid others it does not begin at all with less time left than they take. With more than half of
    its places free it begins all the same, or a time once too long would be believed for good.
    """

    async def crowd() -> None:
        turns = Turns(LIMITS)
        clock = asyncio.get_running_loop().time
        for one in took:
            with await turns.take("a", ONE, None) as turn:
                await asyncio.sleep(one)
                turn.answered(1)
        thought = turns.estimates.load(ONE, "a").seconds
        assert took[-1] - 0.001 <= thought <= max(took) + 0.001
        held = [await turns.take("a", ONE, None) for _ in range(LIMITS.small // 2)]
        asked = clock()
        with pytest.raises(TooMuchAskedError):
            await turns.take("a", ONE, seconds)
        assert clock() - asked <= max((seconds - thought) / 2, 0) + 0.001
        held.pop().leave()
        if seconds < thought - 0.001:
            with pytest.raises(TooMuchAskedError):
                await turns.take("a", ONE, seconds)
        elif seconds > thought + 0.001:
            (await turns.take("a", ONE, seconds)).leave()
        held.pop().leave()
        (await turns.take("a", ONE, 0.0)).leave()

    run(crowd())


# What a question is thought to cost.


def test_of_a_question_for_everyone_the_most_is_feared_until_it_is_known() -> None:
    estimates = Estimates()

    assert estimates.load(EVERYONE, "a") == estimates.load(EVERYONE, "b")
    assert estimates.load(EVERYONE, "a").large
    estimates.learn(EVERYONE, "a", Took(1, 0))
    assert not estimates.load(EVERYONE, "a").large
    assert estimates.load(EVERYONE, "a").cost == 1
    assert estimates.load(EVERYONE, "b").large


def test_one_large_answer_is_remembered_and_forgotten_little_by_little() -> None:
    estimates = Estimates()
    estimates.learn(EVERYONE, "a", Took(1, 0))
    estimates.learn(EVERYONE, "a", Took(100, 0))
    assert estimates.load(EVERYONE, "a").large
    for _ in range(20):
        estimates.learn(EVERYONE, "a", Took(1, 0))

    assert not estimates.load(EVERYONE, "a").large


def test_a_question_for_one_student_costs_one_and_each_source_as_much() -> None:
    load = Estimates().load(ONE, "a", sources=7)

    assert (load.cost, load.large) == (7, False)


def test_a_question_for_many_students_costs_more_than_one_for_a_few() -> None:
    estimates = Estimates()
    few, more = asked("s1", "s2"), asked(*(f"s{n}" for n in range(60)))
    most = asked(*(f"s{n}" for n in range(5_000)))

    costs = [estimates.load(question, "a").cost for question in (few, more, most)]
    assert costs == [1, 3, LARGEST]
    assert [estimates.load(q, "a").large for q in (few, more, most)] == [False, False, True]


def test_counts_and_decisions_alone_are_small() -> None:
    assert not Estimates().load(asked(everyone=True, level=Level.AGGREGATE), "a").large
