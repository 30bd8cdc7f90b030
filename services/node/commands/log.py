"""What an administrator does about the node's log: `python -m services.node accept-log`."""

import asyncio
from typing import Annotated

import typer

from homeroom.audit.checkpoint import Checkpoint
from homeroom.cli.terminal import tell
from homeroom.signing import SigningKey
from services.node.migrations import STATE, STATE_VERSION_TABLE
from services.node.settings import NodeSettings
from services.node.store.log import LogStore
from services.runtime.audit.accepting import accept_loss
from services.runtime.audit.witnessing import LogWitness
from services.runtime.channels import Channels
from services.runtime.database import bring_up_to_date, open_database


def accept_log(
    context: typer.Context,
    reason: Annotated[str, typer.Option(help="What happened, as a sentence for the partners.")],
) -> None:
    """Lets a log go on that lost entries; the loss stays visible to everyone, for good.

    Run it where the node runs, with its settings, while it does not serve.
    """
    settings = NodeSettings.read("HOMEROOM_NODE_", context.obj)
    lost, kept = asyncio.run(_accept(settings, reason))
    tell(f"the log goes on after {kept:,} entries; {lost.size:,} had been witnessed")


async def _accept(settings: NodeSettings, reason: str) -> tuple[Checkpoint, int]:
    channels = Channels.of(settings)
    try:
        witness = LogWitness.of(settings, settings.organization_id, channels)
        log = await asyncio.to_thread(_log_of, settings)
        keys = SigningKey.load(settings.checkpoint_key), SigningKey.load(settings.signing_key)
        return await accept_loss(witness, log, *keys, reason)
    finally:
        await channels.close()


def _log_of(settings: NodeSettings) -> LogStore:
    bring_up_to_date(settings.state_url, STATE, STATE_VERSION_TABLE)
    return LogStore(open_database(settings.state_url))
