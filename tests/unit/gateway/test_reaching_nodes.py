"""Reaching a node: a few tries for whoever is first, and none for those who come right after."""

import asyncio
from typing import Any

import grpc
import pytest

from homeroom.errors import ServiceUnreachableError
from services.gateway.peers import Nodes
from services.runtime.channels import Channels

READY = grpc.ChannelConnectivity.READY
FAILED = grpc.ChannelConnectivity.TRANSIENT_FAILURE
SECONDS = 20.0


class FakeChannel:
    """A channel that is as the test says, and counts who looks."""

    def __init__(self) -> None:
        self.state = FAILED
        self.looks = 0

    def get_state(self, try_to_connect: bool = False) -> grpc.ChannelConnectivity:
        assert try_to_connect, "a channel that nobody tells to connect never does"
        self.looks += 1
        return self.state


def nodes(away_seconds: float) -> Nodes:
    nothing: Any = None
    channels: Channels = nothing
    return Nodes(channels, "bay.example", nothing, away_seconds)


async def looks_until_unreachable(reached: Nodes, channel: Any, seconds: float = SECONDS) -> int:
    before = channel.looks
    with pytest.raises(ServiceUnreachableError):
        await reached.reach(channel, seconds)
    return int(channel.looks - before)


async def test_a_node_that_was_away_a_moment_ago_is_not_waited_for_again() -> None:
    """Nor does that make the others wait longer: the channel goes on trying by itself."""
    reached, channel = nodes(3600), FakeChannel()

    assert await looks_until_unreachable(reached, channel) > 1
    assert await looks_until_unreachable(reached, channel) == 1


async def test_a_node_that_is_back_is_reached_at_once() -> None:
    reached, channel = nodes(3600), FakeChannel()
    await looks_until_unreachable(reached, channel)
    channel.state = READY
    given: Any = channel

    await reached.reach(given, SECONDS)


async def test_after_a_while_a_node_that_was_away_is_waited_for_again() -> None:
    reached, channel = nodes(0), FakeChannel()

    assert await looks_until_unreachable(reached, channel) > 1
    assert await looks_until_unreachable(reached, channel) > 1


async def test_that_one_node_is_away_says_nothing_of_another() -> None:
    reached, one, other = nodes(3600), FakeChannel(), FakeChannel()
    await looks_until_unreachable(reached, one)

    assert await looks_until_unreachable(reached, other) > 1


async def test_with_little_time_a_node_that_refuses_is_told_before_the_time_is_over() -> None:
    """Else it would look like one that is late."""
    little = 0.4
    async with asyncio.timeout(little):
        assert await looks_until_unreachable(nodes(0), FakeChannel(), little) > 1
