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


def test_what_an_answer_took_is_learned_and_of_one_that_was_left_is_not() -> None:
    """Its batches of one source, and when the last had answered; one that hung does not count."""

    async def question(holders: int, *, ended: int) -> list[tuple[float, float]]:
        places = FakePlaces(holders + 1)
        share = Share(places, holders + 1)
        for _ in range(8):
            share.passed()
        for _ in range(ended):
            await asyncio.sleep(1)
            share.ended(answered=True)
        await asyncio.sleep(10)
        if ended == holders:
            share.ended(answered=False)
        share.over()
        return places.learned

    assert run(question(2, ended=2)) == [(3, 2)]
    assert run(question(2, ended=1)) == []
