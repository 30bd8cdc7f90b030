"""Streams of nodes that dial out wait in line, each for one connection of the gateway."""

import asyncio

from services.gateway.tunnels import Tunnels


async def test_a_connection_that_comes_as_its_stream_ends_is_closed() -> None:
    """Nobody would ever carry it, and the gateway would wait for the node's first word."""
    tunnels, waits = Tunnels(), asyncio.Event()

    async def in_line() -> None:
        waits.set()
        await asyncio.Event().wait()

    stream = asyncio.create_task(tunnels.connection("north", in_line))
    await waits.wait()
    reader, writer = await asyncio.open_unix_connection(
        tunnels.address("north").removeprefix("unix:")
    )
    while tunnels._waiting["north"]:  # noqa: ASYNC110  # nobody tells
        await asyncio.sleep(0)
    stream.cancel()
    async with asyncio.timeout(60):
        assert await reader.read() == b""

    writer.close()
    await tunnels.close()
