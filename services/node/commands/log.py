"""What an administrator does about the node's log: `python -m services.node accept-log`."""

import asyncio
from typing import Annotated

import typer

from homeroom.audit import AuditKind
from homeroom.audit.checkpoint import Checkpoint, read_checkpoint
from homeroom.audit.growth import LogBeginning
from homeroom.cli.terminal import tell
from homeroom.clock import utc_now
from homeroom.errors import QueryReplayedError, RequestInvalidError
from homeroom.signing import SigningKey, digest_of
from services.node.migrations import STATE, STATE_VERSION_TABLE
from services.node.settings import NodeSettings
from services.node.store.log import LogStore
from services.runtime.audit.standing import Witnessed, contradiction_of
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
        newest = await witness.newest()
        store = await asyncio.to_thread(_log_of, settings)
        found = contradiction_of(store, newest)
        if newest is None or found is None:
            raise RequestInvalidError("the log continues what was witnessed; nothing to accept")
        await _note_loss(store, newest, reason)
        key = SigningKey.load(settings.checkpoint_key)
        note = store.signer(witness.origin, key).sign().note
        now = read_checkpoint(note)
        said = LogBeginning(newest.position, newest.checkpoint, now, reason, utc_now())
        await witness.show(note, newest, b"", (said, SigningKey.load(settings.signing_key)))
        return newest.checkpoint, now.size
    finally:
        await channels.close()


def _log_of(settings: NodeSettings) -> LogStore:
    bring_up_to_date(settings.state_url, STATE, STATE_VERSION_TABLE)
    return LogStore(open_database(settings.state_url))


async def _note_loss(store: LogStore, lost: Witnessed, reason: str) -> None:
    """The log's own entry about what it lacks; one for each loss."""
    about = digest_of(f"{lost.position}\n".encode() + lost.checkpoint.root)
    content = {
        "lost_position": lost.position,
        "lost_size": lost.checkpoint.size,
        "lost_root": lost.checkpoint.root.hex(),
        "kept": store.size(),
        "reason": reason,
    }
    try:
        await store.append(AuditKind.LOG_ACCEPTED, about, content)
    except QueryReplayedError:
        return  # noted before; only the witness had not heard of it
