"""What one question takes of the gateway: less and less, as its holders end or fall silent."""

import asyncio

from services.gateway.domain.share import Share
from tests.unit.gateway.places import FakePlaces
from tests.unit.gateway.virtual_time import run


def test_each_holder_that_ends_gives_its_places_back() -> None:
    async def question() -> None:
        places = FakePlaces(12)
        share = Share(places, 3)
        share.ended(answered=True)
        assert places.held == 8
        share.ended(answered=False)
        assert places.held == 4
        share.ended(answered=True)
        share.over()
        assert places.held == 1

    run(question())


def test_a_member_that_hangs_holds_no_places_once_the_others_have_ended() -> None:
    async def question() -> None:
        places = FakePlaces(10)
        share = Share(places, 2)
        await asyncio.sleep(3)
        share.ended(answered=True)
        await asyncio.sleep(2.9)
        assert places.held == 5
        await asyncio.sleep(0.2)
        assert places.held == 1
        share.over()

    run(question())


def test_one_that_still_sends_holds_its_places() -> None:
    async def question() -> None:
        places = FakePlaces(10)
        share = Share(places, 2)
        share.ended(answered=True)
        for _ in range(20):
            await asyncio.sleep(0.9)
            share.passed()
        assert places.held == 5
        share.ended(answered=True)
        share.over()

    run(question())


def test_the_size_of_a_whole_answer_is_learned_and_of_a_broken_one_is_not() -> None:
    async def question(holders: int, *, ended: int) -> list[float]:
        places = FakePlaces(holders)
        share = Share(places, holders)
        for _ in range(8):
            share.passed()
        for _ in range(ended):
            share.ended(answered=True)
        share.over()
        return places.learned

    assert run(question(2, ended=2)) == [3]
    assert run(question(2, ended=1)) == []
