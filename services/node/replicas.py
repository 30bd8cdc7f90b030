"""Runs a node alone, or as one of several replicas that elect the one that answers."""

import asyncio
from functools import partial

from services.node.api.access import ACCESS
from services.node.opening import bring_tables_up_to_date
from services.node.server import build_server
from services.node.settings import NodeSettings
from services.runtime.election import Election, require_no_election
from services.runtime.server import Server
from services.runtime.standby import Standing, asking_again, elected


async def build_replica(settings: NodeSettings) -> Server | None:
    """A node that is to be started; None if it was asked to stop before it was elected.

    What it knows it has read after it was elected: taking over is what a start is.

    Raises:
        RequestInvalidError: if no election can be held in its database, or others hold one there.
    """
    if settings.takeover_seconds is None:
        await asyncio.to_thread(require_no_election, settings.state_url)
        alone = await build_server(settings)
        Standing(alone, alone=True)
        return alone
    server = Server(settings, ACCESS)
    try:
        seat = await elected(server, Election(settings.state_url, settings.takeover_seconds))
        if seat is not None:
            tables = partial(bring_tables_up_to_date, settings.records_url, settings.state_url)
            async with asking_again(server):
                await asyncio.to_thread(seat.tenure.begin, tables)
                return await build_server(settings, seat=seat)
    except BaseException:
        await server.stop()
        raise
    await server.stop()
    return None
